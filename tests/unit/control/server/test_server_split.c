#include "control/group/group.h"
#include "control/server/server_split.h"
#include "core/base/err.h"
#include "core/base/javahash.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA = 4 << 20, PARTS = 7, NAMES = 40, ID = 99 };

struct fixture {
    uint8_t *arena_at;
    struct wire_arena arena;
    struct server_split split;
    char text[NAMES][8];
    struct view names[NAMES];
};

static struct fixture *
setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->arena_at = malloc(ARENA);
    wire_arena_init(&f->arena, f->arena_at, ARENA);
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(f->text[i], sizeof f->text[i], "g%d", i);
        f->names[i] = view_of_text(f->text[i]);
    }
    return f;
}

static void
teardown(struct fixture *f)
{
    free(f->arena_at);
    free(f);
}

static void
reply_set(struct fixture *f, struct server_split_part *part, const void *response)
{
    const struct server_split *s = &f->split;
    uint8_t *at = wire_arena_take(&f->arena, 4096);
    struct put w = put_of(at, 4096);
    wire_header_answer(&w, s->api, s->version, s->correlation_id);
    assert_int_equal(wire_encode(s->api->response, s->version, response, &w), ERR_OK);
    part->reply = view_of(at, put_len(&w));
}

static void
merged(struct fixture *f, void *response)
{
    struct view out;
    assert_int_equal(server_split_merge(&f->split, &f->arena, &out), ERR_OK);
    uint32_t head = f->split.version >= f->split.api->flexible_min ? 5 : 4;
    assert_int_equal(get_u32(out.at), ID);
    assert_int_equal(wire_decode(f->split.api->response, f->split.version,
                                 view_of(out.at + head, out.len - head), response, &f->arena),
                     ERR_OK);
}

static void
each_part_has_the_names_of_its_partition_encoded_as_a_request(void **state)
{
    (void)state;
    struct fixture *f = setup();
    const struct wire_api *api = wire_api_find(WIRE_API_DELETE_GROUPS);
    struct wire_delete_groups_request request = {.groups_names = {f->names, NAMES}};
    assert_int_equal(server_split_request(api, 2, ID, &request, PARTS, &f->arena, &f->split),
                     ERR_OK);
    assert_true(f->split.part_count > 1);
    int32_t seen = 0;
    for (uint32_t i = 0; i < f->split.part_count; i++) {
        const struct server_split_part *p = &f->split.parts[i];
        struct wire_header h;
        struct wire_delete_groups_request part;
        assert_int_equal(wire_header_read(p->request, &h), ERR_OK);
        assert_int_equal(h.api_key, WIRE_API_DELETE_GROUPS);
        assert_int_equal(h.correlation_id, ID);
        struct view body = view_of(p->request.at + h.bytes, p->request.len - h.bytes);
        assert_int_equal(wire_decode(api->request, 2, body, &part, &f->arena), ERR_OK);
        for (int32_t k = 0; k < part.groups_names.count; k++)
            assert_int_equal(javahash_partition(part.groups_names.items[k], PARTS), p->partition);
        seen += part.groups_names.count;
    }
    assert_int_equal(seen, NAMES);
    teardown(f);
}

static void
answers_are_put_together_in_the_order_of_the_request(void **state)
{
    (void)state;
    struct fixture *f = setup();
    const struct wire_api *api = wire_api_find(WIRE_API_DELETE_GROUPS);
    f->names[5] = f->names[2]; /* the same one twice */
    struct wire_delete_groups_request request = {.groups_names = {f->names, NAMES}};
    assert_int_equal(server_split_request(api, 1, ID, &request, PARTS, &f->arena, &f->split),
                     ERR_OK);
    for (uint32_t i = 0; i < f->split.part_count; i++) {
        const struct wire_delete_groups_request *part = f->split.parts[i].body;
        struct wire_delete_groups_response_deletable_group_result rows[NAMES] = {0};
        struct wire_delete_groups_response r = {.results = {rows, part->groups_names.count}};
        for (int32_t k = 0; k < part->groups_names.count; k++)
            rows[k].group_id = part->groups_names.items[k];
        reply_set(f, &f->split.parts[i], &r);
    }
    struct wire_delete_groups_response all;
    merged(f, &all);
    assert_int_equal(all.results.count, NAMES);
    for (int i = 0; i < NAMES; i++)
        assert_true(view_equal(all.results.items[i].group_id, f->names[i]));
    teardown(f);
}

/* Lists one group in each partition but the last, which answers with an error. */
static void
list_answer(struct fixture *f, int16_t error, struct wire_list_groups_response *out)
{
    struct wire_list_groups_request request = {0};
    assert_int_equal(server_split_request(wire_api_find(WIRE_API_LIST_GROUPS), 5, ID, &request,
                                          PARTS, &f->arena, &f->split),
                     ERR_OK);
    assert_int_equal(f->split.part_count, PARTS);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct wire_list_groups_response_listed_group row = {.group_id = f->names[i],
                                                             .protocol_type = view_of_text(""),
                                                             .group_state = view_of_text(""),
                                                             .group_type = view_of_text("")};
        bool last = i == PARTS - 1;
        struct wire_list_groups_response r = {.error_code = last ? error : KERR_NONE,
                                              .groups = {&row, last && error ? 0 : 1}};
        assert_int_equal(f->split.parts[i].partition, i);
        reply_set(f, &f->split.parts[i], &r);
    }
    merged(f, out);
}

static void
a_partition_that_is_being_loaded_fails_the_whole_list(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct wire_list_groups_response all;
    list_answer(f, KERR_COORDINATOR_LOAD_IN_PROGRESS, &all);
    assert_int_equal(all.error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(all.groups.count, 0);
    teardown(f);
}

static void
a_partition_of_another_coordinator_is_left_out(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct wire_list_groups_response all;
    list_answer(f, KERR_NOT_COORDINATOR, &all);
    assert_int_equal(all.error_code, KERR_NONE);
    assert_int_equal(all.groups.count, PARTS - 1);
    teardown(f);
}

static void
a_request_without_names_has_one_part(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct wire_describe_groups_request request = {0};
    assert_int_equal(server_split_request(wire_api_find(WIRE_API_DESCRIBE_GROUPS), 5, ID, &request,
                                          PARTS, &f->arena, &f->split),
                     ERR_OK);
    assert_int_equal(f->split.part_count, 1);
    assert_int_equal(f->split.parts[0].partition, 0);
    teardown(f);
}

static void
an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct wire_delete_groups_request request = {.groups_names = {f->names, NAMES}};
    wire_arena_init(&f->arena, f->arena_at, 512);
    assert_int_equal(server_split_request(wire_api_find(WIRE_API_DELETE_GROUPS), 2, ID, &request,
                                          PARTS, &f->arena, &f->split),
                     ERR_LIMIT);
    teardown(f);
}

static void
only_requests_of_several_keys_are_cut(void **state)
{
    (void)state;
    assert_true(server_split_many(wire_api_find(WIRE_API_OFFSET_FETCH), 8));
    assert_false(server_split_many(wire_api_find(WIRE_API_OFFSET_FETCH), 7));
    assert_false(server_split_many(wire_api_find(WIRE_API_JOIN_GROUP), 9));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_has_the_names_of_its_partition_encoded_as_a_request),
        cmocka_unit_test(answers_are_put_together_in_the_order_of_the_request),
        cmocka_unit_test(a_partition_that_is_being_loaded_fails_the_whole_list),
        cmocka_unit_test(a_partition_of_another_coordinator_is_left_out),
        cmocka_unit_test(a_request_without_names_has_one_part),
        cmocka_unit_test(an_arena_that_is_full_is_an_error),
        cmocka_unit_test(only_requests_of_several_keys_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
