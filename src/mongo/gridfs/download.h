/*
 * Shares in a download stream.
 */
#ifndef MOUV_MONGO_GRIDFS_DOWNLOAD_H
#define MOUV_MONGO_GRIDFS_DOWNLOAD_H

#include <mouv/gridfs.h>

/**
 * The share of a call that is under way, or of its future: the last one frees the stream, whoever has
 * released it meanwhile. NULL does nothing.
 */
void mouv__gridfs_download_hold(mouv_gridfs_download_t *download);
void mouv__gridfs_download_let_go(mouv_gridfs_download_t *download);

#endif
