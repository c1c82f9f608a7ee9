/*
 * What a change stream is of: a collection, a database, the deployment.
 */
#include <mouv/change_stream.h>

#include "mongo/command/command.h"
#include "mongo/cursor/change_stream.h"

mouv_change_stream_t *mouv_collection_watch(mouv_collection_t *collection, const bson_t *pipeline,
                                            const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin(&command, &mouv__change_stream_row, collection, opts);
    return mouv__change_stream_new(&command, pipeline, false);
}

mouv_change_stream_t *mouv_database_watch(mouv_database_t *database, const bson_t *pipeline,
                                          const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin_database(&command, &mouv__change_stream_row, database, opts);
    return mouv__change_stream_new(&command, pipeline, false);
}

mouv_change_stream_t *mouv_client_watch(mouv_client_t *client, const bson_t *pipeline,
                                        const bson_t *opts) {
    mouv__command_t command;
    mouv_database_t *admin = client ? mouv_client_get_database(client, "admin") : NULL;
    mouv__command_begin_database(&command, &mouv__change_stream_row, admin, opts);
    return mouv__change_stream_new(&command, pipeline, true);
}
