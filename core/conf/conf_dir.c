#include "core/conf/conf.h"

#include "core/base/err.h"

#include <string.h>

int
conf_dir(const char *list, uint32_t index, char out[CONF_TEXT_BYTES_MAX])
{
    for (;; index--) {
        size_t len = strcspn(list, ",");
        const char *from = list, *end = list + len;
        while (from < end && *from == ' ')
            from++;
        while (end > from && end[-1] == ' ')
            end--;
        if (index == 0) {
            if (from == end)
                return list[len] ? ERR_INVALID : ERR_NOT_FOUND;
            if ((size_t)(end - from) >= CONF_TEXT_BYTES_MAX)
                return ERR_LIMIT;
            memcpy(out, from, (size_t)(end - from));
            out[end - from] = '\0';
            return ERR_OK;
        }
        if (!list[len])
            return ERR_NOT_FOUND;
        list += len + 1;
    }
}
