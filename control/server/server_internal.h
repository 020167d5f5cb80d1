/* server_internal.h: the topics in which coordinators keep their state: their names, and what they
 * are created with, which is the same whoever needs them first.  Source: Kafka 4.3
 * DefaultAutoTopicCreationManager, GroupCoordinatorService.groupMetadataTopicConfigs,
 * TransactionStateManager.transactionStateTopicConfigs. */
#ifndef SLUICE_SERVER_SERVER_INTERNAL_H
#define SLUICE_SERVER_SERVER_INTERNAL_H

#include "control/server/server_core.h"

/* The order is that of FindCoordinator's key types. */
enum server_coordinator { SERVER_GROUPS, SERVER_TRANSACTIONS, SERVER_COORDINATORS };

const char *server_internal_name(enum server_coordinator kind);

enum { SERVER_INTERNAL_SETTINGS_MAX = 5, SERVER_INTERNAL_TEXT_BYTES = 24 };

/* Settings of an internal topic; struct meta_new_topic points into it. */
struct server_internal {
    struct meta_setting settings[SERVER_INTERNAL_SETTINGS_MAX];
    char segment_bytes[SERVER_INTERNAL_TEXT_BYTES], min_isr[SERVER_INTERNAL_TEXT_BYTES];
};

/* Fills in what `t` (by its name) is created with; leaves a topic that is not internal alone. */
void server_internal_fill(const struct server_core *core, struct meta_new_topic *t,
                          struct server_internal *memory);

#endif
