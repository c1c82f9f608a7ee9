/*
 * Shares in an upload stream.
 */
#ifndef MOUV_MONGO_GRIDFS_UPLOAD_H
#define MOUV_MONGO_GRIDFS_UPLOAD_H

#include <mouv/gridfs.h>

/**
 * The share of a call that is under way, or of its future: the last one frees the stream, whoever has
 * released it meanwhile. NULL does nothing.
 */
void mouv__gridfs_upload_hold(mouv_gridfs_upload_t *upload);
void mouv__gridfs_upload_let_go(mouv_gridfs_upload_t *upload);

#endif
