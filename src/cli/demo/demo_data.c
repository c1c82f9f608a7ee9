/*
 * The demo's shop: users, products and orders, generated. A document depends on the seed and its
 * number only, so every run has the same ones, in whatever order the batches are made.
 */
#include "cli/cli.h"
#include "cli/demo/demo.h"
#include "cli/demo/timeline.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BATCH_SIZE = 1000, LOADERS = 8 };

/* --- pseudo-random --------------------------------------------------------------------------- */

/* splitmix64: a good sequence from any start, also from 1, 2, 3. */
static uint64_t demo_data_next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t demo_data_below(uint64_t *state, int64_t limit) {
    return (int64_t)(demo_data_next_random(state) % (uint64_t)limit);
}

#define PICK(state, list) \
    (list[demo_data_below((state), (int64_t)(sizeof(list) / sizeof((list)[0])))])

/* --- documents ------------------------------------------------------------------------------- */

/* How many of each the shop has: of 40,000 documents 8,000 users, 2,000 products, 30,000 orders. */
static int64_t demo_data_user_count(const struct shop *shop) {
    return shop->documents / 5;
}

static int64_t demo_data_product_count(const struct shop *shop) {
    return shop->documents / 20;
}

static int64_t demo_data_order_count(const struct shop *shop) {
    return shop->documents - demo_data_user_count(shop) - demo_data_product_count(shop);
}

static bson_t *demo_data_make_user(const struct shop *shop, uint64_t *state, int64_t number) {
    static const char *const first[] = {"Ada",    "Alan",   "Barbara",  "Dennis",
                                        "Donald", "Edsger", "Frances",  "Grace",
                                        "John",   "Ken",    "Margaret", "Radia"};
    static const char *const last[] = {"Allen",   "Dijkstra", "Hamilton", "Hopper",
                                       "Knuth",   "Liskov",   "Lovelace", "McCarthy",
                                       "Perlman", "Ritchie",  "Thompson"};
    static const char *const city[] = {"Bergen", "Bologna", "Gdansk", "Ghent",
                                       "Lyon",   "Porto",   "Tartu",  "Utrecht"};
    char name[40];
    snprintf(name, sizeof name, "%s %s", PICK(state, first), PICK(state, last));
    (void)shop;
    return BCON_NEW("_id", BCON_INT64(number), "name", BCON_UTF8(name), "city",
                    BCON_UTF8(PICK(state, city)), "born",
                    BCON_INT32(1940 + (int)demo_data_below(state, 65)));
}

static bson_t *demo_data_make_product(const struct shop *shop, uint64_t *state, int64_t number) {
    static const char *const colour[] = {"Blue", "Green", "Red", "White", "Yellow"};
    static const char *const thing[] = {"bicycle", "chair", "kettle", "lamp", "tent", "violin"};
    char name[40];
    snprintf(name, sizeof name, "%s %s", PICK(state, colour), PICK(state, thing));
    (void)shop;
    return BCON_NEW("_id", BCON_INT64(number), "name", BCON_UTF8(name), "cents",
                    BCON_INT64(100 + demo_data_below(state, 50000)), "stock",
                    BCON_INT32((int)demo_data_below(state, 500)));
}

static void demo_data_append_items(bson_t *order, const struct shop *shop, uint64_t *state) {
    bson_t items = BSON_INITIALIZER;
    int count = 1 + (int)demo_data_below(state, 4);
    for (int i = 0; i < count; i++) {
        const char key[] = {(char)('0' + i), '\0'};
        AUTO_BSON bson_t *item =
            BCON_NEW("product", BCON_INT64(demo_data_below(state, demo_data_product_count(shop))),
                     "quantity", BCON_INT32(1 + (int)demo_data_below(state, 5)), "cents",
                     BCON_INT64(100 + demo_data_below(state, 50000)));
        bson_append_document(&items, key, -1, item);
    }
    bson_append_array(order, "items", -1, &items);
    bson_destroy(&items);
}

static bson_t *demo_data_make_order(const struct shop *shop, uint64_t *state, int64_t number) {
    static const char *const status[] = {"new", "paid", "shipped", "shipped", "returned"};
    const int64_t year_2024_ms = 1704067200000, two_years_ms = 63072000000;
    bson_t *order = BCON_NEW("_id", BCON_INT64(number), "user",
                             BCON_INT64(demo_data_below(state, demo_data_user_count(shop))),
                             "status", BCON_UTF8(PICK(state, status)), "placed",
                             BCON_DATE_TIME(year_2024_ms + demo_data_below(state, two_years_ms)));
    demo_data_append_items(order, shop, state);
    return order;
}

/* --- batches --------------------------------------------------------------------------------- */

typedef bson_t *(*make_fn_t)(const struct shop *shop, uint64_t *state, int64_t number);

struct batch {
    mouv_collection_t *collection;
    make_fn_t make;
    int64_t first, count;
};

/* What the loaders share; no lock, for they are coroutines of one thread. */
struct load {
    const struct shop *shop;
    int64_t next; /* the first document that no loader has taken */
    int64_t stored;
    bool progress; /* draw a bar */
};

/* The next documents of one collection, at most BATCH_SIZE; false if none is left. */
static bool demo_data_take_batch(struct load *load, struct batch *batch) {
    const struct shop *shop = load->shop;
    const struct {
        mouv_collection_t *collection;
        make_fn_t make;
        int64_t count;
    } parts[] = {{shop->users, demo_data_make_user, demo_data_user_count(shop)},
                 {shop->products, demo_data_make_product, demo_data_product_count(shop)},
                 {shop->orders, demo_data_make_order, demo_data_order_count(shop)}};
    int64_t first = load->next;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; first -= parts[i++].count) {
        if (first >= parts[i].count) continue;
        int64_t left = parts[i].count - first;
        *batch = (struct batch){parts[i].collection, parts[i].make, first,
                                left < BATCH_SIZE ? left : BATCH_SIZE};
        load->next += batch->count;
        return true;
    }
    return false;
}

static uint64_t demo_data_seed_of(const struct shop *shop, const struct batch *batch,
                                  int64_t number) {
    uint64_t state = shop->seed ^ (uint64_t)number << 20;
    for (const char *c = mouv_collection_name(batch->collection); *c; c++)
        state = state * 31 + (unsigned char)*c;
    return state;
}

static int demo_data_insert_batch(const struct shop *shop, const struct batch *batch) {
    bson_t *documents[BATCH_SIZE];
    for (int64_t i = 0; i < batch->count; i++) {
        uint64_t state = demo_data_seed_of(shop, batch, batch->first + i);
        documents[i] = batch->make(shop, &state, batch->first + i);
    }
    mouv_future_t inserted = mouv_collection_insert_many(
        batch->collection, (const bson_t *const *)documents, (size_t)batch->count, NULL, NULL);
    for (int64_t i = 0; i < batch->count; i++) bson_destroy(documents[i]); /* it has copied them */
    return mouv_await(inserted, NULL);
}

/* --- loading --------------------------------------------------------------------------------- */

static void demo_data_show_progress(const struct load *load) {
    enum { WIDTH = 40 };
    static const char marks[] = "########################################";
    if (!load->progress) return;
    int done = (int)(load->stored * WIDTH / load->shop->documents);
    fprintf(stderr, "\r  [%-*.*s] %lld of %lld", WIDTH, done, marks, (long long)load->stored,
            (long long)load->shop->documents);
}

static void demo_data_erase_progress(const struct load *load) {
    if (load->progress) fputs("\r\033[K", stderr);
}

static int demo_data_load_batches(void *arg) {
    struct load *load = arg;
    struct batch batch;
    while (demo_data_take_batch(load, &batch)) {
        int rc = demo_data_insert_batch(load->shop, &batch);
        if (rc < 0) return rc;
        load->stored += batch.count;
        demo_data_show_progress(load);
    }
    return 0;
}

int demo_load(const struct shop *shop) {
    struct load load = {.shop = shop, .progress = isatty(STDERR_FILENO)};
    mouv_future_t loaders[LOADERS];
    int64_t began_ns = timeline_now_ns();
    for (int i = 0; i < LOADERS; i++) loaders[i] = mouv_coro(demo_data_load_batches, &load);
    int rc = mouv_await(mouv_gather_array(loaders, LOADERS), NULL);
    demo_data_erase_progress(&load);
    if (rc < 0) return rc;
    printf("Loaded %lld users, %lld products and %lld orders in %.1f ms (%d batches at once).\n\n",
           (long long)demo_data_user_count(shop), (long long)demo_data_product_count(shop),
           (long long)demo_data_order_count(shop), timeline_ms(timeline_now_ns() - began_ns),
           LOADERS);
    return 0;
}

/* --- a database of our own ------------------------------------------------------------------- */

#define MARK "made_by_mouv_demo"

/* Whether the database is empty or bears our mark. */
static bool demo_data_is_ours(char *const *names) {
    if (!names[0]) return true;
    for (; *names; names++) {
        if (strcmp(*names, MARK) == 0) return true;
    }
    return false;
}

int demo_prepare(void *arg) {
    const struct shop *shop = arg;
    char **names = NULL;
    int rc = mouv_await(mouv_database_list_collection_names(shop->db, NULL, &names), NULL);
    if (rc < 0) return rc;
    bool ours = demo_data_is_ours(names);
    bson_strfreev(names);
    if (!ours)
        return mouv_fail(CLI_EDATA, "database %s holds something else; choose another with --db",
                         mouv_database_name(shop->db));
    rc = mouv_await(mouv_database_drop(shop->db, NULL), NULL);
    if (rc < 0) return rc;
    return mouv_await(mouv_database_create_collection(shop->db, MARK, NULL), NULL);
}
