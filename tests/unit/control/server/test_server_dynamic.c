#include "control/meta/meta_resource.h"
#include "control/server/server_dynamic.h"
#include "core/base/err.h"
#include "tests/unit/control/server/core_fixture.h"

static void
what_a_start_alone_sets_is_told_from_what_changes(void **state)
{
    static const struct {
        const char *name;
        bool fixed, row;
    } rows[] = {
        {"node.id", true, false},
        {"metrics.listener", true, false},
        {"security.inter.broker.protocol", true, false}, /* Kafka's, not ours */
        {"log.cleaner.dedupe.buffer.size", true, false}, /* memory of the start */
        {"log.retention.ms", false, false},              /* a default of topics */
        {"max.connections", false, true},
        {"group.consumer.assignment.interval.ms", false, true},
        {"num.io.threads", false, false}, /* kept: it means nothing here */
        {"no.such", false, false},
    };
    struct core_fixture *f = core_fixture_new();
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view name = view_of_text(rows[i].name);
        assert_int_equal(server_dynamic_fixed(&f->core, name), rows[i].fixed);
        assert_int_equal(server_dynamic_row(&f->core, name) != NULL, rows[i].row);
    }
    core_fixture_free(f);
}

static void
listeners_and_their_security_are_of_one_broker(void **state)
{
    struct core_fixture *f = core_fixture_new();
    static const char *const of_one[] = {"listener.name.internal.ssl.keystore.type",
                                         "ssl.keystore.type", "sasl.jaas.config",
                                         "principal.builder.class"},
                             *const others[] = {"log.retention.ms", "ss", "", "no.ssl.such"};
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(server_dynamic_single(&f->core, view_of_text(of_one[i])));
        assert_false(server_dynamic_single(&f->core, view_of_text(others[i])));
        assert_int_equal(server_dynamic_store(&f->core, view_of_text(of_one[i])), i == 1);
        assert_false(server_dynamic_store(&f->core, view_of_text(others[i])));
    }
    core_fixture_free(f);
}

static void
connections_are_bounded_by_the_memory_of_the_start(void **state)
{
    struct core_fixture *f = core_fixture_conf("max.connections=77\n");
    assert_int_equal(server_dynamic_row(&f->core, view_of_text("max.connections"))->max, 77);
    core_fixture_free(f);
}

static void
the_assignment_interval_keeps_to_its_bounds(void **state)
{
    struct core_fixture *f = core_fixture_conf("group.consumer.min.assignment.interval.ms=5\n"
                                               "group.consumer.max.assignment.interval.ms=5000\n");
    const struct meta_config_row *row =
        server_dynamic_row(&f->core, view_of_text("group.consumer.assignment.interval.ms"));
    struct meta_error e = {0};
    assert_int_equal(server_dynamic_check(&f->core, row, "5000", &e), KERR_NONE);
    assert_int_equal(server_dynamic_check(&f->core, row, "5001", &e), KERR_INVALID_CONFIG);
    assert_string_equal(e.text, "group.consumer.assignment.interval.ms must be less than or equal "
                                "to group.consumer.max.assignment.interval.ms");
    assert_int_equal(server_dynamic_check(&f->core, row, "4", &e), KERR_INVALID_CONFIG);
    row = server_dynamic_row(&f->core, view_of_text("max.connections"));
    assert_int_equal(server_dynamic_check(&f->core, row, "4", &e), KERR_NONE);
    core_fixture_free(f);
}

static void
one_broker_counts_before_all(void **state)
{
    struct core_fixture *f = core_fixture_new();
    uint8_t entry[256];
    const char *const names[] = {"", "7"}, *const values[] = {"1", "2"};
    assert_null(server_dynamic_value(&f->core.image, 7, "k"));
    for (uint32_t i = 0; i < 2; i++) {
        struct put w = put_of(entry, sizeof entry);
        meta_put_setting(&w, META_RESOURCE_BROKER, view_of_text(names[i]), view_of_text("k"),
                         values[i]);
        assert_int_equal(
            meta_apply(&f->core.image, 1, f->core.image.index + 1, view_of(entry, put_len(&w))),
            ERR_OK);
        assert_string_equal(server_dynamic_value(&f->core.image, 7, "k"), values[i]);
    }
    assert_string_equal(server_dynamic_value(&f->core.image, 8, "k"), "1");
    core_fixture_free(f);
}

static void
limits_of_addresses_are_checked(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct meta_error e = {0};
    const struct meta_config_row *per_ip =
        server_dynamic_row(&f->core, view_of_text("max.connections.per.ip"));
    const struct meta_config_row *overrides =
        server_dynamic_row(&f->core, view_of_text("max.connections.per.ip.overrides"));
    assert_int_equal(server_dynamic_check(&f->core, overrides, "1.2.3.4:5", &e), KERR_NONE);
    assert_int_equal(server_dynamic_check(&f->core, overrides, "name:5", &e), KERR_INVALID_CONFIG);
    assert_int_equal(server_dynamic_check(&f->core, per_ip, "1", &e), KERR_NONE);
    assert_int_equal(server_dynamic_check(&f->core, per_ip, "0", &e), KERR_INVALID_CONFIG);
    core_fixture_free(f);
    f = core_fixture_conf("max.connections.per.ip.overrides=1.2.3.4:5\n");
    per_ip = server_dynamic_row(&f->core, view_of_text("max.connections.per.ip"));
    assert_int_equal(server_dynamic_check(&f->core, per_ip, "0", &e), KERR_NONE);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_addresses_are_checked),
        cmocka_unit_test(what_a_start_alone_sets_is_told_from_what_changes),
        cmocka_unit_test(listeners_and_their_security_are_of_one_broker),
        cmocka_unit_test(connections_are_bounded_by_the_memory_of_the_start),
        cmocka_unit_test(the_assignment_interval_keeps_to_its_bounds),
        cmocka_unit_test(one_broker_counts_before_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
