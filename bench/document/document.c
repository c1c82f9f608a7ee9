/*
 * Extended JSON and fields of documents in mouv beside the same in libbson, on one thread. Needs no
 * server. Every case is a sequence of rounds, mouv and libbson taking turns; the best of each counts.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <mouv/mouv.h>

enum { ROUNDS = 7, ROUND_NS = 60 * 1000 * 1000 };

static const char user[] =
    "{\"_id\": {\"$oid\": \"507f1f77bcf86cd799439011\"}, \"name\": \"Ada Lovelace\", \"age\": 36,"
    " \"balance\": 1234.5, \"active\": true, \"joined\": {\"$date\": \"2024-02-29T13:05:06.789Z\"},"
    " \"address\": {\"street\": \"12 St. James's Square\", \"city\": \"London\", \"zip\": null},"
    " \"tags\": [\"mathematics\", \"poetry\", \"engines\"], \"visits\": {\"$numberLong\": "
    "\"12345678901\"}}";

/* --- What is measured: each does one unit of work and gives false where it fails --------------- */

static char *text;       /* of the case */
static size_t size;      /* its length */
static bson_t *document; /* what it says */

static bool keep(bson_t *read) {
    bson_destroy(read);
    return read != NULL;
}

static bool mouv_reads(void) {
    bson_t *read;
    return mouv_bson_from_json(&read, text, size, NULL) == 0 && keep(read);
}

static bool libbson_reads(void) {
    bson_error_t error;
    return keep(bson_new_from_json((const uint8_t *)text, (ssize_t)size, &error));
}

static bool release(char *json) {
    bson_free(json);
    return json != NULL;
}

static bool mouv_writes_canonical(void) {
    char *json;
    return mouv_bson_to_json(document, MOUV_JSON_CANONICAL, &json, NULL) == 0 && release(json);
}

static bool libbson_writes_canonical(void) {
    return release(bson_as_canonical_extended_json(document, NULL));
}

static bool mouv_writes_relaxed(void) {
    char *json;
    return mouv_bson_to_json(document, MOUV_JSON_RELAXED, &json, NULL) == 0 && release(json);
}

static bool libbson_writes_relaxed(void) {
    return release(bson_as_relaxed_extended_json(document, NULL));
}

/* Eight fields of a subscriber, two of them missing: as programs on libmongoc look for each. */

static const char *const paths[] = {"age",         "balance", "address.city", "visits",
                                    "limit.daily", "active",  "tags.1",       "nickname"};
enum { PATHS = sizeof paths / sizeof *paths };

static bool libbson_gets(void) {
    int64_t sum = 0;
    bson_iter_t iter, field;
    for (int i = 0; i < PATHS; i++) {
        bool found =
            bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, paths[i], &field);
        sum += found && BSON_ITER_HOLDS_NUMBER(&field) ? bson_iter_as_int64(&field) : 1;
    }
    return sum > 0;
}

/* The fastest way there is: one pass, each key compared with all that are looked for. */
static bool libbson_passes(void) {
    static const char *const names[] = {"age", "balance", "visits", "active", "nickname"};
    int64_t sum = 0;
    bson_iter_t iter;
    if (!bson_iter_init(&iter, document)) return false;
    while (bson_iter_next(&iter))
        for (int i = 0; i < 5; i++)
            if (strcmp(bson_iter_key(&iter), names[i]) == 0) sum += bson_iter_as_int64(&iter);
    return sum > 0;
}

static bool mouv_gets_five(void) {
    return mouv_bson_int64_or(document, "age", 0) + mouv_bson_int64_or(document, "balance", 0) +
               mouv_bson_int64_or(document, "visits", 0) +
               mouv_bson_bool_or(document, "active", false) +
               mouv_bson_int64_or(document, "nickname", 0) >
           0;
}

static bool mouv_gets(void) {
    int64_t sum = 0;
    for (int i = 0; i < PATHS; i++) sum += mouv_bson_int64_or(document, paths[i], 1);
    return sum > 0;
}

/* --- Texts ------------------------------------------------------------------------------------ */

static char *repeat(const char *before, const char *each, int count, const char *after) {
    size_t length = strlen(each);
    char *whole = bson_malloc(strlen(before) + (size_t)count * length + strlen(after) + 1);
    char *at = whole + sprintf(whole, "%s", before);
    for (int i = 0; i < count; i++, at += length) memcpy(at, each, length);
    strcpy(at, after);
    return whole;
}

static char *make_user(void) {
    return bson_strdup(user);
}

static char *make_numbers(void) {
    return repeat("{\"numbers\": [", "3.14159265, -17, 12345678901, ", 100, "0]}");
}

static char *make_text(void) {
    return repeat("{\"text\": \"", "Zeilen mit Umlauten: \xc3\xa4\xc3\xb6\xc3\xbc, und \\n ", 200,
                  "\"}");
}

/* --- Measuring -------------------------------------------------------------------------------- */

/* Nanoseconds for one unit; a negative number where it fails. */
static double measure(bool (*unit)(void)) {
    uint64_t began = uv_hrtime(), now = began;
    for (int64_t done = 0;;) {
        for (int i = 0; i < 64; i++, done++)
            if (!unit()) return -1;
        now = uv_hrtime();
        if (now - began >= ROUND_NS) return (double)(now - began) / (double)done;
    }
}

static double best_of(double best, bool (*unit)(void)) {
    double took = measure(unit);
    return best == 0 || took < best ? took : best;
}

static void compare(const char *what, bool (*mouv)(void), bool (*libbson)(void), size_t bytes) {
    double mine = 0, theirs = 0;
    for (int i = 0; i < ROUNDS; i++) {
        mine = best_of(mine, mouv);
        theirs = best_of(theirs, libbson);
    }
    if (mine < 0 || theirs < 0) {
        fprintf(stderr, "%s: failed\n", what);
        exit(1);
    }
    printf("%-26s %9.0f %9.0f %6.2fx", what, mine, theirs, mine / theirs);
    if (bytes > 0) printf(" %9.0f %9.0f", (double)bytes / mine * 1e3, (double)bytes / theirs * 1e3);
    putchar('\n');
    fflush(stdout);
}

static void compare_json(const char *name, char *(*make)(void)) {
    char what[64];
    text = make();
    size = strlen(text);
    if (mouv_bson_from_json(&document, text, size, NULL) < 0) exit(1);
    snprintf(what, sizeof what, "read %s", name);
    compare(what, mouv_reads, libbson_reads, size);
    snprintf(what, sizeof what, "write %s, canonical", name);
    compare(what, mouv_writes_canonical, libbson_writes_canonical, size);
    snprintf(what, sizeof what, "write %s, relaxed", name);
    compare(what, mouv_writes_relaxed, libbson_writes_relaxed, size);
    bson_destroy(document);
    bson_free(text);
}

static void compare_fields(void) {
    if (mouv_bson_from_json(&document, user, strlen(user), NULL) < 0) exit(1);
    compare("eight fields by path", mouv_gets, libbson_gets, 0);
    compare("five fields, one pass", mouv_gets_five, libbson_passes, 0);
    bson_destroy(document);
}

int main(void) {
    printf("%-26s %9s %9s %7s %9s %9s\n", "", "mouv, ns", "libbson", "", "MB/s", "MB/s");
    compare_json("a user", make_user);
    compare_json("numbers", make_numbers);
    compare_json("text", make_text);
    compare_fields();
    return 0;
}
