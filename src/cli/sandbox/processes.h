/*
 * Ending processes that are nobody's children any more, found by a mark in their environment.
 */
#ifndef MOUV_CLI_SANDBOX_PROCESSES_H
#define MOUV_CLI_SANDBOX_PROCESSES_H

#include <stdint.h>

/* Ends every process that was started with `mark` ("NAME=value") in its environment: SIGTERM, and
 * SIGKILL for what is still there after `grace_ms`. Blocks until they are gone. */
void processes_end(const char *mark, int64_t grace_ms);

#endif
