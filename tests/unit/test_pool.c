/*
 * Letting in: who may send when.
 */
#include "pool_support.h"

CORO_CASE(first_come_first_served_on_the_one_connection_there_is) {
    fake_t *fake = fake_new(&(fake_options_t){.connections = 1});
    fake_deploy(fake, "RSPrimary");
    customer_t customers[3];
    customer_come(&customers[0], fake, "a", 0);
    customer_come(&customers[1], fake, "b", 0);
    customer_come(&customers[2], fake, "c", 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK_STRING(events(), "");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_STRING(events(), "a");
    customer_leave(&customers[0]);
    CHECK_STRING(events(), "a b");
    customer_leave(&customers[1]);
    CHECK_STRING(events(), "a b c");
    customer_leave(&customers[2]);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 1);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 0);
    fake_free(fake);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(first_come_first_served_on_the_one_connection_there_is),
    };
    return RUN_CASES(cases);
}
