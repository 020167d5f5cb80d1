/* server_dynamic.h: keys of the broker's configuration, beside the defaults of topics, that may be
 * altered while it runs (Kafka 4.3 DynamicBrokerConfig), and which may not.
 *
 * A key that neither we nor Kafka knows is kept as it is and has no effect, as Kafka keeps it:
 * tools leave settings of their own there.  So is one that Kafka could alter and that means nothing
 * here, such as num.io.threads. */
#ifndef SLUICE_SERVER_SERVER_DYNAMIC_H
#define SLUICE_SERVER_SERVER_DYNAMIC_H

#include "control/server/server_core.h"

/* Reads bounds from the configuration of the start. */
void server_dynamic_init(struct server_core *core);
/* The row of such a key; NULL: it is none. */
const struct meta_config_row *server_dynamic_row(const struct server_core *core, struct view name);
/* A key that only the configuration of a start sets: ours, or one that Kafka has and we do not. */
bool server_dynamic_fixed(const struct server_core *core, struct view name);
/* A key of Kafka's that each broker has of its own: of listeners and their security. */
bool server_dynamic_single(const struct server_core *core, struct view name);
/* A key of stores of keys and certificates: only with the name of a listener before it. */
bool server_dynamic_store(const struct server_core *core, struct view name);
/* What the rows' own bounds do not say. */
int16_t server_dynamic_check(const struct server_core *core, const struct meta_config_row *row,
                             const char *value, struct meta_error *e);
/* What was set for this broker, else for all; NULL: nothing.  `name` is NUL-terminated. */
const char *server_dynamic_value(const struct meta_image *m, int32_t node_id, const char *name);

#endif
