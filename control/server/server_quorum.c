/* server_quorum.c: DescribeQuorum and UpdateFeatures.  The quorum is this node alone: its log's
 * committed end is the high watermark, its term the leader epoch.  Source: Kafka 4.3
 * KafkaRaftClient (handleDescribeQuorumRequest), FeatureControlManager, ControllerApis. */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/feature.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>

typedef struct wire_describe_quorum_response_partition_data quorum_part;
typedef struct wire_describe_quorum_response_replica_state quorum_replica;
typedef struct wire_update_features_request_feature_update_key feature_in;
typedef struct wire_update_features_response_updatable_feature_result feature_out;

/* ---- DescribeQuorum ---- */

static bool
quorum_partition(struct server_core *core, struct server_call *call, quorum_part *out)
{
    quorum_replica *self = server_take(call, 1, sizeof *self);
    if (!self)
        return false;
    int64_t end = (int64_t)core->image.index + 1; /* offsets begin with 0, our entries with 1 */
    *self = (quorum_replica){.replica_id = core->rules.node_id,
                             .log_end_offset = end,
                             .last_fetch_timestamp = core->now_ms,
                             .last_caught_up_timestamp = core->now_ms};
    *out = (quorum_part){.error_message = view_of("", 0),
                         .leader_id = core->rules.node_id,
                         .leader_epoch = (int32_t)core->image.term,
                         .high_watermark = end,
                         .current_voters = {self, 1}};
    return true;
}

static bool
quorum_node(struct server_core *core, struct server_call *call,
            struct wire_describe_quorum_response *response)
{
    struct wire_describe_quorum_response_node *node = server_take(call, 1, sizeof *node);
    struct wire_describe_quorum_response_listener *listener =
        server_take(call, 1, sizeof *listener);
    if (!node || !listener)
        return false;
    const struct server_endpoint *at = server_endpoint_of(core, call->listener);
    *listener = (struct wire_describe_quorum_response_listener){
        view_of_text("PLAINTEXT"), view_of_text(at->host), (uint16_t)at->port};
    *node = (struct wire_describe_quorum_response_node){core->rules.node_id, {listener, 1}};
    response->nodes.items = node;
    response->nodes.count = 1;
    return true;
}

/* Kafka describes the one partition when exactly that is asked for, else refuses each one named. */
int
server_describe_quorum(struct server_core *core, struct server_call *call)
{
    const struct wire_describe_quorum_request *request = call->request;
    uint32_t count = (uint32_t)request->topics.count;
    struct wire_describe_quorum_response *response = server_take(call, 1, sizeof *response);
    struct wire_describe_quorum_response_topic_data *topics =
        server_take(call, count, sizeof *topics);
    if (!response || !topics)
        return ERR_LIMIT;
    bool asked =
        count == 1 && request->topics.items[0].partitions.count == 1 &&
        request->topics.items[0].partitions.items[0].partition_index == 0 &&
        view_equal(request->topics.items[0].topic_name, view_of_text("__cluster_metadata"));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parts = (uint32_t)request->topics.items[i].partitions.count;
        topics[i].topic_name = request->topics.items[i].topic_name;
        topics[i].partitions.items = server_take(call, parts, sizeof(quorum_part));
        if (!topics[i].partitions.items)
            return ERR_LIMIT;
        topics[i].partitions.count = (int32_t)parts;
        for (uint32_t p = 0; p < parts; p++)
            topics[i].partitions.items[p] = (quorum_part){
                .partition_index = request->topics.items[i].partitions.items[p].partition_index,
                .error_code = KERR_UNKNOWN_TOPIC_OR_PARTITION,
                .error_message = view_of_text(kerr_message(KERR_UNKNOWN_TOPIC_OR_PARTITION))};
    }
    if (asked && (!quorum_partition(core, call, &topics[0].partitions.items[0]) ||
                  (call->version >= 2 && !quorum_node(core, call, response))))
        return ERR_LIMIT;
    response->error_message = view_of("", 0);
    response->topics.items = topics;
    response->topics.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}

/* ---- UpdateFeatures ---- */

enum { UPGRADE = 1, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, FEATURE_SHOWN_MAX = 100 };

/* Writes why the update is refused, "" when it changes nothing. */
static void
feature_judge(const struct server_core *core, const feature_in *in, char why[META_TEXT_BYTES])
{
    enum feature f = feature_find(in->feature);
    int level = in->max_version_level;
    why[0] = '\0';
    if (in->upgrade_type < UPGRADE || in->upgrade_type > UNSAFE_DOWNGRADE)
        (void)snprintf(why, META_TEXT_BYTES,
                       "The controller does not support the given upgrade type.");
    else if (level < 0)
        (void)snprintf(why, META_TEXT_BYTES, "A feature version cannot be less than 0.");
    else if (f == FEATURES)
        (void)snprintf(why, META_TEXT_BYTES, "Local controller %d does not support this feature.",
                       core->rules.node_id);
    else if (level < feature_row(f)->min || level > feature_row(f)->max)
        (void)snprintf(why, META_TEXT_BYTES, "Local controller %d only supports versions %d-%d",
                       core->rules.node_id, feature_row(f)->min, feature_row(f)->max);
    else if (level < feature_row(f)->max && in->upgrade_type == UPGRADE)
        (void)snprintf(why, META_TEXT_BYTES,
                       "Can't downgrade the version of this feature without setting the upgrade "
                       "type to either safe or unsafe downgrade.");
}

/* The error of one update; KERR_NONE: the level is in force already. */
static int16_t
feature_check(const struct server_core *core, const feature_in *in, struct meta_error *e)
{
    static const char prefix[] =
        "The update failed for all features since the following feature had an error:";
    char why[META_TEXT_BYTES];
    int n = (int)(in->feature.len < FEATURE_SHOWN_MAX ? in->feature.len : FEATURE_SHOWN_MAX);
    feature_judge(core, in, why);
    if (why[0])
        return meta_error_set(e, KERR_INVALID_UPDATE_VERSION,
                              "%s Invalid update version %d for feature %.*s. %.200s", prefix,
                              in->max_version_level, n, (const char *)in->feature.at, why);
    enum feature f = feature_find(in->feature);
    if (in->max_version_level == feature_row(f)->max)
        return KERR_NONE;
    /* Only metadata.version has a range, and older levels would lose what is kept. */
    return meta_error_set(e, KERR_INVALID_UPDATE_VERSION,
                          "%s Unsupported %s downgrade from %d to %d. %s", prefix,
                          feature_row(f)->name, feature_row(f)->max, in->max_version_level,
                          in->upgrade_type == UNSAFE_DOWNGRADE
                              ? "Unsafe metadata downgrade is not supported in this version."
                              : "Refusing to perform the requested downgrade because it might "
                                "delete metadata information.");
}

int
server_update_features(struct server_core *core, struct server_call *call)
{
    const struct wire_update_features_request *request = call->request;
    uint32_t count = (uint32_t)request->feature_updates.count;
    struct wire_update_features_response *response = server_take(call, 1, sizeof *response);
    feature_out *rows = server_take(call, count, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    struct meta_error e = {0};
    for (uint32_t i = 0; i < count && e.code == KERR_NONE; i++) {
        rows[i] = (feature_out){.feature = request->feature_updates.items[i].feature,
                                .error_message = view_of_text("NONE")};
        (void)feature_check(core, &request->feature_updates.items[i], &e);
    }
    response->error_code = e.code;
    response->error_message = server_error_text(call, &e);
    response->results.items = rows;
    response->results.count = e.code == KERR_NONE ? (int32_t)count : 0;
    call->response = response;
    return ERR_OK;
}
