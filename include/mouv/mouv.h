/*
 * All of mouv.
 */
#ifndef MOUV_MOUV_H
#define MOUV_MOUV_H

#include <mouv/admin.h>
#include <mouv/await.h>
#include <mouv/base.h>
#include <mouv/bulk.h>
#include <mouv/callback.h>
#include <mouv/change_stream.h>
#include <mouv/client.h>
#include <mouv/clock.h>
#include <mouv/collection.h>
#include <mouv/condition.h>
#include <mouv/cursor.h>
#include <mouv/database.h>
#include <mouv/debug.h>
#include <mouv/document.h>
#include <mouv/error.h>
#include <mouv/event.h>
#include <mouv/future.h>
#include <mouv/gather.h>
#include <mouv/gridfs.h>
#include <mouv/gridfs_file.h>
#include <mouv/group.h>
#include <mouv/index.h>
#include <mouv/json.h>
#include <mouv/local.h>
#include <mouv/lock.h>
#include <mouv/log.h>
#include <mouv/monitor.h>
#include <mouv/offload.h>
#include <mouv/place.h>
#include <mouv/queue.h>
#include <mouv/reply.h>
#include <mouv/runtime.h>
#include <mouv/scope.h>
#include <mouv/semaphore.h>
#include <mouv/session.h>
#include <mouv/signal.h>
#include <mouv/task.h>
#include <mouv/threadsafe.h>
#include <mouv/topology.h>
#include <mouv/wait.h>

#endif
