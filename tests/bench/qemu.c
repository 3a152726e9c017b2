/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/kernels.h"

enum { ANSWER_MS = 60 * 1000 };

static void exec_qemu(int in, int out, const char *payload)
{
    const char *const argv[] = {
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-M",
        "q35",
        "-m",
        "64",
        "-nodefaults",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-no-user-config",
        "-kernel",
        payload,
        NULL,
    };

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* stopped, it would notice nothing of our end */
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    /* exec takes them as char * for historical reasons, and changes none */
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool spawn(struct qemu *qemu, const char *payload)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) != 0)
        return false;
    if (pipe2(from, O_CLOEXEC) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    qemu->pid = fork();
    if (qemu->pid == 0)
        exec_qemu(to[0], from[1], payload);
    close(to[0]);
    close(from[1]);
    qemu->to = to[1];
    qemu->from = from[0];
    return qemu->pid > 0;
}

static bool read_reply(const struct qemu *qemu, uint8_t reply[KERNEL_REPLY_BYTES])
{
    struct pollfd poll_from = { .fd = qemu->from, .events = POLLIN };
    ssize_t got;

    for (size_t nr = 0; nr < KERNEL_REPLY_BYTES; nr += (size_t)got) {
        if (poll(&poll_from, 1, ANSWER_MS) <= 0)
            return false;
        got = read(qemu->from, reply + nr, KERNEL_REPLY_BYTES - nr);
        if (got <= 0)
            return false;
    }
    return true;
}

static bool suspend(const struct qemu *qemu)
{
    int status;

    return kill(qemu->pid, SIGSTOP) == 0 && waitpid(qemu->pid, &status, WUNTRACED) == qemu->pid &&
           WIFSTOPPED(status);
}

bool qemu_run(struct qemu *qemu, unsigned id, uint32_t rounds, uint64_t *ret_sum)
{
    uint8_t request[KERNEL_REQUEST_BYTES] = { (uint8_t)id }, reply[KERNEL_REPLY_BYTES];

    memcpy(request + 1, &rounds, sizeof(rounds)); /* little-endian hosts only */
    if (write(qemu->to, request, sizeof(request)) != sizeof(request) ||
        kill(qemu->pid, SIGCONT) != 0)
        return false;
    if (!read_reply(qemu, reply))
        return false;
    memcpy(ret_sum, reply, sizeof(reply));
    return suspend(qemu);
}

bool qemu_start(struct qemu *qemu, const char *payload, const char **ret_reason)
{
    uint64_t sum;

    *ret_reason = "qemu-system-x86_64 cannot be started";
    if (!spawn(qemu, payload))
        return false;
    *ret_reason = "qemu-system-x86_64 is missing, or does not run the payload";
    if (clock_getcpuclockid(qemu->pid, &qemu->clock) == 0 &&
        qemu_run(qemu, KERNEL_COLLATZ, 0, &sum))
        return true;
    qemu_stop(qemu);
    return false;
}

void qemu_stop(struct qemu *qemu)
{
    close(qemu->to);
    close(qemu->from);
    kill(qemu->pid, SIGKILL);
    while (waitpid(qemu->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
