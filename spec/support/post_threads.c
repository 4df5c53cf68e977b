/* Threads that post to a loop while it turns: what the mailbox is for. */
#include "base/alloc.h"
#include "base/check.h"
#include "net/loop.h"

#include <pthread.h>

#define THREADS_MAX 8

struct counted_message {
    struct gw_message message;
    struct poster *poster;
    unsigned number;
};

struct poster {
    pthread_t thread;
    struct gw_loop *loop;
    struct reader *reader;
    unsigned count;
    unsigned seen; /* by the loop's thread */
};

struct reader {
    unsigned left;
    unsigned in_order;
};

unsigned gw_spec_post_from_threads(struct gw_loop *loop, unsigned threads, unsigned each);

static void deliver(struct gw_message *message, struct gw_loop *loop)
{
    struct counted_message *counted = container_of(message, struct counted_message, message);
    struct poster *poster = counted->poster;

    if (counted->number == poster->seen)
        poster->reader->in_order++;
    poster->seen++;
    if (--poster->reader->left == 0)
        gw_loop_stop(loop);
    gw_free(counted);
}

static void *post(void *arg)
{
    struct poster *poster = arg;

    for (unsigned i = 0; i < poster->count; i++) {
        struct counted_message *counted = gw_alloc(sizeof(*counted));

        *counted = (struct counted_message){
            .message.deliver = deliver,
            .poster = poster,
            .number = i,
        };
        gw_loop_post(poster->loop, &counted->message);
    }
    return NULL;
}

/* Returns how many of them arrived in their sender's order. */
unsigned gw_spec_post_from_threads(struct gw_loop *loop, unsigned threads, unsigned each)
{
    struct poster posters[THREADS_MAX] = { 0 };
    struct reader reader = { .left = threads * each };

    GW_ASSERT(threads <= THREADS_MAX);
    for (unsigned i = 0; i < threads; i++) {
        posters[i].loop = loop;
        posters[i].reader = &reader;
        posters[i].count = each;
        GW_ASSERT(pthread_create(&posters[i].thread, NULL, post, &posters[i]) == 0);
    }
    gw_loop_run(loop);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(posters[i].thread, NULL);
    return reader.in_order;
}
