#include "dataplane/tcp/tcp_view.h"

#include "dataplane/tcp/tcp_core.h"

uint32_t
tcp_view_places(const struct tcp *t)
{
    return t->config.conns;
}

bool
tcp_view_at(const struct tcp *t, uint32_t place, struct tcp_view *out)
{
    must(place < t->config.conns);
    const struct tcp_conn *c = &t->conns[place];
    if (c->state == TCP_FREE || c->state == TCP_GONE)
        return false;
    const struct tcp_flow *f = tcp_table_flow(t->table, place);
    memcpy(out->local.ip, f->local, sizeof out->local.ip);
    memcpy(out->remote.ip, f->remote, sizeof out->remote.ip);
    out->local.port = f->local_port;
    out->remote.port = f->remote_port;
    bool seen = tcp_inspect(t, tcp_conn_id(t, c), &out->info);
    out->info.unread += c->rcv_held;
    return seen;
}
