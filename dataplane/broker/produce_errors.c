/* produce_errors.c: see produce_in.h.  Texts as Kafka 4.3.1 LogValidator and
 * ProduceResponse.RecordError.
 *
 * The block holds an array of faults, one of record errors, then the texts, each ended by a NUL. */
#include "core/wire/kerr.h"
#include "dataplane/broker/produce_in.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    SUMMARY_SHOWN = 3, /* errors that the summary repeats */
    SUMMARY_TEXT_MAX = 256 + SUMMARY_SHOWN * (PRODUCE_ERROR_TEXT_MAX + 64),
    LENGTH_BYTES = 2, /* of a string before version 9; later ones need no more */
    ROW_BYTES = 4 + LENGTH_BYTES + 1,
    ROWS_LENGTH_BYTES = 5,
};

/* Formats behind what is there; at the end of the room the text is cut. */
static must_printf(2, 3) void say(struct put *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    size_t room = (size_t)(w->end - w->at);
    int n = vsnprintf((char *)w->at, room, fmt, args);
    va_end(args);
    must(n >= 0 && room > 0);
    w->at += (size_t)n < room ? (size_t)n : room - 1;
}

static struct view
text_of(const struct batch_fault *f, const struct batch_rules *rules,
        const struct table_topic_fact *topic, int32_t partition, struct put *w)
{
    struct put one = put_of(w->at, PRODUCE_ERROR_TEXT_MAX);
    int64_t first_ms, last_ms;
    batch_time_range(rules, &first_ms, &last_ms);
    if (f->keyless)
        say(&one, "Compacted topic cannot accept message without key in topic partition %.*s-%d",
            topic->name_bytes, (const char *)topic->name, partition);
    else
        say(&one,
            "Timestamp %" PRId64 " of message with offset %d is out of range. The timestamp should "
            "be within [%" PRId64 ", %" PRId64 "]",
            f->timestamp_ms, f->index, first_ms, last_ms);
    w->at = one.at + 1;
    return view_of(one.start, put_len(&one));
}

static const char *
summary_of(const struct lens_produce_result *out, uint32_t total, struct put *w)
{
    const char *text = (const char *)w->at;
    if (out->error == KERR_INVALID_TIMESTAMP) {
        say(w, "One or more records have been rejected due to invalid timestamp");
        return text;
    }
    say(w,
        "One or more records have been rejected due to %u record errors in total, and only showing "
        "the first three errors at most: [",
        total);
    for (uint32_t i = 0; i < out->record_error_count && i < SUMMARY_SHOWN; i++) {
        const struct lens_record_error *r = &out->record_errors[i];
        say(w, "%sRecordError(batchIndex=%d, message='%.*s')", i > 0 ? ", " : "", r->index,
            (int)r->text.len, (const char *)r->text.at);
    }
    say(w, "]");
    return text;
}

void *
produce_errors(struct buddy *memory, struct view records, const struct batch_rules *rules,
               const struct batch_info *info, const struct table_topic_fact *topic,
               struct lens_produce_result *out)
{
    must(info->bad_records > 0);
    uint32_t max = info->bad_records < PRODUCE_RECORD_ERRORS_MAX ? info->bad_records
                                                                 : PRODUCE_RECORD_ERRORS_MAX;
    struct batch_fault *faults;
    struct lens_record_error *rows;
    size_t bytes =
        max * (sizeof *faults + sizeof *rows + PRODUCE_ERROR_TEXT_MAX) + SUMMARY_TEXT_MAX;
    size_t room;
    void *block = buddy_take(memory, bytes, &room);
    if (!block)
        return NULL;
    faults = block;
    rows = (struct lens_record_error *)(faults + max);
    struct put w = put_of(rows + max, (uint32_t)(bytes - max * (sizeof *faults + sizeof *rows)));
    uint32_t count = batch_faults(records, rules, info, faults, max);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (struct lens_record_error){faults[i].index,
                                             text_of(&faults[i], rules, topic, out->index, &w)};
    out->record_errors = rows;
    out->record_error_count = count;
    out->error_message = summary_of(out, info->bad_records, &w);
    return block;
}

uint32_t
produce_errors_bytes(const struct lens_produce_result *out)
{
    uint64_t bytes = ROWS_LENGTH_BYTES;
    for (uint32_t i = 0; i < out->record_error_count; i++)
        bytes += ROW_BYTES + out->record_errors[i].text.len;
    if (out->error_message)
        bytes += LENGTH_BYTES + strlen(out->error_message);
    return (uint32_t)bytes;
}
