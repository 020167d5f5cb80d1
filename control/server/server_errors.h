/* server_errors.h: counts the error codes of answers, in control's block of counters.  Private to
 * control/server and its tests. */
#ifndef SLUICE_SERVER_SERVER_ERRORS_H
#define SLUICE_SERVER_SERVER_ERRORS_H

#include "core/shm/counters.h"
#include "core/wire/wire.h"

/* `response`: the generated struct of the api's response.  counters NULL: nothing is counted. */
void server_errors_count(struct counters *counters, const struct wire_api *api, int16_t version,
                         const void *response);

#endif
