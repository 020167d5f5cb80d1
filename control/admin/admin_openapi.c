/* admin_openapi.c: the description of /v1, made from the tables that answer it. */
#include "control/admin/admin_in.h"

#include "core/base/must.h"

#include <stdlib.h>
#include <string.h>

static json_t *
reference(const char *name)
{
    json_t *r = json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
    must(r != NULL);
    return r;
}

static json_t *
property(const struct admin_field *f)
{
    static const char *const types[] = {
        [ADMIN_TEXT] = "string",  [ADMIN_STATIC] = "string", [ADMIN_I64] = "integer",
        [ADMIN_U64] = "integer",  [ADMIN_I32] = "integer",   [ADMIN_U32] = "integer",
        [ADMIN_BOOL] = "boolean", [ADMIN_OBJECTS] = "array", [ADMIN_NUMBERS] = "object"};
    json_t *p = json_pack("{s:s, s:s}", "type", types[f->type], "description", f->help);
    must(p != NULL);
    bool narrow = f->type == ADMIN_I32 || f->type == ADMIN_U32;
    if (strcmp(types[f->type], "integer") == 0)
        json_object_set_new(p, "format",
                            json_string(narrow && f->type == ADMIN_I32 ? "int32" : "int64"));
    if (f->type == ADMIN_OBJECTS)
        json_object_set_new(p, "items", reference(f->of->name));
    if (f->type == ADMIN_NUMBERS)
        json_object_set_new(p, "additionalProperties",
                            json_pack("{s:s, s:s}", "type", "integer", "format", "int64"));
    return p;
}

/* The schema, and those that it is made of. */
static void
schema_add(json_t *schemas, const struct admin_schema *s)
{
    if (json_object_get(schemas, s->name))
        return;
    json_t *properties = json_object(), *required = json_array();
    for (const struct admin_field *f = s->fields; f->name; f++) {
        json_object_set_new(properties, f->name, property(f));
        json_array_append_new(required, json_string(f->name));
        if (f->of)
            schema_add(schemas, f->of);
    }
    json_object_set_new(schemas, s->name,
                        json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties",
                                  properties, "required", required, "additionalProperties", 0));
}

static json_t *
list_of(const char *name)
{
    json_t *l =
        json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:s}, s:{s:s}, s:{s:s}}, s:[s, s, s, s], s:b}", "type",
                  "object", "properties", "items", "type", "array", "items", reference(name),
                  "total", "type", "integer", "skip", "type", "integer", "limit", "type", "integer",
                  "required", "items", "total", "skip", "limit", "additionalProperties", 0);
    must(l != NULL);
    return l;
}

static json_t *
response(const char *description, json_t *schema)
{
    json_t *r = json_pack("{s:s, s:{s:{s:o}}}", "description", description, "content",
                          "application/json", "schema", schema);
    must(r != NULL);
    return r;
}

static json_t *
number_parameter(const char *name, const char *help, json_int_t least, json_int_t most)
{
    json_t *schema = json_pack("{s:s, s:s, s:I, s:I}", "type", "integer", "format", "int64",
                               "minimum", least, "maximum", most);
    json_t *p = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "in", "query", "required", 0,
                          "description", help, "schema", schema);
    must(p != NULL);
    return p;
}

static json_t *
operation(const struct admin_route *r)
{
    json_t *parameters = json_array();
    const char *open = strchr(r->path, '{');
    if (open) {
        json_t *p = json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", open + 1, strlen(open) - 2, "in",
                              "path", "required", 1, "schema", "type", "string");
        must(p != NULL);
        json_array_append_new(parameters, p);
    }
    if (r->list) {
        json_array_append_new(parameters,
                              number_parameter("limit", "items at most", 1, ADMIN_LIMIT_MAX));
        json_array_append_new(
            parameters, number_parameter("skip", "items to leave out at the front", 0, INT32_MAX));
    }
    json_t *responses = json_object();
    json_object_set_new(
        responses, "200",
        response(r->summary, r->list ? list_of(r->of->name) : reference(r->of->name)));
    json_object_set_new(responses, "default", response("an error", reference("Error")));
    json_t *o = json_pack("{s:{s:s, s:o, s:o}}", "get", "summary", r->summary, "parameters",
                          parameters, "responses", responses);
    must(o != NULL);
    return o;
}

json_t *
admin_openapi_json(void)
{
    json_t *paths = json_object(), *schemas = json_object();
    json_object_set_new(schemas, "Error",
                        json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}}, s:[s, s, s], s:b}", "type",
                                  "object", "properties", "code", "type", "string", "message",
                                  "type", "string", "details", "type", "object", "required", "code",
                                  "message", "details", "additionalProperties", 0));
    for (const struct admin_route *r = admin_routes; r->path; r++) {
        schema_add(schemas, r->of);
        json_object_set_new(paths, r->path, operation(r));
    }
    json_t *all = json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.0.3", "info",
                            "title", "Sluice", "version", "1", "description",
                            "What a broker tells of itself. Only reads. Fields are added, never "
                            "renamed or taken away.",
                            "paths", paths, "components", "schemas", schemas);
    must(all != NULL);
    return all;
}

char *
admin_openapi(void)
{
    json_t *all = admin_openapi_json();
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    must(text != NULL);
    json_decref(all);
    return text;
}
