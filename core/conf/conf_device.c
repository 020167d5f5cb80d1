/* conf_device.c: the keys net.devices, net.address, net.routes, net.mtu and net.vlan, each a list
 * with ';' between devices: a comma stands inside entries. */
#include "core/conf/conf_in.h"

#include "core/base/err.h"

#include <ctype.h>
#include <string.h>

enum { DEVICE_MTU_MIN = 1280, DEVICE_MTU_MAX = 9216, DEVICE_VLAN_MAX = 4094 };

static uint32_t
entries(const char *list)
{
    uint32_t count = 1;
    for (; *list; list++)
        count += *list == ';';
    return count;
}

/* Entry `index` without blanks around it. */
static void
entry_take(const char *list, uint32_t index, char out[CONF_TEXT_BYTES_MAX])
{
    for (; index > 0; index--)
        list += strcspn(list, ";") + 1;
    const char *end = list + strcspn(list, ";");
    while (list < end && isspace((unsigned char)*list))
        list++;
    while (end > list && isspace((unsigned char)end[-1]))
        end--;
    must(end - list < CONF_TEXT_BYTES_MAX); /* as the whole value */
    memcpy(out, list, (size_t)(end - list));
    out[end - list] = '\0';
}

/* A key with text for each device.  One whose value is empty has an empty entry for each. */
static int
texts_check(const struct conf *c, enum conf_key key, uint32_t count, char error[CONF_ERROR_BYTES])
{
    const char *list = conf_text(c, key);
    if (!*list || entries(list) == count)
        return ERR_OK;
    return conf_refuse(
        error,
        "%s (entries: %u) must have as many as net.devices (%u): one for each device, in "
        "the same order, with ';' between them",
        conf_row(key)->name, entries(list), count);
}

struct numbers {
    enum conf_key key;
    uint32_t min, max;
};

/* One for all devices, or one for each. */
static int
number_read(const struct conf *c, const struct numbers *n, uint32_t index, uint32_t count,
            uint16_t *out, char error[CONF_ERROR_BYTES])
{
    char text[CONF_TEXT_BYTES_MAX];
    const char *list = conf_text(c, n->key), *p = text;
    uint32_t got = entries(list), value = 0;
    if (got != 1 && got != count)
        return conf_refuse(
            error,
            "%s (entries: %u) has one for all devices, or one for each of the %u with ';' "
            "between them",
            conf_row(n->key)->name, got, count);
    entry_take(list, got == 1 ? 0 : index, text);
    for (; isdigit((unsigned char)*p) && value <= n->max; p++)
        value = value * 10 + (uint32_t)(*p - '0');
    if (p == text || *p || value < n->min || value > n->max)
        return conf_refuse(error, "%s: '%.40s' is not a number from %u to %u",
                           conf_row(n->key)->name, text, n->min, n->max);
    *out = (uint16_t)value;
    return ERR_OK;
}

static int
device_read(const struct conf *c, uint32_t index, uint32_t count, struct conf_device *out,
            char error[CONF_ERROR_BYTES])
{
    static const struct numbers mtu = {CONF_NET_MTU, DEVICE_MTU_MIN, DEVICE_MTU_MAX};
    static const struct numbers vlan = {CONF_NET_VLAN, 0, DEVICE_VLAN_MAX};
    const char *addresses = conf_text(c, CONF_NET_ADDRESS), *routes = conf_text(c, CONF_NET_ROUTES);
    entry_take(conf_text(c, CONF_NET_DEVICES), index, out->device);
    entry_take(addresses, *addresses ? index : 0, out->address);
    entry_take(routes, *routes ? index : 0, out->routes);
    if (count > 1 && !out->device[0])
        return conf_refuse(error, "net.devices: entry %u of %u is empty", index + 1, count);
    if (count > 1 && *addresses && !out->address[0])
        return conf_refuse(error, "net.address: %.60s, device %u of %u, has no address",
                           out->device, index + 1, count);
    int err = number_read(c, &mtu, index, count, &out->mtu, error);
    return err ? err : number_read(c, &vlan, index, count, &out->vlan, error);
}

uint32_t
conf_device_count(const struct conf *c)
{
    uint32_t count = entries(conf_text(c, CONF_NET_DEVICES));
    return count < CONF_DEVICES_MAX ? count : CONF_DEVICES_MAX;
}

int
conf_devices(const struct conf *c, struct conf_device out[CONF_DEVICES_MAX],
             char error[CONF_ERROR_BYTES])
{
    uint32_t count = entries(conf_text(c, CONF_NET_DEVICES));
    if (count > CONF_DEVICES_MAX)
        return conf_refuse(error, "net.devices names %u devices: at most %d", count,
                           CONF_DEVICES_MAX);
    int err = texts_check(c, CONF_NET_ADDRESS, count, error);
    err = err ? err : texts_check(c, CONF_NET_ROUTES, count, error);
    for (uint32_t i = 0; i < count && !err; i++)
        err = device_read(c, i, count, &out[i], error);
    return err ? err : (int)count;
}
