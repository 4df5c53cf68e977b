#include "store/ledger_file.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "store/quotas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef GW_SQLITE

#include <sqlite3.h>

#define APPLICATION_ID 0x4d6f6f6e /* "Moon" */
#define SCHEMA 1
#define BUSY_MS 2000
#define CLEAN_ROWS "1000"
#define FARTHEST_US (UINT64_C(2) * 366 * 86400 * 1000000) /* no calendar makes a longer window */

enum statement {
    READ_ALL,
    READ_ONE,
    ADD,
    CLEAN,
    VERSION,
    STATEMENTS
};

static const char *const statement_texts[STATEMENTS] = {
    [READ_ALL] = "SELECT key, ends, used FROM quotas WHERE ends > ?1 ORDER BY ends",
    [READ_ONE] = "SELECT ends, used FROM quotas WHERE key = ?1 AND ends > ?2 ORDER BY ends LIMIT 1",
    [ADD] = "INSERT INTO quotas (key, ends, used) VALUES (?1, ?2, max(0, ?3)) "
            "ON CONFLICT (key, ends) DO UPDATE "
            "SET used = min(max(0, used + ?3), 4000000000000000000) RETURNING used",
    [CLEAN] = "DELETE FROM quotas WHERE (key, ends) IN "
              "(SELECT key, ends FROM quotas WHERE ends <= ?1 OR ends > ?2 LIMIT " CLEAN_ROWS ")",
    [VERSION] = "PRAGMA data_version",
};

static const char schema[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE quotas (key BLOB NOT NULL, ends INTEGER NOT NULL, used INTEGER NOT NULL,"
    "  PRIMARY KEY (key, ends)) WITHOUT ROWID;"
    "CREATE INDEX quotas_by_end ON quotas (ends);";

struct gw_ledger_file {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct gw_siphash_key secret;
    int64_t version; /* of the data, as it was seen last */
};

static const char *text_of(struct gw_ledger_file *file, int code)
{
    int system = sqlite3_system_errno(file->db);

    if (code == SQLITE_FULL)
        return "the disk is full";
    if (code == SQLITE_IOERR && system)
        return strerror(system);
    return sqlite3_errmsg(file->db);
}

/* --- opening --- */

static bool number_of(sqlite3 *db, const char *pragma, int64_t *number)
{
    sqlite3_stmt *statement;
    bool good = sqlite3_prepare_v2(db, pragma, -1, &statement, NULL) == SQLITE_OK;

    good = good && sqlite3_step(statement) == SQLITE_ROW;
    if (good)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return good;
}

static bool put_secret(sqlite3 *db, const struct gw_siphash_key *secret)
{
    sqlite3_stmt *statement;
    bool good = sqlite3_prepare_v2(db, "INSERT INTO about VALUES ('secret', ?1)", -1, &statement,
                                   NULL) == SQLITE_OK;

    good =
        good &&
        sqlite3_bind_blob(statement, 1, secret, sizeof(*secret), SQLITE_TRANSIENT) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return good;
}

static bool get_secret(sqlite3 *db, struct gw_siphash_key *secret)
{
    sqlite3_stmt *statement;
    bool good = sqlite3_prepare_v2(db, "SELECT value FROM about WHERE name = 'secret'", -1,
                                   &statement, NULL) == SQLITE_OK;

    good = good && sqlite3_step(statement) == SQLITE_ROW &&
           sqlite3_column_bytes(statement, 0) == (int)sizeof(*secret);
    if (good)
        memcpy(secret, sqlite3_column_blob(statement, 0), sizeof(*secret));
    sqlite3_finalize(statement);
    return good;
}

static bool make_tables(sqlite3 *db)
{
    struct gw_siphash_key secret;
    char last[96];

    gw_siphash_key_init(&secret);
    snprintf(last, sizeof(last), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA);
    return sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK && put_secret(db, &secret) &&
           sqlite3_exec(db, last, NULL, NULL, NULL) == SQLITE_OK;
}

/* NULL, or what is wrong; looks only. *fresh: there is nothing in it. */
static const char *inspect(sqlite3 *db, bool *fresh, char *text, size_t size)
{
    int64_t application = 0, version = 0, tables = 0;
    sqlite3_stmt *check;

    if (!number_of(db, "SELECT count(*) FROM sqlite_master", &tables) ||
        !number_of(db, "PRAGMA application_id", &application) ||
        !number_of(db, "PRAGMA user_version", &version)) {
        snprintf(text, size, "%s", sqlite3_errmsg(db));
        return text;
    }
    *fresh = tables == 0 && application == 0;
    if (*fresh)
        return NULL;
    if (application != APPLICATION_ID)
        return "it is a database of something else";
    if (version != SCHEMA) {
        snprintf(text, size, "it was written by another Moongate (schema %lld, this one has %d)",
                 (long long)version, SCHEMA);
        return text;
    }
    bool good = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
                sqlite3_step(check) == SQLITE_ROW;

    snprintf(text, size, "%s",
             good ? (const char *)sqlite3_column_text(check, 0) : sqlite3_errmsg(db));
    sqlite3_finalize(check);
    return good && strcmp(text, "ok") == 0 ? NULL : text;
}

static bool prepare_all(struct gw_ledger_file *file)
{
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(file->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &file->statements[i], NULL) != SQLITE_OK)
            return false;
    return true;
}

/* Nobody but us may read it; what is there keeps its mode. */
static bool make_file(const char *path)
{
    int fd = GW_FAULT_SYS(STORE_OPEN, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

    if (fd < 0)
        return false;
    close(fd); /* before SQLite has its locks: closing any descriptor would drop them */
    return true;
}

static bool fail_open(struct gw_ledger_file *file, const char *path, const char *problem, char *why,
                      size_t why_size)
{
    bool damaged = sqlite3_errcode(file->db) != SQLITE_BUSY;

    snprintf(why, why_size, "%s cannot be used: %s%s", path, problem,
             damaged ? " (to begin anew, with nothing used of any quota, move the file away)" : "");
    return false;
}

static bool open_database(struct gw_ledger_file *file, const char *path, char *why, size_t why_size)
{
    char text[256];
    bool fresh = false;

    if (sqlite3_open_v2(path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)) {
        snprintf(why, why_size, "cannot open %s: %s", path, sqlite3_errmsg(file->db));
        return false;
    }
    sqlite3_busy_timeout(file->db, BUSY_MS);
    const char *problem = inspect(file->db, &fresh, text, sizeof(text));

    if (problem)
        return fail_open(file, path, problem, why, why_size);
    /* FULL: what was committed is on the disk also when the power fails. */
    if ((fresh && !make_tables(file->db)) ||
        sqlite3_exec(file->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL,
                     NULL) != SQLITE_OK ||
        !get_secret(file->db, &file->secret) || !prepare_all(file))
        return fail_open(file, path, sqlite3_errmsg(file->db), why, why_size);
    gw_ledger_file_has_changed(file);
    return true;
}

struct gw_ledger_file *gw_ledger_file_open(const char *path, char *why, size_t why_size)
{
    if (!make_file(path)) {
        snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    struct gw_ledger_file *file = gw_alloc_zero(sizeof(*file));

    if (open_database(file, path, why, why_size))
        return file;
    gw_ledger_file_close(file);
    return NULL;
}

void gw_ledger_file_close(struct gw_ledger_file *file)
{
    if (!file)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(file->statements[i]);
    sqlite3_close(file->db);
    gw_free(file);
}

struct gw_siphash_key gw_ledger_file_secret(const struct gw_ledger_file *file)
{
    return file->secret;
}

/* --- reading --- */

static bool key_of(sqlite3_stmt *statement, struct gw_hash128 *key)
{
    if (sqlite3_column_bytes(statement, 0) != (int)sizeof(*key))
        return false;
    memcpy(key, sqlite3_column_blob(statement, 0), sizeof(*key));
    return true;
}

const char *gw_ledger_file_each(struct gw_ledger_file *file, uint64_t now_us,
                                void (*visit)(void *ctx, const struct gw_quota_fact *fact),
                                void *ctx)
{
    sqlite3_stmt *statement = file->statements[READ_ALL];
    struct gw_quota_fact fact;
    int code;

    sqlite3_bind_int64(statement, 1, (int64_t)now_us);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!key_of(statement, &fact.key))
            continue;
        fact.end_us = (uint64_t)sqlite3_column_int64(statement, 1);
        fact.total_micro = sqlite3_column_int64(statement, 2);
        visit(ctx, &fact);
    }
    const char *problem = code == SQLITE_DONE ? NULL : text_of(file, code);

    sqlite3_reset(statement);
    return problem;
}

const char *gw_ledger_file_get(struct gw_ledger_file *file, uint64_t now_us,
                               struct gw_quota_fact *fact)
{
    sqlite3_stmt *statement = file->statements[READ_ONE];

    fact->end_us = 0;
    fact->total_micro = 0;
    if (GW_FAULT(STORE_READ))
        return strerror(errno);
    sqlite3_bind_blob(statement, 1, &fact->key, sizeof(fact->key), SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)now_us);
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW) {
        fact->end_us = (uint64_t)sqlite3_column_int64(statement, 0);
        fact->total_micro = sqlite3_column_int64(statement, 1);
    }
    const char *problem = code == SQLITE_ROW || code == SQLITE_DONE ? NULL : text_of(file, code);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return problem;
}

bool gw_ledger_file_has_changed(struct gw_ledger_file *file)
{
    sqlite3_stmt *statement = file->statements[VERSION];
    int64_t before = file->version;

    if (sqlite3_step(statement) == SQLITE_ROW)
        file->version = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return file->version != before;
}

bool gw_ledger_file_has_moved(struct gw_ledger_file *file)
{
    int moved = 0;

    sqlite3_file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved != 0;
}

/* --- writing --- */

static int add_one(struct gw_ledger_file *file, struct gw_quota_change *change)
{
    sqlite3_stmt *statement = file->statements[ADD];

    sqlite3_bind_blob(statement, 1, &change->key, sizeof(change->key), SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)change->end_us);
    sqlite3_bind_int64(statement, 3, change->amount_micro);
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW) {
        change->total_micro = sqlite3_column_int64(statement, 0);
        code = sqlite3_step(statement); /* the row is written when this is done */
    }
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run(struct gw_ledger_file *file, const char *text)
{
    return sqlite3_exec(file->db, text, NULL, NULL, NULL);
}

/* What failed may have ended the transaction by itself. */
static const char *undo(struct gw_ledger_file *file, int code)
{
    const char *problem = text_of(file, code);
    static _Thread_local char kept[256];

    snprintf(kept, sizeof(kept), "%s", problem);
    if (!sqlite3_get_autocommit(file->db))
        run(file, "ROLLBACK");
    return kept;
}

const char *gw_ledger_file_add(struct gw_ledger_file *file, struct gw_quota_change *changes,
                               size_t count)
{
    if (GW_FAULT(STORE_WRITE))
        return strerror(errno);
    int code = run(file, "BEGIN IMMEDIATE");

    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = add_one(file, &changes[i]);
    if (code == SQLITE_OK)
        code = run(file, "COMMIT");
    return code == SQLITE_OK ? NULL : undo(file, code);
}

const char *gw_ledger_file_clean(struct gw_ledger_file *file, uint64_t now_us, bool *more)
{
    sqlite3_stmt *statement = file->statements[CLEAN];

    *more = false;
    sqlite3_bind_int64(statement, 1, (int64_t)now_us);
    sqlite3_bind_int64(statement, 2, (int64_t)(now_us + FARTHEST_US));
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    if (code != SQLITE_DONE)
        return undo(file, code);
    *more = sqlite3_changes(file->db) > 0;
    code = *more ? SQLITE_OK : run(file, "PRAGMA incremental_vacuum(1000)");
    return code == SQLITE_OK ? NULL : undo(file, code);
}

#else

struct gw_ledger_file *gw_ledger_file_open(const char *path, char *why, size_t why_size)
{
    snprintf(why, why_size,
             "%s cannot be used: this moongate was built without SQLite (on Debian 12, apt-get "
             "install libsqlite3-dev, then build it again)",
             path);
    return NULL;
}

/* Nobody has a file. */

void gw_ledger_file_close(struct gw_ledger_file *file)
{
    (void)file;
}

struct gw_siphash_key gw_ledger_file_secret(const struct gw_ledger_file *file)
{
    (void)file;
    return (struct gw_siphash_key){ 0 };
}

const char *gw_ledger_file_each(struct gw_ledger_file *file, uint64_t now_us,
                                void (*visit)(void *ctx, const struct gw_quota_fact *fact),
                                void *ctx)
{
    (void)file, (void)now_us, (void)visit, (void)ctx;
    return "there is no file";
}

const char *gw_ledger_file_get(struct gw_ledger_file *file, uint64_t now_us,
                               struct gw_quota_fact *fact)
{
    (void)file, (void)now_us, (void)fact;
    return "there is no file";
}

const char *gw_ledger_file_add(struct gw_ledger_file *file, struct gw_quota_change *changes,
                               size_t count)
{
    (void)file, (void)changes, (void)count;
    return "there is no file";
}

const char *gw_ledger_file_clean(struct gw_ledger_file *file, uint64_t now_us, bool *more)
{
    (void)file, (void)now_us, (void)more;
    return "there is no file";
}

bool gw_ledger_file_has_changed(struct gw_ledger_file *file)
{
    (void)file;
    return false;
}

bool gw_ledger_file_has_moved(struct gw_ledger_file *file)
{
    (void)file;
    return false;
}

#endif
