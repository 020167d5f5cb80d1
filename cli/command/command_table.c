#include "cli/command/command.h"

#include <stddef.h>
#include <string.h>

/* Groups: words under which several commands stand. */
static const struct {
    const char *name, *summary;
} groups[] = {
    {"log", "the data directory of a stopped broker"},
    {"topic", "topics: what there is, and changes"},
    {"group", "consumer groups: members, offsets, lag"},
    {"txn", "transactions: what is open, and ending what hangs"},
    {"quota", "quotas of users and client ids"},
    {"cluster", "brokers: who they are, how they are, their settings"},
};

const struct command *
command_row(uint32_t index)
{
    static const struct {
        const struct command *rows;
        const uint32_t *count;
    } tables[] = {
        {command_client, &command_client_count},
        {command_admin, &command_admin_count},
        {command_local, &command_local_count},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (index < *tables[i].count)
            return &tables[i].rows[index];
        index -= *tables[i].count;
    }
    return NULL;
}

const struct command *
command_find(enum command_id id)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++)
        if (c->id == id)
            return c;
    return NULL;
}

const struct command_option *
command_option(const struct command *c, uint32_t index)
{
    for (int s = 0; s < COMMAND_SETS_MAX && c->sets[s]; s++)
        for (const struct command_option *o = c->sets[s]; o->name; o++)
            if (index-- == 0)
                return o;
    return NULL;
}

const char *
command_group(const struct command *c, int *bytes)
{
    *bytes = (int)strcspn(c->words, " ");
    return c->words;
}

const char *
command_group_summary(const char *group, int bytes)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strlen(groups[i].name) == (size_t)bytes &&
            memcmp(groups[i].name, group, (size_t)bytes) == 0)
            return groups[i].summary;
    return NULL;
}
