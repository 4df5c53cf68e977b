#pragma once
/* One connection to a Redis, for redis.c: it connects, logs in, sends, reads, and begins again when
 * it broke. */
#include "store/redis.h"

#ifndef GW_CDEF
#include "net/conn.h"

struct gw_redis_job {
    struct gw_list_node node; /* in its link, until its replies came */
    struct gw_redis_link *link;
    struct gw_arena *arena; /* of its bytes and replies */
    struct gw_slice bytes;  /* while they wait for the connection; empty: sent */
    unsigned count, got;
    struct gw_redis_value **values;
    enum gw_redis_end end;
    bool ended; /* the callback was called, or will be by `defer` */
    uint64_t due_us;
    uint64_t reads; /* of its link, when it was sent */
    struct gw_timer timer;
    struct gw_defer defer;
    gw_redis_cb done; /* NULL: nobody waits, and it is the link's to free */
    void *ctx;
    struct gw_redis_numbers *numbers;
};
#endif

struct gw_redis_link;

struct gw_redis_link *gw_redis_link_new(struct gw_loop *loop, struct gw_redis_server *server,
                                        struct gw_redis_numbers *numbers);
/* Its jobs are freed, or left to who waits for them with GW_REDIS_SHUTDOWN. */
void gw_redis_link_free(struct gw_redis_link *link);

/* GW_REDIS_ANSWERED: it would take these bytes; else why not. */
enum gw_redis_end gw_redis_link_look(const struct gw_redis_link *link, size_t bytes);

/* After gw_redis_link_look(). */
void gw_redis_link_take(struct gw_redis_link *link, struct gw_redis_job *job,
                        struct gw_slice bytes);

unsigned gw_redis_link_waiting(const struct gw_redis_link *link);
bool gw_redis_link_ready(const struct gw_redis_link *link);
bool gw_redis_link_fails(const struct gw_redis_link *link); /* its last try did */

/* A job's time is over. */
void gw_redis_link_note_timeout(struct gw_redis_link *link, const struct gw_redis_job *job);

/* Takes a job out that was not sent yet, so that it never will be; false: it was. */
bool gw_redis_link_withdraw(struct gw_redis_link *link, struct gw_redis_job *job);
