/*
 * The scripted server of the tests as a program: every find is answered with one document, after so
 * many milliseconds. Prints its URI and ends with its standard input.
 *
 * usage: mock [DELAY_MS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/mock_server.h"

int main(int argc, char **argv) {
    char byte;
    mock_server_t *server = mock_server_start(NULL);
    if (!server) {
        perror("mock");
        return 1;
    }
    bson_t *reply =
        BCON_NEW("cursor", "{", "id", BCON_INT64(0), "ns", "mouv_bench.docs", "firstBatch", "[",
                 "{", "_id", BCON_INT32(1), "name", "somebody", "age", BCON_INT32(1), "city",
                 "Porto", "score", BCON_DOUBLE(1 / 7.0), "}", "]", "}", "ok", BCON_DOUBLE(1));
    mock_server_script(server, "find",
                       &(mock_script_t){.reply = reply, .delay_ms = argc > 1 ? atoi(argv[1]) : 0});
    bson_destroy(reply);
    printf("%s\n", mock_server_uri(server));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    mock_server_stop(server);
    return 0;
}
