/* The schema of the unified test format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/from_json.h"
#include "spec/schema.h"

static void a_small_file_is_accepted(void **state) {
    (void)state;
    bson_t *file = from_json("{'description': 'd', 'schemaVersion': '1.0', 'tests': "
                             "[{'description': 't', 'operations': []}]}");
    char *why = NULL;
    assert_true(spec_schema_check(file, &why));
    assert_null(why);
    bson_destroy(file);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_small_file_is_accepted),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
