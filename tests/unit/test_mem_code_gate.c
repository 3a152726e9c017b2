/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/code_gate.h"
#include "tests/unit/mem_scene.h"

enum { PAGE = RAM_PAGE, PAGES = 600 };

struct setup {
    struct scene scene;
    struct ram *ram;
    struct code_gate *gate;
    int nr_touched;
};

static void on_touched(void *opaque)
{
    (*(int *)opaque)++;
}

static void set_up(struct setup *setup) REQUIRES(bql)
{
    *setup = (struct setup){ .scene = scene_new(0x10000) };
    setup->ram = ram_of(&setup->scene, PAGES * PAGE);
    setup->gate = mem_code_gate(setup->scene.mem);
    code_gate_set_touched(setup->gate, on_touched, &setup->nr_touched);
}

static void tear_down(struct setup *setup) REQUIRES(bql)
{
    ram_unref(setup->ram);
    scene_free(&setup->scene);
}

static void marks_and_fast_mappings_exclude_each_other(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t ticket, other;

    set_up(&setup);
    g_assert_true(code_gate_want_write(setup.ram, 3));
    g_assert_true(code_gate_mark(setup.ram, 3, 1, &ticket)); /* kick them */
    g_assert_false(code_gate_want_write(setup.ram, 3));
    g_assert_true(code_gate_mark(setup.ram, 3, 2, &other)); /* while the kicks are under way */
    code_gate_dropped(setup.ram, 3, ticket);
    g_assert_false(code_gate_mark(setup.ram, 3, 4, &other)); /* nobody has one */
    g_assert_cmpuint(code_gate_marks(setup.ram, 3), ==, 7);
    code_gate_written(setup.ram, 3 * PAGE, 1);
    g_assert_true(code_gate_want_write(setup.ram, 3));
    g_assert_true(code_gate_want_write(setup.ram, 4)); /* another page is another matter */
    tear_down(&setup);
}

static void late_report_leaves_the_flag(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t ticket, other;

    set_up(&setup);
    g_assert_true(code_gate_want_write(setup.ram, 0));
    g_assert_true(code_gate_mark(setup.ram, 0, 1, &ticket));
    code_gate_written(setup.ram, 0, 8);                /* the marks go … */
    g_assert_true(code_gate_want_write(setup.ram, 0)); /* … and somebody is fast again … */
    code_gate_dropped(setup.ram, 0, ticket);           /* … before the kicks are through */
    g_assert_true(code_gate_mark(setup.ram, 0, 1, &other));
    tear_down(&setup);
}

static void only_marked_granules_count(void)
{
    bql_assert_held();
    struct setup setup;
    struct code_change changes[CODE_GATE_LOG];
    uint64_t ticket, now;
    unsigned nr;

    set_up(&setup);
    g_assert_false(code_gate_mark(setup.ram, 1, UINT64_C(1) << 63, &ticket));
    g_assert_false(code_gate_mark(setup.ram, 2, 1, &ticket));
    code_gate_written(setup.ram, PAGE, PAGE - 64);
    code_gate_written(setup.ram, 2 * PAGE + 64, PAGE - 64);
    code_gate_written(setup.ram, 0, 0);
    g_assert_cmpint(setup.nr_touched, ==, 0);
    code_gate_written_locked_op(setup.ram, 2 * PAGE - 1, 2); /* both */
    g_assert_cmpint(setup.nr_touched, ==, 2);
    g_assert_cmpuint(code_gate_sequence(setup.gate), ==, 2);
    g_assert_true(code_gate_changes(setup.gate, 0, changes, &nr, &now));
    g_assert_cmpuint(nr, ==, 2);
    g_assert_cmpuint(now, ==, 2);
    g_assert_true(changes[0].ram == setup.ram && changes[0].page == 1 && changes[1].page == 2);
    g_assert_true(code_gate_changes(setup.gate, 2, changes, &nr, &now));
    g_assert_cmpuint(nr, ==, 0);
    tear_down(&setup);
}

static void log_knows_when_it_is_too_short(void)
{
    bql_assert_held();
    struct setup setup;
    struct code_change changes[CODE_GATE_LOG];
    uint64_t ticket, now;
    unsigned nr;

    set_up(&setup);
    for (unsigned page = 0; page < CODE_GATE_LOG + 1; page++) {
        g_assert_false(code_gate_mark(setup.ram, page, 1, &ticket));
        code_gate_written(setup.ram, page * PAGE, 8);
    }
    g_assert_false(code_gate_changes(setup.gate, 0, changes, &nr, &now));
    g_assert_cmpuint(now, ==, CODE_GATE_LOG + 1);
    g_assert_true(code_gate_changes(setup.gate, 1, changes, &nr, &now));
    g_assert_cmpuint(nr, ==, CODE_GATE_LOG);
    for (unsigned i = 0; i < nr; i++)
        g_assert_cmpuint(changes[i].page, ==, i + 1);
    g_assert_false(code_gate_changes(setup.gate, now + 1, changes, &nr, &now));
    tear_down(&setup);
}

static void store_over_many_pages(void)
{
    bql_assert_held();
    struct setup setup;
    uint64_t ticket;

    set_up(&setup);
    g_assert_false(code_gate_mark(setup.ram, 0, UINT64_MAX, &ticket));
    g_assert_false(code_gate_mark(setup.ram, PAGES - 1, UINT64_MAX, &ticket));
    code_gate_written(setup.ram, 1, PAGES * PAGE - 2);
    g_assert_cmpint(setup.nr_touched, ==, 2);
    g_assert_cmpuint(code_gate_marks(setup.ram, 0) | code_gate_marks(setup.ram, PAGES - 1), ==, 0);
    tear_down(&setup);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/code_gate/marks_and_fast_mappings_exclude_each_other",
                    marks_and_fast_mappings_exclude_each_other);
    g_test_add_func("/code_gate/late_report_leaves_the_flag", late_report_leaves_the_flag);
    g_test_add_func("/code_gate/only_marked_granules_count", only_marked_granules_count);
    g_test_add_func("/code_gate/log_knows_when_it_is_too_short", log_knows_when_it_is_too_short);
    g_test_add_func("/code_gate/store_over_many_pages", store_over_many_pages);
    return run_with_bql();
}
