/* meta_resource.h: settings of what is no topic, kept in the image: of brokers (and the default of
 * all brokers, whose name is empty), groups, client-metrics subscriptions, and client quotas.
 *
 * A resource is there while it has a setting.  All are sorted by type and name, their settings by
 * key, so that a walk has an order that does not depend on history. */
#ifndef SLUICE_META_META_RESOURCE_H
#define SLUICE_META_META_RESOURCE_H

#include "control/meta/meta.h"

enum {
    META_RESOURCES_MAX = 16384,      /* of all types */
    META_RESOURCE_SETTINGS_MAX = 64, /* of one resource */
    META_RESOURCE_NAME_BYTES_MAX = 1024,
    META_RESOURCE_KEY_BYTES_MAX = 255,   /* of a key that has no row */
    META_RESOURCE_TEXT_BYTES_MAX = 4096, /* of its value */
};

_Static_assert(META_RESOURCE_SETTINGS_MAX *(META_RESOURCE_NAME_BYTES_MAX +
                                            META_RESOURCE_KEY_BYTES_MAX +
                                            META_RESOURCE_TEXT_BYTES_MAX + 64) <
                   META_ENTRY_BYTES_MAX,
               "a request that sets as many texts as there may be fits an entry");

/* Kafka ConfigResource.Type, but for quotas, whose names are meta_quota.h's. */
enum meta_resource_type {
    META_RESOURCE_BROKER = 4,
    META_RESOURCE_METRICS = 16,
    META_RESOURCE_GROUP = 32,
    META_RESOURCE_QUOTA = 100,
};

struct meta_kept {
    char *key, *value; /* NUL-terminated */
};

struct meta_resource {
    uint8_t type;
    uint16_t name_bytes;
    uint32_t count;
    struct meta_kept *settings;
    uint8_t *name;
};

/* NULL when it has no setting. */
const struct meta_resource *meta_resource_find(const struct meta_image *m,
                                               enum meta_resource_type type, struct view name);
/* Its setting, NULL when there is none. */
const char *meta_resource_value(const struct meta_image *m, enum meta_resource_type type,
                                struct view name, const char *key);
/* Resources of one type: the first one's place in m->resources, and how many. */
uint32_t meta_resource_range(const struct meta_image *m, enum meta_resource_type type,
                             uint32_t *count);

/* Record of one setting; value NULL takes it back. */
void meta_put_setting(struct put *out, enum meta_resource_type type, struct view name,
                      struct view key, const char *value);

/* ---- Plans ---- */

/* A resource's keys: the row of a key, NULL when there is none of that name. */
typedef const struct meta_config_row *meta_resource_key_fn(const void *user, struct view key);

struct meta_resource_plan {
    enum meta_resource_type type;
    struct view name;
    const struct meta_setting *settings;
    uint32_t count;
    bool replace; /* AlterConfigs: what is not named loses its setting; operations do not count */
    meta_resource_key_fn *key;
    /* The value that an append starts from where there is no setting; NULL: the row's default. */
    const char *(*in_force)(const void *user, const struct meta_config_row *row);
    /* What the row's type and range do not say of a value; may be NULL. */
    int16_t (*check)(const void *user, const struct meta_config_row *row, const char *value,
                     struct meta_error *e);
    const void *user;
    bool lists;          /* lists may be appended to */
    bool open;           /* keys without a row are kept too, as they are */
    const char *unknown; /* text before the name of an unknown key */
    int16_t unknown_code;
    int16_t value_code; /* of a wrong value; 0: KERR_INVALID_CONFIG, or what check says */
};

/* As the plans of meta.h: KERR_NONE and records, or an error and nothing. */
int16_t meta_plan_resource(const struct meta_image *m, const struct meta_resource_plan *p,
                           struct put *out, struct meta_error *e);

/* ---- Inside control/meta ---- */

/* Changes one setting.  ERR_LIMIT: too many. */
must_check int meta_resource_set(struct meta_image *m, enum meta_resource_type type,
                                 struct view name, struct view key, const struct view *value);
void meta_resource_free_all(struct meta_image *m);
bool meta_resource_equal(const struct meta_image *a, const struct meta_image *b);
/* Bytes of the records of all of them, and those records. */
uint64_t meta_resource_bytes(const struct meta_image *m);
void meta_resource_put_all(const struct meta_image *m, struct put *out);

#endif
