/* data_listen.h: the addresses that the shards listen on.  Boot only: a name is looked up. */
#ifndef SLUICE_DATAPLANE_DATA_LISTEN_H
#define SLUICE_DATAPLANE_DATA_LISTEN_H

#include "core/conf/conf.h"
#include "core/net/stream.h"

/* The address of one listener: IPv4, IPv6 or a name; no host: all addresses of this machine.
 * ERR_NOT_FOUND: the name has none.  Blocks. */
must_check int data_listen_address(const struct conf_listener *l, struct stream_addr *out);

/* Listens on every address of "listeners", in order.  Logs what fails.  ERR_INVALID, ERR_NOT_FOUND,
 * or what listen gave. */
must_check int data_listen(const struct conf *c, struct stream stream);

#endif
