/* server_mutations.h: controller_mutation_rate obeyed: how many partitions a client may create and
 * delete a second.  A bucket of tokens for each client, which holds eleven seconds' worth and may
 * be overdrawn once.  Source: Kafka 4.3 ControllerMutationQuotaManager, TokenBucket; KIP-599. */
#ifndef SLUICE_SERVER_SERVER_MUTATIONS_H
#define SLUICE_SERVER_SERVER_MUTATIONS_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SERVER_MUTATIONS_MAX = 256, /* clients remembered; of more, who is longest unused begins anew */
    SERVER_MUTATIONS_BURST_S = 11,
};

struct server_mutations {
    struct server_bucket {
        uint64_t client; /* hash of who it is, 0: free */
        double tokens;
        int64_t at_ms; /* as of then */
    } buckets[SERVER_MUTATIONS_MAX];
};

struct server_core;
struct server_call;
struct meta_error;

/* True when some client has a bound at all. */
bool server_mutations_bound(const struct server_core *core, const struct server_call *call);
/* Takes so many mutations.  Strict (versions that know the error): refused with
 * KERR_THROTTLING_QUOTA_EXCEEDED when the client is overdrawn; else always taken.  Both set
 * call->throttle_ms when it is. */
int16_t server_mutations_take(struct server_core *core, struct server_call *call, uint32_t count,
                              bool strict, struct meta_error *e);

#endif
