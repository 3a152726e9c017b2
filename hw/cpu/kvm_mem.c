/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory slots: what KVM knows of the memory map.
 *
 * A range of RAM is a slot; KVM changes one at a time. Where a commit deletes a
 * range and puts another over the same addresses (it was split, or has grown), the
 * guest would for a moment find a hole there: an instruction fetched from it, or a
 * page table in it, could not be emulated. Then, and only then, the processors are
 * kept out of the guest between the two.
 */
#include <errno.h>
#include <string.h>

#include "hw/cpu/kvm.h"
#include "util/log.h"

struct kvm_slot {
    gpa_t start; /* the key of by_start: first */
    uint64_t size;
    uint8_t *host;
    bool is_readonly;
    unsigned number;
};

/* ---- Processors out of the guest ------------------------------------------------------- */

bool kvm_mem_may_enter(struct kvm_cpu *cpu)
{
    struct kvm_mem *mem = &kvm_of(cpu->cpu.cpus)->mem;
    uint32_t ticket;

    if (likely(!load_relaxed(&mem->is_changing)))
        return true;
    store_release(&cpu->is_inside, 0); /* pairs with the acquire in stop_processors() */
    sequence_advance(&mem->left);
    ticket = sequence_prepare(&mem->done);
    if (load_relaxed(&mem->is_changing))
        (void)sequence_wait(&mem->done, ticket, DEADLINE_NEVER); /* no deadline */
    else
        sequence_cancel(&mem->done);
    return false;
}

void kvm_mem_has_left(struct kvm_cpu *cpu)
{
    struct kvm_mem *mem = &kvm_of(cpu->cpu.cpus)->mem;

    smp_mb(); /* out, then look: pairs with the one in stop_processors() */
    if (unlikely(load_relaxed(&mem->is_changing)))
        sequence_advance(&mem->left);
}

static void wait_until_out(struct kvm_mem *mem, const struct kvm_cpu *cpu)
{
    for (;;) {
        const uint32_t ticket = sequence_prepare(&mem->left);

        if (!load_acquire(&cpu->is_inside)) { /* pairs with the releases of is_inside */
            sequence_cancel(&mem->left);
            return;
        }
        (void)sequence_wait(&mem->left, ticket, DEADLINE_NEVER); /* no deadline */
    }
}

static void stop_processors(struct kvm *kvm)
{
    if (kvm->mem.has_stopped)
        return;
    kvm->mem.has_stopped = true;
    store_relaxed(&kvm->mem.is_changing, 1);
    smp_mb(); /* forbid, then look: pairs with the barriers in enter() and kvm_mem_has_left() */
    for (unsigned i = 0; i < kvm->cpus.nr_cpus; i++)
        kvm_kick(kvm->cpus.cpu[i]);
    for (unsigned i = 0; i < kvm->cpus.nr_cpus; i++)
        wait_until_out(&kvm->mem, kvm_cpu_of(kvm->cpus.cpu[i]));
}

static void release_processors(struct kvm *kvm)
{
    if (!kvm->mem.has_stopped)
        return;
    kvm->mem.has_stopped = false;
    store_release(&kvm->mem.is_changing, 0);
    sequence_advance(&kvm->mem.done);
}

/* ---- Slots ------------------------------------------------------------------------------ */

static bool set_slot(struct kvm *kvm, const struct kvm_slot *slot, uint64_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot->number,
        .flags = slot->is_readonly ? KVM_MEM_READONLY : 0,
        .guest_phys_addr = slot->start,
        .memory_size = size,
        .userspace_addr = (uintptr_t)slot->host,
    };

    return kvm_ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static unsigned take_number(struct kvm_mem *mem)
{
    unsigned number;

    if (mem->free->len == 0) {
        g_assert(mem->next_slot < mem->max_slots); /* slots_add() has counted */
        return mem->next_slot++;
    }
    number = g_array_index(mem->free, unsigned, mem->free->len - 1);
    g_array_set_size(mem->free, mem->free->len - 1);
    return number;
}

/* KVM forgets the slots that are leaving. */
static void let_leave(struct kvm *kvm)
{
    for (unsigned i = 0; i < kvm->mem.leaving->len; i++) {
        struct kvm_slot *slot = kvm->mem.leaving->pdata[i];

        /* Removing what is there cannot fail; the guest would keep memory that is gone. */
        if (!set_slot(kvm, slot, 0))
            g_error("KVM: cannot remove memory slot %u: %s", slot->number, g_strerror(errno));
        g_array_append_val(kvm->mem.free, slot->number);
    }
    g_ptr_array_set_size(kvm->mem.leaving, 0);
}

/* False: *@error says why, and @slot has no number. */
static bool enter_slot(struct kvm *kvm, struct kvm_slot *slot, GError **error)
{
    slot->number = take_number(&kvm->mem);
    if (!set_slot(kvm, slot, slot->size)) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                    "KVM: cannot add %" G_GUINT64_FORMAT " bytes of memory at 0x%" G_GINT64_MODIFIER
                    "x: %s",
                    slot->size, slot->start, g_strerror(errno));
        g_array_append_val(kvm->mem.free, slot->number);
        return false;
    }
    g_hash_table_insert(kvm->mem.by_start, &slot->start, slot);
    return true;
}

/* ---- The listener ----------------------------------------------------------------------- */

static struct kvm *listening(struct mem_listener *listener)
{
    return container_of(listener, struct kvm, mem.listener);
}

/* The whole pages of @range, if it is RAM: accesses to the rest come out as MMIO. */
static bool slot_of_range(const struct range *range, struct kvm_slot *ret_slot)
{
    const uint64_t skipped = -range->start & (RAM_PAGE - 1);

    if ((range->kind != RANGE_RAM && range->kind != RANGE_ROM) || range->size < skipped)
        return false;
    *ret_slot = (struct kvm_slot){
        .start = range->start + skipped,
        .size = (range->size - skipped) & ~(uint64_t)(RAM_PAGE - 1),
        .host = range->host + skipped,
        .is_readonly = range->kind == RANGE_ROM,
    };
    return ret_slot->size > 0;
}

static bool is_same(const struct kvm_slot *a, const struct kvm_slot *b)
{
    return a->start == b->start && a->size == b->size && a->host == b->host &&
           a->is_readonly == b->is_readonly;
}

static bool do_overlap(const struct kvm_slot *a, const struct kvm_slot *b)
{
    return a->start < b->start ? b->start - a->start < a->size : a->start - b->start < b->size;
}

static void slots_del(struct mem_listener *listener, const struct range *range)
{
    struct kvm_mem *mem = &listening(listener)->mem;
    struct kvm_slot what, *slot;

    if (!slot_of_range(range, &what))
        return;
    for (unsigned i = 0; i < mem->waiting->len; i++) { /* added in this commit, and told back */
        if (is_same(mem->waiting->pdata[i], &what)) {
            g_ptr_array_remove_index(mem->waiting, i);
            return;
        }
    }
    slot = g_hash_table_lookup(mem->by_start, &what.start);
    if (!slot) /* was refused, and logged, when a commit was told back */
        return;
    g_hash_table_steal(mem->by_start, &what.start);
    g_ptr_array_add(mem->leaving, slot);
}

static bool slots_add(struct mem_listener *listener, const struct range *range, GError **error)
{
    struct kvm *kvm = listening(listener);
    struct kvm_slot what, *slot;
    bool must_wait = false;

    if (!slot_of_range(range, &what))
        return true;
    for (unsigned i = 0; i < kvm->mem.leaving->len; i++) {
        slot = kvm->mem.leaving->pdata[i];
        if (is_same(slot, &what)) { /* it has not left yet */
            (void)g_ptr_array_steal_index_fast(kvm->mem.leaving, i);
            g_hash_table_insert(kvm->mem.by_start, &slot->start, slot);
            return true;
        }
        must_wait |= do_overlap(slot, &what);
    }
    if (g_hash_table_size(kvm->mem.by_start) + kvm->mem.waiting->len >= kvm->mem.max_slots) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                    "KVM: all of its %u memory slots are in use", kvm->mem.max_slots);
        return false;
    }
    slot = g_new(struct kvm_slot, 1);
    *slot = what;
    if (must_wait) {
        g_ptr_array_add(kvm->mem.waiting, slot);
        return true;
    }
    /* The numbers of those that leave are needed: for once, earlier. */
    if (kvm->mem.free->len == 0 && kvm->mem.next_slot == kvm->mem.max_slots) {
        stop_processors(kvm);
        let_leave(kvm);
    }
    if (enter_slot(kvm, slot, error))
        return true;
    g_free(slot);
    return false;
}

static void slots_end(struct mem_listener *listener, bool is_done UNUSED)
{
    struct kvm *kvm = listening(listener);

    if (kvm->mem.waiting->len > 0)
        stop_processors(kvm);
    let_leave(kvm);
    while (kvm->mem.waiting->len > 0) {
        struct kvm_slot *slot = g_ptr_array_steal_index(kvm->mem.waiting, 0);
        g_autoptr(GError) error = NULL;

        if (!enter_slot(kvm, slot, &error)) {
            log_error("%s: the guest finds a hole there", error->message);
            g_free(slot);
        }
    }
    release_processors(kvm);
}

void kvm_mem_init(struct kvm *kvm)
{
    kvm->mem.listener = (struct mem_listener){
        .name = "KVM memory slots", .del = slots_del, .add = slots_add, .end = slots_end
    };
    kvm->mem.free = g_array_new(FALSE, FALSE, sizeof(unsigned));
    kvm->mem.by_start = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    kvm->mem.leaving = g_ptr_array_new_with_free_func(g_free);
    kvm->mem.waiting = g_ptr_array_new_with_free_func(g_free);
    kvm->mem.left = kvm->mem.done = SEQUENCE_INIT;
}

void kvm_mem_fini(struct kvm *kvm)
{
    g_array_unref(kvm->mem.free);
    g_hash_table_unref(kvm->mem.by_start);
    g_ptr_array_unref(kvm->mem.leaving);
    g_ptr_array_unref(kvm->mem.waiting);
}
