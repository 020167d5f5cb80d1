/* store_table.c: the logs of a store: slots, and a hash of topic id and partition that finds them.
 * A log that is deleted leaves the hash at once, and its slot when its files are gone
 * (store_delete.c). */
#include "core/base/err.h"
#include "core/store/store_in.h"

static uint32_t
hash_of(const uint8_t topic_id[16], int32_t partition)
{
    uint64_t a, b;
    memcpy(&a, topic_id, 8);
    memcpy(&b, topic_id + 8, 8);
    uint64_t h = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) + (uint32_t)partition;
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(h >> 32);
}

uint32_t
store_core_of(const uint8_t topic_id[16], int32_t partition, uint32_t core_count)
{
    return hash_of(topic_id, partition) % core_count;
}

bool
store_same_log(const struct plog *p, const uint8_t topic_id[16], int32_t partition)
{
    return p->partition == partition && memcmp(p->topic, topic_id, sizeof p->topic) == 0;
}

static uint32_t *
bucket_of(const struct store *s, const uint8_t topic_id[16], int32_t partition)
{
    /* The low bits chose the core. */
    return &s->buckets[(hash_of(topic_id, partition) >> 8) % s->bucket_count];
}

struct plog *
store_find(struct store *s, const uint8_t topic_id[16], int32_t partition)
{
    for (uint32_t i = *bucket_of(s, topic_id, partition); i != UINT32_MAX; i = s->logs[i].hash_next)
        if (store_same_log(&s->logs[i], topic_id, partition))
            return &s->logs[i];
    return NULL;
}

static void
table_add(struct store *s, struct plog *p)
{
    uint32_t *bucket = bucket_of(s, p->topic, p->partition);
    p->hash_next = *bucket;
    *bucket = p->slot;
}

static void
table_remove(struct store *s, struct plog *p)
{
    uint32_t *link = bucket_of(s, p->topic, p->partition);
    while (*link != p->slot)
        link = &s->logs[*link].hash_next;
    *link = p->hash_next;
}

/* A free slot, or UINT32_MAX. */
static uint32_t
slot_take(struct store *s)
{
    if (s->free_count)
        return s->free_slots[--s->free_count];
    return s->log_limit < s->config.logs_max ? s->log_limit++ : UINT32_MAX;
}

void
store_log_admit(struct store *s, struct plog *p, uint32_t slot)
{
    p->slot = slot;
    p->serial = s->next_serial++;
    p->jitter_seed = s->config.jitter_seed ^ p->id << 32;
    p->ready = true;
    plog_use_memory(p, s->slab);
    s->log_count++;
    if (p->dir != PLOG_DIR_NONE)
        s->dirs.dirs[p->dir].logs++;
    if (p->dead)
        list_push_back(&s->dying, &p->dying_node);
    else
        table_add(s, p);
    store_retain_admit(s, p);
}

void
store_log_forget(struct store *s, struct plog *p)
{
    list_remove(&p->dying_node);
    uint32_t slot = p->slot;
    store_block_drop(s, p);
    if (p->dir != PLOG_DIR_NONE)
        s->dirs.dirs[p->dir].logs--;
    plog_free(p);
    s->free_slots[s->free_count++] = slot;
    s->log_count--;
}

int
store_create(struct store *s, const uint8_t topic_id[16], int32_t partition,
             const struct plog_config *config, struct plog **out)
{
    struct plog *p = store_find(s, topic_id, partition);
    if (p) {
        *out = p;
        struct plog_config old = p->config;
        if (plog_config_same(&old, config))
            return ERR_OK;
        p->config = *config;
        int rc = store_create_record(s, p);
        if (rc != ERR_OK)
            p->config = old;
        return rc;
    }
    for (struct list *n = s->dying.next; n != &s->dying; n = n->next)
        if (store_same_log(list_item(n, struct plog, dying_node), topic_id, partition))
            return ERR_AGAIN;
    uint8_t dir = store_dir_choose(s);
    if (dir == PLOG_DIR_NONE)
        return ERR_AGAIN;
    uint32_t slot = slot_take(s);
    if (slot == UINT32_MAX)
        return ERR_LIMIT;
    p = &s->logs[slot];
    plog_init(p);
    p->id = s->next_id;
    memcpy(p->topic, topic_id, sizeof p->topic);
    p->partition = partition;
    p->dir = dir;
    memcpy(p->dir_id, s->dirs.dirs[dir].id, sizeof p->dir_id);
    p->seen_generation = s->generation;
    p->seen_id = p->id;
    p->config = *config;
    int rc = store_create_record(s, p);
    if (rc != ERR_OK) {
        plog_free(p);
        s->free_slots[s->free_count++] = slot;
        return rc;
    }
    s->next_id++;
    store_log_admit(s, p, slot);
    *out = p;
    return ERR_OK;
}

void
store_delete(struct store *s, struct plog *p)
{
    must(p->used && !p->dead);
    table_remove(s, p);
    if (p->state == PLOG_OFFLINE && !p->rescued && !p->damage)
        s->frozen--;
    p->dead = true;
    store_task_cancel(s, p);
    store_tail_abandon(s, p, true);
    list_remove(&p->changed_node);
    list_remove(&p->dir_node);
    list_remove(&p->trim_node);
    list_remove(&p->move_node);
    store_unread_forget(s, p);
    list_remove(&p->walk_node);
    for (uint32_t i = 0; i < p->segment_count; i++)
        list_remove(&p->segments[i]->sync_node);
    store_cold_forget(s, p);
    list_push_back(&s->dying, &p->dying_node);
}

void
store_each(struct store *s, void (*each)(void *user, struct plog *p), void *user)
{
    for (uint32_t i = 0; i < s->log_limit; i++)
        if (s->logs[i].used && !s->logs[i].dead)
            each(user, &s->logs[i]);
}
