/* quotas.h: client quotas, as control publishes them and every shard reads them: one table with one
 * seqlock.  It holds what concerns the user that all connections have (there is one until there is
 * security): bounds for client ids that are named, and for all others; and what concerns single
 * addresses of peers.
 *
 * A bound is an amount per second: bytes, nanoseconds of work for requests, or connections; 0: no
 * bound. */
#ifndef SLUICE_SHM_QUOTAS_H
#define SLUICE_SHM_QUOTAS_H

#include "core/base/must.h"

#include <stdatomic.h>
#include <stdint.h>

enum { QUOTAS_ROWS_MAX = 1024, QUOTAS_NAME_BYTES_MAX = 255, QUOTAS_ADDRESSES_MAX = 1024 };

enum quotas_kind {
    QUOTAS_PRODUCE,
    QUOTAS_FETCH,
    QUOTAS_REQUEST,
    QUOTAS_KINDS,                     /* those of clients */
    QUOTAS_CONNECTION = QUOTAS_KINDS, /* of addresses and of the broker */
    QUOTAS_COUNTED
};

/* Who a bound of a named client id is for, the first that has one counts, before and behind the
 * defaults as Kafka ClientQuotaManager orders them. */
enum quotas_named { QUOTAS_USER_CLIENT, QUOTAS_ANY_USER_CLIENT, QUOTAS_CLIENT, QUOTAS_NAMED };
enum quotas_default {
    QUOTAS_USER_ANY_CLIENT,
    QUOTAS_USER,
    QUOTAS_ANY_USER_ANY_CLIENT,
    QUOTAS_ANY_USER,
    QUOTAS_ANY_CLIENT,
    QUOTAS_DEFAULTS
};

struct quotas_row {
    double bounds[QUOTAS_NAMED][QUOTAS_KINDS];
    uint8_t name_bytes;
    uint8_t name[QUOTAS_NAME_BYTES_MAX]; /* not NUL-terminated */
};

/* Of one address, IPv4 as ::ffff:a.b.c.d. */
struct quotas_address {
    uint8_t ip[16];
    int32_t connections_max; /* max.connections.per.ip.overrides; below 0: as all others */
    uint32_t creation_rate;  /* connection_creation_rate; 0: as all others */
};

struct quotas_fact {
    uint32_t count, address_count;
    uint32_t creation_rate, spare; /* of each address that has none of its own */
    struct quotas_address addresses[QUOTAS_ADDRESSES_MAX];
    double defaults[QUOTAS_DEFAULTS][QUOTAS_KINDS];
    struct quotas_row rows[QUOTAS_ROWS_MAX];
};

struct quotas_table {
    _Alignas(128) _Atomic uint32_t seq; /* odd while the writer is inside */
    struct quotas_fact fact;
};

/* The only writer is control.  Does nothing when the table says that already. */
void quotas_write(struct quotas_table *t, const struct quotas_fact *fact);
/* Changes whenever the table does. */
uint32_t quotas_version(const struct quotas_table *t);
/* Copies the table; *version is what was read.  ERR_AGAIN: it is being written (or its writer died
 * inside and will write it anew): later. */
must_check int quotas_read(const struct quotas_table *t, struct quotas_fact *out,
                           uint32_t *version);

#endif
