#include "control/server/server_errors.h"

struct place {
    struct counters *counters;
    int16_t api;
};

static void
count(void *user, int16_t error)
{
    const struct place *p = user;
    counters_error(p->counters, p->api, error);
}

void
server_errors_count(struct counters *counters, const struct wire_api *api, int16_t version,
                    const void *response)
{
    struct place p = {counters, api->key};
    if (counters)
        wire_errors(api->response, version, response, count, &p);
}
