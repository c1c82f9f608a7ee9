/*
 * Money from one account to another, in a transaction: both changes are stored or none. The body
 * may run several times; mouv_with_transaction() knows when.
 *
 *     MONGODB_URI=mongodb://localhost transaction
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

#define NOT_ENOUGH (-1) /* our own code: aborts, and comes back from mouv_with_transaction() */

struct transfer {
    mouv_collection_t *accounts;
    const char *from, *to;
    int amount;
};

/* Adds `amount` to an account that has at least `least`: 1, or 0 if there is none such. */
static int add(const struct transfer *transfer, const char *name, int least, int amount,
               const bson_t *opts) {
    MOUV_AUTO_BSON bson_t *filter =
        BCON_NEW("_id", name, "balance", "{", "$gte", BCON_INT32(least), "}");
    MOUV_AUTO_BSON bson_t *update = BCON_NEW("$inc", "{", "balance", BCON_INT32(amount), "}");
    return mouv_await(mouv_collection_update_one(transfer->accounts, filter, update, opts, NULL),
                      NULL);
}

static int move(mouv_session_t *session, void *arg) {
    const struct transfer *transfer = arg;
    MOUV_AUTO_BSON bson_t *opts = bson_new();
    mouv_session_append(session, opts);
    int rc = add(transfer, transfer->from, transfer->amount, -transfer->amount, opts);
    if (rc < 0) return rc; /* as it is, so that its labels are seen */
    if (rc == 0) return mouv_fail(NOT_ENOUGH, "%s has not enough", transfer->from);
    return add(transfer, transfer->to, 0, transfer->amount, opts);
}

static void tell(mouv_session_t *session, struct transfer *transfer) {
    mouv_error_t error;
    if (mouv_with_transaction(session, move, transfer, NULL, &error) < 0)
        printf("%d from %s to %s: %s\n", transfer->amount, transfer->from, transfer->to,
               error.message);
    else
        printf("%d from %s to %s: done\n", transfer->amount, transfer->from, transfer->to);
}

static int open_accounts(mouv_collection_t *accounts) {
    MOUV_AUTO_BSON bson_t *ann = BCON_NEW("_id", "ann", "balance", BCON_INT32(100));
    MOUV_AUTO_BSON bson_t *bob = BCON_NEW("_id", "bob", "balance", BCON_INT32(0));
    const bson_t *both[] = {ann, bob};
    int rc = mouv_await(mouv_collection_drop(accounts, NULL), NULL);
    return rc < 0 ? rc
                  : mouv_await(mouv_collection_insert_many(accounts, both, 2, NULL, NULL), NULL);
}

static int main_task(void *arg) {
    (void)arg;
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (!client) return mouv_fail_with(&error);
    mouv_collection_t *accounts = mouv_client_get_collection(client, "mouv_examples", "accounts");
    int rc = open_accounts(accounts);
    if (rc < 0) return rc;
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &error);
    if (!session) return mouv_fail_with(&error);
    struct transfer first = {accounts, "ann", "bob", 70}, second = {accounts, "ann", "bob", 70};
    tell(session, &first);
    tell(session, &second);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
