#include "tests/unit/control/admin/admin_fixture.h"

#include <stdio.h>

static json_t *
schema_of(json_t *all, json_t *schema)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (!ref)
        return schema;
    json_t *schemas = json_object_get(json_object_get(all, "components"), "schemas");
    json_t *found = json_object_get(schemas, strrchr(ref, '/') + 1);
    assert_non_null(found);
    return found;
}

/* That a value is what the schema says: type, required members, no other members. */
static void
check(json_t *all, json_t *schema, json_t *value)
{
    schema = schema_of(all, schema);
    const char *type = admin_fixture_text(schema, "type"), *name;
    json_t *member, *properties = json_object_get(schema, "properties");
    size_t i;
    if (strcmp(type, "integer") == 0)
        assert_true(json_is_integer(value));
    if (strcmp(type, "string") == 0)
        assert_true(json_is_string(value));
    if (strcmp(type, "boolean") == 0)
        assert_true(json_is_boolean(value));
    if (strcmp(type, "array") == 0) {
        assert_true(json_is_array(value));
        json_array_foreach(value, i, member)
        {
            check(all, json_object_get(schema, "items"), member);
        }
    }
    if (strcmp(type, "object") == 0) {
        assert_true(json_is_object(value));
        json_array_foreach(json_object_get(schema, "required"), i, member)
        {
            assert_non_null(json_object_get(value, json_string_value(member)));
        }
        json_object_foreach(value, name, member)
        {
            json_t *known = json_object_get(properties, name);
            known = known ? known : json_object_get(schema, "additionalProperties");
            if (json_is_object(known))
                check(all, known, member);
            else
                assert_non_null(strstr("path", name)); /* of an error's details */
        }
    }
}

static json_t *
schema_at(json_t *all, const char *path, const char *status)
{
    json_t *o = json_object_get(json_object_get(all, "paths"), path);
    assert_non_null(o);
    o = json_object_get(json_object_get(json_object_get(o, "get"), "responses"), status);
    o = json_object_get(json_object_get(o, "content"), "application/json");
    return json_object_get(o, "schema");
}

static void
every_answer_is_what_the_description_says(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    json_t *all = admin_openapi_json();
    admin_fixture_give(f);
    uint32_t routes = 0;
    for (const struct admin_route *r = admin_routes; r->path; r++, routes++) {
        char path[128];
        const char *open = strchr(r->path, '{');
        (void)snprintf(path, sizeof path, "%.*s%s", open ? (int)(open - r->path) : 100, r->path,
                       !open                      ? ""
                       : strstr(r->path, "topic") ? "alpha"
                                                  : "g\"1");
        check(all, schema_at(all, r->path, "200"), admin_fixture_get(f, path, 200));
        if (open) {
            (void)snprintf(path, sizeof path, "%.*snobody", (int)(open - r->path), r->path);
            check(all, schema_at(all, r->path, "default"), admin_fixture_get(f, path, 404));
        }
    }
    assert_int_equal(json_object_size(json_object_get(all, "paths")), routes);
    json_decref(all);
    admin_fixture_free(f);
}

static void
the_description_is_served_and_stands_in_docs(void **state)
{
    (void)state;
    struct admin_fixture *f = admin_fixture_new();
    json_error_t error;
    json_t *served = admin_fixture_get(f, "/v1/openapi.json", 200);
    json_t *file = json_load_file(OPENAPI_FILE, 0, &error);
    if (!file || !json_equal(served, file)) {
        char *text = admin_openapi();
        FILE *out = fopen("openapi.json", "w");
        assert_non_null(out);
        (void)fprintf(out, "%s\n", text);
        (void)fclose(out);
        free(text);
        fail_msg("docs/openapi.json is not what the code says: copy openapi.json over it");
    }
    json_decref(file);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_what_the_description_says),
        cmocka_unit_test(the_description_is_served_and_stands_in_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
