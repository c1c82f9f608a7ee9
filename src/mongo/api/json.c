/*
 * Extended JSON for programs.
 */
#include <mouv/json.h>

#include "mongo/json/reader.h"

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
