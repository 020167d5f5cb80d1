#include "control/server/server_errors.h"

static void
count(void *user, int16_t key, int16_t error)
{
    counters_error(user, key, error);
}

void
server_errors_count(struct counters *counters, const struct wire_api *api, int16_t version,
                    const void *response)
{
    if (counters)
        wire_errors(api, version, response, count, counters);
}
