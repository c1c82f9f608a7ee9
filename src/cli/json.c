/*
 * mouv's reader, and what a place accepts.
 */
#include "cli/json.h"

#include <string.h>

#include "cli/cli.h"

static unsigned json_kind_of(const char *text, size_t size_bytes) {
    size_t at = 0;
    while (at < size_bytes && text[at] && strchr(" \t\r\n", text[at])) at++;
    return at < size_bytes && text[at] == '[' ? CLI_JSON_ARRAY : CLI_JSON_DOCUMENT;
}

bson_t *mouv_cli_json_parse(const char *text, size_t size_bytes, unsigned kinds, bool *is_array,
                            mouv_error_t *error) {
    bson_t *parsed;
    mouv_error_t why;
    unsigned kind = json_kind_of(text, size_bytes);
    int rc = mouv_bson_from_json(&parsed, text, size_bytes, &why);
    if (rc == 0 && !(kind & kinds)) {
        bson_destroy(parsed);
        parsed = NULL;
        mouv_cli_fail(error, CLI_EDATA,
                      kind == CLI_JSON_ARRAY ? "expected a document, not an array"
                                             : "expected an array, not a document");
    } else if (rc < 0) {
        mouv_cli_fail(error, CLI_EDATA, "%s", why.message);
    }
    if (is_array) *is_array = kind == CLI_JSON_ARRAY;
    return parsed;
}
