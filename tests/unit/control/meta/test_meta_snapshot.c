#include "tests/unit/control/meta/meta_fixture.h"

static uint8_t *
encode(const struct meta_image *m, uint64_t generation, uint32_t *len)
{
    uint32_t room = (uint32_t)meta_snapshot_bytes(m);
    uint8_t *at = malloc(room);
    assert_non_null(at);
    struct put w = put_of(at, room);
    meta_snapshot_encode(m, (struct meta_place){generation, 5}, &w);
    assert_false(w.bad);
    *len = put_len(&w);
    return at;
}

static uint64_t
next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* One random legal change; returns false when the dice named something impossible. */
static bool
random_change(struct fixture *f, uint64_t *seed)
{
    char name[8];
    uint32_t dice = (uint32_t)(next_random(seed) % 10), row = (uint32_t)(next_random(seed) % 8);
    struct meta_topic *t = f->m.topics[row];
    (void)snprintf(name, sizeof name, "t%u", row);
    if (dice < 4)
        return fixture_create(f, name, (int32_t)(1 + next_random(seed) % 4)) == KERR_NONE;
    if (dice == 4) {
        meta_put_producer_ids(&f->out, f->m.producer_id_next + 1000);
        return true;
    }
    if (!t)
        return false;
    if (dice < 7 && t->state == META_LIVE) {
        bool set = next_random(seed) % 3 > 0;
        meta_put_config(&f->out, row, (enum meta_config)(next_random(seed) % META_CONFIGS),
                        set ? name : NULL);
        return true;
    }
    if (t->state == META_DELETING)
        meta_put_gone(&f->out, row);
    else
        meta_put_deleting(&f->out, row);
    return true;
}

static void
an_image_from_replay_equals_one_from_a_snapshot_and_the_rest(void **state)
{
    for (uint64_t first = 1; first <= 40; first++) {
        uint64_t seed = first * UINT64_C(0x9e3779b97f4a7c15);
        struct fixture *f = fixture_new(8, 24);
        struct meta_image copy = {0};
        bool copied = false;
        uint64_t copy_at = next_random(&seed) % 200;
        for (uint32_t step = 0; step < 200; step++) {
            uint64_t before = f->m.index;
            uint8_t *bytes;
            uint32_t len;
            if (step == copy_at) {
                struct meta_place place;
                bytes = encode(&f->m, 17, &len);
                meta_image_init(&copy, 8, 24);
                assert_int_equal(meta_snapshot_decode(&copy, view_of(bytes, len), &place), ERR_OK);
                assert_int_equal(place.generation, 17);
                assert_int_equal(place.lsn, 5);
                free(bytes);
                copied = true;
                if (!meta_image_equal(&f->m, &copy))
                    print_error("seed %llu\n", (unsigned long long)first);
                assert_true(meta_image_equal(&f->m, &copy));
            }
            (void)random_change(f, &seed); /* a create has applied itself */
            uint32_t bytes_put = put_len(&f->out);
            if (bytes_put > 0 && f->m.index == before)
                assert_int_equal(fixture_apply(f), ERR_OK);
            f->out = put_of(f->entry, sizeof f->entry);
            if (copied && f->m.index > before) {
                /* The records still stand in the entry's memory. */
                uint32_t total = 0;
                struct cur c = cur_of(view_of(f->entry, sizeof f->entry));
                while (cur_left(&c) > 6 && c.at[0] != 0) {
                    uint32_t body = get_u32(c.at + 2);
                    (void)cur_take(&c, 6 + body);
                    total += 6 + body;
                }
                assert_int_equal(meta_apply(&copy, 1, f->m.index, view_of(f->entry, total)),
                                 ERR_OK);
            }
            memset(f->entry, 0, 4096);
        }
        if (!meta_image_equal(&f->m, &copy))
            print_error("seed %llu\n", (unsigned long long)first);
        assert_true(meta_image_equal(&f->m, &copy));
        assert_int_equal(f->m.row_free, copy.row_free);
        assert_int_equal(f->m.slot_free, copy.slot_free);
        meta_image_free(&copy);
        fixture_free(f);
    }
}

static void
any_flipped_byte_of_a_snapshot_is_noticed(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "topic", 3);
    uint32_t len;
    uint8_t *bytes = encode(&f->m, 1, &len);
    for (uint32_t i = 0; i < len; i++) {
        struct meta_image m;
        struct meta_place place;
        meta_image_init(&m, 4, 16);
        bytes[i] ^= 0x10;
        assert_int_not_equal(meta_snapshot_decode(&m, view_of(bytes, len), &place), ERR_OK);
        bytes[i] ^= 0x10;
        meta_image_free(&m);
    }
    free(bytes);
    fixture_free(f);
}

static void
a_cut_snapshot_is_corrupt(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "topic", 3);
    uint32_t len;
    uint8_t *bytes = encode(&f->m, 1, &len);
    for (uint32_t cut = 0; cut < len; cut++) {
        struct meta_image m;
        struct meta_place place;
        meta_image_init(&m, 4, 16);
        assert_int_equal(meta_snapshot_decode(&m, view_of(bytes, cut), &place), ERR_CORRUPT);
        meta_image_free(&m);
    }
    free(bytes);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_from_replay_equals_one_from_a_snapshot_and_the_rest),
        cmocka_unit_test(any_flipped_byte_of_a_snapshot_is_noticed),
        cmocka_unit_test(a_cut_snapshot_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
