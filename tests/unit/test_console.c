/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tests/unit/display_scene.h"

/* A viewer that writes down what it is told. */
struct witness {
    struct viewer viewer;
    GString *told;
    bool leaves; /* at the first damage */
};

static struct witness *witness_of(struct viewer *viewer)
{
    bql_assert_held();
    return container_of(viewer, struct witness, viewer);
}

static void resized(struct viewer *viewer) NO_THREAD_SAFETY /* witness_of() asserts it */
{
    pixman_image_t *picture = console_picture(viewer->console);
    GString *told = witness_of(viewer)->told;

    if (picture)
        g_string_append_printf(told, "size %dx%d;", pixman_image_get_width(picture),
                               pixman_image_get_height(picture));
    else
        g_string_append(told, "off;");
}

static void damaged(struct viewer *viewer, const struct rect *rect) NO_THREAD_SAFETY
{
    struct witness *witness = witness_of(viewer);

    g_string_append_printf(witness->told, "damage %u,%u %ux%u;", rect->x, rect->y, rect->width,
                           rect->height);
    if (witness->leaves)
        viewer_remove(viewer);
}

static void cursor_changed(struct viewer *viewer) NO_THREAD_SAFETY
{
    int x, y;
    const struct cursor *cursor;

    g_string_append(witness_of(viewer)->told, "cursor");
    cursor = console_cursor(viewer->console, &x, &y);
    if (cursor)
        g_string_append_printf(witness_of(viewer)->told, " %ux%u;", cursor->width, cursor->height);
    else
        g_string_append(witness_of(viewer)->told, " none;");
}

static void cursor_moved(struct viewer *viewer) NO_THREAD_SAFETY
{
    int x, y;

    (void)console_cursor(viewer->console, &x, &y);
    g_string_append_printf(witness_of(viewer)->told, "at %d,%d;", x, y);
}

static void gone(struct viewer *viewer)
{
    g_assert_null(viewer->console);
    g_string_append(witness_of(viewer)->told, "gone;");
}

static const struct viewer_ops witness_ops = {
    .resized = resized,
    .damaged = damaged,
    .cursor_changed = cursor_changed,
    .cursor_moved = cursor_moved,
    .gone = gone,
};

static void begin(struct witness *witness, struct console *console) REQUIRES(bql)
{
    *witness = (struct witness){ .told = g_string_new(NULL) };
    console_add_viewer(console, &witness->viewer, &witness_ops);
}

static void end(struct witness *witness) REQUIRES(bql)
{
    viewer_remove(&witness->viewer);
    g_string_free(witness->told, true);
}

static void check_told(struct witness *witness, const char *expected)
{
    g_assert_cmpstr(witness->told->str, ==, expected);
    g_string_truncate(witness->told, 0);
}

static void viewers_see_sizes_and_damage(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness witness;

    screen_start(&screen, 0, 0);
    begin(&witness, screen.console);
    g_assert_null(console_picture(screen.console));
    fill(screen.console, &(struct rect){ 0, 0, 4, 4 }, 0xff0000); /* off: nothing to draw on */
    check_told(&witness, "");
    g_assert_true(console_resize(screen.console, 640, 480));
    check_told(&witness, "size 640x480;");
    g_assert_cmphex(pixel(screen.console, 639, 479), ==, 0);
    fill(screen.console, &(struct rect){ 10, 20, 30, 40 }, 0x123456);
    check_told(&witness, "damage 10,20 30x40;");
    g_assert_true(console_resize(screen.console, 640, 480)); /* the picture stays */
    check_told(&witness, "");
    g_assert_cmphex(pixel(screen.console, 10, 20), ==, 0x123456);
    g_assert_cmphex(pixel(screen.console, 39, 59), ==, 0x123456);
    g_assert_cmphex(pixel(screen.console, 9, 20), ==, 0);
    g_assert_cmphex(pixel(screen.console, 40, 59), ==, 0);
    g_assert_cmphex(pixel(screen.console, 39, 60), ==, 0);
    g_assert_true(console_resize(screen.console, 0, 480));
    check_told(&witness, "off;");
    g_assert_true(console_resize(screen.console, 0, 0));
    check_told(&witness, "");
    end(&witness);
    screen_end(&screen);
}

static void what_lies_outside_is_cut(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness witness;

    screen_start(&screen, 100, 50);
    begin(&witness, screen.console);
    fill(screen.console, &(struct rect){ 90, 40, 20, 20 }, 0xabcdef);
    check_told(&witness, "damage 90,40 10x10;");
    g_assert_cmphex(pixel(screen.console, 99, 49), ==, 0xabcdef);
    g_assert_cmphex(pixel(screen.console, 0, 41), ==, 0); /* no wrapping into the next row */
    fill(screen.console, &(struct rect){ 100, 0, 1, 1 }, 1);
    fill(screen.console, &(struct rect){ 0, 50, 1, 1 }, 1);
    console_draw(screen.console, &(struct rect){ 0, 0, 0, 9 }, NULL, 0);
    console_draw(screen.console, &(struct rect){ 0, 0, 9, 0 }, NULL, 0);
    check_told(&witness, "");
    end(&witness);
    screen_end(&screen);
}

static void rows_have_their_stride(void) REQUIRES(bql)
{
    static const uint32_t pixels[2][4] = { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } };
    struct screen screen;

    screen_start(&screen, 8, 8);
    console_draw(screen.console, &(struct rect){ 1, 1, 2, 2 }, pixels[0], sizeof pixels[0]);
    g_assert_cmphex(pixel(screen.console, 1, 1), ==, 1);
    g_assert_cmphex(pixel(screen.console, 2, 1), ==, 2);
    g_assert_cmphex(pixel(screen.console, 3, 1), ==, 0);
    g_assert_cmphex(pixel(screen.console, 1, 2), ==, 5);
    screen_end(&screen);
}

static void too_large_is_off(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness witness;

    screen_start(&screen, 16, 16);
    begin(&witness, screen.console);
    g_assert_false(console_resize(screen.console, CONSOLE_SIDE_MAX + 1, 1));
    check_told(&witness, "off;");
    g_assert_null(console_picture(screen.console));
    g_assert_false(console_resize(screen.console, 1, UINT32_MAX));
    check_told(&witness, "");
    g_assert_true(console_resize(screen.console, CONSOLE_SIDE_MAX, 1));
    check_told(&witness, "size 16384x1;");
    end(&witness);
    screen_end(&screen);
}

static void devices_know_whether_anybody_looks(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness first, second;

    screen_start(&screen, 16, 16);
    g_assert_cmpuint(screen.nr_watches, ==, 0);
    begin(&first, screen.console);
    g_assert_true(screen.is_watched);
    begin(&second, screen.console);
    end(&first);
    g_assert_true(screen.is_watched);
    g_assert_cmpuint(screen.nr_watches, ==, 1);
    end(&second);
    g_assert_false(screen.is_watched);
    screen_end(&screen);
}

static void a_viewer_may_leave_when_told(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness first, second;

    screen_start(&screen, 16, 16);
    begin(&first, screen.console);
    begin(&second, screen.console);
    first.leaves = true;
    fill(screen.console, &(struct rect){ 0, 0, 1, 1 }, 1);
    fill(screen.console, &(struct rect){ 1, 1, 1, 1 }, 1);
    check_told(&first, "damage 0,0 1x1;");
    check_told(&second, "damage 0,0 1x1;damage 1,1 1x1;");
    end(&first); /* once more is fine */
    end(&second);
    screen_end(&screen);
}

static void viewers_are_told_of_the_end(void) REQUIRES(bql)
{
    struct screen screen;
    struct witness first, second;

    screen_start(&screen, 16, 16);
    begin(&first, screen.console);
    begin(&second, screen.console);
    console_free(screen.console);
    check_told(&first, "off;gone;");
    check_told(&second, "off;gone;");
    end(&first);
    end(&second);
    g_assert_null(display_console(screen.display, 0));
    display_free(screen.display);
}

static void cursors_are_copied(void) REQUIRES(bql)
{
    g_autofree struct cursor *cursor = g_new0(struct cursor, 1);
    struct screen screen;
    struct witness witness;
    int x, y;

    *cursor = (struct cursor){ .width = 64, .height = 32, .hot_x = 3, .pixels = { 7 } };
    screen_start(&screen, 16, 16);
    begin(&witness, screen.console);
    console_set_cursor(screen.console, NULL); /* there is none */
    check_told(&witness, "");
    console_set_cursor(screen.console, cursor);
    cursor->pixels[0] = 8;
    check_told(&witness, "cursor 64x32;");
    g_assert_cmpuint(console_cursor(screen.console, &x, &y)->pixels[0], ==, 7);
    console_move_cursor(screen.console, -5, 9);
    console_move_cursor(screen.console, -5, 9);
    check_told(&witness, "at -5,9;");
    console_set_cursor(screen.console, NULL);
    check_told(&witness, "cursor none;");
    end(&witness);
    screen_end(&screen);
}

/* ---- Refreshes ------------------------------------------------------------------------------- */

struct asker {
    struct screen *screen;
    const char *name;
    GString *told; /* of all askers */
    struct asker *again;
};

static void on_refreshed(void *opaque, bool is_gone)
{
    struct asker *asker = opaque;
    struct asker *again = g_steal_pointer(&asker->again);

    bql_assert_held();
    g_string_append_printf(asker->told, "%s%s;", asker->name, is_gone ? " gone" : "");
    if (again)
        console_refresh(asker->screen->console, on_refreshed, again);
}

static void refreshes_are_answered_in_order(void) REQUIRES(bql)
{
    struct screen screen;
    GString *told = g_string_new(NULL);
    struct asker a = { &screen, "a", told, NULL }, b = { &screen, "b", told, NULL },
                 c = { &screen, "c", told, NULL };

    screen_start(&screen, 16, 16);
    console_refresh(screen.console, on_refreshed, &a);
    g_assert_cmpuint(screen.nr_refreshes, ==, 1);
    /* The guest may have drawn since: one more is needed, for both. */
    console_refresh(screen.console, on_refreshed, &b);
    console_refresh(screen.console, on_refreshed, &c);
    g_assert_cmpuint(screen.nr_refreshes, ==, 1);
    g_assert_cmpstr(told->str, ==, "");
    console_refreshed(screen.console);
    g_assert_cmpstr(told->str, ==, "a;");
    g_assert_cmpuint(screen.nr_refreshes, ==, 2);
    console_refreshed(screen.console);
    g_assert_cmpstr(told->str, ==, "a;b;c;");
    console_refreshed(screen.console); /* of nothing */
    g_assert_cmpuint(screen.nr_refreshes, ==, 2);
    screen_end(&screen);
    g_string_free(told, true);
}

static void who_is_answered_may_ask_again(void) REQUIRES(bql)
{
    struct screen screen;
    GString *told = g_string_new(NULL);
    struct asker c = { &screen, "c", told, NULL }, b = { &screen, "b", told, &c },
                 a = { &screen, "a", told, &b };

    screen_start(&screen, 16, 16);
    console_refresh(screen.console, on_refreshed, &a);
    console_refreshed(screen.console);
    g_assert_cmpstr(told->str, ==, "a;");
    g_assert_cmpuint(screen.nr_refreshes, ==, 2);
    screen.draws_at_once = true;
    console_refreshed(screen.console);
    g_assert_cmpstr(told->str, ==, "a;b;c;");
    g_assert_cmpuint(screen.nr_refreshes, ==, 3);
    console_refresh(screen.console, on_refreshed, &c);
    g_assert_cmpstr(told->str, ==, "a;b;c;c;");
    screen_end(&screen);
    g_string_free(told, true);
}

static void askers_are_told_of_the_end(void) REQUIRES(bql)
{
    struct screen screen;
    GString *told = g_string_new(NULL);
    struct asker a = { &screen, "a", told, NULL }, b = { &screen, "b", told, NULL };

    screen_start(&screen, 16, 16);
    console_refresh(screen.console, on_refreshed, &a);
    console_refresh(screen.console, on_refreshed, &b);
    screen_end(&screen);
    g_assert_cmpstr(told->str, ==, "a gone;b gone;");
    g_string_free(told, true);
}

/* ---- Displays -------------------------------------------------------------------------------- */

static void consoles_are_in_order(void) REQUIRES(bql)
{
    static const struct console_ops no_ops;
    struct display *display = display_new();
    struct console *consoles[CONSOLES_MAX];
    GString *told = g_string_new(NULL);
    struct asker a = { NULL, "a", told, NULL };

    for (unsigned i = 0; i < CONSOLES_MAX; i++) {
        g_autofree char *name = g_strdup_printf("gpu0.%u", i);

        g_assert_null(display_console(display, i));
        consoles[i] = console_new(display, name, &no_ops, NULL);
        g_assert_true(display_console(display, i) == consoles[i]);
        g_assert_cmpstr(console_name(consoles[i]), ==, name);
    }
    g_assert_null(console_new(display, "one too many", &no_ops, NULL));
    console_prefer(consoles[0], 1, 1); /* no function, no harm */
    console_refresh(consoles[0], on_refreshed, &a);
    g_assert_cmpstr(told->str, ==, "a;");
    console_free(consoles[3]);
    g_assert_true(display_console(display, 2) == consoles[2]);
    g_assert_true(display_console(display, 3) == consoles[4]);
    g_assert_null(display_console(display, CONSOLES_MAX - 1));
    for (unsigned i = 0; i < CONSOLES_MAX; i++)
        console_free(i == 3 ? NULL : consoles[i]);
    display_free(display);
    g_string_free(told, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/console/viewers_see_sizes_and_damage", viewers_see_sizes_and_damage);
    g_test_add_func("/console/what_lies_outside_is_cut", what_lies_outside_is_cut);
    g_test_add_func("/console/rows_have_their_stride", rows_have_their_stride);
    g_test_add_func("/console/too_large_is_off", too_large_is_off);
    g_test_add_func("/console/devices_know_whether_anybody_looks",
                    devices_know_whether_anybody_looks);
    g_test_add_func("/console/a_viewer_may_leave_when_told", a_viewer_may_leave_when_told);
    g_test_add_func("/console/viewers_are_told_of_the_end", viewers_are_told_of_the_end);
    g_test_add_func("/console/cursors_are_copied", cursors_are_copied);
    g_test_add_func("/console/refreshes_are_answered_in_order", refreshes_are_answered_in_order);
    g_test_add_func("/console/who_is_answered_may_ask_again", who_is_answered_may_ask_again);
    g_test_add_func("/console/askers_are_told_of_the_end", askers_are_told_of_the_end);
    g_test_add_func("/console/consoles_are_in_order", consoles_are_in_order);
    WITH_BQL () {
        return g_test_run();
    }
}
