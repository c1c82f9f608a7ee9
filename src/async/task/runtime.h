/*
 * What the rooms above use of the runtime and of the task that runs on it, in one include.
 */
#ifndef MOUV_ASYNC_TASK_RUNTIME_H
#define MOUV_ASYNC_TASK_RUNTIME_H

#include "async/loop/future.h"
#include "async/loop/log.h"
#include "async/loop/mailbox.h"
#include "async/loop/raise.h"
#include "async/loop/runtime.h"
#include "async/loop/timer.h"
#include "async/task/current.h"

#endif
