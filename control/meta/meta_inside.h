/* meta_inside.h: what the files of control/meta share among themselves; nobody else includes it. */
#ifndef SLUICE_META_INSIDE_H
#define SLUICE_META_INSIDE_H

#include "control/meta/meta.h"

#include <stddef.h>

/* Zeroed memory of the C heap; running out is a must(). */
void *meta_image_memory(size_t count, size_t size);

/* The topic of that id, live or being deleted. */
struct meta_topic *meta_image_any(const struct meta_image *m, const uint8_t *id);

/* Puts a topic (from meta_image_memory) into its row and chains; the image owns it then. */
void meta_image_link(struct meta_image *m, struct meta_topic *t);
/* Takes a live topic out of the name chain. */
void meta_image_unname(struct meta_image *m, struct meta_topic *t);
/* Frees a topic that is being deleted, its row and its slots. */
void meta_image_drop(struct meta_image *m, struct meta_topic *t);

/* Values that must agree: min.compaction.lag.ms may not exceed max.compaction.lag.ms (Kafka
 * LogConfig.validateValues). */
struct meta_lags {
    int64_t min_ms, max_ms;
};
/* What is in force; t NULL: a topic without overrides. */
struct meta_lags meta_lags_of(const struct meta_topic *t, const struct meta_rules *rules);
/* Notes a key's new value; NULL: its default again.  Other keys change nothing. */
void meta_lags_note(struct meta_lags *lags, const struct meta_rules *rules, enum meta_config key,
                    const char *value);
int16_t meta_lags_check(const struct meta_lags *lags, struct meta_error *e);

#endif
