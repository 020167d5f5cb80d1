#include "cli/command/command.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void
every_id_has_one_row(void **state)
{
    int rows[COMMAND_IDS] = {0};
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++)
        rows[c->id]++;
    for (int id = 0; id < COMMAND_IDS; id++)
        if (rows[id] != 1)
            fail_msg("command %d has %d rows", id, rows[id]);
}

static void
rows_say_what_they_take(void **state)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        size_t n = strlen(c->summary);
        if (n == 0 || c->summary[n - 1] == '.' || (c->words_max && !c->arguments && !c->hidden))
            fail_msg("'%s': summary '%s'", c->words, c->summary);
        if (c->text && c->text[strlen(c->text) - 1] != '.')
            fail_msg("'%s': its text is no sentence", c->words);
        assert_true(c->words_min <= c->words_max);
        assert_true(c->words_max <= COMMAND_WORDS_MAX);
        assert_true(!strchr(c->words, ' ') || c->hidden ||
                    command_group_summary(c->words, (int)strcspn(c->words, " ")));
    }
}

/* A default that its own option would refuse would be told to users as a value to give. */
static void
defaults_are_values_that_the_option_takes(void **state)
{
    const struct command *c;
    const struct command_option *o;
    for (uint32_t i = 0; (c = command_row(i)); i++)
        for (uint32_t k = 0; (o = command_option(c, k)); k++) {
            if ((o->kind == COMMAND_FLAG) != (o->value == NULL))
                fail_msg("'%s %s': value", c->words, o->name);
            if (o->kind == COMMAND_NUMBER && o->fallback) {
                long long v = strtoll(o->fallback, NULL, 10);
                if (v < o->min || v > o->max)
                    fail_msg("'%s %s': default %lld", c->words, o->name, v);
            }
            if (o->kind == COMMAND_CHOICE && o->fallback && !strstr(o->value, o->fallback))
                fail_msg("'%s %s': default %s", c->words, o->name, o->fallback);
        }
}

static void
no_two_options_of_a_command_are_the_same(void **state)
{
    const struct command *c;
    const struct command_option *a, *b;
    for (uint32_t i = 0; (c = command_row(i)); i++)
        for (uint32_t k = 0; (a = command_option(c, k)); k++)
            for (uint32_t m = k + 1; (b = command_option(c, m)); m++) {
                bool letter = a->letter && a->letter == b->letter;
                letter |= a->name[1] != '-' && a->name[1] == b->letter;
                letter |= b->name[1] != '-' && b->name[1] == a->letter;
                if (letter || strcmp(a->name, b->name) == 0)
                    fail_msg("'%s': %s and %s", c->words, a->name, b->name);
            }
}

/* Examples are command lines that the table itself understands. */
static void
examples_can_be_typed(void **state)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        const char *at = c->examples ? c->examples : "";
        for (; *at; at += strcspn(at, "\n") + 1) {
            char copy[512], *argv[64], error[COMMAND_ERROR_BYTES];
            static struct command_line line;
            int argc = 0, n = (int)strcspn(at, "\n");
            snprintf(copy, sizeof copy, "%.*s", n, at);
            char *begin = strstr(copy, "sluice "), *save;
            assert_non_null(begin);
            begin[strcspn(begin, "|)>")] = 0;
            for (char *w = strtok_r(begin, " ", &save); w; w = strtok_r(NULL, " ", &save))
                argv[argc++] = w;
            if (command_read(&line, argc, argv, error) || line.command != c)
                fail_msg("'%s': example '%.*s': %s", c->words, n, at, error);
        }
    }
}

static void
each_group_that_is_not_hidden_comes_once_with_its_first_row(void **state)
{
    (void)state;
    uint32_t at = 0, groups = 0;
    const struct command *c, *row;
    for (int n; (c = command_group_next(&at, &n)); groups++) {
        assert_false(c->hidden);
        assert_int_equal(n, strcspn(c->words, " "));
        for (uint32_t i = 0; (row = command_row(i)) != c; i++) /* none of the group before it */
            assert_true(row->hidden || strncmp(row->words, c->words, (size_t)n) != 0 ||
                        row->words[n] != ' ');
    }
    uint32_t first = 0;
    for (uint32_t i = 0; (row = command_row(i)); i++) {
        bool again = false;
        for (uint32_t k = 0; k < i && !again; k++) {
            int a, b;
            const char *x = command_group(row, &a), *y = command_group(command_row(k), &b);
            again = !command_row(k)->hidden && a == b && memcmp(x, y, (size_t)a) == 0;
        }
        first += !row->hidden && !again;
    }
    assert_int_equal(groups, first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_has_one_row),
        cmocka_unit_test(rows_say_what_they_take),
        cmocka_unit_test(defaults_are_values_that_the_option_takes),
        cmocka_unit_test(no_two_options_of_a_command_are_the_same),
        cmocka_unit_test(examples_can_be_typed),
        cmocka_unit_test(each_group_that_is_not_hidden_comes_once_with_its_first_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
