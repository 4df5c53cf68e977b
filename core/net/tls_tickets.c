#include "net/tls_tickets.h"

#include "base/alloc.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <uv.h>

#define ROTATE_SECONDS 3600
#define KEYS (GW_TLS_TICKET_SECONDS / ROTATE_SECONDS + 1)

struct gw_tls_tickets {
    uv_mutex_t lock;
    struct gw_tls_ticket_key keys[KEYS]; /* newest first */
};

struct gw_tls_tickets *gw_tls_tickets_new(void)
{
    struct gw_tls_tickets *tickets = gw_alloc_zero(sizeof(*tickets));

    uv_mutex_init(&tickets->lock);
    return tickets;
}

void gw_tls_tickets_free(struct gw_tls_tickets *tickets)
{
    if (!tickets)
        return;
    uv_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
    gw_free(tickets);
}

/* The time may go back, too: a key from the future is replaced. */
static bool is_due(const struct gw_tls_ticket_key *key, int64_t now)
{
    return key->since == 0 || now >= key->since + ROTATE_SECONDS || now < key->since;
}

static bool is_good(const struct gw_tls_ticket_key *key, int64_t now)
{
    return key->since && now < key->since + ROTATE_SECONDS + GW_TLS_TICKET_SECONDS;
}

static bool rotate(struct gw_tls_tickets *tickets, int64_t now)
{
    struct gw_tls_ticket_key key = { .since = now };

    if (RAND_bytes(key.name, sizeof(key.name)) != 1 ||
        RAND_priv_bytes(key.cipher, sizeof(key.cipher)) != 1 ||
        RAND_priv_bytes(key.mac, sizeof(key.mac)) != 1)
        return false;
    memmove(tickets->keys + 1, tickets->keys, sizeof(key) * (KEYS - 1));
    tickets->keys[0] = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

bool gw_tls_tickets_current(struct gw_tls_tickets *tickets, int64_t now,
                            struct gw_tls_ticket_key *key)
{
    bool good = true;

    uv_mutex_lock(&tickets->lock);
    if (is_due(&tickets->keys[0], now))
        good = rotate(tickets, now);
    *key = tickets->keys[0];
    uv_mutex_unlock(&tickets->lock);
    return good;
}

bool gw_tls_tickets_find(struct gw_tls_tickets *tickets, int64_t now, const unsigned char name[16],
                         struct gw_tls_ticket_key *key)
{
    bool found = false;

    uv_mutex_lock(&tickets->lock);
    for (unsigned i = 0; i < KEYS && !found; i++) {
        *key = tickets->keys[i];
        found = is_good(key, now) && CRYPTO_memcmp(key->name, name, sizeof(key->name)) == 0;
    }
    uv_mutex_unlock(&tickets->lock);
    return found;
}
