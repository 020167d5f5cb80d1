/* server_telemetry.h: GetTelemetrySubscriptions and PushTelemetry (KIP-714) over control/telemetry;
 * its subscriptions are the client-metrics configurations of the image. */
#ifndef SLUICE_SERVER_SERVER_TELEMETRY_H
#define SLUICE_SERVER_SERVER_TELEMETRY_H

#include "control/server/server_core.h"
#include "control/telemetry/telemetry.h"

/* What clients pushed, for the metrics endpoint; NULL as long as none has asked. */
const struct telemetry *server_telemetry(const struct server_core *core);
void server_telemetry_free(struct server_core *core);

#endif
