/* client_raw.h: requests that librdkafka has no call for, by the broker's own codec over a plain
 * TCP connection.  No TLS, no SASL: with a security.protocol other than plaintext it says so. */
#ifndef SLUICE_CLI_CLIENT_CLIENT_RAW_H
#define SLUICE_CLI_CLIENT_CLIENT_RAW_H

#include "cli/client/client.h"
#include "core/wire/wire_gen.h"

enum { CLIENT_RAW_ARENA_BYTES = 16 << 20, CLIENT_RAW_FRAME_MAX = 64 << 20 };
enum { CLIENT_RAW_ANY = -1 }; /* any broker: the first one of the cluster */

struct client_raw {
    struct client *c;
    int fd; /* -1: not open */
    int32_t correlation_id;
    char address[CLIENT_ADDRESS_BYTES];
    struct wire_arena arena; /* requests are built in it, answers lie in it until the next call */
    uint8_t *memory, *frame; /* freed by client_raw_close */
    struct wire_api_versions_response_api_version_array versions; /* a copy of ours */
};

/* Connects to a broker of the cluster by its id; the client must be open. */
int client_raw_open(struct client_raw *r, struct client *c, int32_t broker);
void client_raw_close(struct client_raw *r);
/* Asks and waits, in the newest version that both know.  `out` is the response's struct; what it
 * points to is valid until client_raw_reset. */
int client_raw_call(struct client_raw *r, int16_t api, const void *request, void *out);
/* Frees requests and answers. */
void client_raw_reset(struct client_raw *r);
/* The broker that is coordinator of a group (type 0) or of a transactional id (1); -1, and told. */
int32_t client_raw_coordinator(struct client_raw *r, int8_t type, const char *key);
/* A view as a string of the arena. */
const char *client_raw_text(struct client_raw *r, struct view v);
/* Items of an array of the arena; a request is never larger than it, so that there is room. */
void *client_raw_items(struct client_raw *r, const struct wire_struct *s, uint32_t count);
/* An error of the protocol, with its message when there is one. */
int client_raw_fail(struct client_raw *r, int16_t code, struct view message, const char *what,
                    const char *name);

#endif
