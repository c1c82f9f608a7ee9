/*
 * Matching of expected and actual values, as the unified test format defines it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/from_json.h"
#include "spec/match.h"

/* --- Entities -------------------------------------------------------------------------------- */

static bson_t *entity_values; /* id -> value */
static bson_t *lsids;         /* id -> lsid, as a document with one key each */

static const bson_value_t *find_entity(void *context, const char *id) {
    static bson_iter_t iter;
    assert_ptr_equal(context, &entity_values);
    return bson_iter_init_find(&iter, entity_values, id) ? bson_iter_value(&iter) : NULL;
}

static const bson_t *find_lsid(void *context, const char *id) {
    (void)context;
    return strcmp(id, "session0") == 0 ? lsids : NULL;
}

static const spec_match_entities_t entities = {&entity_values, find_entity, find_lsid};

static int make_entities(void **state) {
    (void)state;
    entity_values = from_json("{'five': 5, 'document': {'x': 1}, 'list': [{'x': 1}]}");
    lsids = from_json("{'id': {'$binary': {'base64': 'AAECAwQFBgcICQoLDA0ODw==', "
                      "'subType': '04'}}}");
    return 0;
}

static int drop_entities(void **state) {
    (void)state;
    bson_destroy(entity_values);
    bson_destroy(lsids);
    return 0;
}

/* --- Checks ---------------------------------------------------------------------------------- */

#define SAME NULL

/** What `match` says of the values of "v"; an actual document without one has nothing there. */
typedef struct sample {
    const char *expected, *actual;
    const char *why; /**< SAME, or the error text */
} sample_t;

typedef bool (*match_fn_t)(const bson_t *expected, const bson_t *actual, bson_string_t *why);

static void check_sample(const sample_t *sample, match_fn_t match) {
    bson_t *expected = from_json(sample->expected), *actual = from_json(sample->actual);
    bson_string_t *why = bson_string_new("");
    bool same = match(expected, actual, why);
    const char *wanted = sample->why ? sample->why : "";
    if (same != !sample->why || strcmp(why->str, wanted) != 0) {
        fail_msg("%s with %s: %s '%s', expected '%s'", sample->expected, sample->actual,
                 same ? "the same" : "different", why->str, wanted);
    }
    if (match(expected, actual, NULL) != same) fail_msg("%s: needs `why`", sample->expected);
    bson_string_free(why, true);
    bson_destroy(expected);
    bson_destroy(actual);
}

static bool match_v(const bson_t *expected, const bson_t *actual, bool root, bson_string_t *why) {
    bson_iter_t wanted, got;
    assert_true(bson_iter_init_find(&wanted, expected, "v"));
    bool is_there = bson_iter_init_find(&got, actual, "v");
    return spec_match(bson_iter_value(&wanted), is_there ? bson_iter_value(&got) : NULL, root,
                      &entities, why);
}

static bool nested(const bson_t *expected, const bson_t *actual, bson_string_t *why) {
    return match_v(expected, actual, false, why);
}

static bool at_root(const bson_t *expected, const bson_t *actual, bson_string_t *why) {
    return match_v(expected, actual, true, why);
}

static bool document_at_root(const bson_t *expected, const bson_t *actual, bson_string_t *why) {
    return spec_match_document(expected, actual, true, &entities, why);
}

#define CHECK(match, ...) \
    do { \
        const sample_t samples_[] = {__VA_ARGS__}; \
        for (size_t i_ = 0; i_ < sizeof samples_ / sizeof *samples_; i_++) { \
            check_sample(&samples_[i_], (match)); \
        } \
    } while (0)

/* --- Documents and arrays -------------------------------------------------------------------- */

static void extra_keys_are_allowed_at_the_root_alone(void **state) {
    (void)state;
    CHECK(document_at_root, {"{'x': 1}", "{'x': 1, 'y': 1}", SAME}, {"{}", "{'y': 1}", SAME},
          {"{'x': 1, 'y': 1}", "{'x': 1}", "y: expected int 1, got nothing"},
          {"{'x': {'y': 1}}", "{'x': {'y': 1, 'z': 2}}", "x.z: unexpected key, its value is int 2"},
          {"{'x': [{'y': 1}]}", "{'x': [{'y': 1, 'z': 2}]}",
           "x[0].z: unexpected key, its value is int 2"});
    CHECK(nested,
          {"{'v': {'x': 1}}", "{'v': {'x': 1, 'y': 1}}", "y: unexpected key, its value is int 1"});
}

static void documents_of_an_array_at_the_root_are_root_documents(void **state) {
    (void)state;
    const char *expected = "{'v': [{'x': 1}, {'x': 2}]}";
    const char *actual = "{'v': [{'x': 1, 'y': 1}, {'x': 2, 'y': 2}]}";
    CHECK(at_root, {expected, actual, SAME},
          {"{'v': [[{'x': 1}]]}", "{'v': [[{'x': 1, 'y': 1}]]}",
           "[0][0].y: unexpected key, its value is int 1"});
    CHECK(nested, {expected, actual, "[0].y: unexpected key, its value is int 1"});
}

static void order_of_keys_does_not_matter(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'x': 1, 'y': {'a': 1, 'b': 2}}}",
                   "{'v': {'y': {'b': 2, 'a': 1}, 'x': 1}}", SAME});
}

static void arrays_have_the_same_elements_in_order(void **state) {
    (void)state;
    CHECK(nested, {"{'v': [1, 2]}", "{'v': [1, 2.0]}", SAME}, {"{'v': []}", "{'v': []}", SAME},
          {"{'v': [1, 2, 3]}", "{'v': [1, 2, 3, 4]}",
           "expected 3 elements, got 4: array [ 1, 2, 3, 4 ]"},
          {"{'v': [1]}", "{'v': []}", "expected 1 elements, got 0: array [  ]"},
          {"{'v': [1, 2]}", "{'v': [2, 1]}", "[0]: expected int 1, got int 2"},
          {"{'v': {'a': [0, {'b': 2}]}}", "{'v': {'a': [0, {'b': 3}]}}",
           "a[1].b: expected int 2, got int 3"});
}

static void kinds_do_not_match_one_another(void **state) {
    (void)state;
    CHECK(at_root, {"{'v': {}}", "{'v': []}", "expected object {  }, got array [  ]"},
          {"{'v': []}", "{'v': {}}", "expected array [  ], got object {  }"},
          {"{'v': {}}", "{}", "expected object {  }, got nothing"},
          {"{'v': null}", "{}", "expected null null, got nothing"},
          {"{'v': null}", "{'v': null}", SAME},
          {"{'v': '1'}", "{'v': 1}", "expected string \"1\", got int 1"},
          {"{'v': 1}", "{'v': true}", "expected int 1, got bool true"},
          {"{'v': {'a.b': 1}}", "{'v': {'a': {'b': 1}}}", "a.b: expected int 1, got nothing"});
}

static void no_document_at_all_is_a_mismatch(void **state) {
    (void)state;
    bson_t *expected = from_json("{'x': {'$$exists': false}}");
    bson_string_t *why = bson_string_new("expectResult: ");
    assert_false(spec_match_document(expected, NULL, true, NULL, why));
    assert_non_null(strstr(why->str, "expectResult: expected object"));
    assert_non_null(strstr(why->str, "got nothing"));
    bson_string_free(why, true);
    bson_destroy(expected);
}

static void long_values_are_cut_between_characters(void **state) {
    (void)state;
    bson_t *expected = from_json("{'x': 1}"), actual = BSON_INITIALIZER;
    bson_string_t *text = bson_string_new("a"), *why = bson_string_new("");
    for (int i = 0; i < 500; i++) bson_string_append(text, "\xc3\xa4");
    bson_append_utf8(&actual, "x", -1, text->str, -1);
    assert_false(spec_match_document(expected, &actual, true, NULL, why));
    assert_in_range(why->len, 300, 400);
    assert_true(bson_utf8_validate(why->str, why->len, false));
    assert_string_equal(why->str + why->len - 3, "...");
    bson_string_free(text, true);
    bson_string_free(why, true);
    bson_destroy(expected);
    bson_destroy(&actual);
}

/* --- Leaves ---------------------------------------------------------------------------------- */

#define BIG "9007199254740993"     /* 2^53 + 1: no double is that */
#define HUGE "9223372036854775807" /* 2^63 - 1 */

static void numbers_are_compared_by_value(void **state) {
    (void)state;
    CHECK(nested, {"{'v': 1}", "{'v': 1.0}", SAME}, {"{'v': 1.0}", "{'v': 1}", SAME},
          {"{'v': 1}", "{'v': {'$numberLong': '1'}}", SAME},
          {"{'v': {'$numberLong': '1'}}", "{'v': {'$numberInt': '1'}}", SAME},
          {"{'v': {'$numberLong': '-1'}}", "{'v': {'$numberDouble': '-1.0'}}", SAME},
          {"{'v': 0}", "{'v': {'$numberDouble': '-0.0'}}", SAME},
          {"{'v': {'$numberDouble': 'NaN'}}", "{'v': {'$numberDouble': 'NaN'}}", SAME},
          {"{'v': 1}", "{'v': 1.5}", "expected int 1, got double 1.5"},
          {"{'v': 1}", "{'v': {'$numberDouble': 'NaN'}}",
           "expected int 1, got double { \"$numberDouble\" : \"NaN\" }"},
          {"{'v': {'$numberLong': '" BIG "'}}", "{'v': {'$numberDouble': '9007199254740992'}}",
           "expected long " BIG ", got double 9007199254740992.0"},
          {"{'v': {'$numberLong': '" HUGE "'}}", "{'v': {'$numberDouble': 'Infinity'}}",
           "expected long " HUGE ", got double { \"$numberDouble\" : \"Infinity\" }"},
          {"{'v': 1}", "{'v': {'$numberDecimal': '1'}}",
           "expected int 1, got decimal { \"$numberDecimal\" : \"1\" }"});
}

static void leaves_are_the_same_if_type_and_value_are(void **state) {
    static const char *const leaves[][2] = {
        {"'abc'", "'abd'"},
        {"'a'", "{'$symbol': 'a'}"},
        {"{'$symbol': 'a'}", "{'$symbol': 'b'}"},
        {"'a\\u0000b'", "'a\\u0000c'"},
        {"true", "false"},
        {"{'$oid': '507f1f77bcf86cd799439011'}", "{'$oid': '507f1f77bcf86cd799439012'}"},
        {"{'$date': {'$numberLong': '5'}}", "{'$date': {'$numberLong': '6'}}"},
        {"{'$numberDecimal': '1.5'}", "{'$numberDecimal': '1.50'}"},
        {"{'$timestamp': {'t': 1, 'i': 2}}", "{'$timestamp': {'t': 1, 'i': 3}}"},
        {"{'$timestamp': {'t': 1, 'i': 2}}", "{'$timestamp': {'t': 2, 'i': 2}}"},
        {"{'$binary': {'base64': 'AAE=', 'subType': '00'}}",
         "{'$binary': {'base64': 'AAE=', 'subType': '80'}}"},
        {"{'$binary': {'base64': 'AAE=', 'subType': '00'}}",
         "{'$binary': {'base64': 'AAI=', 'subType': '00'}}"},
        {"{'$binary': {'base64': '', 'subType': '00'}}",
         "{'$binary': {'base64': 'AA==', 'subType': '00'}}"},
        {"{'$regularExpression': {'pattern': 'a', 'options': 'i'}}",
         "{'$regularExpression': {'pattern': 'b', 'options': 'i'}}"},
        {"{'$regularExpression': {'pattern': 'a', 'options': 'i'}}",
         "{'$regularExpression': {'pattern': 'a', 'options': ''}}"},
        {"{'$code': 'f()'}", "{'$code': 'g()'}"},
        {"{'$code': 'f()'}", "{'$code': 'f()', '$scope': {}}"},
        {"{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}",
         "{'$dbPointer': {'$ref': 'd', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}"},
        {"{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}",
         "{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439012'}}}"},
        {"null", "{'$undefined': true}"},
        {"{'$minKey': 1}", "{'$maxKey': 1}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        char *one = bson_strdup_printf("{'v': %s}", leaves[i][0]);
        char *other = bson_strdup_printf("{'v': %s}", leaves[i][1]);
        CHECK(nested, {one, one, SAME}, {other, other, SAME});
        bson_t *expected = from_json(one), *actual = from_json(other);
        bson_string_t *why = bson_string_new("");
        if (nested(expected, actual, why)) fail_msg("%s is %s", one, other);
        if (strncmp(why->str, "expected ", 9) != 0) fail_msg("%s", why->str);
        bson_string_free(why, true);
        bson_destroy(expected);
        bson_destroy(actual);
        bson_free(one);
        bson_free(other);
    }
}

static void scopes_are_the_same_exactly_but_for_order(void **state) {
    (void)state;
    const char *expected = "{'v': {'$code': 'f()', '$scope': {'a': 1, 'b': {'c': 2}}}}";
    CHECK(nested, {expected, "{'v': {'$code': 'f()', '$scope': {'b': {'c': 2}, 'a': 1}}}", SAME},
          {expected, "{'v': {'$code': 'f()', '$scope': {'b': {'c': 2}, 'a': 1.0}}}",
           "$scope.a: expected int 1, got double 1.0"},
          {"{'v': {'$code': 'f()', '$scope': {'a': {'$$exists': true}}}}",
           "{'v': {'$code': 'f()', '$scope': {'a': 1}}}",
           "$scope.a: expected object { \"$$exists\" : true }, got int 1"},
          {"{'v': {'$code': 'f()', '$scope': {'a': 1}}}",
           "{'v': {'$code': 'g()', '$scope': {'a': 1}}}",
           "expected javascriptWithScope { \"$code\" : \"f()\", \"$scope\" : { \"a\" : 1 } }, "
           "got javascriptWithScope { \"$code\" : \"g()\", \"$scope\" : { \"a\" : 1 } }"});
}

/* --- Operators ------------------------------------------------------------------------------- */

static void an_operator_is_the_only_key_of_its_document(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'$$exists': true, 'x': 1}}", "{'v': {'$$exists': true, 'x': 1}}", SAME},
          {"{'v': {'x': 1, '$$exists': true}}", "{'v': 1}",
           "expected object { \"x\" : 1, \"$$exists\" : true }, got int 1"},
          {"{'v': {'$set': 1}}", "{'v': {'$set': 1}}", SAME});
}

static void unknown_operators_and_placeholders_are_mismatches(void **state) {
    (void)state;
    CHECK(nested,
          {"{'v': {'x': {'$$most': 1}}}", "{'v': {'x': {'$$most': 1}}}",
           "x: unknown operator $$most"},
          {"{'v': {'$$': 1}}", "{'v': 1}", "unknown operator $$"},
          {"{'v': {'$$placeholder': 1}}", "{'v': 1}",
           "$$placeholder: no value was put in its place"});
}

static void exists(void **state) {
    (void)state;
    CHECK(document_at_root, {"{'x': {'$$exists': true}}", "{'x': 1}", SAME},
          {"{'x': {'$$exists': true}}", "{'x': null}", SAME},
          {"{'x': {'$$exists': true}}", "{'y': 1}", "x: expected to exist, got nothing"},
          {"{'x': {'$$exists': false}}", "{'y': 1}", SAME},
          {"{'x': {'$$exists': false}}", "{'x': null}", "x: expected not to exist, got null null"},
          {"{'x': {'y': {'$$exists': false}}}", "{}",
           "x: expected object { \"y\" : { \"$$exists\" : false } }, got nothing"},
          {"{'x': {'$$exists': 1}}", "{'x': 1}", "x: $$exists needs a boolean"});
}

static void type(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'$$type': 'string'}}", "{'v': 'a'}", SAME},
          {"{'v': {'$$type': ['int', 'long']}}", "{'v': {'$numberLong': '1'}}", SAME},
          {"{'v': {'$$type': ['int', 'long']}}", "{'v': '1'}",
           "expected type [ \"int\", \"long\" ], got string \"1\""},
          {"{'v': {'$$type': 'int'}}", "{}", "expected type \"int\", got nothing"},
          {"{'v': {'$$type': 'int'}}", "{'v': [1]}", "expected type \"int\", got array [ 1 ]"},
          {"{'v': {'$$type': 'int'}}", "{'v': 1.0}", "expected type \"int\", got double 1.0"},
          {"{'v': {'$$type': 'array'}}", "{'v': [1]}", SAME},
          {"{'v': {'$$type': []}}", "{'v': 1}", "expected type [  ], got int 1"},
          {"{'v': {'$$type': 'text'}}", "{'v': 'a'}", "$$type: unknown type 'text'"},
          {"{'v': {'$$type': ['string', 'text']}}", "{'v': 'a'}", "$$type: unknown type 'text'"},
          {"{'v': {'$$type': 2}}", "{'v': 'a'}", "$$type needs names of types"});
}

static void type_knows_every_alias_of_the_query_operator(void **state) {
    static const char *const types[][2] = {
        {"double", "1.5"},
        {"string", "'a'"},
        {"object", "{'a': 1}"},
        {"array", "[]"},
        {"binData", "{'$binary': {'base64': '', 'subType': '00'}}"},
        {"undefined", "{'$undefined': true}"},
        {"objectId", "{'$oid': '507f1f77bcf86cd799439011'}"},
        {"bool", "false"},
        {"date", "{'$date': {'$numberLong': '5'}}"},
        {"null", "null"},
        {"regex", "{'$regularExpression': {'pattern': 'a', 'options': ''}}"},
        {"dbPointer", "{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}"},
        {"javascript", "{'$code': 'f()'}"},
        {"symbol", "{'$symbol': 'a'}"},
        {"javascriptWithScope", "{'$code': 'f()', '$scope': {}}"},
        {"int", "1"},
        {"timestamp", "{'$timestamp': {'t': 1, 'i': 2}}"},
        {"long", "{'$numberLong': '1'}"},
        {"decimal", "{'$numberDecimal': '1'}"},
        {"minKey", "{'$minKey': 1}"},
        {"maxKey", "{'$maxKey': 1}"},
    };
    const size_t count = sizeof types / sizeof *types;
    (void)state;
    for (size_t i = 0; i < count * count; i++) {
        const char *name = types[i / count][0], *value = types[i % count][1];
        char *text = bson_strdup_printf("{'v': {'$$type': '%s'}}", name);
        char *actual_text = bson_strdup_printf("{'v': %s}", value);
        bson_t *expected = from_json(text), *actual = from_json(actual_text);
        if (nested(expected, actual, NULL) != (i / count == i % count)) {
            fail_msg("%s and %s", name, value);
        }
        bson_destroy(expected);
        bson_destroy(actual);
        bson_free(text);
        bson_free(actual_text);
    }
    const char *number = "{'v': {'$$type': 'number'}}";
    CHECK(nested, {number, "{'v': 1}", SAME}, {number, "{'v': {'$numberLong': '1'}}", SAME},
          {number, "{'v': 1.5}", SAME}, {number, "{'v': {'$numberDecimal': '1'}}", SAME},
          {number, "{'v': '1'}", "expected type \"number\", got string \"1\""});
}

static void matches_entity(void **state) {
    (void)state;
    const char *document = "{'v': {'$$matchesEntity': 'document'}}";
    const char *list = "{'v': {'$$matchesEntity': 'list'}}";
    CHECK(nested, {"{'v': {'$$matchesEntity': 'five'}}", "{'v': 5.0}", SAME},
          {"{'v': {'x': {'$$matchesEntity': 'five'}}}", "{'v': {'x': 6}}",
           "x: expected int 5, got int 6"},
          {"{'v': {'$$matchesEntity': 'five'}}", "{}", "expected int 5, got nothing"},
          {"{'v': {'$$matchesEntity': 'six'}}", "{'v': 6}",
           "$$matchesEntity: there is no BSON entity 'six'"},
          {"{'v': {'$$matchesEntity': 5}}", "{'v': 5}",
           "$$matchesEntity needs the name of an entity"},
          {document, "{'v': {'x': 1, 'y': 2}}", "y: unexpected key, its value is int 2"});
    CHECK(at_root, {document, "{'v': {'x': 1, 'y': 2}}", SAME},
          {list, "{'v': [{'x': 1, 'y': 2}]}", SAME});
}

static void session_lsid(void **state) {
    (void)state;
    const char *expected = "{'v': {'$$sessionLsid': 'session0'}}";
    CHECK(
        at_root,
        {expected,
         "{'v': {'id': {'$binary': {'base64': 'AAECAwQFBgcICQoLDA0ODw==', 'subType': '04'}}}}",
         SAME},
        {expected,
         "{'v': {'id': {'$binary': {'base64': 'AAECAwQFBgcICQoLDA0ODw==', 'subType': '04'}}, "
         "'more': 1}}",
         "more: unexpected key, its value is int 1"},
        {expected, "{'v': {'id': 1}}",
         "id: expected binData { \"$binary\" : { \"base64\" : \"AAECAwQFBgcICQoLDA0ODw==\", "
         "\"subType\" : \"04\" } }, got int 1"},
        {"{'v': {'$$sessionLsid': 'session1'}}", "{'v': {}}",
         "$$sessionLsid: there is no session 'session1'"},
        {"{'v': {'$$sessionLsid': {}}}", "{'v': {}}", "$$sessionLsid needs the name of a session"});
}

static void no_entities_at_all_know_no_names(void **state) {
    (void)state;
    const spec_match_entities_t none = {0};
    bson_t *entity = from_json("{'$$matchesEntity': 'five'}");
    bson_t *session = from_json("{'$$sessionLsid': 'session0'}");
    assert_false(spec_match_document(entity, session, true, NULL, NULL));
    assert_false(spec_match_document(session, session, true, NULL, NULL));
    assert_false(spec_match_document(entity, session, true, &none, NULL));
    assert_false(spec_match_document(session, session, true, &none, NULL));
    bson_destroy(entity);
    bson_destroy(session);
}

static void hex_bytes(void **state) {
    (void)state;
    CHECK(
        nested, {"{'v': {'$$matchesHexBytes': '616263'}}", "{'v': 'abc'}", SAME},
        {"{'v': {'$$matchesHexBytes': '6A4b'}}", "{'v': 'jK'}", SAME},
        {"{'v': {'$$matchesHexBytes': ''}}", "{'v': ''}", SAME},
        {"{'v': {'$$matchesHexBytes': '00fF'}}",
         "{'v': {'$binary': {'base64': 'AP8=', 'subType': '00'}}}", SAME},
        {"{'v': {'$$matchesHexBytes': '6162'}}", "{'v': 'abc'}",
         "expected the bytes of \"6162\", got string \"abc\""},
        {"{'v': {'$$matchesHexBytes': '61'}}", "{}", "expected the bytes of \"61\", got nothing"},
        {"{'v': {'$$matchesHexBytes': ''}}", "{'v': 1}", "expected the bytes of \"\", got int 1"});
    const char *malformed = "$$matchesHexBytes needs an even number of hexadecimal digits";
    CHECK(nested, {"{'v': {'$$matchesHexBytes': '616'}}", "{'v': 'a'}", malformed},
          {"{'v': {'$$matchesHexBytes': '6g'}}", "{'v': 'a'}", malformed},
          {"{'v': {'$$matchesHexBytes': ' 1'}}", "{'v': 'a'}", malformed},
          {"{'v': {'$$matchesHexBytes': 61}}", "{'v': 'a'}", malformed});
}

static void unset_or_matches(void **state) {
    (void)state;
    const char *document = "{'v': {'$$unsetOrMatches': {'x': 1}}}";
    CHECK(nested, {"{'v': {'$$unsetOrMatches': 2}}", "{}", SAME},
          {"{'v': {'$$unsetOrMatches': 2}}", "{'v': 2}", SAME},
          {"{'v': {'$$unsetOrMatches': 2}}", "{'v': 3}", "expected int 2, got int 3"},
          {"{'v': {'$$unsetOrMatches': 2}}", "{'v': null}", "expected int 2, got null null"},
          {"{'v': {'$$unsetOrMatches': null}}", "{'v': null}", SAME},
          {"{'v': {'$$unsetOrMatches': {'$$type': 'int'}}}", "{'v': 'a'}",
           "expected type \"int\", got string \"a\""},
          {document, "{'v': {'x': 1, 'y': 1}}", "y: unexpected key, its value is int 1"});
    CHECK(at_root, {document, "{'v': {'x': 1, 'y': 1}}", SAME},
          {"{'v': {'x': {'$$unsetOrMatches': {'y': 1}}}}", "{'v': {}}", SAME},
          {"{'v': {'x': {'$$unsetOrMatches': {'y': 1}}}}", "{'v': {'x': {'y': 1, 'z': 1}}}",
           "x.z: unexpected key, its value is int 1"});
}

static void less_than_or_equal(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'$$lte': 1}}", "{'v': 1.0}", SAME},
          {"{'v': {'$$lte': 1}}", "{'v': 0.0}", SAME},
          {"{'v': {'$$lte': 1.5}}", "{'v': {'$numberLong': '1'}}", SAME},
          {"{'v': {'$$lte': {'$numberLong': '" BIG "'}}}", "{'v': 9007199254740992.0}", SAME},
          {"{'v': {'$$lte': 9007199254740992.0}}", "{'v': {'$numberLong': '" BIG "'}}",
           "expected at most 9007199254740992.0, got long " BIG},
          {"{'v': {'$$lte': 1}}", "{'v': 1.25}", "expected at most 1, got double 1.25"},
          {"{'v': {'$$lte': -1.5}}", "{'v': -1}", "expected at most -1.5, got int -1"},
          {"{'v': {'$$lte': {'$numberLong': '" HUGE "'}}}", "{'v': {'$numberDouble': '-Infinity'}}",
           SAME},
          {"{'v': {'$$lte': 1}}", "{'v': {'$numberDouble': 'NaN'}}",
           "expected at most 1, got double { \"$numberDouble\" : \"NaN\" }"},
          {"{'v': {'$$lte': 1}}", "{'v': '0'}", "expected at most 1, got string \"0\""},
          {"{'v': {'$$lte': 1}}", "{}", "expected at most 1, got nothing"},
          {"{'v': {'$$lte': '1'}}", "{'v': 1}", "$$lte needs a number"});
}

static void match_as_document_and_as_root(void **state) {
    (void)state;
    const char *expected = "{'v': {'$$matchAsDocument': {'x': 1, 'y': {'$$type': 'long'}}}}";
    const char *root = "{'v': {'$$matchAsDocument': {'$$matchAsRoot': {'x': 1}}}}";
    CHECK(at_root,
          {expected, "{'v': '{\\'x\\': 1.0, \\'y\\': {\\'$numberLong\\': \\'2\\'}}'}", SAME},
          {expected, "{'v': '{\\'x\\': 1, \\'y\\': {\\'$numberLong\\': \\'2\\'}, \\'z\\': 3}'}",
           "z: unexpected key, its value is int 3"},
          {expected, "{'v': {'x': 1, 'y': 2}}",
           "expected Extended JSON of { \"x\" : 1, \"y\" : { \"$$type\" : \"long\" } }, "
           "got object { \"x\" : 1, \"y\" : 2 }"},
          {root, "{'v': '{\\'x\\': 1, \\'z\\': 3}'}", SAME},
          {root, "{'v': '{\\'x\\': 2, \\'z\\': 3}'}", "x: expected int 1, got int 2"});
    CHECK(nested,
          {"{'v': {'x': {'$$matchAsRoot': {'y': 1}}}}", "{'v': {'x': {'y': 1, 'z': 1}}}", SAME},
          {"{'v': {'x': {'$$matchAsRoot': {'y': {'z': 1}}}}}",
           "{'v': {'x': {'y': {'z': 1, 'u': 1}}}}", "x.y.u: unexpected key, its value is int 1"},
          {"{'v': {'$$matchAsRoot': {'y': 1}}}", "{'v': 'y'}",
           "expected object { \"y\" : 1 }, got string \"y\""},
          {"{'v': {'$$matchAsRoot': 1}}", "{'v': 1}", "$$matchAsRoot needs a document"});
}

static void what_is_not_json_does_not_match_as_document(void **state) {
    static const char *const texts[] = {"{'v': '{'}", "{'v': ''}", "{'v': '{\\'x\\': 1...'}"};
    (void)state;
    bson_t *expected = from_json("{'v': {'$$matchAsDocument': {'$$matchAsRoot': {}}}}");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bson_t *actual = from_json(texts[i]);
        bson_string_t *why = bson_string_new("");
        if (nested(expected, actual, why)) fail_msg("%s", texts[i]);
        if (strncmp(why->str, "expected Extended JSON", 22) != 0) fail_msg("%s", why->str);
        bson_string_free(why, true);
        bson_destroy(actual);
    }
    bson_destroy(expected);
}

/* --- Exactly --------------------------------------------------------------------------------- */

static void exactly_allows_another_order_and_nothing_else(void **state) {
    (void)state;
    CHECK(spec_match_exactly,
          {"{'x': 1, 'y': [{'a': 1, 'b': 2}]}", "{'y': [{'b': 2, 'a': 1}], 'x': 1}", SAME},
          {"{'x': 1}", "{'x': 1, 'y': 1}", "y: unexpected key, its value is int 1"},
          {"{'x': 1}", "{'x': 1.0}", "x: expected int 1, got double 1.0"},
          {"{'x': {'$$exists': true}}", "{'x': {'$$exists': true}}", SAME},
          {"{'x': {'$$exists': true}}", "{'x': 1}",
           "x: expected object { \"$$exists\" : true }, got int 1"});
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(extra_keys_are_allowed_at_the_root_alone),
        cmocka_unit_test(documents_of_an_array_at_the_root_are_root_documents),
        cmocka_unit_test(order_of_keys_does_not_matter),
        cmocka_unit_test(arrays_have_the_same_elements_in_order),
        cmocka_unit_test(kinds_do_not_match_one_another),
        cmocka_unit_test(no_document_at_all_is_a_mismatch),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(numbers_are_compared_by_value),
        cmocka_unit_test(leaves_are_the_same_if_type_and_value_are),
        cmocka_unit_test(scopes_are_the_same_exactly_but_for_order),
        cmocka_unit_test(an_operator_is_the_only_key_of_its_document),
        cmocka_unit_test(unknown_operators_and_placeholders_are_mismatches),
        cmocka_unit_test(exists),
        cmocka_unit_test(type),
        cmocka_unit_test(type_knows_every_alias_of_the_query_operator),
        cmocka_unit_test(matches_entity),
        cmocka_unit_test(session_lsid),
        cmocka_unit_test(no_entities_at_all_know_no_names),
        cmocka_unit_test(hex_bytes),
        cmocka_unit_test(unset_or_matches),
        cmocka_unit_test(less_than_or_equal),
        cmocka_unit_test(match_as_document_and_as_root),
        cmocka_unit_test(what_is_not_json_does_not_match_as_document),
        cmocka_unit_test(exactly_allows_another_order_and_nothing_else),
    };
    return cmocka_run_group_tests(cases, make_entities, drop_entities);
}
