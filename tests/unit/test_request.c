/*
 * What goes out for an exchange: sessions, cluster time, read preferences, Stable API, sizes.
 */
#include "loop_support.h"

#define FIND "{'find': 'users'}"
#define SESSIONS "{'logicalSessionTimeoutMinutes': 30}"
#define MEMBER "{'setName': 'rs0', 'logicalSessionTimeoutMinutes': 30}"
#define MONGOS "{'msg': 'isdbgrid', 'logicalSessionTimeoutMinutes': 30}"

/* What the server gets for it, which then answers; the caller's. */
static bson_t *ask(line_t *line, trip_t *trip, const char *answer) {
    trip_send(trip, line);
    bson_t *asked = line_asked(line);
    line_answer(line, trip, answer);
    turn();
    CHECK(trip->done);
    trip_end(trip);
    return asked;
}

static void check_asked(line_t *line, trip_t *trip, const char *expected) {
    bson_t *asked = ask(line, trip, "{'ok': 1}");
    CHECK_DOCUMENT(asked, expected);
    bson_destroy(asked);
}

/* --- the command ------------------------------------------------------------------------------ */

CORO_CASE(the_fields_of_the_operation_go_beside_the_command) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    bson_t *fields = from_json("{'maxTimeMS': 5}");
    trip_init(&trip, line, FIND);
    trip.exchange.fields = fields;
    check_asked(line, &trip, "{'find': 'users', 'maxTimeMS': 5, '$db': 'shop'}");
    bson_destroy(fields);
    rig_free(rig);
    return 0;
}

CORO_CASE(each_request_has_a_number_of_its_own_above_0) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    rig->loop->common.last_id = INT32_MAX - 2;
    int32_t last = 0;
    for (int i = 0; i < 5; i++) {
        trip_t trip;
        trip_init(&trip, line, FIND);
        bson_destroy(ask(line, &trip, "{'ok': 1}"));
        CHECK(trip.exchange.loop.request_id > 0);
        CHECK(trip.exchange.loop.request_id != last);
        last = trip.exchange.loop.request_id;
    }
    CHECK(last < 10);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_message_longer_than_the_server_takes_is_not_sent) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{'maxMessageSizeBytes': 54}");
    trip_t trip;
    trip_init(&trip, line, "{'find': 'abc'}"); /* of 54 bytes with its head and $db */
    check_asked(line, &trip, "{'find': 'abc', '$db': 'shop'}");
    trip_begin(&trip, line, "{'find': 'abcd'}");
    CHECK(!trip.done);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_CLIENT, "the command has 55 bytes, the server takes 54");
    CHECK(!trip.exchange.reached && !trip.exchange.cut);
    CHECK(line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- sessions --------------------------------------------------------------------------------- */

static bool lsid_of(const bson_t *asked, uint8_t id[16]) {
    bson_iter_t iter, at;
    bson_subtype_t kind;
    uint32_t size;
    const uint8_t *data;
    if (!asked || !bson_iter_init(&iter, asked) ||
        !bson_iter_find_descendant(&iter, "lsid.id", &at) || !BSON_ITER_HOLDS_BINARY(&at))
        return false;
    bson_iter_binary(&at, &kind, &size, &data);
    CHECK_INT(kind, BSON_SUBTYPE_UUID);
    CHECK_INT(size, 16);
    memcpy(id, data, 16);
    return true;
}

static bool ask_in(line_t *line, mouv__server_session_t *session, uint8_t id[16]) {
    trip_t trip;
    trip_init(&trip, line, FIND);
    trip.exchange.session = session;
    bson_t *asked = ask(line, &trip, "{'ok': 1}");
    bool has = lsid_of(asked, id);
    bson_destroy(asked);
    return has;
}

CORO_CASE(a_session_is_begun_by_its_first_command_and_stays_the_same) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    mouv__server_session_t a = {0}, b = {0};
    uint8_t first[16], second[16], other[16];
    CHECK(ask_in(line, &a, first));
    CHECK(a.handle != NULL);
    CHECK(memcmp(a.lsid, first, 16) == 0);
    CHECK(ask_in(line, &a, second));
    CHECK(memcmp(first, second, 16) == 0);
    CHECK(ask_in(line, &b, other));
    CHECK(memcmp(first, other, 16) != 0);
    CHECK_INT(first[6] >> 4, 4); /* a random UUID */
    CHECK_INT(first[8] >> 6, 2);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_session_to_be_renewed_is_another_one) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    mouv__server_session_t session = {0};
    uint8_t first[16], second[16];
    CHECK(ask_in(line, &session, first));
    session.renew = true;
    CHECK(ask_in(line, &session, second));
    CHECK(!session.renew);
    CHECK(memcmp(first, second, 16) != 0);
    CHECK(ask_in(line, &session, first));
    CHECK(memcmp(first, second, 16) == 0);
    rig_free(rig);
    return 0;
}

CORO_CASE(an_unacknowledged_command_is_in_no_session) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    mouv__server_session_t session = {0};
    uint8_t id[16];
    trip_t trip;
    trip_init(&trip, line, FIND);
    trip.exchange.session = &session;
    trip.exchange.unacknowledged = true;
    trip_send(&trip, line);
    bson_t *asked = line_asked(line);
    CHECK(asked && !lsid_of(asked, id));
    CHECK(session.handle == NULL);
    turn();
    bson_destroy(asked);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_server_without_sessions_gets_none) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    mouv__server_session_t session = {0};
    trip_t trip;
    trip_init(&trip, line, FIND);
    trip.exchange.session = &session;
    check_asked(line, &trip, "{'find': 'users', '$db': 'shop'}");
    trip_init(&trip, line, FIND);
    trip.exchange.session = &session;
    trip.exchange.needs_session = true;
    trip_send(&trip, line);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_CLIENT, "the server does not support sessions");
    CHECK(!trip.exchange.reached);
    CHECK(line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- cluster time ----------------------------------------------------------------------------- */

#define TIME(t, i) "{'clusterTime': {'$timestamp': {'t': " #t ", 'i': " #i "}}}"
#define TOLD(t, i) "{'ok': 1, '$clusterTime': " TIME(t, i) "}"
#define ASKED(t, i) "{'find': 'users', '$db': 'shop', '$clusterTime': " TIME(t, i) "}"

static void tell_time(line_t *line, const char *told) {
    trip_t trip;
    trip_init(&trip, line, FIND);
    bson_destroy(ask(line, &trip, told));
}

static void check_time(line_t *line, const bson_t *own, const char *expected) {
    trip_t trip;
    trip_init(&trip, line, FIND);
    trip.exchange.cluster_time = own;
    check_asked(line, &trip, expected);
}

CORO_CASE(the_greatest_cluster_time_is_passed_on) {
    rig_t *rig = rig_new(NULL);
    line_t *a = line_new(rig, MEMBER), *b = line_new(rig, MONGOS);
    bson_t *less = from_json(TIME(10, 1)), *more = from_json(TIME(10, 7));
    check_time(a, NULL, "{'find': 'users', '$db': 'shop'}");
    check_time(a, less, ASKED(10, 1)); /* which no server has told */
    tell_time(a, TOLD(10, 5));
    check_time(b, NULL, ASKED(10, 5));
    tell_time(b, TOLD(10, 4));
    check_time(a, NULL, ASKED(10, 5));
    tell_time(b, TOLD(9, 9));
    check_time(a, NULL, ASKED(10, 5));
    check_time(a, less, ASKED(10, 5));
    check_time(a, more, ASKED(10, 7));
    check_time(a, NULL, ASKED(10, 5)); /* that one is a session's alone */
    tell_time(a, TOLD(11, 1));
    check_time(b, more, ASKED(11, 1));
    bson_destroy(less);
    bson_destroy(more);
    rig_free(rig);
    return 0;
}

CORO_CASE(errors_tell_the_cluster_time_as_well) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, MEMBER);
    tell_time(line, "{'ok': 0, 'code': 1, '$clusterTime': " TIME(3, 1) "}");
    check_time(line, NULL, ASKED(3, 1));
    tell_time(line, "{'ok': 1, '$clusterTime': {'clusterTime': 'late'}}");
    check_time(line, NULL, ASKED(3, 1));
    rig_free(rig);
    return 0;
}

CORO_CASE(a_standalone_gets_no_cluster_time) {
    rig_t *rig = rig_new(NULL);
    line_t *member = line_new(rig, MEMBER), *alone = line_new(rig, SESSIONS);
    tell_time(member, TOLD(10, 5));
    check_time(alone, NULL, "{'find': 'users', '$db': 'shop'}");
    rig_free(rig);
    return 0;
}

/* --- read preferences ------------------------------------------------------------------------- */

static void check_preference(line_t *line, const mongoc_read_prefs_t *prefs, const char *expected) {
    char text[512];
    trip_t trip;
    snprintf(text, sizeof text, "{'find': 'users', '$db': 'shop'%s%s}",
             expected ? ", '$readPreference': " : "", expected ? expected : "");
    trip_init(&trip, line, FIND);
    trip.exchange.read_prefs = prefs;
    check_asked(line, &trip, text);
}

static void check_mode(line_t *line, mongoc_read_mode_t mode, const char *expected) {
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(mode);
    check_preference(line, prefs, expected);
    mongoc_read_prefs_destroy(prefs);
}

CORO_CASE(members_and_mongos_get_the_mode_unless_it_is_primary) {
    rig_t *rig = rig_new(NULL);
    line_t *lines[] = {line_new(rig, MEMBER), line_new(rig, MONGOS)};
    for (int i = 0; i < 2; i++) {
        check_preference(lines[i], NULL, NULL);
        check_mode(lines[i], MONGOC_READ_PRIMARY, NULL);
        check_mode(lines[i], MONGOC_READ_SECONDARY, "{'mode': 'secondary'}");
        check_mode(lines[i], MONGOC_READ_PRIMARY_PREFERRED, "{'mode': 'primaryPreferred'}");
        check_mode(lines[i], MONGOC_READ_SECONDARY_PREFERRED, "{'mode': 'secondaryPreferred'}");
        check_mode(lines[i], MONGOC_READ_NEAREST, "{'mode': 'nearest'}");
    }
    rig_free(rig);
    return 0;
}

CORO_CASE(a_standalone_gets_none) {
    rig_t *rig = rig_new_for("mongodb://a:1/?directConnection=true");
    line_t *line = line_new(rig, SESSIONS);
    check_preference(line, NULL, NULL);
    check_mode(line, MONGOC_READ_SECONDARY, NULL);
    rig_free(rig);
    return 0;
}

/* Whatever its role it is to answer. */
static void check_alone(const char *uri, bool alone) {
    rig_t *rig = rig_new_for(uri);
    line_t *line = line_new(rig, MEMBER), *mongos = line_new(rig, MONGOS);
    const char *primary = alone ? "{'mode': 'primaryPreferred'}" : NULL;
    check_preference(line, NULL, primary);
    check_mode(line, MONGOC_READ_PRIMARY, primary);
    check_mode(line, MONGOC_READ_NEAREST, "{'mode': 'nearest'}");
    check_preference(mongos, NULL, NULL);
    rig_free(rig);
}

CORO_CASE(a_member_that_is_spoken_to_alone_prefers_the_primary) {
    check_alone("mongodb://a:1/?directConnection=true", true);
    check_alone("mongodb://a:1/?directConnection=true&replicaSet=rs0", true);
    check_alone("mongodb://a:1/", true);
    check_alone("mongodb://a:1/?directConnection=false", false);
    check_alone("mongodb://a:1/?replicaSet=rs0", false);
    check_alone("mongodb://a:1,b:2/", false);
    check_alone("mongodb+srv://a.example.com/", false);
    return 0;
}

CORO_CASE(tags_staleness_and_hedge_go_along) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, MONGOS);
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_NEAREST);
    bson_t *tag = from_json("{'dc': 'ny'}"), *hedge = from_json("{'enabled': true}"), any;
    bson_init(&any);
    mongoc_read_prefs_add_tag(prefs, tag);
    mongoc_read_prefs_add_tag(prefs, &any);
    check_preference(line, prefs, "{'mode': 'nearest', 'tags': [{'dc': 'ny'}, {}]}");
    mongoc_read_prefs_set_max_staleness_seconds(prefs, 120);
    check_preference(line, prefs,
                     "{'mode': 'nearest', 'tags': [{'dc': 'ny'}, {}],"
                     " 'maxStalenessSeconds': {'$numberLong': '120'}}");
    mongoc_read_prefs_set_hedge(prefs, hedge);
    check_preference(line, prefs,
                     "{'mode': 'nearest', 'tags': [{'dc': 'ny'}, {}],"
                     " 'maxStalenessSeconds': {'$numberLong': '120'}, 'hedge': {'enabled': true}}");
    bson_destroy(tag);
    bson_destroy(hedge);
    bson_destroy(&any);
    mongoc_read_prefs_destroy(prefs);
    rig_free(rig);
    return 0;
}

/* --- Stable API ------------------------------------------------------------------------------- */

CORO_CASE(a_declared_api_goes_with_each_command) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    mongoc_server_api_t *api = mongoc_server_api_new(MONGOC_SERVER_API_V1);
    rig->loop->common.server_api = api;
    trip_init(&trip, line, FIND);
    check_asked(line, &trip, "{'find': 'users', '$db': 'shop', 'apiVersion': '1'}");
    mongoc_server_api_strict(api, true);
    mongoc_server_api_deprecation_errors(api, false);
    trip_init(&trip, line, FIND);
    check_asked(line, &trip,
                "{'find': 'users', '$db': 'shop', 'apiVersion': '1', 'apiStrict': true,"
                " 'apiDeprecationErrors': false}");
    rig->loop->common.server_api = NULL;
    mongoc_server_api_destroy(api);
    rig_free(rig);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(the_fields_of_the_operation_go_beside_the_command),
        TEST(each_request_has_a_number_of_its_own_above_0),
        TEST(a_message_longer_than_the_server_takes_is_not_sent),
        TEST(a_session_is_begun_by_its_first_command_and_stays_the_same),
        TEST(a_session_to_be_renewed_is_another_one),
        TEST(an_unacknowledged_command_is_in_no_session),
        TEST(a_server_without_sessions_gets_none),
        TEST(the_greatest_cluster_time_is_passed_on),
        TEST(errors_tell_the_cluster_time_as_well),
        TEST(a_standalone_gets_no_cluster_time),
        TEST(members_and_mongos_get_the_mode_unless_it_is_primary),
        TEST(a_standalone_gets_none),
        TEST(a_member_that_is_spoken_to_alone_prefers_the_primary),
        TEST(tags_staleness_and_hedge_go_along),
        TEST(a_declared_api_goes_with_each_command),
    };
    return RUN_CASES(cases);
}
