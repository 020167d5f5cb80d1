/* metadata.h: Metadata from the shard's own index; forwarded to control when a topic is asked for
 * that is not there (it may have to be created). */
#ifndef SLUICE_BROKER_METADATA_H
#define SLUICE_BROKER_METADATA_H

#include "dataplane/broker/req.h"

req_start_fn metadata_start;

#endif
