/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether there is a KVM that serves, and a virtual machine made with it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/cpu/kvm.h"
#include "util/log.h"

enum { CPUID_ENTRIES = 256 };
/* Four pages that some Intel processors need for real mode, where no RAM is. */
#define IDENTITY_MAP_AT UINT64_C(0xfffbc000)
#define TSS_AT UINT64_C(0xfffbd000)

/* It is there to interrupt KVM_RUN. */
static void on_kick(int number UNUSED)
{
}

bool kvm_fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "KVM: %s: %s", what,
                g_strerror(errno));
    return false;
}

static int open_device(GError **error)
{
    const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    const char *why = "";

    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        why = " (the kernel has no KVM, or its module kvm_amd or kvm_intel is not loaded)";
    else if (errno == EACCES || errno == EPERM)
        why = " (its group, usually kvm, may)";
    else if (errno == ENODEV)
        why = " (this machine has no hardware virtualisation, or it is off in the firmware)";
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "cannot open /dev/kvm: %s%s", g_strerror(errno), why);
    return -1;
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

static bool check_device(int fd, GError **error)
{
    const int version = kvm_ioctl(fd, KVM_GET_API_VERSION, NULL);

    if (version != KVM_API_VERSION) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS,
                    "KVM: version %d of its interface is there, and %d needed", version,
                    KVM_API_VERSION);
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) > 0)
            continue;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSYS, "KVM: the host's has no %s",
                    needed[i].name);
        return false;
    }
    return true;
}

/* A kernel can have a KVM that needs no hardware (kvm_pvm), and runs what was made for it. */
static bool has_hardware(void)
{
    g_autofree char *text = NULL;

    /* " vmx" and " svm" among the flags; a text without them at all is no x86's */
    return g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) &&
           (strstr(text, " vmx ") || strstr(text, " svm "));
}

bool kvm_check_device(bool (*check)(int fd, GError **error), GError **error)
{
    const int fd = open_device(error);
    bool result;

    if (fd < 0)
        return false;
    result = check(fd, error);
    close(fd);
    return result;
}

bool kvm_is_usable(GError **error)
{
    const bool result = kvm_check_device(check_device, error);

    if (result && !has_hardware()) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "no hardware virtualisation is behind /dev/kvm here (/proc/cpuinfo has neither "
                    "vmx nor svm): it cannot run an ordinary operating system");
        return false;
    }
    return result;
}

/* What the kernel does not know, and what it would answer itself though it is ours. */
static bool claim_msrs(struct kvm *kvm, GError **error)
{
    static uint64_t none; /* of the accesses that the kernel is to answer; it reads whole words */
    struct kvm_enable_cap unknown = {
        .cap = KVM_CAP_X86_USER_SPACE_MSR,
        .args = { KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL |
                  KVM_MSR_EXIT_REASON_FILTER },
    };
    const struct kvm_msr_filter filter = {
        .ranges = {
            { KVM_MSR_FILTER_WRITE, 1, MSR_TSC, (uint8_t *)&none },
            /* Of a local APIC: without one, the kernel takes them and does nothing. */
            { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 1, MSR_APIC_BASE, (uint8_t *)&none },
            { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 1, MSR_TSC_DEADLINE, (uint8_t *)&none },
        },
    };
    const struct kvm_msr_filter filter_with_chips = { .ranges = { filter.ranges[0] } };

    if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR) <= 0 ||
        ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER) <= 0)
        return true; /* before Linux 5.10: then those are not */
    if (kvm_ioctl(kvm->vm, KVM_ENABLE_CAP, &unknown) < 0)
        return kvm_fail(error, "cannot have MSRs handled here");
    if (ioctl(kvm->vm, KVM_X86_SET_MSR_FILTER, kvm->has_chips ? &filter_with_chips : &filter) < 0)
        return kvm_fail(error, "cannot choose the MSRs that are handled here");
    kvm->filters_msrs = true;
    return true;
}

static bool make_vm(struct kvm *kvm, GError **error)
{
    uint64_t identity_map = IDENTITY_MAP_AT;
    int size;

    kvm->vm = kvm_ioctl(kvm->fd, KVM_CREATE_VM, NULL);
    if (kvm->vm < 0)
        return kvm_fail(error, "cannot make a virtual machine");
    if (kvm_ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
        ioctl(kvm->vm, KVM_SET_TSS_ADDR, TSS_AT) < 0)
        return kvm_fail(error, "cannot place the pages for real mode");
    size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < (int)sizeof(struct kvm_run))
        return kvm_fail(error, "cannot tell the size of its shared memory");
    kvm->run_size = (size_t)size;
    kvm->supported =
        g_malloc0(sizeof(*kvm->supported) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
    kvm->supported->nent = CPUID_ENTRIES;
    if (kvm_ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, kvm->supported) < 0)
        return kvm_fail(error, "cannot tell what CPUID may say");
    kvm->has_doorbells = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) > 0 &&
                         ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
    kvm->has_deadline = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    return true;
}

static void stop_listening(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);

    if (!kvm->is_listening)
        return;
    bql_lock();
    space_del_listener(cpus->memory, &kvm->mem.listener);
    bql_unlock();
    kvm->is_listening = false;
}

void kvm_close(struct cpus *cpus)
{
    struct kvm *kvm = kvm_of(cpus);

    stop_listening(cpus);
    kvm_mem_fini(kvm);
    g_free(kvm->supported);
    if (kvm->vm >= 0)
        close(kvm->vm);
    if (kvm->fd >= 0)
        close(kvm->fd);
    g_free(kvm);
}

struct cpus *kvm_open(GError **error)
{
    struct kvm *kvm = g_new0(struct kvm, 1);
    struct sigaction action = { .sa_handler = on_kick };

    kvm->fd = kvm->vm = -1;
    kvm_mem_init(kvm);
    kvm->fd = open_device(error);
    if (kvm->fd < 0 || !check_device(kvm->fd, error) || !make_vm(kvm, error)) {
        kvm_close(&kvm->cpus);
        return NULL;
    }
    kvm->mem.max_slots = (unsigned)MAX(ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS), 0);
    sigaction(KVM_KICK_SIGNAL, &action, NULL);
    return &kvm->cpus;
}

bool kvm_attach(struct cpus *cpus, GError **error)
{
    struct kvm *kvm = kvm_of(cpus);

    if (!kvm_chips_init(kvm, error) || !claim_msrs(kvm, error))
        return false;
    bql_lock();
    kvm->is_listening = space_add_listener(cpus->memory, &kvm->mem.listener, error);
    bql_unlock();
    return kvm->is_listening;
}
