/*
 * The special operators of matching: $$exists and the others.
 */
#include "spec/match_samples.h"

#define BIG "9007199254740993"        /* 2^53 + 1: no double is that */
#define BIGGEST "9223372036854775807" /* 2^63 - 1 */

/* --- Operators ------------------------------------------------------------------------------- */

static void an_operator_is_the_only_key_of_its_document(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'$$exists': true, 'x': 1}}", "{'v': {'$$exists': true, 'x': 1}}", SAME},
          {"{'v': {'$$exists': true, 'x': 1}}", "{'v': {'$$exists': true, 'x': 2}}",
           "x: expected int 1, got int 2"},
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
          {"{'v': {'$$type': []}}", "{'v': 1}", "expected type [ ], got int 1"},
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
          {"{'v': {'$$lte': {'$numberLong': '" BIGGEST "'}}}",
           "{'v': {'$numberDouble': '-Infinity'}}", SAME},
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
    static const char *const texts[] = {"{'v': '{'}", "{'v': ''}", "{'v': '{\\'x\\': 1...'}",
                                        "{'v': ' []'}"};
    (void)state;
    bson_t *expected = from_json("{'v': {'$$matchAsDocument': {'$$matchAsRoot': {}}}}");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bson_t *actual = from_json(texts[i]);
        spec_text_t *why = spec_text_new("");
        if (nested(expected, actual, why)) fail_msg("%s", texts[i]);
        if (strncmp(why->str, "expected Extended JSON", 22) != 0) fail_msg("%s", why->str);
        spec_text_free(why, true);
        bson_destroy(actual);
    }
    bson_destroy(expected);
}

int main(void) {
    const struct CMUnitTest cases[] = {
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
    };
    return cmocka_run_group_tests(cases, make_entities, drop_entities);
}
