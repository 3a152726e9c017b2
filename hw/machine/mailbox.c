/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/mailbox.h"

#include <inttypes.h>
#include <string.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/loader.h"
#include "util/log.h"

enum {                 /* 5.2.12.19, table 5.44: offsets and commands */
       AT_COMMAND = 0, /* 16 bits */
       AT_APIC_ID = 4,
       AT_VECTOR = 8,
       COMMAND_NONE = 0,
       COMMAND_WAKEUP = 1,
};

/* A processor that is asked to begin. Guarded by the BQL. */
struct wakeup {
    struct cpu_work work;
    uint64_t vector;
    bool is_wanted;
    bool is_posted; /* `work` is in the processor's hands, wanted or not */
};

struct mailbox {
    struct cpus *cpus;
    struct wakeup wakeup[CPUS_MAX];
    uint8_t page[RAM_PAGE]; /* guarded by the BQL */
};

/* On the processor's thread. */
static void begin_at(struct cpu *cpu, uint64_t vector)
{
    struct cpu_state state;

    cpu_get_state(cpu, &state);
    if (!state.is_waiting && !(state.is_halted && !(state.rflags & FLAG_IF))) {
        log_guest_error("mailbox: processor %u runs already", cpu->index);
        return;
    }
    log_topic(cpu, "processor %u begins at 0x%" PRIx64, cpu->index, vector);
    loader_start_state(vector, &state);
    if (cpu_set_state(cpu, &state) != 0)
        log_guest_error("mailbox: processor %u cannot begin at 0x%" PRIx64, cpu->index, vector);
}

static void do_wakeup(struct cpu *cpu, struct cpu_work *work)
{
    struct wakeup *wakeup = container_of(work, struct wakeup, work);
    uint64_t vector;
    bool is_wanted;

    WITH_BQL () {
        is_wanted = wakeup->is_wanted;
        vector = wakeup->vector;
        wakeup->is_wanted = false;
        wakeup->is_posted = false;
    }
    if (is_wanted)
        begin_at(cpu, vector);
}

/* The guest has written the command. It is taken at once, and no processor takes another's. */
static void take_command(struct mailbox *mailbox) REQUIRES(bql)
{
    struct wakeup *wakeup;
    uint16_t command;
    uint32_t apic_id;

    memcpy(&command, mailbox->page + AT_COMMAND, sizeof(command));
    memcpy(&apic_id, mailbox->page + AT_APIC_ID, sizeof(apic_id));
    if (command == COMMAND_NONE)
        return;
    if (command != COMMAND_WAKEUP || apic_id >= mailbox->cpus->nr_cpus) {
        log_guest_error("mailbox: command %u for processor %u", command, apic_id);
        return;
    }
    wakeup = &mailbox->wakeup[apic_id];
    memcpy(&wakeup->vector, mailbox->page + AT_VECTOR, sizeof(wakeup->vector));
    memset(mailbox->page + AT_COMMAND, 0, sizeof(command));
    wakeup->is_wanted = true;
    if (wakeup->is_posted)
        return;
    wakeup->is_posted = true;
    cpu_post_work(mailbox->cpus->cpu[apic_id], &wakeup->work);
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct mailbox *mailbox = opaque;
    uint64_t value = 0;

    bql_assert_held();
    memcpy(&value, mailbox->page + offset, size);
    return value;
}

static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct mailbox *mailbox = opaque;

    bql_assert_held();
    memcpy(mailbox->page + offset, &value, size);
    if (offset < AT_COMMAND + sizeof(uint16_t))
        take_command(mailbox);
}

void mailbox_reset(struct mailbox *mailbox)
{
    for (unsigned i = 0; i < mailbox->cpus->nr_cpus; i++)
        mailbox->wakeup[i].is_wanted = false;
    memset(mailbox->page, 0, sizeof(mailbox->page));
}

static const struct mmio_ops page_ops = { .read = page_read, .write = page_write };

struct region *mailbox_region(struct mailbox *mailbox, struct mem *mem)
{
    return region_new_mmio(mem, "mailbox", RAM_PAGE, &page_ops, mailbox);
}

struct mailbox *mailbox_new(struct cpus *cpus)
{
    struct mailbox *mailbox = g_new0(struct mailbox, 1);

    mailbox->cpus = cpus;
    for (unsigned i = 0; i < cpus->nr_cpus; i++)
        mailbox->wakeup[i] = (struct wakeup){ .work = { .fn = do_wakeup } };
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    g_free(mailbox);
}
