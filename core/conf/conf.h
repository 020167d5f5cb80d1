/* conf.h: configuration keys and values.  keys.def is the one table: name, type, default, domain,
 * unit, meaning; docs/configuration.md and `sluice config` are made from it.
 *
 * Precedence: -o key=value, then SLUICE_* environment (upper case, '.' as '_'), then the file, then
 * the default.  An unknown key is an error that names the nearest one.  The supervisor resolves,
 * and hands the result to the children as text in the region; they parse it with conf_parse. */
#ifndef SLUICE_CONF_CONF_H
#define SLUICE_CONF_CONF_H

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CONF_PASSWORD: a text that nobody is shown (conf_shown). */
enum conf_type { CONF_INT, CONF_BOOL, CONF_TEXT, CONF_PASSWORD, CONF_ENUM };
enum conf_origin { CONF_DEFAULT, CONF_FILE, CONF_ENVIRONMENT, CONF_OPTION };
enum { CONF_TEXT_BYTES_MAX = 512, CONF_ERROR_BYTES = 512, CONF_DIRS_MAX = 32 };

enum conf_key {
#define KEY(id, name, type, fallback, min, max, choices, unit, help) CONF_##id,
#include "core/conf/keys.def"
#undef KEY
    CONF_KEYS
};

struct conf_row {
    const char *name;
    enum conf_type type;
    const char *fallback; /* default, as text */
    int64_t min, max;
    const char *choices; /* "a|b|c" for CONF_ENUM, else "" */
    const char *unit, *help;
};
const struct conf_row *conf_row(enum conf_key key);

struct conf_value {
    enum conf_origin origin;
    int64_t number; /* CONF_INT; CONF_BOOL 0 or 1; CONF_ENUM index of the choice */
    char text[CONF_TEXT_BYTES_MAX];
};

struct conf {
    struct conf_value values[CONF_KEYS];
};

void conf_defaults(struct conf *c);
/* One "key=value".  White space around the value does not count.  A value of a weaker origin than
 * the one in force is checked and then dropped, so that sources may come in any order; of two with
 * one origin the later stands.  On failure ERR_INVALID, c unchanged, and `error` is one line
 * without a newline that says what to do. */
must_check int conf_set(struct conf *c, const char *key, const char *value, enum conf_origin origin,
                        char error[CONF_ERROR_BYTES]);
/* A whole property file's text (Java properties syntax: '#', '!', '=', ':', continuation lines and
 * escapes).  `error` names the line.  Values before the bad line have been set then. */
must_check int conf_parse(struct conf *c, const char *text, enum conf_origin origin,
                          char error[CONF_ERROR_BYTES]);
/* SLUICE_* of an environment (NULL-terminated "NAME=value" list), but SLUICE_BOOTSTRAP: that is
 * what commands which are clients read. */
must_check int conf_environment(struct conf *c, char *const *environ_,
                                char error[CONF_ERROR_BYTES]);
/* Whether values that bound each other fit: to be asked when all are set.  ERR_INVALID with `error`
 * as in conf_set. */
must_check int conf_check(const struct conf *c, char error[CONF_ERROR_BYTES]);
/* Writes every value as "key=value\n", for the region; conf_parse reads the same values back.
 * Returns the length without the NUL at its end, or ERR_FULL. */
must_check int conf_print(const struct conf *c, char *out, size_t room);

int64_t conf_number(const struct conf *c, enum conf_key key);
bool conf_bool(const struct conf *c, enum conf_key key);
const char *conf_text(const struct conf *c, enum conf_key key);
/* net=dpdk: our own TCP/IP, not sockets of the kernel. */
bool conf_own_net(const struct conf *c);
/* What may be told of a value: the text, but of a CONF_PASSWORD that is set "[hidden]", as Kafka
 * writes it. */
const char *conf_shown(const struct conf *c, enum conf_key key);
const char *conf_masked(const struct conf_row *row, const char *value);
/* The text, lent; at NULL when it is empty, for fields of the protocol that are null then. */
struct view conf_nullable(const struct conf *c, enum conf_key key);

/* "default", "file", "environment", "option". */
const char *conf_origin_name(enum conf_origin origin);

/* conf_listen.c: the value of "listeners" and "advertised.listeners". */
enum { CONF_LISTENERS_MAX = 8, CONF_HOST_BYTES_MAX = 254 };
struct conf_listener {
    char name[16];                  /* "PLAINTEXT" */
    char host[CONF_HOST_BYTES_MAX]; /* name or address without brackets; "" or "0.0.0.0": all */
    uint16_t port;
};
/* Returns how many listeners `text` names (0 for an empty text), or ERR_INVALID with `error` as in
 * conf_set. */
must_check int conf_listeners(const char *text, struct conf_listener out[CONF_LISTENERS_MAX],
                              char error[CONF_ERROR_BYTES]);
/* The value of "metrics.listener", "host:port": ERR_OK with all but the name, or ERR_INVALID. */
must_check int conf_address(const char *text, struct conf_listener *out);

/* conf_device.c: what net.devices, net.address, net.routes, net.mtu and net.vlan say of each
 * device, in the order of net.devices.  Texts are empty where nothing is said. */
enum { CONF_DEVICES_MAX = 4 };
struct conf_device {
    char device[CONF_TEXT_BYTES_MAX], address[CONF_TEXT_BYTES_MAX], routes[CONF_TEXT_BYTES_MAX];
    uint16_t mtu, vlan;
};
/* Returns how many devices there are, 1 when none is named, or ERR_INVALID with `error` as in
 * conf_set: counts differ, or a number that no device has.  conf_check asks it too. */
must_check int conf_devices(const struct conf *c, struct conf_device out[CONF_DEVICES_MAX],
                            char error[CONF_ERROR_BYTES]);

/* How many conf_devices returns, of a configuration that it takes. */
uint32_t conf_device_count(const struct conf *c);

/* conf_near.c: how many letters must be inserted, removed, replaced or swapped with their neighbour
 * to turn a into b.  Only the first CONF_NEAR_BYTES_MAX bytes of each are compared. */
enum { CONF_NEAR_BYTES_MAX = 64 };
uint32_t conf_near_distance(const char *a, const char *b);
/* The key whose name is nearest to `name`, in key syntax; of equals the first in keys.def. */
enum conf_key conf_near_key(const char *name);

/* conf_dir.c: entry `index` of a comma-separated list such as log.dirs, without blanks around it.
 * ERR_NOT_FOUND: there are not so many; ERR_INVALID: an empty one before others; ERR_LIMIT. */
must_check int conf_dir(const char *list, uint32_t index, char out[CONF_TEXT_BYTES_MAX]);

#endif
