/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The patterns of docs/rcu.md, as code that runs. tests/lint/snippets.py sees to
 * it that what stands there between two marks is what stands here.
 *
 * Each pattern is used by readers on two threads while one updater changes it;
 * the sanitizers see what is freed too early, and each reader checks what it sees.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tests/tap.h"
#include "util/clock.h"
#include "util/rcu.h"
#include "util/rcu_list.h"
#include "util/srcu.h"

enum { NR_UPDATES = 2000, NR_SLOTS = 64 };

static void *checked(void *memory)
{
    if (!memory)
        bail_out("out of memory");
    return memory;
}

/* ---- Publish and unpublish ---------------------------------------------------------- */

/* Before each pattern: what it replaces. */
/* [publish-before] */
struct locked_config {
    int width, height;
};

static struct locked_config locked_config = { 3, 4 };
static pthread_rwlock_t locked_config_lock = PTHREAD_RWLOCK_INITIALIZER;

static int locked_config_area(void)
{
    int area;

    pthread_rwlock_rdlock(&locked_config_lock); /* every reader writes to the lock's line */
    area = locked_config.width * locked_config.height;
    pthread_rwlock_unlock(&locked_config_lock);
    return area;
}
/* [end] */

/* [publish] */
struct config {
    struct rcu_head rcu;
    int width, height;
};

static struct config *config; /* published by RCU; changed under config_lock */
static pthread_mutex_t config_lock = PTHREAD_MUTEX_INITIALIZER;

static int config_area(void)
{
    RCU_READ_GUARD();
    const struct config *now = atomic_rcu_read(&config);

    return now ? now->width * now->height : 0;
}

static void config_replace(struct config *next)
{
    struct config *old;

    pthread_mutex_lock(&config_lock);
    old = config;
    atomic_rcu_set(&config, next); /* whole before it is seen */
    pthread_mutex_unlock(&config_lock);
    if (old)
        g_free_rcu(old, rcu); /* gone when nobody can see it any more */
}

static void config_publish(int width, int height)
{
    struct config *next = checked(malloc(sizeof(*next)));

    next->width = width;
    next->height = height;
    config_replace(next);
}

static void config_unpublish(void)
{
    config_replace(NULL);
}
/* [end] */

/* ---- A list ---------------------------------------------------------------------------- */

/* [list-before] */
struct locked_device {
    struct list_node link;
    unsigned id;
};

static struct list locked_devices;
static pthread_mutex_t locked_devices_lock = PTHREAD_MUTEX_INITIALIZER;

static bool locked_device_exists(unsigned id)
{
    struct locked_device *device;
    bool exists = false;

    pthread_mutex_lock(&locked_devices_lock); /* one reader at a time */
    list_for_each (device, &locked_devices, link)
        exists = exists || device->id == id;
    pthread_mutex_unlock(&locked_devices_lock);
    return exists;
}

static void locked_device_remove(struct locked_device *device)
{
    pthread_mutex_lock(&locked_devices_lock);
    list_remove(&device->link);
    pthread_mutex_unlock(&locked_devices_lock);
    free(device); /* at once: whoever looked has let go of the lock */
}
/* [end] */

/* [list] */
struct device {
    struct rcu_head rcu;
    struct list_node link;
    unsigned id, id_twice;
};

static struct list devices; /* read under RCU, changed under devices_lock */
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;

static bool device_exists(unsigned id)
{
    struct device *device;

    RCU_READ_GUARD();
    list_for_each_rcu (device, &devices, link) {
        if (device->id == id)
            return device->id_twice == 2 * id;
    }
    return false;
}

static void device_add(unsigned id)
{
    struct device *device = checked(calloc(1, sizeof(*device))); /* linked in no list */

    device->id = id;
    device->id_twice = 2 * id;
    pthread_mutex_lock(&devices_lock);
    list_insert_head_rcu(&devices, &device->link);
    pthread_mutex_unlock(&devices_lock);
}

static void device_remove(struct device *device)
{
    pthread_mutex_lock(&devices_lock);
    list_remove_rcu(&device->link); /* a reader that stands on it walks on */
    pthread_mutex_unlock(&devices_lock);
    g_free_rcu(device, rcu);
}
/* [end] */

/* ---- An array of another size ------------------------------------------------------------------
 */

/* [array-before] */
static unsigned *locked_slots;
static size_t nr_locked_slots;
static pthread_rwlock_t locked_slots_lock = PTHREAD_RWLOCK_INITIALIZER;

static unsigned locked_array_get(size_t index)
{
    unsigned value = 0;

    pthread_rwlock_rdlock(&locked_slots_lock);
    if (index < nr_locked_slots)
        value = locked_slots[index];
    pthread_rwlock_unlock(&locked_slots_lock);
    return value;
}

static void locked_array_resize(size_t size)
{
    pthread_rwlock_wrlock(&locked_slots_lock); /* every reader waits for the copy */
    locked_slots = checked(realloc(locked_slots, size * sizeof(*locked_slots)));
    for (size_t i = nr_locked_slots; i < size; i++)
        locked_slots[i] = (unsigned)i + 1;
    nr_locked_slots = size;
    pthread_rwlock_unlock(&locked_slots_lock);
}
/* [end] */

/* [array] */
struct array {
    struct rcu_head rcu;
    size_t size; /* in the same object as the slots: nobody pairs a new size with old slots */
    unsigned slots[];
};

static struct array *array; /* published by RCU; changed by one thread */

static unsigned array_get(size_t index)
{
    RCU_READ_GUARD();
    const struct array *now = atomic_rcu_read(&array);

    return now && index < now->size ? load_relaxed(&now->slots[index]) : 0;
}

static void array_resize(size_t size)
{
    struct array *next = checked(calloc(1, sizeof(*next) + size * sizeof(next->slots[0])));
    struct array *old = array;

    next->size = size;
    for (size_t i = 0; i < size; i++)
        next->slots[i] = old && i < old->size ? old->slots[i] : (unsigned)i + 1;
    atomic_rcu_set(&array, next);
    if (old)
        g_free_rcu(old, rcu);
}
/* [end] */

/* ---- A count that keeps an object alive beyond the section ----------------------------------- */

/* [refcount-before] */
struct locked_surface {
    unsigned refs;
    unsigned colour;
};

static struct locked_surface *locked_surface;
static pthread_mutex_t locked_surface_lock = PTHREAD_MUTEX_INITIALIZER;

static struct locked_surface *locked_surface_get(void)
{
    struct locked_surface *now;

    pthread_mutex_lock(&locked_surface_lock); /* so that nobody frees it before it is counted */
    now = locked_surface;
    if (now)
        now->refs++;
    pthread_mutex_unlock(&locked_surface_lock);
    return now;
}

static void locked_surface_unref(struct locked_surface *held)
{
    bool is_last;

    pthread_mutex_lock(&locked_surface_lock);
    is_last = --held->refs == 0;
    if (is_last && locked_surface == held)
        locked_surface = NULL;
    pthread_mutex_unlock(&locked_surface_lock);
    if (is_last)
        free(held);
}
/* [end] */

/* [refcount] */
struct surface {
    struct rcu_head rcu;
    unsigned refs; /* atomic; one for being published */
    unsigned colour;
};

static struct surface *surface; /* published by RCU */

static void surface_free(struct surface *old)
{
    store_relaxed(&old->colour, 0); /* so that a late reader would show */
    free(old);
}

static void surface_unref(struct surface *held)
{
    if (fetch_sub(&held->refs, 1) == 1)
        call_rcu(held, surface_free, rcu); /* somebody may just be trying to take it */
}

/* Take it along: usable after the section, until surface_unref(). NULL: there is none. */
static struct surface *surface_get(void)
{
    RCU_READ_GUARD();
    struct surface *now = atomic_rcu_read(&surface);
    unsigned refs = now ? load_relaxed(&now->refs) : 0;

    while (refs != 0) { /* from 0 there is no way back: the last holder is freeing it */
        if (atomic_cas(&now->refs, &refs, refs + 1))
            return now;
    }
    return NULL;
}

static void surface_set(unsigned colour)
{
    struct surface *next = checked(malloc(sizeof(*next)));
    struct surface *old = surface;

    *next = (struct surface){ .refs = 1, .colour = colour };
    atomic_rcu_set(&surface, next);
    if (old)
        surface_unref(old);
}
/* [end] */

/* ---- A reader that sleeps: SRCU ----------------------------------------------------------------
 */

/* [srcu] */
struct route {
    unsigned target;
};

static struct srcu_struct routes_srcu;
static struct route *route; /* published by SRCU; changed by one thread */

static unsigned route_follow(void)
{
    int index = srcu_read_lock(&routes_srcu);
    const struct route *now = atomic_rcu_read(&route);
    unsigned target = now ? now->target : 0;

    sched_yield(); /* it may block here, for as long as it likes */
    target = target == (now ? now->target : 0) ? target : 0;
    srcu_read_unlock(&routes_srcu, index);
    return target;
}

static void route_set(unsigned target)
{
    struct route *next = checked(malloc(sizeof(*next)));
    struct route *old = route;

    next->target = target;
    atomic_rcu_set(&route, next);
    synchronize_srcu(&routes_srcu); /* waits for readers of routes, and for nobody else */
    free(old);
}
/* [end] */

/* ---- Readers against one updater ------------------------------------------------------------ */

struct run {
    bool (*read)(void); /* false: it saw what must not be seen */
    unsigned failures;  /* atomic */
    unsigned reads;     /* atomic */
    bool end;           /* atomic */
};

static void *read_all_the_time(void *opaque)
{
    struct run *run = opaque;

    rcu_register_thread();
    while (!load_relaxed(&run->end)) {
        if (!run->read())
            fetch_add(&run->failures, 1);
        fetch_add_relaxed(&run->reads, 1);
    }
    rcu_unregister_thread();
    return NULL;
}

/* @update, given 1, 2, 3 …, runs against two readers that call @read. */
static void against(bool (*read)(void), void (*update)(unsigned), unsigned nr_updates)
{
    struct run run = { .read = read };
    pthread_t readers[2];

    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        if (pthread_create(&readers[i], NULL, read_all_the_time, &run) != 0)
            bail_out("pthread_create");
    }
    for (unsigned i = 1; i <= nr_updates || load_relaxed(&run.reads) < 100; i++)
        update(i);
    store_relaxed(&run.end, true);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        pthread_join(readers[i], NULL);
    drain_call_rcu();
    is(load_relaxed(&run.failures), 0);
}

static bool area_is_square(void)
{
    int area = config_area(), side = 0;

    while (side * side < area)
        side++;
    return side * side == area;
}

static void update_config(unsigned nr)
{
    if (nr % 10 == 0)
        config_unpublish();
    else
        config_publish((int)nr % 1000, (int)nr % 1000);
}

static void publish_and_unpublish(void)
{
    is(locked_config_area(), 12);
    against(area_is_square, update_config, NR_UPDATES);
    config_publish(3, 4);
    is(config_area(), 12);
    config_unpublish();
    is(config_area(), 0);
    drain_call_rcu();
}

static bool zero_exists(void)
{
    return device_exists(0);
}

static void update_devices(unsigned nr)
{
    struct device *newest = list_first_entry(&devices, struct device, link);

    if (newest && newest->id != 0)
        device_remove(newest);
    device_add(nr);
}

static void list_of_devices(void)
{
    struct locked_device *locked = checked(calloc(1, sizeof(*locked)));
    struct device *device;

    list_init(&locked_devices);
    list_insert_head(&locked_devices, &locked->link);
    ok(locked_device_exists(0));
    locked_device_remove(locked);
    ok(!locked_device_exists(0));
    list_init(&devices);
    device_add(0); /* stays, behind all others */
    against(zero_exists, update_devices, NR_UPDATES);
    ok(!device_exists(NR_UPDATES * 2));
    while ((device = list_first_entry(&devices, struct device, link)))
        device_remove(device);
    drain_call_rcu();
}

static bool slots_are_whole(void)
{
    static unsigned turn;
    size_t index = fetch_add_relaxed(&turn, 1) % NR_SLOTS;
    unsigned value = array_get(index);

    return value == 0 || value == index + 1;
}

static void update_array(unsigned nr)
{
    array_resize(nr % NR_SLOTS + 1);
}

static void array_of_another_size(void)
{
    locked_array_resize(5);
    is(locked_array_get(4), 5);
    is(locked_array_get(5), 0);
    free(locked_slots);
    against(slots_are_whole, update_array, NR_UPDATES);
    free(array);
    array = NULL;
}

static bool held_surface_keeps_its_colour(void)
{
    struct surface *held = surface_get();
    unsigned colour;

    if (!held)
        return true;
    colour = load_relaxed(&held->colour); /* outside the section: the count holds it */
    surface_unref(held);
    return colour != 0;
}

static void refcount_with_deferred_release(void)
{
    locked_surface = checked(malloc(sizeof(*locked_surface)));
    *locked_surface = (struct locked_surface){ .refs = 1, .colour = 7 };
    is(locked_surface_get()->colour, 7);
    locked_surface_unref(locked_surface);
    locked_surface_unref(locked_surface);
    ok(locked_surface_get() == NULL);
    against(held_surface_keeps_its_colour, surface_set, NR_UPDATES);
    surface_unref(surface);
    surface = NULL;
    drain_call_rcu();
}

static bool route_is_followed(void)
{
    return route_follow() != 0;
}

static void reader_that_sleeps(void)
{
    init_srcu_struct(&routes_srcu, "routes");
    route_set(1);
    against(route_is_followed, route_set, 200);
    synchronize_srcu(&routes_srcu);
    free(route);
    is(cleanup_srcu_struct(&routes_srcu), 0);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(publish_and_unpublish), TAP_TEST(list_of_devices),
        TAP_TEST(array_of_another_size), TAP_TEST(refcount_with_deferred_release),
        TAP_TEST(reader_that_sleeps),
    };

    rcu_register_thread();
    return TAP_RUN(tests, argc, argv);
}
