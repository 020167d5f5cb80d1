#include "cli/client/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool
digits_read(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    *out = n;
    return isdigit((unsigned char)*text) && *end == 0 && errno == 0;
}

/* "2026-01-31", "2026-01-31T12:00:00", "...Z": all in UTC. */
static bool
date_read(const char *text, int64_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == 'T')
        end = strptime(end, "T%H:%M:%S", &tm);
    if (end && *end == 'Z')
        end++;
    if (!end || *end)
        return false;
    *out = (int64_t)timegm(&tm) * 1000;
    return *out >= 0;
}

bool
client_position_read(const char *text, struct client_position *out)
{
    static const struct {
        char sign;
        enum client_at at;
    } signs[] = {{'+', CLIENT_AFTER}, {'-', CLIENT_BEFORE}, {'@', CLIENT_TIME}};
    *out = (struct client_position){.at = CLIENT_OFFSET};
    if (strcmp(text, "start") == 0 || strcmp(text, "end") == 0) {
        out->at = *text == 's' ? CLIENT_START : CLIENT_END;
        return true;
    }
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (*text == signs[i].sign)
            out->at = signs[i].at;
    text += out->at != CLIENT_OFFSET;
    return digits_read(text, &out->n) || (out->at == CLIENT_TIME && date_read(text, &out->n));
}

int64_t
client_position_offset(const struct client_position *p, int64_t start, int64_t end)
{
    int64_t room = end > start ? end - start : 0;
    switch (p->at) {
    case CLIENT_START:
        return start;
    case CLIENT_OFFSET:
        return p->n;
    case CLIENT_AFTER:
        return start + (p->n < room ? p->n : room);
    case CLIENT_BEFORE:
        return end - (p->n < room ? p->n : room);
    case CLIENT_END:
    case CLIENT_TIME:
        break;
    }
    return end;
}

static int
times_resolve(struct client *c, int64_t time_ms, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = time_ms;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(c->rk, list, c->timeout_ms);
    for (int i = 0; i < list->cnt && !err; i++)
        err = list->elems[i].err;
    return err ? client_fail(err, NULL, "offsets by time") : COMMAND_EXIT_OK;
}

int
client_position_resolve(struct client *c, const struct client_position *p,
                        rd_kafka_topic_partition_list_t *list)
{
    int code = p->at == CLIENT_TIME ? times_resolve(c, p->n, list) : COMMAND_EXIT_OK;
    for (int i = 0; i < list->cnt && code == COMMAND_EXIT_OK; i++) {
        rd_kafka_topic_partition_t *t = &list->elems[i];
        int64_t start, end;
        if (p->at == CLIENT_OFFSET || (p->at == CLIENT_TIME && t->offset >= 0)) {
            t->offset = p->at == CLIENT_OFFSET ? p->n : t->offset;
            continue;
        }
        rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(c->rk, t->topic, t->partition,
                                                                   &start, &end, c->timeout_ms);
        if (err)
            code = client_fail(err, NULL, "offsets of %s partition %d", t->topic, t->partition);
        else
            t->offset = client_position_offset(p, start, end);
    }
    return code;
}
