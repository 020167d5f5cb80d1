/* meta_quota.h: client quotas, judged and kept as settings of resources (META_RESOURCE_QUOTA).
 *
 * An entity is a user, a client id, both, or an address; each of its parts is a name or the default
 * for all that have none of their own.  Its resource name: for user, client-id and ip in this order
 * one byte (0 not part of it, 1 the default, 2 a name), and for a name its length (u8) and bytes.
 * Source: Kafka 4.3 ClientQuotaControlManager, ClientQuotaImage, QuotaConfig. */
#ifndef SLUICE_META_META_QUOTA_H
#define SLUICE_META_META_QUOTA_H

#include "control/meta/meta_resource.h"

enum { META_QUOTA_USER, META_QUOTA_CLIENT, META_QUOTA_IP, META_QUOTA_PARTS };
enum { META_QUOTA_ABSENT, META_QUOTA_DEFAULT, META_QUOTA_NAMED };
enum { META_QUOTA_NAME_BYTES_MAX = 255, META_QUOTA_ENTITIES_MAX = 1024 };

struct meta_quota_part {
    uint8_t kind;     /* META_QUOTA_ABSENT .. NAMED */
    struct view name; /* when named */
};

struct meta_quota_entity {
    struct meta_quota_part parts[META_QUOTA_PARTS];
};

/* "user", "client-id", "ip". */
const char *meta_quota_part_name(uint32_t part);
/* META_QUOTA_PARTS when there is none of that name. */
uint32_t meta_quota_part_find(struct view name);

/* Writes the resource name; returns it as a view of `out`. */
struct view meta_quota_name(const struct meta_quota_entity *q,
                            uint8_t out[META_RESOURCE_NAME_BYTES_MAX]);
/* Reads it back; names are lent by it.  False: it is not one. */
bool meta_quota_read(struct view name, struct meta_quota_entity *out);

struct meta_quota_op {
    struct view key;
    double value;
    bool remove;
};

/* Judges the changes of one entity and writes their records.  As the plans of meta.h. */
int16_t meta_plan_quota(const struct meta_image *m, const struct meta_quota_entity *q,
                        const struct meta_quota_op *ops, uint32_t count, struct put *out,
                        struct meta_error *e);

/* The value of a kept quota. */
double meta_quota_value(const char *text);

#endif
