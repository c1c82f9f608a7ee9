/* Text for people: one line of UTF-8, whatever is in it and wherever it was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop/line.h"

static void whatever_is_put_in_one_line_comes_out(void **state) {
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"two\r\nlines\r\n", "two  lines"},
        {"a\tb\vc\fd", "a b c d"},
        {"bell\a, \x1b[31mred\x7f", "bell?, ?[31mred?"},
        {"next\xc2\x85line, csi\xc2\x9b", "next line, csi?"},
        {"line\xe2\x80\xa8paragraph\xe2\x80\xa9.", "line paragraph ."},
        {"f\xc3\xbcr \xe2\x82\xac, \xf0\x9f\x98\x80", "f\xc3\xbcr \xe2\x82\xac, \xf0\x9f\x98\x80"},
        {"no-break\xc2\xa0space", "no-break\xc2\xa0space"},
        {"latin-1 \xfc, half \xed\xa0\x80, long \xc0\x80", "latin-1 ?, half ???, long ??"},
        {"lone \x80", "lone ?"},
        {"cut \xc3", "cut"},
        {"cut\xe2\x82", "cut"},
        {"cut\xf0\x9f\x98", "cut"},
        {"not cut\xe2(", "not cut?("},
        {"\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100];
        strcpy(text, cases[i].text);
        mouv__line(text);
        assert_string_equal(text, cases[i].line);
    }
}

static void what_is_cut_is_cut_between_characters(void **state) {
    (void)state;
    char text[8];
    mouv__line_format(text, sizeof text, "%s", "abcd\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(text, "abcd\xe2\x82\xac");
    mouv__line_format(text, sizeof text, "%.6s", "abcd\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(text, "abcd");
}

static void text_may_be_made_of_itself(void **state) {
    (void)state;
    char text[20] = "reason";
    mouv__line_format(text, sizeof text, "why: %s; %s", text, text);
    assert_string_equal(text, "why: reason; reason");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_put_in_one_line_comes_out),
        cmocka_unit_test(what_is_cut_is_cut_between_characters),
        cmocka_unit_test(text_may_be_made_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
