#include "cli/client/client.h"

#include <string.h>

rd_kafka_AdminOptions_t *
client_manage_options(struct client *c, rd_kafka_admin_op_t op, bool dry)
{
    char error[CLIENT_ERROR_BYTES];
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(c->rk, op);
    must(o != NULL);
    must(rd_kafka_AdminOptions_set_request_timeout(o, c->timeout_ms, error, sizeof error) == 0);
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_DELETETOPICS ||
        op == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS || op == RD_KAFKA_ADMIN_OP_DELETERECORDS)
        must(rd_kafka_AdminOptions_set_operation_timeout(o, c->timeout_ms, error, sizeof error) ==
             0);
    if (dry)
        must(rd_kafka_AdminOptions_set_validate_only(o, 1, error, sizeof error) == 0);
    return o;
}

rd_kafka_event_t *
client_manage_wait(struct client *c, const char *what)
{
    /* librdkafka ends it after the request's timeout: the second is for that answer to come. */
    rd_kafka_event_t *e = rd_kafka_queue_poll(c->queue, c->timeout_ms + 1000);
    if (e && rd_kafka_event_error(e) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return e;
    client_fail(e ? rd_kafka_event_error(e) : RD_KAFKA_RESP_ERR__TIMED_OUT,
                e ? rd_kafka_event_error_string(e) : NULL, "%s", what);
    if (e)
        rd_kafka_event_destroy(e);
    return NULL;
}

void
client_manage_topics(json_t *rows, const rd_kafka_topic_result_t **results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        client_result(rows, rd_kafka_topic_result_name(results[i]), -1,
                      rd_kafka_topic_result_error(results[i]),
                      rd_kafka_topic_result_error_string(results[i]));
}

static json_t *
entries_json(const rd_kafka_ConfigResource_t *r)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(r, &count);
    json_t *all = json_object();
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_ConfigEntry_t *e = entries[i];
        const char *value = rd_kafka_ConfigEntry_value(e);
        rd_kafka_ConfigSource_t source = rd_kafka_ConfigEntry_source(e);
        json_object_set_new(all, rd_kafka_ConfigEntry_name(e),
                            json_pack("{s:s?, s:s, s:b, s:b, s:b}", "value", value, "source",
                                      rd_kafka_ConfigSource_name(source), "default",
                                      source == RD_KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG, "read_only",
                                      rd_kafka_ConfigEntry_is_read_only(e), "sensitive",
                                      rd_kafka_ConfigEntry_is_sensitive(e)));
    }
    return all;
}

json_t *
client_manage_configs(struct client *c, rd_kafka_ResourceType_t type, const char *name)
{
    rd_kafka_AdminOptions_t *o = client_manage_options(c, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, false);
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(type, name);
    json_t *all = NULL;
    size_t count;
    rd_kafka_DescribeConfigs(c->rk, &asked, 1, o, c->queue);
    rd_kafka_event_t *e = client_manage_wait(c, "settings");
    if (e) {
        const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(e), &count);
        rd_kafka_resp_err_t err =
            count == 1 ? rd_kafka_ConfigResource_error(found[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
        if (err)
            client_fail(err, count == 1 ? rd_kafka_ConfigResource_error_string(found[0]) : NULL,
                        "settings of %s", name);
        else
            all = entries_json(found[0]);
        rd_kafka_event_destroy(e);
    }
    rd_kafka_ConfigResource_destroy(asked);
    rd_kafka_AdminOptions_destroy(o);
    return all;
}
