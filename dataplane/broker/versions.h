/* versions.h: ApiVersions: what this broker offers.
 * Source: Kafka 4.3 ApiVersionsRequest, ApiVersionManager, ApiVersionsResponse; KIP-511, KIP-584.
 */
#ifndef SLUICE_BROKER_VERSIONS_H
#define SLUICE_BROKER_VERSIONS_H

#include "dataplane/broker/req.h"

req_start_fn versions_start;

/* Answers an ApiVersions request of a version that we do not have: in version 0, with
 * UNSUPPORTED_VERSION and the range of ApiVersions alone (KIP-511). */
enum req_verdict versions_refuse(struct shard *s, struct req *r);

/* True for what KIP-511 lets a client call itself and its version:
 * [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
bool versions_name_ok(struct view name);

#endif
