/*
 * Several clients on one loop, one client each on loops of several threads; and that a client is
 * refused wherever it does not belong.
 */
#include <pthread.h>
#include <stdlib.h>

#include "support/support.h"

enum { CLIENTS = 5, THREADS = 4, DOCUMENTS = 50 };

CASE(several_clients_share_one_loop) {
    mouv_client_t *clients[CLIENTS];
    mouv_future_t inserts[CLIENTS], counts[CLIENTS];
    int64_t found[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(i));
        clients[i] = mouv_client_new(test_uri(), NULL, &t->error);
        CHECK(clients[i] != NULL);
        mouv_collection_t *users =
            mouv_client_get_collection(clients[i], t->database_name, "users");
        inserts[i] = mouv_collection_insert_one(users, document, NULL, NULL);
    }
    CHECK_INT(mouv_await(mouv_gather_all(inserts, CLIENTS, NULL, NULL), &t->error), 0);
    for (int i = 0; i < CLIENTS; i++)
        counts[i] = mouv_collection_count_documents(
            mouv_client_get_collection(clients[i], t->database_name, "users"), NULL, NULL,
            &found[i]);
    CHECK_INT(mouv_await(mouv_gather_all(counts, CLIENTS, NULL, NULL), &t->error), 0);
    CHECK_INT(mouv_client_close(clients[0], &t->error), 0); /* the others do not notice */
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(found[i], CLIENTS);
        CHECK_INT(await(t, mouv_client_ping(clients[i])), i == 0 ? MOUV_ECLOSED : 0);
        mouv_client_unref(clients[i]);
    }
    return 0;
}

/* --- a loop each ------------------------------------------------------------------------------ */

typedef struct worker {
    const char *database;
    int number, found, rc;
} worker_t;

static int insert_and_find(void *arg) {
    worker_t *worker = arg;
    const bson_t *doc;
    mouv_error_t error;
    int rc = 0;
    char name[32];
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    snprintf(name, sizeof name, "of_thread_%d", worker->number);
    mouv_collection_t *own = mouv_client_get_collection(client, worker->database, name);
    for (int i = 0; i < DOCUMENTS && rc >= 0; i++) {
        AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(i));
        rc = mouv_await(mouv_collection_insert_one(own, document, NULL, NULL), &error);
    }
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(own, NULL, NULL);
    while (rc >= 0 && (rc = mouv_cursor_next(cursor, &doc, &error)) > 0) worker->found++;
    return rc < 0 ? rc : mouv_client_close(client, &error);
}

static void *run_worker(void *arg) {
    worker_t *worker = arg;
    worker->rc = mouv_run(insert_and_find, worker, NULL);
    return NULL;
}

static int work_beside(test_t *t) {
    pthread_t threads[THREADS];
    worker_t workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker_t){.database = t->database_name, .number = i};
        CHECK_INT(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
    }
    for (int i = 0; i < 20; i++) await(t, mouv_client_ping(t->client)); /* this loop goes on */
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(workers[i].rc, 0);
        CHECK_INT(workers[i].found, DOCUMENTS);
    }
    return 0;
}

CASE(several_loops_have_a_client_each) {
    return work_beside(t);
}

/* --- where it does not belong ----------------------------------------------------------------- */

typedef struct trespass {
    test_t *t;
    mouv_cursor_t *cursor;
    mouv_session_t *session;
} trespass_t;

static int code_of(mouv_future_t future) {
    int code = mouv_future_result(future, NULL);
    mouv_future_unref(future);
    return code;
}

/** With what the thread has, a loop of its own or none. */
static int use_all(trespass_t *trespass) {
    test_t *t = trespass->t;
    const bson_t *doc;
    AUTO_BSON *document = bson_new();
    mouv_error_t error;
    CHECK_INT(code_of(mouv_client_ping(t->client)), MOUV_ETHREAD);
    CHECK_INT(code_of(mouv_collection_insert_one(t->users, document, NULL, NULL)), MOUV_ETHREAD);
    mouv_database_t *database = mouv_client_get_database(t->client, "other");
    mouv_collection_t *users = mouv_client_get_collection(t->client, t->database_name, "users");
    CHECK(database != NULL && users != NULL && users != t->users);
    CHECK_INT(code_of(mouv_database_drop(database, NULL)), MOUV_ETHREAD);
    CHECK_INT(code_of(mouv_collection_find_one(users, document, NULL, NULL)), MOUV_ETHREAD);
    CHECK_INT(code_of(mouv_collection_find_one(mouv_collection_with_options(t->users, document),
                                               document, NULL, NULL)),
              MOUV_ETHREAD);
    CHECK(mouv_client_start_session(t->client, NULL, &error) == NULL);
    CHECK_INT(error.code, MOUV_ETHREAD);
    CHECK(mouv_client_get_topology(t->client, &error) == NULL);
    CHECK_INT(error.code, MOUV_ETHREAD);
    CHECK(mouv_cursor_next(trespass->cursor, &doc, NULL) < 0);
    mouv_cursor_unref(trespass->cursor); /* these do nothing, but complain */
    mouv_session_unref(trespass->session);
    mouv_client_unref(t->client);
    return 0;
}

static void swallow(mouv_log_level_t level, const char *message, void *arg) {
    if (level == MOUV_LOG_ERROR && strstr(message, "another thread")) ++*(int *)arg;
}

static int without_a_loop(void *arg) {
    return use_all(arg);
}

static void *run_elsewhere(void *arg) {
    mouv_run(without_a_loop, arg, NULL);
    return NULL;
}

static int begin_trespass(test_t *t, trespass_t *trespass) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 10), 0);
    *trespass =
        (trespass_t){.t = t,
                     .cursor = mouv_collection_find(t->users, NULL, json(t, "{'batchSize': 2}")),
                     .session = mouv_client_start_session(t->client, NULL, &t->error)};
    CHECK_INT(mouv_cursor_next(trespass->cursor, &doc, &t->error), 1);
    return 0;
}

/** What was refused elsewhere is as good as before. */
static int end_trespass(test_t *t, trespass_t *trespass) {
    const bson_t *doc;
    int rest = 0;
    while (mouv_cursor_next(trespass->cursor, &doc, &t->error) > 0) rest++;
    CHECK_INT(rest, 9);
    mouv_cursor_unref(trespass->cursor);
    mouv_session_unref(trespass->session);
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    return 0;
}

CASE(a_thread_without_a_loop_is_refused) {
    trespass_t trespass;
    int complaints = 0;
    CHECK_INT(begin_trespass(t, &trespass), 0);
    mouv_log_set_handler(swallow, &complaints);
    int rc = mouv_await(mouv_offload(without_a_loop, &trespass), &t->error);
    mouv_log_set_handler(NULL, NULL);
    CHECK_INT(rc, 0);
    CHECK_INT(complaints, 3);
    return end_trespass(t, &trespass);
}

CASE(a_thread_with_a_loop_of_its_own_is_refused) {
    trespass_t trespass;
    pthread_t thread;
    int complaints = 0;
    CHECK_INT(begin_trespass(t, &trespass), 0);
    mouv_log_set_handler(swallow, &complaints);
    CHECK_INT(pthread_create(&thread, NULL, run_elsewhere, &trespass), 0);
    pthread_join(thread, NULL);
    mouv_log_set_handler(NULL, NULL);
    CHECK_INT(complaints, 3);
    return end_trespass(t, &trespass);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(several_clients_share_one_loop),
        cmocka_unit_test(several_loops_have_a_client_each),
        cmocka_unit_test(a_thread_without_a_loop_is_refused),
        cmocka_unit_test(a_thread_with_a_loop_of_its_own_is_refused),
    };
    return RUN_CASES(cases);
}
