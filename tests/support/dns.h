/*
 * What the DNS server of support/with-dns answers. Where a program runs without it there is nothing
 * to test: dns_setup() skips all of it.
 */
#ifndef MOUV_TESTS_DNS_H
#define MOUV_TESTS_DNS_H

#include <stdint.h>

#include <mouv/base.h>

/** Ends the program with status 77 where there is no such server. */
void dns_setup(void);

/** The records from now on, one a line (see with-dns), as of printf(); all others go. */
void dns_records(const char *format, ...) MOUV_PRINTF(1, 2);

/** How often a name has been asked for. */
int dns_asked(const char *name);

#endif
