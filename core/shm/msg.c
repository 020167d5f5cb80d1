#include "core/shm/msg.h"

static const char *const names[MSG_KINDS] = {
    "NONE",
#define MSG(name, direction, type, meaning) #name,
#include "core/shm/msg.def"
#undef MSG
};

static const uint32_t sizes[MSG_KINDS] = {
    0,
#define MSG(name, direction, type, meaning) sizeof(type),
#include "core/shm/msg.def"
#undef MSG
};

_Static_assert(sizeof(struct msg_row) == 8, "layout in shared memory");
_Static_assert(sizeof(struct msg_request) == 40, "layout in shared memory");
_Static_assert(sizeof(struct msg_answer) == 16, "layout in shared memory");
_Static_assert(sizeof(struct msg_call) == 8, "layout in shared memory");

const char *
msg_name(uint32_t kind)
{
    return kind < MSG_KINDS ? names[kind] : "?";
}

uint32_t
msg_bytes(uint32_t kind)
{
    return kind < MSG_KINDS ? sizes[kind] : 0;
}
