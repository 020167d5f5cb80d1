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

#endif
