/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/host.h"

#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "util/annotate.h"

/* What the assembly below knows by offset. */
struct host_frame {
    uint64_t rsp;   /* ours, while the code has its own */
    uint64_t entry; /* where it begins */
    uint64_t after; /* struct registers * */
    uint64_t guest_rsp;
    uint32_t mxcsr; /* ours */
};

static struct host_frame host_frame __attribute__((used));
void host_enter(const struct registers *before);
void host_exit(void);
void host_resume(void);

_Static_assert(offsetof(struct registers, rflags) == 136 &&
                   offsetof(struct registers, fxsave) == 192,
               "the assembly knows these");
_Static_assert(offsetof(struct host_frame, mxcsr) == 32, "and these");

/*
 * host_enter: keep what the ABI wants kept, load everything, jump. host_exit is
 * where the stub jumps to, with everything the code's: flags are saved before
 * any instruction that changes them. host_resume is where a fault's handler
 * returns to, on the stack of host_enter.
 */
__asm__(".text\n"
        ".type host_enter, @function\n"
        "host_enter:\n"
        "    push %rbx\n"
        "    push %rbp\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    stmxcsr 32+host_frame(%rip)\n"
        "    mov %rsp, host_frame(%rip)\n"
        "    fxrstor64 192(%rdi)\n"
        "    mov 128(%rdi), %rax\n"
        "    mov %rax, 8+host_frame(%rip)\n"
        "    pushq 136(%rdi)\n"
        "    popfq\n"
        "    mov 0(%rdi), %rax\n"
        "    mov 8(%rdi), %rcx\n"
        "    mov 16(%rdi), %rdx\n"
        "    mov 24(%rdi), %rbx\n"
        "    mov 32(%rdi), %rsp\n"
        "    mov 40(%rdi), %rbp\n"
        "    mov 48(%rdi), %rsi\n"
        "    mov 64(%rdi), %r8\n"
        "    mov 72(%rdi), %r9\n"
        "    mov 80(%rdi), %r10\n"
        "    mov 88(%rdi), %r11\n"
        "    mov 96(%rdi), %r12\n"
        "    mov 104(%rdi), %r13\n"
        "    mov 112(%rdi), %r14\n"
        "    mov 120(%rdi), %r15\n"
        "    mov 56(%rdi), %rdi\n"
        "    jmp *8+host_frame(%rip)\n"
        ".type host_exit, @function\n"
        "host_exit:\n"
        "    mov %rsp, 24+host_frame(%rip)\n"
        "    mov host_frame(%rip), %rsp\n"
        "    pushfq\n"
        "    push %rax\n"
        "    mov 16+host_frame(%rip), %rax\n"
        "    mov %rcx, 8(%rax)\n"
        "    mov %rdx, 16(%rax)\n"
        "    mov %rbx, 24(%rax)\n"
        "    mov %rbp, 40(%rax)\n"
        "    mov %rsi, 48(%rax)\n"
        "    mov %rdi, 56(%rax)\n"
        "    mov %r8, 64(%rax)\n"
        "    mov %r9, 72(%rax)\n"
        "    mov %r10, 80(%rax)\n"
        "    mov %r11, 88(%rax)\n"
        "    mov %r12, 96(%rax)\n"
        "    mov %r13, 104(%rax)\n"
        "    mov %r14, 112(%rax)\n"
        "    mov %r15, 120(%rax)\n"
        "    pop 0(%rax)\n"
        "    pop 136(%rax)\n"
        "    mov 24+host_frame(%rip), %rcx\n"
        "    mov %rcx, 32(%rax)\n"
        "    fxsave64 192(%rax)\n"
        "    pushq $2\n"
        "    popfq\n"
        "host_resume:\n"
        "    fninit\n"
        "    ldmxcsr 32+host_frame(%rip)\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbp\n"
        "    pop %rbx\n"
        "    ret\n");

static struct {
    uint8_t *data; /* writable alias of DATA_A … DATA_END */
    struct outcome *outcome;
    volatile bool is_running; /* guest code has the processor */
    void (*describe)(void);
    bool is_open;
} host;

uint8_t *host_data(void)
{
    return host.data;
}

uint8_t *host_code(void)
{
    return (uint8_t *)(uintptr_t)CODE;
}

void host_on_crash(void (*describe)(void))
{
    host.describe = describe;
}

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
static struct sigaction previous[ARRAY_SIZE(signals)]; /* who had them before us */

static const struct sigaction *previous_of(int number)
{
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        if (signals[i] == number)
            return &previous[i];
    }
    return NULL;
}

/* Numbers as Linux lists them in REG_*: not as instructions do. */
static const int greg_of_gpr[NR_GPRS] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static void COLD crash(int number, const greg_t *greg)
{
    printf("# signal %d at rip %#llx, address %#llx: not the code under test, or it broke us\n",
           number, (unsigned long long)greg[REG_RIP], (unsigned long long)greg[REG_CR2]);
    if (host.describe)
        host.describe();
    fflush(stdout);
    /* It faults again, for the handler before us, which may know more to say. */
    if (sigaction(number, previous_of(number), NULL) < 0)
        _exit(EXIT_FAILURE);
}

static void on_fault(int number, siginfo_t *info UNUSED, void *context)
{
    ucontext_t *const uc = context;
    greg_t *const greg = uc->uc_mcontext.gregs;
    struct outcome *const outcome = host.outcome;

    if (!host.is_running) {
        crash(number, greg);
        return;
    }
    host.is_running = false;
    for (unsigned i = 0; i < NR_GPRS; i++)
        outcome->after.gpr[i] = (uint64_t)greg[greg_of_gpr[i]];
    outcome->after.rip = (uint64_t)greg[REG_RIP];
    outcome->after.rflags = (uint64_t)greg[REG_EFL];
    memcpy(outcome->after.fxsave, uc->uc_mcontext.fpregs, FX_END);
    outcome->has_fault = true;
    outcome->vector = (uint8_t)greg[REG_TRAPNO];
    outcome->error = (uint32_t)greg[REG_ERR];
    outcome->cr2 = outcome->vector == VECTOR_PF ? (uint64_t)greg[REG_CR2] : 0;

    greg[REG_RIP] = (greg_t)(uintptr_t)host_resume;
    greg[REG_RSP] = (greg_t)host_frame.rsp;
    greg[REG_EFL] = FLAG_FIXED | FLAG_IF;
    /* Nothing pending, lest the kernel or we trip over it; host_resume does the rest. */
    uc->uc_mcontext.fpregs->mxcsr = 0x1f80;
    uc->uc_mcontext.fpregs->cwd = 0x37f;
    uc->uc_mcontext.fpregs->swd = 0;
}

static void map_at(uint32_t where, size_t size, int protection, int fd)
{
    const int flags = MAP_FIXED_NOREPLACE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    void *const wanted = (void *)(uintptr_t)where;

    if (mmap(wanted, size, protection, flags, fd, 0) != wanted) {
        perror("mmap of the sandbox");
        exit(EXIT_FAILURE);
    }
}

static void map_sandbox(void)
{
    const int fd = memfd_create("sandbox", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, DATA_BYTES) < 0) {
        perror("memory of the sandbox");
        exit(EXIT_FAILURE);
    }
    map_at(DATA_A, DATA_BYTES, PROT_READ | PROT_WRITE, fd);
    host.data = mmap(NULL, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (host.data == MAP_FAILED ||
        mprotect((void *)(uintptr_t)DATA_C, DATA_END - DATA_C, PROT_READ) < 0) {
        perror("protection of the sandbox");
        exit(EXIT_FAILURE);
    }
    /* Pages that have not been looked at count as not present. */
    for (uint32_t va = DATA_A; va < DATA_END; va += SANDBOX_PAGE)
        (void)*(volatile uint8_t *)(uintptr_t)va;
    map_at(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, -1);

    /* jmp *2(%rip), and where to: aligned, since RFLAGS.AC may be set. */
    static const uint8_t jump[8] = { 0xff, 0x25, 2, 0, 0, 0 };
    const uint64_t target = (uintptr_t)host_exit;

    map_at(STUB, SANDBOX_PAGE, PROT_READ | PROT_WRITE, -1);
    memcpy((void *)(uintptr_t)STUB, jump, sizeof(jump));
    memcpy((void *)(uintptr_t)(STUB + sizeof(jump)), &target, sizeof(target));
    if (mprotect((void *)(uintptr_t)STUB, SANDBOX_PAGE, PROT_READ | PROT_EXEC) < 0) {
        perror("protection of the stub");
        exit(EXIT_FAILURE);
    }
}

/* What DS: and the like do not have, but GS: has. Not the thread's storage, which is FS. */
static void set_gs_base(void)
{
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)SANDBOX_GS_BASE) != 0) {
        perror("arch_prctl");
        exit(EXIT_FAILURE);
    }
}

void host_open(void)
{
    static uint8_t stack[65536];
    const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (host.is_open)
        return;
    host.is_open = true;
    map_sandbox();
    set_gs_base();
    if (sigaltstack(&alternate, NULL) < 0) {
        perror("sigaltstack");
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        if (sigaction(signals[i], &action, &previous[i]) < 0) {
            perror("sigaction");
            exit(EXIT_FAILURE);
        }
    }
}

void host_run(const struct registers *before, struct outcome *ret_outcome)
{
    host.outcome = ret_outcome;
    ret_outcome->has_fault = false;
    ret_outcome->is_endless = false;
    ret_outcome->vector = 0;
    ret_outcome->error = 0;
    ret_outcome->cr2 = 0;
    ret_outcome->after.rip = 0;
    host_frame.after = (uintptr_t)&ret_outcome->after;
    host.is_running = true;
    __asm__ volatile("" ::: "memory");
    host_enter(before);
    __asm__ volatile("" ::: "memory");
    host.is_running = false;
}

/* Everything else that this process has: its programs and stacks, a sanitizer's shadow. */
bool host_is_private(uint64_t va)
{
    const uint64_t page = va & ~(uint64_t)(SANDBOX_PAGE - 1);
    unsigned char is_resident;

    if (page - DATA_A < DATA_BYTES || page - CODE < CODE_BYTES)
        return false;
    if (page == UINT64_C(0xffffffffff600000))
        return true; /* Linux's vsyscall page, which the next line does not know */
    return mincore((void *)(uintptr_t)page, SANDBOX_PAGE, &is_resident) == 0;
}
