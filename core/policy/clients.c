#include "policy/clients.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"

#include <pthread.h>
#include <string.h>

#define STRIPES 16
#define KEY_BYTES 8

struct gw_client_count {
    unsigned char key[KEY_BYTES];
    size_t key_len;
    unsigned connections;
};

struct stripe {
    pthread_mutex_t lock;
    struct gw_map counts; /* struct gw_client_count by key */
    char apart[64];       /* neighbours do not share a cache line */
};

struct gw_clients {
    uint64_t seed;
    struct stripe stripes[STRIPES];
};

struct gw_clients *gw_clients_new(void)
{
    struct gw_clients *clients = gw_alloc_zero(sizeof(*clients));

    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&clients->stripes[i].lock, NULL);
        gw_map_init(&clients->stripes[i].counts);
    }
    clients->seed = clients->stripes[0].counts.seed;
    return clients;
}

void gw_clients_free(struct gw_clients *clients)
{
    GW_ASSERT(gw_clients_count(clients) == 0);
    for (unsigned i = 0; i < STRIPES; i++) {
        gw_map_deinit(&clients->stripes[i].counts);
        pthread_mutex_destroy(&clients->stripes[i].lock);
    }
    gw_free(clients);
}

static struct gw_slice key_of(const unsigned char *ip, size_t len)
{
    static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    GW_ASSERT(len == 4 || len == 16);
    if (len == 4)
        return gw_slice((const char *)ip, 4);
    if (memcmp(ip, mapped, sizeof(mapped)) == 0)
        return gw_slice((const char *)ip + sizeof(mapped), 4);
    return gw_slice((const char *)ip, KEY_BYTES);
}

static struct stripe *stripe_of(struct gw_clients *clients, struct gw_slice key)
{
    return &clients->stripes[gw_hash(clients->seed, key.ptr, key.len) % STRIPES];
}

/* Under the lock. */
static struct gw_client_count *enter(struct gw_map *counts, struct gw_slice key, unsigned most)
{
    struct gw_client_count *count = gw_map_get(counts, key);

    if (!count) {
        if (most == 0)
            return NULL;
        count = gw_alloc_zero(sizeof(*count));
        memcpy(count->key, key.ptr, key.len);
        count->key_len = key.len;
        gw_map_put(counts, gw_slice((const char *)count->key, key.len), count);
    }
    if (count->connections >= most)
        return NULL;
    count->connections++;
    return count;
}

struct gw_client_count *gw_clients_enter(struct gw_clients *clients, const unsigned char *ip,
                                         size_t len, unsigned most)
{
    struct gw_slice key = key_of(ip, len);
    struct stripe *stripe = stripe_of(clients, key);

    pthread_mutex_lock(&stripe->lock);
    struct gw_client_count *count = enter(&stripe->counts, key, most);
    pthread_mutex_unlock(&stripe->lock);
    return count;
}

void gw_clients_leave(struct gw_clients *clients, struct gw_client_count *count)
{
    struct gw_slice key = gw_slice((const char *)count->key, count->key_len);
    struct stripe *stripe = stripe_of(clients, key);

    pthread_mutex_lock(&stripe->lock);
    if (--count->connections == 0) {
        gw_map_remove(&stripe->counts, key);
        gw_free(count);
    }
    pthread_mutex_unlock(&stripe->lock);
}

size_t gw_clients_count(struct gw_clients *clients)
{
    size_t total = 0;

    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&clients->stripes[i].lock);
        total += clients->stripes[i].counts.count;
        pthread_mutex_unlock(&clients->stripes[i].lock);
    }
    return total;
}
