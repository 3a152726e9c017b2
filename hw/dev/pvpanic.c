/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/dev/pvpanic.h"

#include "util/log.h"

struct pvpanic {
    void (*panicked)(void *opaque);
    void *opaque;
};

static uint64_t pvpanic_read(void *opaque UNUSED, uint64_t offset UNUSED, unsigned size UNUSED)
{
    return PVPANIC_PANICKED | PVPANIC_CRASH_LOADED; /* what it understands */
}

static void pvpanic_write(void *opaque, uint64_t offset UNUSED, uint64_t value,
                          unsigned size UNUSED)
{
    struct pvpanic *pvpanic = opaque;

    if (value & PVPANIC_PANICKED)
        pvpanic->panicked(pvpanic->opaque);
    else if (value & PVPANIC_CRASH_LOADED)
        LOG_RATELIMITED(log_info, "the guest's kernel has panicked, and its crash kernel goes on");
    else
        log_guest_error("pvpanic: write of 0x%02x", (unsigned)value);
}

static const struct mmio_ops pvpanic_ops = {
    .read = pvpanic_read,
    .write = pvpanic_write,
    .max_access = 1,
};

void pvpanic_free(struct pvpanic *pvpanic)
{
    g_free(pvpanic);
}

struct pvpanic *pvpanic_new(void (*panicked)(void *opaque), void *opaque)
{
    struct pvpanic *pvpanic = g_new0(struct pvpanic, 1);

    pvpanic->panicked = panicked;
    pvpanic->opaque = opaque;
    return pvpanic;
}

struct region *pvpanic_region(struct pvpanic *pvpanic, struct mem *mem)
{
    return region_new_mmio(mem, "pvpanic", PVPANIC_PORTS, &pvpanic_ops, pvpanic);
}
