#include "tests/unit/control/admin/admin_fixture.h"

struct row {
    struct view text;
    const char *fixed;
    int64_t i64;
    uint64_t u64;
    int32_t i32;
    uint32_t u32;
    bool yes;
};
#define F(name, type)                                                                              \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct row, name), "", NULL                                  \
    }
static const struct admin_schema schema = {
    "Row", (const struct admin_field[]){F(text, TEXT),
                                        F(fixed, STATIC),
                                        F(i64, I64),
                                        F(u64, U64),
                                        F(i32, I32),
                                        F(u32, U32),
                                        F(yes, BOOL),
                                        {"rows", ADMIN_OBJECTS, 0, "", &schema},
                                        {"numbers", ADMIN_NUMBERS, 0, "", NULL},
                                        {0}}};

static void
every_type_of_field_becomes_its_json(void **state)
{
    (void)state;
    struct row r = {view_of_text("a\"b"), "c", INT64_MIN, 1 << 20, -5, UINT32_MAX, true};
    json_t *o = admin_json_object(&schema, &r);
    char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(text, "{\"text\":\"a\\\"b\",\"fixed\":\"c\",\"i64\":-9223372036854775808,"
                              "\"u64\":1048576,\"i32\":-5,\"u32\":4294967295,\"yes\":true,"
                              "\"rows\":[],\"numbers\":{}}");
    free(text);
    json_decref(o);
}

static void
text_that_is_no_utf8_is_mended(void **state)
{
    (void)state;
    json_t *s = admin_json_text(view_of("a\xff", 2));
    assert_string_equal(json_string_value(s), "a\xef\xbf\xbd"
                                              "ff");
    json_decref(s);
    s = admin_json_text(view_of(NULL, 0));
    assert_string_equal(json_string_value(s), "");
    json_decref(s);
}

static void
a_list_wants_items_from_skip_up_to_limit(void **state)
{
    (void)state;
    struct admin_call c = {.skip = 2, .limit = 3};
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(admin_json_wanted(&c, i), i >= 2 && i < 5);
    json_t *items, *list = admin_json_list(&c, 10, &items);
    assert_int_equal(admin_fixture_number(list, "total"), 10);
    assert_int_equal(admin_fixture_number(list, "skip"), 2);
    assert_ptr_equal(json_object_get(list, "items"), items);
    json_decref(list);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_of_field_becomes_its_json),
        cmocka_unit_test(text_that_is_no_utf8_is_mended),
        cmocka_unit_test(a_list_wants_items_from_skip_up_to_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
