#include "net/tls_sessions.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

#include <openssl/ssl.h>
#include <time.h>

#define OF_ONE_KEY 4      /* servers give two at once */
#define GOOD_SECONDS 3600 /* what was verified then is verified again after that */

struct gw_tls_sessions {
    struct gw_map by_key;
    struct gw_list used; /* struct entry; the last used in front */
    unsigned count, most;
    unsigned owners;
};

struct entry {
    struct gw_list_node node;
    SSL_SESSION *sessions[OF_ONE_KEY]; /* the newest first */
    unsigned count;
    size_t key_len;
    char key[];
};

struct gw_tls_sessions *gw_tls_sessions_new(unsigned most)
{
    struct gw_tls_sessions *sessions = gw_alloc_zero(sizeof(*sessions));

    gw_map_init(&sessions->by_key);
    gw_list_init(&sessions->used);
    sessions->most = most;
    sessions->owners = 1;
    return sessions;
}

struct gw_tls_sessions *gw_tls_sessions_ref(struct gw_tls_sessions *sessions)
{
    sessions->owners++;
    return sessions;
}

static void drop(struct gw_tls_sessions *sessions, struct entry *entry)
{
    for (unsigned i = 0; i < entry->count; i++)
        SSL_SESSION_free(entry->sessions[i]);
    gw_map_remove(&sessions->by_key, gw_slice(entry->key, entry->key_len));
    gw_list_remove(&entry->node);
    sessions->count--;
    gw_free(entry);
}

void gw_tls_sessions_unref(struct gw_tls_sessions *sessions)
{
    if (!sessions || --sessions->owners > 0)
        return;
    GW_LIST_EACH(&sessions->used, node)
        drop(sessions, container_of(node, struct entry, node));
    gw_map_deinit(&sessions->by_key);
    gw_free(sessions);
}

static struct entry *make(struct gw_tls_sessions *sessions, struct gw_slice key)
{
    struct entry *entry = gw_alloc_zero(sizeof(*entry) + key.len);

    if (sessions->count >= sessions->most)
        drop(sessions, container_of(gw_list_last(&sessions->used), struct entry, node));
    entry->key_len = key.len;
    memcpy(entry->key, key.ptr, key.len);
    gw_map_put(&sessions->by_key, gw_slice(entry->key, key.len), entry);
    sessions->count++;
    return entry;
}

void gw_tls_sessions_put(struct gw_tls_sessions *sessions, struct gw_slice key,
                         SSL_SESSION *session)
{
    struct entry *entry = gw_map_get(&sessions->by_key, key);

    if (entry)
        gw_list_remove(&entry->node);
    else
        entry = make(sessions, key);
    gw_list_prepend(&sessions->used, &entry->node);
    if (entry->count == OF_ONE_KEY)
        SSL_SESSION_free(entry->sessions[--entry->count]);
    memmove(entry->sessions + 1, entry->sessions, entry->count * sizeof(entry->sessions[0]));
    entry->sessions[0] = session;
    entry->count++;
}

static bool is_good(const SSL_SESSION *session)
{
    long age = (long)time(NULL) - SSL_SESSION_get_time(session);

    return SSL_SESSION_is_resumable(session) && age >= 0 && age < GOOD_SECONDS &&
           age < SSL_SESSION_get_timeout(session);
}

static void drop_bad(struct entry *entry)
{
    unsigned count = entry->count;

    entry->count = 0;
    for (unsigned i = 0; i < count; i++)
        if (is_good(entry->sessions[i]))
            entry->sessions[entry->count++] = entry->sessions[i];
        else
            SSL_SESSION_free(entry->sessions[i]);
}

static SSL_SESSION *take_newest(struct entry *entry)
{
    SSL_SESSION *session = entry->sessions[0];

    entry->count--;
    memmove(entry->sessions, entry->sessions + 1, entry->count * sizeof(entry->sessions[0]));
    return session;
}

SSL_SESSION *gw_tls_sessions_take(struct gw_tls_sessions *sessions, struct gw_slice key)
{
    struct entry *entry = gw_map_get(&sessions->by_key, key);
    SSL_SESSION *session = NULL;

    if (!entry)
        return NULL;
    drop_bad(entry);
    if (entry->count == 0) {
        drop(sessions, entry);
        return NULL;
    }
    if (entry->count > 1 &&
        SSL_SESSION_get_protocol_version(entry->sessions[0]) >= TLS1_3_VERSION) {
        session = take_newest(entry);
    } else {
        session = entry->sessions[0];
        SSL_SESSION_up_ref(session);
    }
    gw_list_remove(&entry->node);
    gw_list_prepend(&sessions->used, &entry->node);
    return session;
}

unsigned gw_tls_sessions_count(const struct gw_tls_sessions *sessions)
{
    return sessions->count;
}
