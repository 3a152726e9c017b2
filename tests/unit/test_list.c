/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists, and what RCU lists do without any concurrency: which nodes a walk
 * meets, from each place where a reader may stand. Walks against real writers
 * are a torture test.
 */
#include <stdlib.h>

#include "tests/tap.h"
#include "util/list.h"
#include "util/rcu_list.h"

struct item {
    int padding; /* so that an item and its link have different addresses */
    struct list_node link;
    int value;
};

enum { NR_ITEMS = 6 };

/* Items with the values 0 … NR_ITEMS-1, each at its value's index, in no list. */
static void make_items(struct item *items)
{
    for (int i = 0; i < NR_ITEMS; i++)
        items[i] = (struct item){ .value = i };
}

static void fill(struct list *list, struct item *items, int nr)
{
    list_init(list);
    make_items(items);
    for (int i = 0; i < nr; i++)
        list_insert_tail(list, &items[i].link);
}

/* Forwards, backwards, and by @digits, the expected values: one digit each. */
static bool holds(const struct list *list, const char *digits)
{
    const size_t length = strlen(digits);
    const struct list_node *node;
    size_t i = 0;

    for (node = list_first(list); node && i < length; node = list_next(list, node)) {
        if (container_of(node, const struct item, link)->value != digits[i++] - '0')
            return false;
    }
    if (node || i != length)
        return false;
    for (node = list_last(list); node && i > 0; node = list_prev(list, node)) {
        if (container_of(node, const struct item, link)->value != digits[--i] - '0')
            return false;
    }
    return !node && i == 0 && list_is_empty(list) == (length == 0);
}

static void new_list_is_empty(void)
{
    struct list list;

    list_init(&list);
    ok(holds(&list, ""));
    ok(list_is_empty(&list));
    ok(list_first(&list) == NULL && list_last(&list) == NULL);
    ok(list_first_entry(&list, struct item, link) == NULL);
}

static void inserts_go_where_they_say(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    make_items(items);
    list_init(&list);
    list_insert_head(&list, &items[2].link);
    ok(holds(&list, "2"));
    list_insert_head(&list, &items[1].link);
    list_insert_tail(&list, &items[5].link);
    ok(holds(&list, "125"));
    list_insert_before(&items[5].link, &items[4].link);
    list_insert_before(&items[1].link, &items[0].link);
    ok(holds(&list, "01245"));
    list_insert_after(&items[2].link, &items[3].link);
    ok(holds(&list, "012345"));
    ok(list_first_entry(&list, struct item, link) == &items[0]);
}

static void remove_from_each_place(void)
{
    static const char *const left[] = { "12", "02", "01" };

    for (int i = 0; i < 3; i++) {
        struct item items[NR_ITEMS];
        struct list list;

        fill(&list, items, 3);
        ok(list_is_linked(&items[i].link));
        list_remove(&items[i].link);
        ok(!list_is_linked(&items[i].link));
        ok(holds(&list, left[i]));
        list_insert_tail(&list, &items[i].link); /* and usable again at once */
        ok(list_is_linked(&items[i].link));
    }
}

static void remove_the_last_one(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    fill(&list, items, 1);
    list_remove(&items[0].link);
    ok(holds(&list, ""));
}

static void move_within_and_between_lists(void)
{
    struct item items[NR_ITEMS];
    struct list list;
    struct list other;

    fill(&list, items, 4);
    list_init(&other);
    list_move_head(&list, &items[2].link);
    ok(holds(&list, "2013"));
    list_move_head(&list, &items[2].link);
    ok(holds(&list, "2013"));
    list_move_tail(&list, &items[0].link);
    ok(holds(&list, "2130"));
    list_move_tail(&other, &items[1].link);
    list_move_head(&other, &items[3].link);
    ok(holds(&list, "20"));
    ok(holds(&other, "31"));
    list_move_all(&list, &other);
    ok(holds(&list, "2031"));
    ok(holds(&other, ""));
    list_move_all(&list, &other);
    ok(holds(&list, "2031"));
    list_move_all(&other, &list);
    ok(holds(&list, ""));
    ok(holds(&other, "2031"));
}

static void for_each_meets_all_in_order(void)
{
    struct item items[NR_ITEMS];
    struct list list;
    struct item *item;
    int expected = 0;

    fill(&list, items, NR_ITEMS);
    list_for_each (item, &list, link)
        is(item->value, expected++);
    is(expected, NR_ITEMS);
    ok(item == NULL);

    list_init(&list);
    list_for_each (item, &list, link)
        ok(false);
    ok(item == NULL);
}

static void for_each_safe_allows_freeing(void)
{
    struct list list;
    struct item *item;
    struct item *next;
    int expected = 0;

    list_init(&list);
    for (int i = 0; i < NR_ITEMS; i++) {
        item = calloc(1, sizeof(*item));
        if (!ok(item != NULL))
            return;
        item->value = i;
        list_insert_tail(&list, &item->link);
    }
    list_for_each_safe (item, next, &list, link) {
        is(item->value, expected++);
        list_remove(&item->link);
        free(item); /* the address sanitizer sees a later look at it */
    }
    is(expected, NR_ITEMS);
    ok(holds(&list, ""));
}

/* ---- RCU lists -------------------------------------------------------------- */

/* One thread, which changes the list itself: the section that readers need would protect nothing.
 */
static void claim_read_section(void) ASSERT_HELD_SHARED(rcu)
{
}

/* What a reader meets that stands on @item, and goes on from there. */
static bool walks_on(const struct list *list, const struct item *item, const char *digits)
{
    claim_read_section();
    while ((item = list_next_entry_rcu(item, list, link))) {
        if (*digits == '\0' || item->value != *digits++ - '0')
            return false;
    }
    return *digits == '\0';
}

static void rcu_inserts_go_where_they_say(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    make_items(items);
    list_init(&list);
    list_insert_tail_rcu(&list, &items[3].link);
    ok(holds(&list, "3"));
    list_insert_head_rcu(&list, &items[0].link);
    list_insert_tail_rcu(&list, &items[4].link);
    ok(holds(&list, "034"));
    list_insert_after_rcu(&items[0].link, &items[1].link);
    list_insert_after_rcu(&items[4].link, &items[5].link);
    ok(holds(&list, "01345"));
}

static void rcu_walk_meets_all_in_order(void)
{
    struct item items[NR_ITEMS];
    struct list list;
    struct item *item;
    int expected = 0;

    claim_read_section();
    fill(&list, items, NR_ITEMS);
    list_for_each_rcu (item, &list, link)
        is(item->value, expected++);
    is(expected, NR_ITEMS);
    ok(item == NULL);
    ok(list_first_entry_rcu(&list, struct item, link) == &items[0]);

    list_init(&list);
    ok(list_first_rcu(&list) == NULL);
    list_for_each_rcu (item, &list, link)
        ok(false);
}

static void reader_on_a_removed_node_walks_on(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    fill(&list, items, 4);
    list_remove_rcu(&items[1].link);
    ok(!list_is_linked(&items[1].link));
    ok(holds(&list, "023"));
    ok(walks_on(&list, &items[1], "23"));
    list_remove_rcu(&items[3].link);
    ok(holds(&list, "02"));
    ok(walks_on(&list, &items[1], "2"));
    ok(walks_on(&list, &items[3], ""));
    list_remove_rcu(&items[0].link);
    list_remove_rcu(&items[2].link);
    ok(holds(&list, ""));
    ok(walks_on(&list, &items[0], "2")); /* it may be met until the grace period ends */
    ok(walks_on(&list, &items[2], ""));
}

static void reader_meets_the_old_or_the_new_node(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    fill(&list, items, 3);
    list_replace_rcu(&items[1].link, &items[5].link);
    ok(holds(&list, "052"));
    ok(!list_is_linked(&items[1].link));
    ok(walks_on(&list, &items[0], "52"));
    ok(walks_on(&list, &items[1], "2"));
    list_replace_rcu(&items[0].link, &items[4].link);
    list_replace_rcu(&items[2].link, &items[3].link);
    ok(holds(&list, "453"));
    ok(walks_on(&list, &items[2], ""));
}

static void rcu_nodes_are_usable_after_their_grace_period(void)
{
    struct item items[NR_ITEMS];
    struct list list;

    fill(&list, items, 2);
    list_remove_rcu(&items[0].link);
    list_insert_tail_rcu(&list, &items[0].link); /* no reader: the grace period is over */
    ok(holds(&list, "10"));
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(new_list_is_empty),
        TAP_TEST(inserts_go_where_they_say),
        TAP_TEST(remove_from_each_place),
        TAP_TEST(remove_the_last_one),
        TAP_TEST(move_within_and_between_lists),
        TAP_TEST(for_each_meets_all_in_order),
        TAP_TEST(for_each_safe_allows_freeing),
        TAP_TEST(rcu_inserts_go_where_they_say),
        TAP_TEST(rcu_walk_meets_all_in_order),
        TAP_TEST(reader_on_a_removed_node_walks_on),
        TAP_TEST(reader_meets_the_old_or_the_new_node),
        TAP_TEST(rcu_nodes_are_usable_after_their_grace_period),
    };

    return TAP_RUN(tests, argc, argv);
}
