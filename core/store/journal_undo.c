/* journal_undo.c: appends that are taken back before anything of them was submitted.
 *
 * Until then a record is bytes of the open frame and numbers that grew.  An append may have sealed
 * the frame before, begun one, or moved the open one behind an extent; the frame that was open
 * becomes it again, and its bytes, if they moved, return to where they lay: an extent has been
 * written over that place.  What the appends pushed out of the arena stays out. */
#include "core/store/journal_in.h"

#include <string.h>

void
journal_mark(struct journal *j)
{
    j->mark = (struct journal_mark){
        .open = j->open,
        .place_next = j->place_next,
        .ring_next = j->ring_next,
        .lsn_next = j->lsn_next,
        .extent_bytes = j->extent_bytes,
        .open_since_ns = j->open_since_ns,
        .pace_bytes = j->pace.bytes,
        .file_newest = j->file_newest,
        .lsn_last = j->lsn_last[j->file_newest % j->config.file_count],
        .set = true,
        .open_any = j->open_any,
    };
    if (j->open_any)
        j->mark.frame = *journal_frame_of(j, j->open);
}

void
journal_take_back(struct journal *j)
{
    const struct journal_mark *m = &j->mark;
    must(m->set && j->submit <= m->open);
    struct frame *was = journal_frame_of(j, m->open);
    if (m->open_any && was->extent) { /* the frame is the next one now */
        const struct frame *moved = journal_frame_of(j, m->open + 1);
        uint64_t size = j->config.arena_bytes;
        memmove(j->arena + m->frame.place % size, j->arena + moved->place % size, m->frame.used);
    }
    if (m->open_any)
        *was = m->frame;
    j->open = m->open;
    j->open_any = m->open_any;
    j->place_next = m->place_next;
    j->clear = 0; /* pinned slabs may lie between this place and where it was true */
    j->ring_next = m->ring_next;
    j->lsn_next = m->lsn_next;
    j->extent_bytes = m->extent_bytes;
    j->open_since_ns = m->open_since_ns;
    j->pace.bytes = m->pace_bytes;
    j->file_newest = m->file_newest;
    j->lsn_last[m->file_newest % j->config.file_count] = m->lsn_last;
    j->mark.set = false;
}
