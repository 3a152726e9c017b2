/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM back end: life, kicks, and the loop around KVM_RUN.
 *
 * A kick is `immediate_exit`, which makes the next KVM_RUN return at once, and a
 * signal if the thread is in one already. Why none is lost: see cpu.c; in addition
 * the thread says that it is inside before KVM_RUN looks at immediate_exit, and the
 * kicker sets that before it looks whether the thread is inside, each with a full
 * barrier between. So at least one sees the other.
 *
 * There is no interrupt chip in the kernel: the board's is asked, and told, in the
 * same way as by the software processor. Linux: Documentation/virt/kvm/api.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/cpu/backend.h"
#include "hw/cpu/cpuid.h"
#include "hw/cpu/kvm.h"
#include "util/log.h"

enum {
    KICK_SIGNAL = SIGUSR1,
    CPUID_ENTRIES = 256,
};
/* Four pages that some Intel processors need for real mode, where no RAM is. */
#define IDENTITY_MAP_AT UINT64_C(0xfffbc000)
#define TSS_AT UINT64_C(0xfffbd000)

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int result;

    do
        result = ioctl(fd, request, arg);
    while (result < 0 && errno == EINTR);
    return result;
}

/* ---- Running ------------------------------------------------------------------------ */

void kvm_kick(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    store_relaxed(&cpu->run->immediate_exit, 1);
    smp_mb(); /* ask, then look: pairs with the barrier in enter() */
    if (load_relaxed(&cpu->is_inside))
        (void)tgkill(getpid(), load_relaxed(&cpu->thread), KICK_SIGNAL); /* it may have ended */
}

/* KVM_RUN: true if the guest came out with something, false if it was kicked out. */
static bool enter(struct kvm_cpu *cpu, int *ret_errno)
{
    int result;

    *ret_errno = 0;
    store_relaxed(&cpu->is_inside, 1);
    smp_mb(); /* pairs with the barriers in kvm_kick() and in stop_processors() */
    if (!kvm_mem_may_enter(cpu))
        return false;
    result = ioctl(cpu->fd, KVM_RUN, NULL);
    if (result < 0)
        *ret_errno = errno;
    store_release(&cpu->is_inside, 0); /* pairs with the acquire in stop_processors() */
    kvm_mem_has_left(cpu);
    return result == 0;
}

/* Whether the processor, halted or before KVM_RUN, would take an interrupt now. */
static bool is_interruptible(struct kvm_cpu *cpu)
{
    struct kvm_regs regs;

    if (!cpu->is_halted)
        return cpu->run->ready_for_interrupt_injection;
    return kvm_ioctl(cpu->fd, KVM_GET_REGS, &regs) == 0 && regs.rflags & FLAG_IF;
}

static bool is_nmi_blocked(struct kvm_cpu *cpu)
{
    struct kvm_vcpu_events events;

    return kvm_ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &events) == 0 && events.nmi.masked;
}

/* Give the guest what is pending, or have KVM tell when it can be given. */
static void inject(struct kvm_cpu *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;
    const unsigned index = cpu->cpu.index;
    const uint32_t events = cpu_take(&cpu->cpu, CPU_EVENTS_OF_BACKEND);
    struct kvm_interrupt interrupt;
    int vector;

    if (events & CPU_EVENT_NMI) {
        if (cpu->is_halted && !is_nmi_blocked(cpu))
            cpu->is_halted = false;
        if (kvm_ioctl(cpu->fd, KVM_NMI, NULL) < 0)
            log_error("KVM: processor %u cannot be given an NMI: %s", index, g_strerror(errno));
    }
    cpu->run->request_interrupt_window = 0;
    if (!board->has_interrupt || !board->has_interrupt(board->opaque, index))
        return;
    if (!is_interruptible(cpu)) {
        cpu->run->request_interrupt_window = 1;
        return;
    }
    vector = board->acknowledge(board->opaque, index);
    if (vector < 0)
        return;
    interrupt.irq = (uint32_t)vector;
    if (kvm_ioctl(cpu->fd, KVM_INTERRUPT, &interrupt) < 0)
        log_error("KVM: processor %u cannot be given vector %d: %s", index, vector,
                  g_strerror(errno));
    cpu->is_halted = false;
    /* One at a time; if there are more, KVM is asked about the next behind this one. */
    cpu->run->request_interrupt_window = board->has_interrupt(board->opaque, index);
}

static void tell_priority(struct kvm_cpu *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (cpu->run->cr8 == cpu->priority)
        return;
    cpu->priority = (unsigned)cpu->run->cr8;
    if (board->set_priority)
        board->set_priority(board->opaque, cpu->cpu.index, cpu->priority);
}

static enum cpu_exit kvm_run(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    store_relaxed(&cpu->thread, gettid());
    for (;;) {
        enum cpu_exit why;
        bool must_leave;
        int error;

        store_relaxed(&cpu->run->immediate_exit, 0);
        smp_mb(); /* lower, then look: pairs with the barrier in cpu_post() */
        must_leave = cpu_must_leave(common);
        if (must_leave) {
            if (!cpu->is_unfinished)
                return CPU_EXIT_KICKED;
            store_relaxed(&cpu->run->immediate_exit, 1); /* finish it, and no more */
        } else {
            inject(cpu);
            if (cpu->is_halted)
                return CPU_EXIT_HALTED;
        }
        if (enter(cpu, &error)) {
            cpu->is_unfinished = false;
            tell_priority(cpu);
            if (!kvm_handle_exit(cpu, &why))
                return why;
        } else if (error == EINTR) {
            cpu->is_unfinished = false;
            tell_priority(cpu);
        } else if (error && error != EAGAIN) {
            log_error("KVM: processor %u cannot run: %s", common->index, g_strerror(error));
            return CPU_EXIT_FAILED;
        }
    }
}

/* ---- Life ----------------------------------------------------------------------------- */

/* It is there to interrupt KVM_RUN. */
static void on_kick(int number UNUSED)
{
}

static bool fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "KVM: %s: %s", what,
                g_strerror(errno));
    return false;
}

static bool open_device(struct kvm *kvm, GError **error)
{
    const char *why = "";

    kvm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm->fd >= 0)
        return true;
    if (errno == ENOENT)
        why = " (the kernel has no KVM, or its module kvm_amd or kvm_intel is not loaded)";
    else if (errno == EACCES || errno == EPERM)
        why = " (its group, usually kvm, may)";
    else if (errno == ENODEV)
        why = " (this machine has no hardware virtualisation, or it is off in the firmware)";
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "cannot open /dev/kvm: %s%s", g_strerror(errno), why);
    return false;
}

static const struct {
    int cap;
    const char *name;
} needed[] = {
    { KVM_CAP_USER_MEMORY, "memory slots" },   { KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
    { KVM_CAP_XSAVE, "XSAVE areas" },          { KVM_CAP_VCPU_EVENTS, "events" },
    { KVM_CAP_DEBUGREGS, "debug registers" },  { KVM_CAP_USER_NMI, "NMIs" },
    { KVM_CAP_READONLY_MEM, "read-only RAM" }, { KVM_CAP_EXT_CPUID, "CPUID" },
};

static bool check_device(struct kvm *kvm, GError **error)
{
    const int version = kvm_ioctl(kvm->fd, KVM_GET_API_VERSION, NULL);

    if (version != KVM_API_VERSION) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS,
                    "KVM: version %d of its interface is there, and %d needed", version,
                    KVM_API_VERSION);
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, needed[i].cap) > 0)
            continue;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "KVM: the host's has no %s",
                    needed[i].name);
        return false;
    }
    return true;
}

static bool make_vm(struct kvm *kvm, GError **error)
{
    uint64_t identity_map = IDENTITY_MAP_AT;
    struct kvm_enable_cap msrs = {
        .cap = KVM_CAP_X86_USER_SPACE_MSR,
        .args = { KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL },
    };
    int size;

    kvm->vm = kvm_ioctl(kvm->fd, KVM_CREATE_VM, NULL);
    if (kvm->vm < 0)
        return fail(error, "cannot make a virtual machine");
    if (kvm_ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
        ioctl(kvm->vm, KVM_SET_TSS_ADDR, TSS_AT) < 0)
        return fail(error, "cannot place the pages for real mode");
    if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR) > 0 &&
        kvm_ioctl(kvm->vm, KVM_ENABLE_CAP, &msrs) < 0)
        return fail(error, "cannot have MSRs handled here");
    size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < (int)sizeof(struct kvm_run))
        return fail(error, "cannot tell the size of its shared memory");
    kvm->run_size = (size_t)size;
    kvm->supported =
        g_malloc0(sizeof(*kvm->supported) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
    kvm->supported->nent = CPUID_ENTRIES;
    if (kvm_ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, kvm->supported) < 0)
        return fail(error, "cannot tell what CPUID may say");
    return true;
}

static void kvm_stop_listening(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);

    if (!kvm->is_listening)
        return;
    bql_lock();
    space_del_listener(cpus->memory, &kvm->mem.listener);
    bql_unlock();
    kvm->is_listening = false;
}

static void kvm_close(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);

    kvm_stop_listening(cpus);
    kvm_mem_fini(kvm);
    g_free(kvm->supported);
    if (kvm->vm >= 0)
        close(kvm->vm);
    if (kvm->fd >= 0)
        close(kvm->fd);
    g_free(kvm);
}

static struct cpus *kvm_open(GError **error)
{
    struct kvm *kvm = g_new0(struct kvm, 1);
    struct sigaction action = { .sa_handler = on_kick };

    kvm->fd = kvm->vm = -1;
    kvm_mem_init(kvm);
    if (!open_device(kvm, error) || !check_device(kvm, error) || !make_vm(kvm, error)) {
        kvm_close(&kvm->cpus);
        return NULL;
    }
    kvm->mem.max_slots = (unsigned)MAX(ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS), 0);
    sigaction(KICK_SIGNAL, &action, NULL);
    return &kvm->cpus;
}

static bool kvm_attach(struct cpus *cpus, GError **error)
{
    struct kvm *kvm = kvm_of(cpus);

    bql_lock();
    kvm->is_listening = space_add_listener(cpus->memory, &kvm->mem.listener, error);
    bql_unlock();
    return kvm->is_listening;
}

static void kvm_destroy(struct cpu *common)
{
    struct kvm_cpu *cpu = kvm_cpu_of(common);

    if (cpu->run)
        munmap(cpu->run, kvm_of(common->cpus)->run_size);
    if (cpu->fd >= 0)
        close(cpu->fd);
    free(cpu);
}

static struct cpu *kvm_create(struct cpus *cpus, unsigned index, GError **error)
{
    struct kvm *kvm = kvm_of(cpus);
    struct kvm_cpu *cpu = aligned_alloc(CACHE_LINE, sizeof(*cpu));
    void *run;

    g_assert(cpu); /* as g_new() does */
    memset(cpu, 0, sizeof(*cpu));
    cpu->cpu.cpus = cpus;
    cpu->fd = ioctl(kvm->vm, KVM_CREATE_VCPU, (unsigned long)index);
    if (cpu->fd < 0) {
        fail(error, "cannot make a processor");
        goto failed;
    }
    run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (run == MAP_FAILED) {
        fail(error, "cannot map a processor's shared memory");
        goto failed;
    }
    cpu->run = run;
    /* All processors of all hosts count alike, where the host can do that. */
    if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0 &&
        ioctl(cpu->fd, KVM_SET_TSC_KHZ, (unsigned long)(CPU_TSC_HZ / 1000)) < 0)
        log_topic(cpu, "KVM: processor %u has the host's TSC frequency", index);
    if (!kvm_set_cpuid(cpu, index, error))
        goto failed;
    return &cpu->cpu;
failed:
    kvm_destroy(&cpu->cpu);
    return NULL;
}

const struct cpu_backend cpu_kvm = {
    .name = "KVM",
    .kick_signal = KICK_SIGNAL,
    .open = kvm_open,
    .close = kvm_close,
    .attach = kvm_attach,
    .create = kvm_create,
    .destroy = kvm_destroy,
    .run = kvm_run,
    .kick = kvm_kick,
    .get_state = kvm_get_state,
    .set_state = kvm_set_state,
};
