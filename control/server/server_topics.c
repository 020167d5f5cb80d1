/* server_topics.c: CreateTopics, DeleteTopics, CreatePartitions, InitProducerId: the requests that
 * write. Source: Kafka 4.3 ControllerApis (checks across a request) and ReplicationControlManager
 * (meta_topic.c).
 *
 * A request that reaches us a second time because control died in the middle is simply carried out
 * again: a topic that was created the first time answers TOPIC_ALREADY_EXISTS, as it does when a
 * client of Kafka repeats a request after a lost connection. */
#include "control/server/server_defaults.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

/* First versions whose clients know THROTTLING_QUOTA_EXCEEDED. */
enum { STRICT_CREATE = 6, STRICT_DELETE = 5, STRICT_GROW = 3 };

static const char topic_of_metadata[] = "__cluster_metadata"; /* Kafka's own log; never ours */

static int
view_order(struct view a, struct view b)
{
    uint32_t n = a.len < b.len ? a.len : b.len;
    int d = n ? memcmp(a.at, b.at, n) : 0;
    return d ? d : (a.len > b.len) - (a.len < b.len);
}

static int
view_order_q(const void *a, const void *b)
{
    return view_order(*(const struct view *)a, *(const struct view *)b);
}

/* Sorted copies of the names of a request, so that duplicates are found in n log n. */
struct names {
    struct view *items;
    uint32_t count;
};

static bool
names_of(struct server_call *call, uint32_t count, struct names *out)
{
    out->items = server_take(call, count, sizeof *out->items);
    out->count = 0;
    return out->items != NULL;
}

static void
names_sort(struct names *n)
{
    qsort(n->items, n->count, sizeof *n->items, view_order_q);
}

static bool
names_twice(const struct names *n, struct view name)
{
    const struct view *hit = bsearch(&name, n->items, n->count, sizeof name, view_order_q);
    must(hit != NULL);
    return (hit > n->items && view_equal(hit[-1], name)) ||
           (hit + 1 < n->items + n->count && view_equal(hit[1], name));
}

/* True for the first of several equal names: each is reported once, as Kafka does. */
static bool
names_first(struct names *said, struct view name)
{
    for (uint32_t i = 0; i < said->count; i++)
        if (view_equal(said->items[i], name))
            return false;
    if (said->count < 64) /* a request full of duplicates is not worth quadratic time */
        said->items[said->count++] = name;
    return true;
}

int
server_topic_create(struct server_core *core, struct meta_new_topic *t, bool validate_only,
                    uint32_t *partitions, struct meta_error *e)
{
    do
        core->random(core->user, t->id, META_ID_BYTES);
    while (!meta_id_shape(t->id) || meta_topic_by_id(&core->image, t->id));
    struct put out = put_of(core->entry, META_ENTRY_BYTES_MAX);
    if (meta_plan_create(&core->image, &core->rules, t, &out, partitions, e) != KERR_NONE ||
        validate_only)
        return ERR_OK;
    must(!out.bad);
    return core->append(core->user, view_of(core->entry, put_len(&out)));
}

/* ---- CreateTopics ---- */

typedef struct wire_create_topics_request_creatable_topic create_in;
typedef struct wire_create_topics_response_creatable_topic_result create_out;

static bool
create_read(struct server_call *call, const create_in *in, struct meta_new_topic *t)
{
    uint32_t assignments = (uint32_t)in->assignments.count, settings = (uint32_t)in->configs.count;
    struct meta_assignment *a = server_take(call, assignments, sizeof *a);
    struct meta_setting *s = server_take(call, settings, sizeof *s);
    if (!a || !s)
        return false;
    for (uint32_t i = 0; i < assignments; i++)
        a[i] = (struct meta_assignment){in->assignments.items[i].partition_index,
                                        in->assignments.items[i].broker_ids.items,
                                        (uint32_t)in->assignments.items[i].broker_ids.count};
    for (uint32_t i = 0; i < settings; i++)
        s[i] = (struct meta_setting){.name = in->configs.items[i].name,
                                     .value = in->configs.items[i].value};
    *t = (struct meta_new_topic){.name = in->name,
                                 .partition_count = in->num_partitions,
                                 .replication_factor = in->replication_factor,
                                 .assignments = a,
                                 .assignment_count = assignments,
                                 .settings = s,
                                 .setting_count = settings};
    return true;
}

/* The configuration of a topic as CreateTopics 5+ reports it.  A topic that was only validated has
 * no image yet: then the settings of the request stand for it. */
static bool
create_configs(struct server_core *core, struct server_call *call, const struct meta_new_topic *t,
               create_out *out)
{
    const struct meta_topic *made = meta_topic_by_name(&core->image, t->name);
    out->configs.items = server_take(call, META_CONFIGS, sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    out->configs.count = META_CONFIGS;
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        enum meta_config key = (enum meta_config)c;
        const struct meta_config_row *row = meta_config_row(key);
        struct view value = view_of_text(meta_config_value(made, &core->rules, key));
        bool own = made && made->overrides[c];
        for (uint32_t i = 0; !made && i < t->setting_count; i++)
            if (view_equal(t->settings[i].name, view_of_text(row->name))) {
                value = t->settings[i].value;
                own = true;
            }
        struct server_source sources[SERVER_SOURCES_MAX];
        struct view broker = server_broker_key(key);
        uint32_t count = broker.len ? server_sources(core, broker, sources) : 0;
        uint8_t *copy = server_take(call, value.len + 1, 1);
        if (!copy)
            return false;
        memcpy(copy, value.at, value.len);
        out->configs.items[c].name = view_of_text(row->name);
        out->configs.items[c].value = view_of(copy, value.len);
        out->configs.items[c].config_source = own     ? (int8_t)SERVER_SOURCE_TOPIC
                                              : count ? sources[0].source
                                                      : (int8_t)SERVER_SOURCE_DEFAULT;
    }
    return true;
}

/* What Kafka refuses before it looks at a topic at all. */
static bool
create_refused(const struct names *names, struct names *said, struct view name, bool *silent,
               struct meta_error *e)
{
    *silent = false;
    if (names_twice(names, name)) {
        *silent = !names_first(said, name);
        (void)meta_error_set(e, KERR_INVALID_REQUEST, "Duplicate topic name.");
        return true;
    }
    if (view_equal(name, view_of_text(topic_of_metadata))) {
        (void)meta_error_set(e, KERR_INVALID_REQUEST,
                             "Creation of internal topic %s is prohibited.", topic_of_metadata);
        return true;
    }
    return false;
}

static bool
create_too_many(const struct server_core *core, const struct wire_create_topics_request *request)
{
    uint64_t total = 0;
    for (int32_t i = 0; i < request->topics.count; i++) {
        const create_in *t = &request->topics.items[i];
        if (t->assignments.count > 0)
            total += (uint32_t)t->assignments.count;
        else if (t->num_partitions == -1)
            total += (uint32_t)core->rules.partitions_default;
        else if (t->num_partitions > 0)
            total += (uint32_t)t->num_partitions;
    }
    return total > META_REQUEST_PARTITIONS_MAX;
}

static int
create_one(struct server_core *core, struct server_call *call, const create_in *in, create_out *out,
           struct meta_error *e)
{
    const struct wire_create_topics_request *request = call->request;
    struct meta_new_topic t;
    uint32_t partitions = 0;
    if (!create_read(call, in, &t))
        return ERR_LIMIT;
    if (!request->validate_only && server_mutations_bound(core, call)) {
        int rc = server_topic_create(core, &t, true, &partitions, e); /* how many it would be */
        if (rc != ERR_OK || e->code != KERR_NONE ||
            server_mutations_take(core, call, partitions, call->version >= STRICT_CREATE, e))
            return rc;
    }
    int rc = server_topic_create(core, &t, request->validate_only, &partitions, e);
    if (rc != ERR_OK || e->code != KERR_NONE)
        return rc;
    if (!request->validate_only) {
        memcpy(out->topic_id, t.id, META_ID_BYTES);
        call->wait_rows[call->wait_count++] = meta_topic_by_id(&core->image, t.id)->row;
    }
    out->num_partitions = (int32_t)partitions;
    out->replication_factor = 1;
    return create_configs(core, call, &t, out) ? ERR_OK : ERR_LIMIT;
}

int
server_create_topics(struct server_core *core, struct server_call *call)
{
    const struct wire_create_topics_request *request = call->request;
    uint32_t count = (uint32_t)request->topics.count;
    struct wire_create_topics_response *response = server_take(call, 1, sizeof *response);
    create_out *rows = server_take(call, count, sizeof *rows);
    struct names names, said;
    call->wait_rows = server_take(call, count, sizeof *call->wait_rows);
    if (!response || !rows || !call->wait_rows || !names_of(call, count, &names) ||
        !names_of(call, 64, &said))
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        names.items[names.count++] = request->topics.items[i].name;
    names_sort(&names);
    bool too_many = create_too_many(core, request);
    for (uint32_t i = 0; i < count; i++) {
        create_out *out = &rows[response->topics.count];
        *out = (create_out){
            .name = request->topics.items[i].name, .num_partitions = -1, .replication_factor = -1};
        struct meta_error e = {0};
        bool silent;
        int rc = ERR_OK;
        if (!create_refused(&names, &said, out->name, &silent, &e)) {
            if (too_many)
                (void)meta_error_set(&e, KERR_POLICY_VIOLATION,
                                     "Excessively large number of partitions per request.");
            else
                rc = create_one(core, call, &request->topics.items[i], out, &e);
        }
        if (rc != ERR_OK)
            return rc;
        out->error_code = e.code;
        out->error_message = server_error_text(call, &e);
        response->topics.count += !silent;
    }
    response->topics.items = rows;
    call->wait_ms =
        request->timeout_ms < SERVER_OPEN_WAIT_MS ? request->timeout_ms : SERVER_OPEN_WAIT_MS;
    response->throttle_time_ms = call->throttle_ms;
    call->response = response;
    return ERR_OK;
}

/* ---- DeleteTopics ---- */

typedef struct wire_delete_topics_request_delete_topic_state delete_in;
typedef struct wire_delete_topics_response_deletable_topic_result delete_out;

static int
delete_one(struct server_core *core, struct server_call *call, const delete_in *in, delete_out *out,
           struct meta_error *e)
{
    bool by_id = !meta_id_is_zero(in->topic_id);
    const struct meta_topic *t = by_id ? meta_topic_by_id(&core->image, in->topic_id)
                                       : meta_topic_by_name(&core->image, in->name);
    if (!t) {
        int16_t code = by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
        (void)meta_error_set(e, code, "%s", kerr_message(code));
        return ERR_OK;
    }
    memcpy(out->topic_id, t->id, META_ID_BYTES);
    if (!conf_bool(core->conf, CONF_DELETE_TOPICS)) {
        (void)meta_error_set(e, KERR_TOPIC_DELETION_DISABLED, "%s",
                             kerr_message(KERR_TOPIC_DELETION_DISABLED));
        return ERR_OK;
    }
    if (server_mutations_take(core, call, t->partition_count, call->version >= STRICT_DELETE, e))
        return ERR_OK;
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    if (meta_plan_delete(&core->image, t, &w, e) != KERR_NONE)
        return ERR_OK;
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

/* Errors of the request's shape; KERR_NONE when the topic may be looked up. */
static int16_t
delete_refused(const struct server_core *core, const struct names *names, const delete_in *in,
               struct meta_error *e)
{
    bool named = in->name.at != NULL, by_id = !meta_id_is_zero(in->topic_id);
    if (named && by_id)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "You may not specify both topic name and topic id.");
    if (!named && !by_id)
        return meta_error_set(e, KERR_INVALID_REQUEST, "Neither topic name nor id were specified.");
    if (named && names_twice(names, in->name))
        return meta_error_set(e, KERR_INVALID_REQUEST, "Duplicate topic name.");
    (void)core;
    return KERR_NONE;
}

/* The topics of every version in the form of version 6; by id, the name is filled in where known.
 */
static delete_in *
delete_read(struct server_core *core, struct server_call *call, delete_out *rows, uint32_t *count)
{
    const struct wire_delete_topics_request *request = call->request;
    bool old = call->version < 6;
    *count = (uint32_t)(old ? request->topic_names.count : request->topics.count);
    delete_in *in = server_take(call, *count, sizeof *in);
    for (uint32_t i = 0; in && i < *count; i++) {
        in[i] = old ? (delete_in){.name = request->topic_names.items[i]} : request->topics.items[i];
        rows[i] = (delete_out){.name = in[i].name};
        memcpy(rows[i].topic_id, in[i].topic_id, META_ID_BYTES);
        const struct meta_topic *t = meta_topic_by_id(&core->image, in[i].topic_id);
        if (t && !in[i].name.at)
            rows[i].name = server_text(call, t->name);
    }
    return in;
}

int
server_delete_topics(struct server_core *core, struct server_call *call)
{
    const struct wire_delete_topics_request *request = call->request;
    uint32_t count =
        (uint32_t)(call->version < 6 ? request->topic_names.count : request->topics.count);
    struct wire_delete_topics_response *response = server_take(call, 1, sizeof *response);
    delete_out *rows = server_take(call, count, sizeof *rows);
    struct names names;
    delete_in *in = rows ? delete_read(core, call, rows, &count) : NULL;
    if (!response || !in || !names_of(call, count, &names))
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        if (in[i].name.at)
            names.items[names.count++] = in[i].name;
    names_sort(&names);
    for (uint32_t i = 0; i < count; i++) {
        struct meta_error e = {0};
        int rc = ERR_OK;
        if (delete_refused(core, &names, &in[i], &e) == KERR_NONE)
            rc = delete_one(core, call, &in[i], &rows[i], &e);
        if (rc != ERR_OK)
            return rc;
        rows[i].error_code = e.code;
        rows[i].error_message = server_error_text(call, &e);
    }
    response->responses.items = rows;
    response->responses.count = (int32_t)count;
    response->throttle_time_ms = call->throttle_ms;
    call->response = response;
    return ERR_OK;
}

/* ---- CreatePartitions ---- */

typedef struct wire_create_partitions_request_create_partitions_topic grow_in;
typedef struct wire_create_partitions_response_create_partitions_topic_result grow_out;

static int
grow_one(struct server_core *core, struct server_call *call, const grow_in *in,
         struct meta_error *e)
{
    const struct wire_create_partitions_request *request = call->request;
    struct meta_assignment *a = NULL;
    uint32_t assignments = in->assignments.count < 0 ? 0 : (uint32_t)in->assignments.count;
    if (in->assignments.count >= 0) {
        a = server_take(call, assignments, sizeof *a);
        if (!a)
            return ERR_LIMIT;
    }
    for (uint32_t i = 0; i < assignments; i++)
        a[i] = (struct meta_assignment){(int32_t)i, in->assignments.items[i].broker_ids.items,
                                        (uint32_t)in->assignments.items[i].broker_ids.count};
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    if (meta_plan_partitions(&core->image, &core->rules, in->name, in->count, a, assignments, &w,
                             e) != KERR_NONE ||
        request->validate_only)
        return ERR_OK;
    const struct meta_topic *t = meta_topic_by_name(&core->image, in->name);
    if (server_mutations_take(core, call, (uint32_t)in->count - t->partition_count,
                              call->version >= STRICT_GROW, e))
        return ERR_OK;
    call->wait_rows[call->wait_count++] = t->row;
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

int
server_create_partitions(struct server_core *core, struct server_call *call)
{
    const struct wire_create_partitions_request *request = call->request;
    uint32_t count = (uint32_t)request->topics.count;
    struct wire_create_partitions_response *response = server_take(call, 1, sizeof *response);
    grow_out *rows = server_take(call, count, sizeof *rows);
    struct names names, said;
    call->wait_rows = server_take(call, count, sizeof *call->wait_rows);
    if (!response || !rows || !call->wait_rows || !names_of(call, count, &names) ||
        !names_of(call, 64, &said))
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        names.items[names.count++] = request->topics.items[i].name;
    names_sort(&names);
    for (uint32_t i = 0; i < count; i++) {
        const grow_in *in = &request->topics.items[i];
        struct meta_error e = {0};
        bool silent = false;
        int rc = ERR_OK;
        if (names_twice(&names, in->name)) {
            silent = !names_first(&said, in->name);
            (void)meta_error_set(&e, KERR_INVALID_REQUEST, "Duplicate topic name.");
        } else {
            rc = grow_one(core, call, in, &e);
        }
        if (rc != ERR_OK)
            return rc;
        rows[response->results.count] = (grow_out){
            .name = in->name, .error_code = e.code, .error_message = server_error_text(call, &e)};
        response->results.count += !silent;
    }
    response->results.items = rows;
    call->wait_ms =
        request->timeout_ms < SERVER_OPEN_WAIT_MS ? request->timeout_ms : SERVER_OPEN_WAIT_MS;
    response->throttle_time_ms = call->throttle_ms;
    call->response = response;
    return ERR_OK;
}
