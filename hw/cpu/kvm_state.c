/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor's state, and what its CPUID says, between our form and KVM's. */
#include <errno.h>
#include <string.h>

#include "hw/cpu/cpuid.h"
#include "hw/cpu/kvm.h"
#include "util/log.h"

/* ---- CPUID ------------------------------------------------------------------------------ */

/* What the board does, and the host's KVM so has no say in; and how many processors there are. */
#define X2APIC (UINT32_C(1) << 21)
#define TSC_DEADLINE (UINT32_C(1) << 24)
#define KEPT_1_ECX (X2APIC | TSC_DEADLINE | UINT32_C(1) << 31 /* hypervisor */)
#define KEPT_1_EDX (UINT32_C(1) << 9 /* APIC */ | UINT32_C(1) << 28 /* several */)
#define KEPT_80000001_ECX (UINT32_C(1) << 1 /* the same */ | UINT32_C(1) << 3 /* APIC */)

/*
 * What of them cannot be: without chips KVM would have to let the board's APIC see its MSRs, and a
 * deadline on the kernel's time stamp counter is nothing that the board could know.
 */
static uint32_t lost_1_ecx(const struct kvm *kvm)
{
    if (kvm->has_chips)
        return kvm->has_deadline ? 0 : TSC_DEADLINE;
    return kvm->filters_msrs ? TSC_DEADLINE : TSC_DEADLINE | X2APIC;
}

static const struct kvm_cpuid_entry2 *supported_leaf(const struct kvm *kvm, uint32_t leaf,
                                                     uint32_t subleaf)
{
    for (uint32_t i = 0; i < kvm->supported->nent; i++) {
        const struct kvm_cpuid_entry2 *entry = &kvm->supported->entries[i];

        if (entry->function == leaf && entry->index == subleaf)
            return entry;
    }
    return NULL;
}

/* Take the features away that the host's KVM does not have. */
static void filter(const struct kvm *kvm, struct kvm_cpuid_entry2 *entry)
{
    static const struct kvm_cpuid_entry2 nothing;
    const struct kvm_cpuid_entry2 *supported = supported_leaf(kvm, entry->function, entry->index);
    const struct kvm_cpuid_entry2 *has = supported ? supported : &nothing;

    switch (entry->function) {
    case 1:
        entry->ecx &= (has->ecx | KEPT_1_ECX) & ~lost_1_ecx(kvm);
        entry->edx &= has->edx | KEPT_1_EDX;
        break;
    case 7:
        entry->ebx &= has->ebx;
        entry->ecx &= has->ecx;
        entry->edx &= has->edx;
        break;
    case 0x40000001:
        entry->eax &= has->eax;
        break;
    case 0x80000001:
        entry->ecx &= has->ecx | KEPT_80000001_ECX;
        entry->edx &= has->edx | KEPT_1_EDX;
        break;
    case 0x80000021:
        entry->eax &= has->eax;
        break;
    }
}

bool kvm_set_cpuid(struct kvm_cpu *cpu, unsigned index, GError **error)
{
    const struct kvm *kvm = kvm_of(cpu->cpu.cpus);
    const struct cpuid_place place = { .index = index, .nr_cpus = kvm->cpus.nr_wanted };
    g_autofree struct kvm_cpuid2 *list = NULL;
    struct cpuid_leaf leaf;
    uint32_t count = 0;

    while (cpuid_leaf_at(count, &leaf))
        count++;
    list = g_malloc0(sizeof(*list) + count * sizeof(list->entries[0]));
    list->nent = count;
    for (uint32_t i = 0; i < count; i++) {
        struct kvm_cpuid_entry2 *entry = &list->entries[i];
        struct cpuid_regs regs;

        (void)cpuid_leaf_at(i, &leaf); /* counted above */
        cpuid_lookup(leaf.leaf, leaf.subleaf, &place, &regs);
        *entry = (struct kvm_cpuid_entry2){
            .function = leaf.leaf,
            .index = leaf.subleaf,
            .flags = leaf.has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = regs.eax,
            .ebx = regs.ebx,
            .ecx = regs.ecx,
            .edx = regs.edx,
        };
        filter(kvm, entry);
    }
    if (kvm_ioctl(cpu->fd, KVM_SET_CPUID2, list) == 0)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "KVM: cannot set what CPUID says: %s", g_strerror(errno));
    return false;
}

/* ---- Segments --------------------------------------------------------------------------- */

static struct kvm_segment to_kvm_segment(const struct cpu_segment *segment)
{
    const unsigned attributes = segment->attributes;

    return (struct kvm_segment){
        .base = segment->base,
        .limit = segment->limit,
        .selector = segment->selector,
        .type = attributes & SEG_TYPE,
        .s = !!(attributes & SEG_S),
        .dpl = (attributes & SEG_DPL) >> SEG_DPL_SHIFT,
        .present = !!(attributes & SEG_P),
        .avl = !!(attributes & SEG_AVL),
        .l = !!(attributes & SEG_L),
        .db = !!(attributes & SEG_DB),
        .g = !!(attributes & SEG_G),
        .unusable = attributes == 0,
    };
}

static struct cpu_segment from_kvm_segment(const struct kvm_segment *segment)
{
    struct cpu_segment result = { .base = segment->base,
                                  .limit = segment->limit,
                                  .selector = segment->selector };

    if (!segment->unusable && segment->present)
        result.attributes = (uint16_t)(segment->type | segment->s << 4 |
                                       segment->dpl << SEG_DPL_SHIFT | SEG_P | segment->avl << 12 |
                                       segment->l << 13 | segment->db << 14 | segment->g << 15);
    return result;
}

static struct kvm_segment *sregs_segment(struct kvm_sregs *sregs, enum segment number)
{
    struct kvm_segment *const segments[] = {
        [SEG_ES] = &sregs->es,   [SEG_CS] = &sregs->cs, [SEG_SS] = &sregs->ss,
        [SEG_DS] = &sregs->ds,   [SEG_FS] = &sregs->fs, [SEG_GS] = &sregs->gs,
        [SEG_LDT] = &sregs->ldt, [SEG_TR] = &sregs->tr,
    };

    return segments[number];
}

/* ---- Registers: each function one ioctl's, in both directions --------------------------- */

static bool move_regs(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    struct kvm_regs regs;
    struct {
        __u64 *kvm;
        uint64_t *ours;
    } const pairs[] = {
        { &regs.rax, &state->gpr[RAX] }, { &regs.rcx, &state->gpr[RCX] },
        { &regs.rdx, &state->gpr[RDX] }, { &regs.rbx, &state->gpr[RBX] },
        { &regs.rsp, &state->gpr[RSP] }, { &regs.rbp, &state->gpr[RBP] },
        { &regs.rsi, &state->gpr[RSI] }, { &regs.rdi, &state->gpr[RDI] },
        { &regs.r8, &state->gpr[R8] },   { &regs.r9, &state->gpr[R9] },
        { &regs.r10, &state->gpr[R10] }, { &regs.r11, &state->gpr[R11] },
        { &regs.r12, &state->gpr[R12] }, { &regs.r13, &state->gpr[R13] },
        { &regs.r14, &state->gpr[R14] }, { &regs.r15, &state->gpr[R15] },
        { &regs.rip, &state->rip },      { &regs.rflags, &state->rflags },
    };

    if (!is_set && kvm_ioctl(cpu->fd, KVM_GET_REGS, &regs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        if (is_set)
            *pairs[i].kvm = *pairs[i].ours;
        else
            *pairs[i].ours = *pairs[i].kvm;
    }
    return !is_set || kvm_ioctl(cpu->fd, KVM_SET_REGS, &regs) == 0;
}

uint64_t kvm_apic_base_at_reset(const struct kvm_cpu *cpu)
{
    enum { AT = 0xfee00000, IS_ON = 1 << 11, IS_FIRST = 1 << 8 };

    return (uint64_t)AT | IS_ON | (cpu->cpu.index == 0 ? IS_FIRST : 0);
}

static bool get_sregs(struct kvm_cpu *cpu, struct cpu_state *state)
{
    struct kvm_sregs sregs;

    if (kvm_ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return false;
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        state->seg[i] = from_kvm_segment(sregs_segment(&sregs, (enum segment)i));
    state->gdt = (struct cpu_table){ .base = sregs.gdt.base, .limit = sregs.gdt.limit };
    state->idt = (struct cpu_table){ .base = sregs.idt.base, .limit = sregs.idt.limit };
    state->cr0 = sregs.cr0;
    state->cr2 = sregs.cr2;
    state->cr3 = sregs.cr3;
    state->cr4 = sregs.cr4;
    state->cr8 = sregs.cr8;
    state->efer = sregs.efer;
    return true;
}

static bool set_sregs(struct kvm_cpu *cpu, const struct cpu_state *state)
{
    struct kvm_sregs sregs;

    if (kvm_ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return false;
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        *sregs_segment(&sregs, (enum segment)i) = to_kvm_segment(&state->seg[i]);
    if (sregs.ss.unusable) /* CPL is taken from there */
        sregs.ss.dpl = sregs.cs.selector & 3;
    sregs.gdt = (struct kvm_dtable){ .base = state->gdt.base, .limit = state->gdt.limit };
    sregs.idt = (struct kvm_dtable){ .base = state->idt.base, .limit = state->idt.limit };
    sregs.cr0 = state->cr0;
    sregs.cr2 = state->cr2;
    sregs.cr3 = state->cr3;
    sregs.cr4 = state->cr4;
    sregs.cr8 = state->cr8;
    sregs.efer = state->efer;
    if (!kvm_of(cpu->cpu.cpus)->has_chips) /* of the board's: on, or CPUID would deny it */
        sregs.apic_base = kvm_apic_base_at_reset(cpu);
    memset(sregs.interrupt_bitmap, 0, sizeof(sregs.interrupt_bitmap));
    if (kvm_ioctl(cpu->fd, KVM_SET_SREGS, &sregs) < 0)
        return false;
    cpu->run->cr8 = state->cr8; /* KVM_RUN takes it from there */
    cpu->priority = (unsigned)state->cr8;
    return true;
}

/* The first 512 bytes of XSAVE's image are FXSAVE's. */
static bool get_fpu(struct kvm_cpu *cpu, struct cpu_state *state)
{
    struct kvm_xsave xsave;

    if (kvm_ioctl(cpu->fd, KVM_GET_XSAVE, &xsave) < 0)
        return false;
    memcpy(state->fxsave, xsave.region, sizeof(state->fxsave));
    return true;
}

static bool set_fpu(struct kvm_cpu *cpu, const struct cpu_state *state)
{
    enum { XSTATE_BV = 512 / 4, X87_AND_SSE = 3, MXCSR_MASK = 28 / 4 };
    struct kvm_xsave xsave = { 0 };

    memcpy(xsave.region, state->fxsave, sizeof(state->fxsave));
    xsave.region[MXCSR_MASK] = 0; /* not state: what the host says counts */
    xsave.region[XSTATE_BV] = X87_AND_SSE;
    return kvm_ioctl(cpu->fd, KVM_SET_XSAVE, &xsave) == 0;
}

static bool move_msrs(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    struct {
        uint32_t msr;
        uint64_t *ours;
    } const pairs[] = {
        { 0x174, &state->sysenter_cs },
        { 0x175, &state->sysenter_esp },
        { 0x176, &state->sysenter_eip },
        { 0x277, &state->pat },
        { 0xc0000081, &state->star },
        { 0xc0000082, &state->lstar },
        { 0xc0000083, &state->cstar },
        { 0xc0000084, &state->fmask },
        { 0xc0000102, &state->kernel_gs_base },
        { 0xc0000103, &state->tsc_aux }, /* last: not every host has RDTSCP */
    };
    g_autofree struct kvm_msrs *list =
        g_malloc0(sizeof(*list) + ARRAY_SIZE(pairs) * sizeof(list->entries[0]));
    int done;

    list->nmsrs = ARRAY_SIZE(pairs);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        list->entries[i].index = pairs[i].msr;
        list->entries[i].data = is_set ? *pairs[i].ours : 0;
    }
    done = kvm_ioctl(cpu->fd, is_set ? KVM_SET_MSRS : KVM_GET_MSRS, list);
    for (int i = 0; !is_set && i < done; i++)
        *pairs[i].ours = list->entries[i].data;
    return done >= (int)ARRAY_SIZE(pairs) - 1;
}

bool kvm_move_msr(struct kvm_cpu *cpu, uint32_t msr, uint64_t *value, bool is_set)
{
    g_autofree struct kvm_msrs *one = g_malloc0(sizeof(*one) + sizeof(one->entries[0]));

    one->nmsrs = 1;
    one->entries[0] = (struct kvm_msr_entry){ .index = msr, .data = *value };
    if (kvm_ioctl(cpu->fd, is_set ? KVM_SET_MSRS : KVM_GET_MSRS, one) != 1)
        return false;
    *value = one->entries[0].data;
    return true;
}

static bool move_debug(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    struct kvm_debugregs regs = { 0 };

    if (!is_set && kvm_ioctl(cpu->fd, KVM_GET_DEBUGREGS, &regs) < 0)
        return false;
    if (!is_set) {
        memcpy(state->dr, regs.db, sizeof(regs.db));
        state->dr[6] = regs.dr6;
        state->dr[7] = regs.dr7;
        return true;
    }
    memcpy(regs.db, state->dr, sizeof(regs.db));
    regs.dr6 = state->dr[6];
    regs.dr7 = state->dr[7];
    return kvm_ioctl(cpu->fd, KVM_SET_DEBUGREGS, &regs) == 0;
}

/* Registers that not every KVM knows, or takes any value for: one at a time, as far as it goes. */
static void move_misc_msrs(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    static const uint32_t numbers[NR_MISC_MSRS] = {
        [MISC_MCG_STATUS] = 0x17a,  [MISC_SYSCFG] = 0xc0010010,      [MISC_HWCR] = 0xc0010015,
        [MISC_NB_CFG] = 0xc001001f, [MISC_INT_PENDING] = 0xc0010055, [MISC_DE_CFG] = 0xc0011029,
    };

    for (unsigned i = 0; i < NR_MISC_MSRS; i++)
        (void)kvm_move_msr(cpu, numbers[i], &state->misc_msr[i], is_set);
}

static bool move_events(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    struct kvm_vcpu_events events = { 0 };

    if (!is_set) {
        if (kvm_ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
            return false;
        state->is_shadowed = events.interrupt.shadow;
        state->is_nmi_blocked = events.nmi.masked;
        state->is_nmi_pending = events.nmi.pending;
        return true;
    }
    events.interrupt.shadow = state->is_shadowed ? KVM_X86_SHADOW_INT_STI : 0;
    events.nmi.masked = state->is_nmi_blocked;
    events.nmi.pending = state->is_nmi_pending;
    events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    return kvm_ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

/* Whether it executes, halts or waits to be started: with chips, the kernel knows. */
static bool move_activity(struct kvm_cpu *cpu, struct cpu_state *state, bool is_set)
{
    struct kvm_mp_state activity = { .mp_state = KVM_MP_STATE_RUNNABLE };

    if (!kvm_of(cpu->cpu.cpus)->has_chips) {
        if (is_set)
            cpu->is_halted = state->is_halted;
        else
            state->is_halted = cpu->is_halted;
        return true;
    }
    if (!is_set) {
        if (kvm_ioctl(cpu->fd, KVM_GET_MP_STATE, &activity) < 0)
            return false;
        state->is_halted = activity.mp_state == KVM_MP_STATE_HALTED;
        state->is_waiting = activity.mp_state == KVM_MP_STATE_UNINITIALIZED ||
                            activity.mp_state == KVM_MP_STATE_INIT_RECEIVED;
        return true;
    }
    if (state->is_waiting)
        activity.mp_state = KVM_MP_STATE_INIT_RECEIVED;
    else if (state->is_halted)
        activity.mp_state = KVM_MP_STATE_HALTED;
    return kvm_ioctl(cpu->fd, KVM_SET_MP_STATE, &activity) == 0;
}

void kvm_get_state(struct cpu *common, struct cpu_state *ret_state)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    memset(ret_state, 0, sizeof(*ret_state));
    /* Activity first: asking has the kernel obey an INIT that is pending. */
    if (!move_activity(cpu, ret_state, false) || !move_regs(cpu, ret_state, false) ||
        !get_sregs(cpu, ret_state) || !get_fpu(cpu, ret_state) ||
        !move_msrs(cpu, ret_state, false) || !move_debug(cpu, ret_state, false) ||
        !move_events(cpu, ret_state, false))
        g_error("KVM: processor %u does not tell its state: %s", common->index, g_strerror(errno));
    move_misc_msrs(cpu, ret_state, false);
}

int kvm_set_state(struct cpu *common, const struct cpu_state *state)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);
    struct cpu_state copy = *state; /* what moves both ways is not const */

    cpu->is_unfinished = false;
    cpu->run->ready_for_interrupt_injection = 0; /* it was said of another state */
    /* Segments and modes first: what registers may hold depends on them. */
    if (!set_sregs(cpu, state) || !move_regs(cpu, &copy, true) || !set_fpu(cpu, state) ||
        !move_msrs(cpu, &copy, true) || !move_debug(cpu, &copy, true) ||
        !move_events(cpu, &copy, true) || !move_activity(cpu, &copy, true)) {
        log_topic(cpu, "KVM: processor %u: not a state: %s", common->index, g_strerror(errno));
        return -EINVAL;
    }
    move_misc_msrs(cpu, &copy, true);
    return 0;
}

/* What is not part of a state: the APIC in the kernel, kvmclock, what else a guest can turn on. */
void kvm_reset(struct cpu *common)
{
    static const uint32_t numbers[] = {
        0x4b564d00, /* kvmclock: wall clock, system time */
        0x4b564d01,
        MSR_TSC_DEADLINE,
    };
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    kvm_chip_reset(cpu);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint64_t zero = 0;

        (void)kvm_move_msr(cpu, numbers[i], &zero, true); /* a KVM without it has nothing on */
    }
}
