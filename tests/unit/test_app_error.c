/*
 * What operations meet that makes a server Unknown: which answers, which not, until when; and the
 * specification's files.
 */
#include "../support/async_support.h"
#include "spec_folder.h"
#include "topology_support.h"
#include <inttypes.h>

#include "async/task/runtime.h"
#include "mongo/topology/app_error.h"
#include "mongo/topology/description.h"

#define HOST "a:27017"

typedef struct scene {
    mouv__topology_t *topology;
    mouv__listener_t *listener; /* of nobody, for descriptions */
    int64_t now_ms;
    char told[200]; /* of the pool: "lost;", "back;" */
} scene_t;

static void scene_on_changed(void *arg, mouv__server_t *server, mouv__server_kind_t was) {
    scene_t *scene = arg;
    bool known = mouv__server_is_known(server);
    (void)was;
    server->generation += !known; /* as the pool does */
    strcat(scene->told, known ? "back;" : "lost;");
}

static void scene_on_lost(void *arg, mouv__server_t *server) {
    (void)arg;
    server->generation++;
}

static const mouv__topology_ops_t scene_ops = {scene_on_changed, scene_on_lost, unheard, unheard};

/* The deployment as its monitor sees it now: one server. */
static void scene_hear(scene_t *scene, const char *type, const bson_t *hello) {
    static const char *const hosts[] = {HOST};
    static const uint32_t ids[] = {1};
    int64_t now_ms = scene->now_ms++;
    mouv_topology_description_t *described = mouv__describe_unknown(hosts, 1);
    mouv_server_description_t *server = (mouv_server_description_t *)described->servers;
    bson_destroy((bson_t *)server->hello);
    server->hello = bson_copy(hello);
    server->type = type;
    described->type = strcmp(type, "RSPrimary") == 0      ? "ReplicaSetWithPrimary"
                      : strcmp(type, "LoadBalancer") == 0 ? "LoadBalanced"
                                                          : "ReplicaSetNoPrimary";
    mouv__topology_apply(scene->topology, mouv__snapshot_new(described, ids, &now_ms));
}

static void scene_hear_json(scene_t *scene, const char *type, const char *json) {
    bson_t *hello = from_json(json);
    scene_hear(scene, type, hello);
    bson_destroy(hello);
}

static void on_no_news(void *arg) {
    (void)arg;
}

static void scene_open(scene_t *scene) {
    *scene = (scene_t){.now_ms = 1000};
    scene->listener = mouv__listener_new(mouv__runtime_mailbox(mouv__runtime()), on_no_news, NULL);
    scene->topology = topology_with(&scene_ops, scene);
}

static void scene_close(scene_t *scene) {
    mouv__topology_free(scene->topology);
    mouv__listener_stop(scene->listener);
    mouv__listener_unref(scene->listener);
}

#define VERSION(counter) \
    "'topologyVersion': {'processId': {'$oid': '000000000000000000000001'}, 'counter': " #counter \
    "}"
#define PRIMARY(counter) \
    "{'ok': 1, 'isWritablePrimary': true, 'setName': 'rs', 'maxWireVersion': 17, " VERSION( \
        counter) "}"

/* A primary that has said so with the counter 5. */
static void scene_begin(scene_t *scene) {
    scene_open(scene);
    scene_hear_json(scene, "RSPrimary", PRIMARY(5));
    scene->told[0] = '\0';
}

static mouv__server_t *scene_server(const scene_t *scene) {
    return mouv__topology_server(scene->topology, 1);
}

static bool scene_answer(scene_t *scene, const char *json) {
    bson_t *reply = json ? from_json(json) : NULL;
    mouv__app_error_t error = {.server_id = 1,
                               .generation = scene_server(scene)->generation,
                               .reply = reply,
                               .now_ms = scene->now_ms++};
    bool marked = mouv__app_error(scene->topology, &error);
    bson_destroy(reply);
    return marked;
}

/* Its own hello. */
static bool scene_check(scene_t *scene, const char *json) {
    bson_t *hello = from_json(json);
    bool lifted = mouv__topology_hear(scene->topology, scene_server(scene), hello, scene->now_ms++);
    bson_destroy(hello);
    return lifted;
}

/* --- which ------------------------------------------------------------------------------------ */

static bool changes(const char *answer) {
    scene_t scene;
    scene_begin(&scene);
    bool marked = scene_answer(&scene, answer);
    CHECK_INT(mouv__server_is_known(scene_server(&scene)), !marked);
    scene_close(&scene);
    return marked;
}

static bool code_changes(int code) {
    char text[100];
    snprintf(text, sizeof text, "{'ok': 0, 'code': %d, 'errmsg': 'x'}", code);
    return changes(text);
}

CORO_CASE(no_primary_any_more_and_shutting_down_do) {
    static const int codes[] = {10107, 13435, 10058, 11600, 11602, 13436, 189, 91};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) CHECK(code_changes(codes[i]));
    return 0;
}

CORO_CASE(other_errors_do_not) {
    static const int codes[] = {0, 1, 11000, 43, 50, 6, 7, 89, 9001, 262};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) CHECK(!code_changes(codes[i]));
    CHECK(!changes("{'ok': 1}"));
    CHECK(!changes("{'ok': 1, 'code': 91}"));
    return 0;
}

CORO_CASE(the_text_counts_only_without_a_code) {
    CHECK(changes("{'ok': 0, 'errmsg': 'not master'}"));
    CHECK(changes("{'ok': 0, 'errmsg': 'not master or secondary'}"));
    CHECK(changes("{'ok': 0, 'errmsg': 'the node is recovering now'}"));
    CHECK(!changes("{'ok': 0, 'errmsg': 'not my master'}"));
    CHECK(!changes("{'ok': 0, 'errmsg': 1}"));
    CHECK(!changes("{'ok': 0, 'code': 1, 'errmsg': 'not master'}"));
    return 0;
}

CORO_CASE(a_write_concern_error_does) {
    CHECK(changes("{'ok': 1, 'writeConcernError': {'code': 91, 'errmsg': 'x'}}"));
    CHECK(!changes("{'ok': 1, 'writeConcernError': {'code': 64, 'errmsg': 'x'}}"));
    CHECK(!changes("{'ok': 1, 'writeConcernError': 91}"));
    CHECK(!changes("{'ok': 1, 'writeErrors': [{'index': 0, 'code': 91, 'errmsg': 'x'}]}"));
    return 0;
}

CORO_CASE(a_load_balancer_and_one_that_is_not_there_are_never_marked) {
    scene_t scene;
    scene_open(&scene);
    scene_hear_json(&scene, "LoadBalancer", "{}");
    CHECK(!scene_answer(&scene, NULL));
    mouv__app_error_t error = {.server_id = 9};
    CHECK(!mouv__app_error(scene.topology, &error));
    CHECK(!mouv__app_error(NULL, &error));
    scene_hear_json(&scene, "Unknown", "{}");
    CHECK(!scene_answer(&scene, NULL));
    scene_close(&scene);
    return 0;
}

/* --- and then --------------------------------------------------------------------------------- */

CORO_CASE(connections_are_kept_when_it_is_no_primary_and_cleared_when_it_goes) {
    scene_t scene;
    scene_begin(&scene);
    CHECK(scene_answer(&scene, "{'ok': 0, 'code': 10107, " VERSION(6) "}"));
    CHECK_STRING(scene.told, "");
    CHECK(scene.topology->has_marks);
    CHECK(scene_answer(&scene, "{'ok': 0, 'code': 91, " VERSION(7) "}"));
    CHECK_STRING(scene.told, "lost;");
    scene_close(&scene);
    scene_begin(&scene);
    scene_server(&scene)->wire_version = 7; /* 4.0 closes them when it steps down */
    CHECK(scene_answer(&scene, "{'ok': 0, 'code': 10107, " VERSION(6) "}"));
    CHECK_STRING(scene.told, "lost;");
    scene_close(&scene);
    return 0;
}

/* Two connections that the same failure takes: it is one. */
CORO_CASE(what_an_older_connection_meets_is_no_news) {
    scene_t scene;
    scene_begin(&scene);
    mouv__app_error_t lost = {.server_id = 1, .generation = 0, .now_ms = scene.now_ms++};
    CHECK(mouv__app_error(scene.topology, &lost));
    CHECK(scene_check(&scene, PRIMARY(5)));
    CHECK_STRING(scene.told, "lost;back;");
    CHECK(!mouv__app_error(scene.topology, &lost));
    CHECK(mouv__server_is_known(scene_server(&scene)));
    CHECK_STRING(scene.told, "lost;back;");
    scene_close(&scene);
    return 0;
}

CORO_CASE(it_is_back_once_it_says_that_it_is_what_it_was) {
    scene_t scene;
    scene_begin(&scene);
    CHECK(scene_answer(&scene, "{'ok': 0, 'code': 10107, " VERSION(6) "}"));
    CHECK(!scene_check(&scene, PRIMARY(5))); /* older than the error */
    CHECK(!scene_check(&scene, "{'ok': 0, 'code': 13}"));
    CHECK(!scene_check(&scene, "{'ok': 1, 'secondary': true, 'setName': 'rs', " VERSION(6) "}"));
    CHECK(scene_check(&scene, PRIMARY(6)));
    CHECK_INT(scene_server(&scene)->kind, MOUV__SERVER_PRIMARY);
    CHECK(!scene_check(&scene, PRIMARY(7))); /* left to its monitor */
    scene_close(&scene);
    return 0;
}

CORO_CASE(what_the_monitor_has_heard_before_does_not_bring_it_back_what_it_hears_later_does) {
    scene_t scene;
    scene_begin(&scene);
    CHECK(scene_answer(&scene, NULL));
    int64_t later_ms = scene.now_ms;
    scene.now_ms = 500;
    scene_hear_json(&scene, "RSPrimary", PRIMARY(5));
    CHECK(!mouv__server_is_known(scene_server(&scene)));
    CHECK_STRING(scene_server(&scene)->described->type, "Unknown");
    scene.now_ms = later_ms;
    scene_hear_json(&scene, "RSSecondary", PRIMARY(5));
    CHECK_INT(scene_server(&scene)->kind, MOUV__SERVER_SECONDARY);
    CHECK_STRING(scene_server(&scene)->described->type, "RSSecondary");
    scene_close(&scene);
    return 0;
}

CORO_CASE(a_heartbeat_brings_it_back_if_it_is_new_enough) {
    scene_t scene;
    scene_begin(&scene);
    CHECK(scene_answer(&scene, NULL));
    int64_t marked_ms = scene_server(&scene)->marked_ms;
    mouv__heartbeats_t heartbeats = {
        .answered = true, .kind = MOUV__SERVER_PRIMARY, .updated_ms = marked_ms};
    CHECK(!mouv__server_note_heartbeats(scene_server(&scene), &heartbeats));
    heartbeats.updated_ms++;
    CHECK(mouv__server_note_heartbeats(scene_server(&scene), &heartbeats));
    CHECK(mouv__server_is_known(scene_server(&scene)));
    scene_close(&scene);
    return 0;
}

CORO_CASE(users_see_it_as_unknown) {
    scene_t scene;
    scene_begin(&scene);
    CHECK(scene_answer(&scene, NULL));
    mouv_topology_description_t *seen = mouv__topology_describe(scene.topology, scene.listener);
    CHECK_STRING(seen->type, "ReplicaSetNoPrimary");
    CHECK_STRING(seen->servers[0].type, "Unknown");
    CHECK_INT(bson_count_keys(seen->servers[0].hello), 0);
    mouv_topology_description_unref(seen);
    CHECK(scene_check(&scene, PRIMARY(5)));
    seen = mouv__topology_describe(scene.topology, scene.listener);
    CHECK_STRING(seen->type, "ReplicaSetWithPrimary");
    CHECK_STRING(seen->servers[0].type, "RSPrimary");
    CHECK(bson_has_field(seen->servers[0].hello, "setName"));
    mouv_topology_description_unref(seen);
    scene_close(&scene);
    return 0;
}

/* --- the specification ------------------------------------------------------------------------ */

static bool is(const bson_t *document, const char *name, const char *value) {
    const char *text = text_in(document, name);
    return text && strcmp(text, value) == 0;
}

static void spec_response(scene_t *scene, const bson_t *pair) {
    bson_t hello;
    if (!document_in(pair, "1", &hello)) abort();
    mouv__server_kind_t kind = mouv__server_kind_in(&hello);
    scene_hear(scene, mouv__server_type_of(kind), &hello);
}

static void spec_error(scene_t *scene, const bson_t *error) {
    bson_t reply;
    bool answered = document_in(error, "response", &reply);
    if (is(error, "type", "timeout") && is(error, "when", "afterHandshakeCompletes")) return;
    mouv__app_error_t what = {.server_id = 1,
                              .generation = (uint32_t)number_in(
                                  error, "generation", (double)scene_server(scene)->generation),
                              .reply = answered ? &reply : NULL,
                              .now_ms = scene->now_ms++};
    mouv__app_error(scene->topology, &what);
}

static void spec_each(scene_t *scene, const bson_t *phase, const char *name,
                      void (*run)(scene_t *scene, const bson_t *what)) {
    bson_t list, what;
    bson_iter_t iter;
    if (!document_in(phase, name, &list) || !bson_iter_init(&iter, &list)) return;
    while (bson_iter_next(&iter) && document_at(&iter, &what)) run(scene, &what);
}

static void spec_expect(const scene_t *scene, const char *path, const bson_t *outcome) {
    bson_t servers, expected;
    bson_iter_t iter;
    const mouv__server_t *server = scene_server(scene);
    mouv_topology_description_t *seen = mouv__topology_describe(scene->topology, scene->listener);
    if (!document_in(outcome, "servers", &servers) || !bson_iter_init(&iter, &servers) ||
        !bson_iter_next(&iter) || !document_at(&iter, &expected))
        abort();
    mouv__topology_version_t version = mouv__topology_version_of(&expected);
    bool right =
        is(outcome, "topologyType", seen->type) && is(&expected, "type", seen->servers[0].type) &&
        number_in(&expected, "pool.generation", -1) == server->generation &&
        version.known == server->version.known &&
        (!version.known || mouv__topology_version_compare(&version, &server->version) == 0);
    if (!right)
        fprintf(stderr, "%s: %s, %s, generation %u, counter %" PRId64 "\n", path, seen->type,
                seen->servers[0].type, server->generation, server->version.counter);
    CHECK(right);
    mouv_topology_description_unref(seen);
}

static void spec_check(const char *path, const bson_t *file) {
    scene_t scene;
    bson_t phases, phase, outcome;
    bson_iter_t iter;
    scene_open(&scene);
    if (!document_in(file, "phases", &phases) || !bson_iter_init(&iter, &phases)) abort();
    while (bson_iter_next(&iter) && document_at(&iter, &phase)) {
        spec_each(&scene, &phase, "responses", spec_response);
        spec_each(&scene, &phase, "applicationErrors", spec_error);
        if (!document_in(&phase, "outcome", &outcome)) abort();
        spec_expect(&scene, path, &outcome);
    }
    scene_close(&scene);
}

CORO_CASE(the_specifications_files) {
    int files = spec_folder_run("sdam-errors", spec_check);
    CHECK(files >= 0);
    if (files == 0) printf("skipped: MOUV_SPEC_TESTS_2 is not there\n");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(no_primary_any_more_and_shutting_down_do),
        TEST(other_errors_do_not),
        TEST(the_text_counts_only_without_a_code),
        TEST(a_write_concern_error_does),
        TEST(a_load_balancer_and_one_that_is_not_there_are_never_marked),
        TEST(connections_are_kept_when_it_is_no_primary_and_cleared_when_it_goes),
        TEST(what_an_older_connection_meets_is_no_news),
        TEST(it_is_back_once_it_says_that_it_is_what_it_was),
        TEST(what_the_monitor_has_heard_before_does_not_bring_it_back_what_it_hears_later_does),
        TEST(a_heartbeat_brings_it_back_if_it_is_new_enough),
        TEST(users_see_it_as_unknown),
        TEST(the_specifications_files),
    };
    return RUN_CASES(cases);
}
