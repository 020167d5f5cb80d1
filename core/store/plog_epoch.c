/* plog_epoch.c: where a leader epoch ends.
 *
 * Epochs are noted with the first batch that carries them; the one that leads now may have none
 * yet, and begins at the log end then.  Source: Kafka LeaderEpochFileCache.endOffsetFor,
 * UnifiedLog.endOffsetForEpoch. */
#include "core/store/plog_in.h"

/* The number of epochs at or below the asked one. */
static uint32_t
floor_count(const struct plog *p, int32_t asked)
{
    uint32_t low = 0, high = p->epoch_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (p->epochs[mid].epoch <= asked)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct plog_epoch_end
plog_epoch_end(const struct plog *p, int32_t asked, int32_t leading)
{
    int32_t noted = p->epoch_count ? p->epochs[p->epoch_count - 1].epoch : -1;
    int32_t latest = leading > noted ? leading : noted;
    if (asked < 0 || asked > latest)
        return (struct plog_epoch_end){-1, -1};
    if (asked == latest)
        return (struct plog_epoch_end){asked, p->end};
    uint32_t below = floor_count(p, asked);
    return (struct plog_epoch_end){
        .epoch = below ? p->epochs[below - 1].epoch : asked,
        .offset = below < p->epoch_count ? p->epochs[below].start : p->end,
    };
}
