/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why the guest came out of KVM_RUN, and what is done about it: outside any section, no BQL. */
#include <inttypes.h>

#include "hw/cpu/kvm.h"
#include "hw/mem/access.h"
#include "util/log.h"

enum { CODE_BYTES = 15 };

/* What people need to see why a processor cannot go on. */
static void log_state(struct kvm_cpu *cpu)
{
    const unsigned index = cpu->cpu.index;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_translation where;
    uint8_t code[CODE_BYTES] = { 0 };
    char text[3 * CODE_BYTES + 1] = "";

    if (kvm_ioctl(cpu->fd, KVM_GET_REGS, &regs) < 0 ||
        kvm_ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return;
    where.linear_address = sregs.cs.base + regs.rip;
    if (kvm_ioctl(cpu->fd, KVM_TRANSLATE, &where) == 0 && where.valid &&
        mem_read(cpu->cpu.cpus->memory, where.physical_address, code, sizeof(code)) == MEM_OK) {
        for (unsigned i = 0; i < CODE_BYTES; i++)
            (void)g_snprintf(text + 3 * i, 4, " %02x", code[i]);
    }
    log_error("processor %u: rip=%llx rflags=%llx cs=%x ss=%x cr0=%llx cr2=%llx cr3=%llx cr4=%llx"
              " efer=%llx, code:%s",
              index, regs.rip, regs.rflags, sregs.cs.selector, sregs.ss.selector, sregs.cr0,
              sregs.cr2, sregs.cr3, sregs.cr4, sregs.efer, text);
    log_error("processor %u: rax=%llx rbx=%llx rcx=%llx rdx=%llx rsi=%llx rdi=%llx rbp=%llx"
              " rsp=%llx",
              index, regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp,
              regs.rsp);
    log_error("processor %u: r8=%llx r9=%llx r10=%llx r11=%llx r12=%llx r13=%llx r14=%llx r15=%llx",
              index, regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15);
}

/* Of REP INS and REP OUTS it may be many. What nobody answers reads as ones: mem_read() says so. */
static void handle_io(struct kvm_cpu *cpu)
{
    struct kvm_run *run = cpu->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        if (run->io.direction == KVM_EXIT_IO_IN)
            (void)mem_read(cpu->cpu.cpus->ports, run->io.port, data, run->io.size);
        else
            (void)mem_write(cpu->cpu.cpus->ports, run->io.port, data, run->io.size);
    }
    cpu->is_unfinished = true;
}

/* It may be RAM by now, or was RAM that no slot covers: mem_read() does not mind. */
static void handle_mmio(struct kvm_cpu *cpu)
{
    struct kvm_run *run = cpu->run;

    if (run->mmio.is_write)
        (void)mem_write(cpu->cpu.cpus->memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
    else
        (void)mem_read(cpu->cpu.cpus->memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
    cpu->is_unfinished = true;
}

static void handle_msr(struct kvm_cpu *cpu, bool is_write)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    struct kvm_run *run = cpu->run;
    uint64_t value = 0;
    bool is_known = false;

    if (is_write && run->msr.index == MSR_TSC) {
        is_known = true; /* one clock for all: as the software processor has it */
    } else if (is_write) {
        is_known = board->write_msr &&
                   board->write_msr(board->opaque, cpu->cpu.index, run->msr.index, run->msr.data);
    } else if (board->read_msr) {
        is_known = board->read_msr(board->opaque, cpu->cpu.index, run->msr.index, &value);
        run->msr.data = value;
    }
    run->msr.error = !is_known;
    if (!is_known)
        log_guest_error("processor %u: no MSR 0x%x to %s", cpu->cpu.index, run->msr.index,
                        is_write ? "write" : "read");
    cpu->is_unfinished = true;
}

static void log_internal_error(struct kvm_cpu *cpu)
{
    static const char *const names[] = {
        [KVM_INTERNAL_ERROR_EMULATION] = "an instruction that KVM cannot emulate",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit while an event was delivered",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit that KVM does not know",
    };
    const unsigned suberror = cpu->run->internal.suberror;
    const char *name = suberror < ARRAY_SIZE(names) ? names[suberror] : NULL;

    log_error("KVM: processor %u: internal error %u: %s", cpu->cpu.index, suberror,
              name ? name : "not known");
    for (unsigned i = 0; i < cpu->run->internal.ndata && i < ARRAY_SIZE(cpu->run->internal.data);
         i++)
        log_topic(cpu, "KVM: internal data %u: %llx", i, cpu->run->internal.data[i]);
    log_state(cpu);
}

bool kvm_handle_exit(struct kvm_cpu *cpu, enum cpu_exit *ret_why)
{
    const struct kvm_run *run = cpu->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        handle_io(cpu);
        return true;
    case KVM_EXIT_MMIO:
        handle_mmio(cpu);
        return true;
    case KVM_EXIT_HLT:
        cpu->is_halted = true;
        return true;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        handle_msr(cpu, run->exit_reason == KVM_EXIT_X86_WRMSR);
        return true;
    case KVM_EXIT_IOAPIC_EOI:
        if (cpu->cpu.cpus->board->end_of_interrupt)
            cpu->cpu.cpus->board->end_of_interrupt(cpu->cpu.cpus->board->opaque, run->eoi.vector);
        return true;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR:
        return true;
    case KVM_EXIT_SHUTDOWN:
        *ret_why = CPU_EXIT_TRIPLE_FAULT;
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        log_internal_error(cpu);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        log_error("KVM: processor %u cannot be entered: hardware's reason 0x%llx", cpu->cpu.index,
                  run->fail_entry.hardware_entry_failure_reason);
        log_state(cpu);
        break;
    default:
        log_error("KVM: processor %u came out for reason %u, which is not known", cpu->cpu.index,
                  run->exit_reason);
        log_state(cpu);
        break;
    }
    *ret_why = CPU_EXIT_FAILED;
    return false;
}
