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
    {"net", "the network of a broker: devices, neighbours, connections, drops"},
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
        {command_net, &command_net_count},
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

const struct command *
command_group_next(uint32_t *at, int *bytes)
{
    const struct command *c, *more;
    while ((c = command_row(*at)) && c->hidden)
        (*at)++;
    if (!c)
        return NULL;
    const char *group = command_group(c, bytes);
    for (int n; (more = command_row(*at)); (*at)++) {
        const char *other = command_group(more, &n);
        if (n != *bytes || memcmp(other, group, (size_t)n) != 0)
            break;
    }
    return c;
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
