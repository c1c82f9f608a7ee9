/*
 * One file, and the course of one test: data, entities, operations, expectations, order again.
 */
#include "spec/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/entities.h"
#include "spec/operations.h"
#include "spec/schema.h"
#include "spec/thread.h"
#include "spec/view.h"

/* --- Loading --------------------------------------------------------------------------------- */

bson_t *spec_file_load(const char *path, char **why) {
    bson_error_t error;
    char *wrong = NULL;
    bson_json_reader_t *reader = bson_json_reader_new_from_file(path, &error);
    bson_t *file = bson_new();
    int rc = reader ? bson_json_reader_read(reader, file, &error) : -1;
    if (reader) bson_json_reader_destroy(reader);
    if (rc != 1) {
        *why = bson_strdup(rc == 0 ? "the file is empty" : error.message);
    } else if (!spec_schema_check(file, &wrong)) {
        *why = bson_strdup_printf("not of the format: %s", wrong);
    } else {
        return file;
    }
    free(wrong);
    bson_destroy(file);
    return NULL;
}

/* --- The course of a test -------------------------------------------------------------------- */

static void join_threads(spec_test_t *test) {
    for (spec_entity_t *each = test->entities; each; each = each->next) {
        if (each->kind == SPEC_THREAD) spec_thread_join(each->is.thread);
    }
}

static void stop_listening(spec_test_t *test) {
    for (spec_entity_t *each = test->entities; each; each = each->next) {
        if (each->kind != SPEC_CLIENT) continue;
        spec_client_settle(each);
        each->events->listening = false;
    }
}

static void run(spec_test_t *test) {
    bson_t entities, operations;
    spec_document(test->file, "createEntities", &entities);
    spec_document(test->definition, "operations", &operations);
    if (!spec_data_load(test)) return;
    if (spec_entities_create(test, &entities)) spec_operations_run(test, &operations);
    join_threads(test);
    stop_listening(test);
    spec_fail_points_clear(test);
    if (!test->failed && spec_events_check(test)) spec_data_check(test);
    spec_entities_clear(test);
    if (test->transactions || test->failed) spec_server_kill_sessions(test->server);
}

/** Whether the test is to be run at all; if not, `why` says so. */
static bool applies(const spec_server_t *server, const bson_t *file, const bson_t *definition,
                    char *why) {
    const char *reason = spec_string(definition, "skipReason");
    spec_text_t *missing = spec_text_new(NULL);
    if (reason) spec_text_append(missing, reason);
    bool met = !reason && spec_server_meets(server, file, missing) &&
               spec_server_meets(server, definition, missing);
    snprintf(why, SPEC_WHY, "%s", missing->str);
    spec_text_free(missing, true);
    return met;
}

spec_verdict_t spec_test_run(spec_server_t *server, const bson_t *file, const bson_t *definition,
                             char *why) {
    if (!applies(server, file, definition, why)) return SPEC_SKIPPED;
    spec_test_t *test = bson_malloc0(sizeof *test);
    test->server = server;
    test->file = file;
    test->definition = definition;
    test->fail_points = bson_new();
    if (!spec_test_lacks(test)) run(test);
    spec_verdict_t verdict = test->failed ? SPEC_FAILED : SPEC_PASSED;
    if (test->failed && test->unsupported) verdict = SPEC_UNSUPPORTED;
    snprintf(why, SPEC_WHY, "%s", test->why);
    bson_destroy(test->fail_points);
    bson_free(test);
    return verdict;
}
