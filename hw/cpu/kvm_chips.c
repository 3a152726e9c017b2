/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chips in the kernel: local APICs, and how messages and doorbells get to and from them.
 *
 * The I/O APIC is ours in any case: it is seldom used by guests of today, who have MSI, and a
 * "split" chip tells where level-triggered interrupts end. There is no 8259 and no 8254 at all.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/cpu/kvm.h"
#include "hw/cpu/kvm_chips.h"
#include "util/log.h"

static const struct {
    int cap;
    const char *name;
} needed[] = {
    { KVM_CAP_SPLIT_IRQCHIP, "local APICs without the other chips" },
    { KVM_CAP_SIGNAL_MSI, "interrupts by message" },
    { KVM_CAP_IRQ_ROUTING, "interrupt routes" },
    { KVM_CAP_MP_STATE, "states of processors that wait" },
    { KVM_CAP_ENABLE_CAP_VM, "capabilities of machines" },
};

static bool check_chips(int fd, GError **error)
{
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) > 0)
            continue;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "KVM: the host's has no %s",
                    needed[i].name);
        return false;
    }
    return true;
}

bool kvm_can_have_chips(GError **error)
{
    return kvm_check_device(check_chips, error);
}

bool kvm_is_backend(const struct cpus *cpus)
{
    return cpus->backend == &cpu_kvm;
}

bool kvm_has_chips(const struct cpus *cpus)
{
    return kvm_is_backend(cpus) && kvm_of_const(cpus)->has_chips;
}

/* ---- Making and resetting ---------------------------------------------------------------- */

bool kvm_chips_init(struct kvm *kvm, GError **error)
{
    struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { KVM_CHIPS_PINS } };

    if (!kvm->cpus.board->has_kernel_chips)
        return true;
    if (!check_chips(kvm->fd, error))
        return false;
    if (kvm_ioctl(kvm->vm, KVM_ENABLE_CAP, &split) < 0) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                    "KVM: cannot have local APICs in the kernel: %s", g_strerror(errno));
        return false;
    }
    kvm->has_chips = true;
    kvm->cpus.has_own_startup = true;
    return true;
}

bool kvm_chip_init(struct kvm_cpu *cpu, GError **error)
{
    if (!kvm_of(cpu->cpu.cpus)->has_chips)
        return true;
    if (kvm_ioctl(cpu->fd, KVM_GET_LAPIC, &cpu->lapic_at_reset) == 0)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "KVM: a local APIC does not tell its state: %s", g_strerror(errno));
    return false;
}

void kvm_chip_reset(struct kvm_cpu *cpu)
{
    struct kvm_mp_state drain;
    uint64_t base = kvm_apic_base_at_reset(cpu);

    if (!kvm_of(cpu->cpu.cpus)->has_chips)
        return;
    /* Asking has the kernel obey an INIT or startup message that is pending: before, not after. */
    (void)kvm_ioctl(cpu->fd, KVM_GET_MP_STATE, &drain);
    /* Its mode first: in x2APIC mode the registers look different. */
    if (!kvm_move_msr(cpu, MSR_APIC_BASE, &base, true) ||
        kvm_ioctl(cpu->fd, KVM_SET_LAPIC, &cpu->lapic_at_reset) < 0)
        log_error("KVM: the local APIC of processor %u keeps its state: %s", cpu->cpu.index,
                  g_strerror(errno));
}

/* ---- Messages ---------------------------------------------------------------------------- */

bool kvm_send_message(const struct cpus *cpus, uint64_t address, uint32_t data)
{
    struct kvm_msi message = {
        .address_lo = (uint32_t)address,
        .address_hi = (uint32_t)(address >> 32),
        .data = data,
    };

    return ioctl(kvm_of_const(cpus)->vm, KVM_SIGNAL_MSI, &message) >= 0;
}

bool kvm_set_routes(const struct cpus *cpus, const struct kvm_route *routes, unsigned nr)
{
    g_autofree struct kvm_irq_routing *table =
        g_malloc0(sizeof(*table) + nr * sizeof(table->entries[0]));

    table->nr = nr;
    for (unsigned i = 0; i < nr; i++) {
        table->entries[i] = (struct kvm_irq_routing_entry){
            .gsi = routes[i].gsi,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi.address_lo = (uint32_t)routes[i].address,
            .u.msi.address_hi = (uint32_t)(routes[i].address >> 32),
            .u.msi.data = routes[i].data,
        };
    }
    if (kvm_ioctl(kvm_of_const(cpus)->vm, KVM_SET_GSI_ROUTING, table) == 0)
        return true;
    log_error("KVM: cannot have %u interrupt routes: %s", nr, g_strerror(errno));
    return false;
}

bool kvm_set_irqfd(const struct cpus *cpus, uint32_t gsi, int fd, bool is_on)
{
    struct kvm_irqfd irqfd = {
        .fd = (uint32_t)fd,
        .gsi = gsi,
        .flags = is_on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
    };

    if (kvm_ioctl(kvm_of_const(cpus)->vm, KVM_IRQFD, &irqfd) == 0)
        return true;
    log_error("KVM: cannot %s interrupt %u %s an eventfd: %s", is_on ? "raise" : "free", gsi,
              is_on ? "by" : "of", g_strerror(errno));
    return false;
}

/* ---- Doorbells --------------------------------------------------------------------------- */

bool kvm_set_doorbell(const struct cpus *cpus, uint64_t address, unsigned size, int fd, bool is_on)
{
    const struct kvm *kvm = kvm_of_const(cpus);
    struct kvm_ioeventfd ioeventfd = {
        .addr = address,
        .len = size,
        .fd = fd,
        .flags = is_on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
    };

    if (!kvm->has_doorbells)
        return false;
    if (kvm_ioctl(kvm->vm, KVM_IOEVENTFD, &ioeventfd) == 0)
        return true;
    LOG_RATELIMITED(log_warn, "KVM: no doorbell at 0x%" G_GINT64_MODIFIER "x: %s", address,
                    g_strerror(errno)); /* where it is, is the guest's to say */
    return false;
}
