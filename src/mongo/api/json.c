/*
 * Extended JSON for programs.
 */
#include <mouv/json.h>

#include "mongo/json/reader.h"
#include "mongo/json/writer.h"

int mouv_bson_from_json(bson_t **document, const char *json, size_t size_bytes,
                        mouv_error_t *error) {
    mouv__json_fault_t fault;
    char place[80];
    *document = NULL;
    if (!json) return mouv_error_set(error, MOUV_EINVAL, "the text is NULL");
    *document = mouv__json_read(json, size_bytes, NULL, NULL, &fault);
    if (*document) return 0;
    mouv__json_place(&fault, json, size_bytes, place, sizeof place);
    return mouv_error_set(error, MOUV_EINVAL, "%s at %s", fault.why, place);
}

static mouv__json_style_t json_style(unsigned flags) {
    return (mouv__json_style_t){.canonical = flags & MOUV_JSON_CANONICAL,
                                .pretty = flags & MOUV_JSON_PRETTY,
                                .lossy = flags & MOUV_JSON_LOSSY};
}

/* Gives the text away, or what is wrong. */
static int json_conclude(bool good, mouv__bytes_t *text, const char *why, char **json,
                         mouv_error_t *error) {
    *json = NULL;
    if (!good) {
        bson_free(text->data);
        return mouv_error_set(error, MOUV_EINVAL, "%s", why);
    }
    mouv__bytes_byte(text, 0);
    *json = (char *)text->data;
    return 0;
}

int mouv_bson_to_json(const bson_t *document, unsigned flags, char **json, mouv_error_t *error) {
    char why[160] = "the document is NULL";
    mouv__bytes_t text = {0};
    bool good = document && mouv__json_write(&text, document, json_style(flags), why, sizeof why);
    return json_conclude(good, &text, why, json, error);
}

int mouv_bson_value_to_json(const bson_iter_t *field, unsigned flags, char **json,
                            mouv_error_t *error) {
    char why[160] = "the field is NULL";
    mouv__bytes_t text = {0};
    bool good = field && mouv__json_write_value(&text, field, json_style(flags), why, sizeof why);
    return json_conclude(good, &text, why, json, error);
}
