/*
 * `mouv demo`: what awaiting several things at once is good for, measured before your eyes.
 */
#include "cli/demo/demo.h"
#include "cli/cli.h"
#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLEAN_UP_LIMIT_MS = 10000 };

struct demo {
    struct cli_common common;
    const char *db;
    int64_t documents;
    uint64_t seed;
    bool keep;
};

/* --- documents ------------------------------------------------------------------------------- */

/* The texts are ours, so a mistake in one is a mistake in the program. */
bson_t *demo_json(const char *text) {
    bson_error_t error;
    char *json = bson_strdup(text);
    for (char *c = json; (c = strchr(c, '\'')); c++) *c = '"';
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (!document) {
        mouv_cli_complain("demo", "%s: %s", text, error.message);
        abort();
    }
    bson_free(json);
    return document;
}

void demo_drop_bson(bson_t **document) {
    bson_destroy(*document);
}

/* --- the demo -------------------------------------------------------------------------------- */

static int demo_show(void *arg) {
    const struct shop *shop = arg;
    int rc = demo_load(shop);
    if (rc == 0) rc = demo_compare(shop);
    if (rc == 0) rc = demo_deadline(shop);
    return rc;
}

/* Also after Ctrl-C and after a --timeout: the shield keeps them out. */
static int demo_clean_up(const struct shop *shop, mouv_error_t *error) {
    MOUV_SHIELD_SCOPE(shield, CLEAN_UP_LIMIT_MS);
    return mouv_await(mouv_database_drop(shop->db, NULL), error);
}

static int demo_show_and_clean_up(struct shop *shop, bool keep, mouv_error_t *error) {
    int rc = mouv_await(mouv_coro(demo_show, shop), error);
    if (keep) return rc;
    int cleaned = demo_clean_up(shop, rc < 0 ? NULL : error);
    return rc < 0 ? rc : cleaned;
}

static int demo_body(struct cli_run *run, void *arg, mouv_error_t *error) {
    const struct demo *demo = arg;
    mouv_database_t *db = mouv_client_get_database(run->client, demo->db);
    struct shop shop = {
        .client = run->client,
        .db = db,
        .users = mouv_database_get_collection(db, "users"),
        .products = mouv_database_get_collection(db, "products"),
        .orders = mouv_database_get_collection(db, "orders"),
        .documents = demo->documents,
        .seed = demo->seed,
    };
    int rc = mouv_await(mouv_coro(demo_prepare, &shop), error);
    if (rc == 0) rc = demo_show_and_clean_up(&shop, demo->keep, error);
    if (fflush(stdout) == EOF || ferror(stdout)) run->output.broken = errno ? errno : EIO;
    return rc;
}

/* --- the command line ------------------------------------------------------------------------ */

enum { OPTION_DOCUMENTS = 256, OPTION_SEED, OPTION_KEEP };

static const struct argp_option options[] = {
    {"db", 'd', "NAME", 0, "The database to fill (mouv_demo)", 0},
    {"documents", OPTION_DOCUMENTS, "N", 0, "How many documents it gets (40000)", 0},
    {"seed", OPTION_SEED, "N", 0, "The same number gives the same documents (1)", 0},
    {"keep", OPTION_KEEP, 0, 0, "Leave the database there", 0},
    {0},
};

static error_t demo_parse_option(int key, char *value, struct argp_state *state) {
    struct demo *demo = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &demo->common;
        break;
    case 'd':
        demo->db = value;
        break;
    case OPTION_DOCUMENTS:
        demo->documents = mouv_cli_number(state, "--documents", value, 1000, 10000000);
        break;
    case OPTION_SEED:
        demo->seed = (uint64_t)mouv_cli_number(state, "--seed", value, 0, INT64_MAX);
        break;
    case OPTION_KEEP:
        demo->keep = true;
        break;
    case ARGP_KEY_ARG:
        mouv_cli_usage(state, "unexpected argument: %s", value);
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {{&mouv_cli_common_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = demo_parse_option,
    .children = children,
    .doc = "Fills a database with a generated shop, asks it the same questions one after the other "
           "and then all at once, and ends a query that takes too long at its deadline. All times "
           "shown are measured.\vThe database is removed at the end. To try it without a server: "
           "mouv sandbox -- mouv demo",
};

int mouv_cli_demo(int argc, char **argv, const struct cli_common *common) {
    struct demo demo = {.common = *common, .db = "mouv_demo", .documents = 40000, .seed = 1};
    mouv_cli_parse(&argp, argc, argv, &demo);
    return mouv_cli_run(&demo.common, demo_body, &demo);
}
