/*
 * What both executors share: how a job comes home.
 */
#include "mongo/transport/workers/executor.h"

static void executor_job_deliver(mouv__mail_t *mail) {
    mouv__job_t *job = (mouv__job_t *)mail;
    job->done(job);
}

static void executor_job_discard(mouv__mail_t *mail) {
    mouv__job_t *job = (mouv__job_t *)mail;
    job->discard(job);
}

void mouv__executor_send_home(mouv__mailbox_t *mailbox, mouv__job_t *job) {
    job->mail.deliver = executor_job_deliver;
    job->mail.discard = executor_job_discard;
    mouv__mailbox_post(mailbox, &job->mail);
}
