/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "hw/machine/machine.h"
#include "ui/ending.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/loop.h"

struct signals {
    struct machine *machine;
    int fd;
    struct loop_watch *watch;
    struct loop_timer patience; /* set: the button has been pressed */
};

void signals_block(void)
{
    sigset_t set;

    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void on_patience_ended(struct loop_timer *timer)
{
    struct signals *signals = container_of(timer, struct signals, patience);

    log_warn("the guest has not powered off in %d s: ended", (int)(SIGNALS_PATIENCE_NS / NS_PER_S));
    machine_ask_end(signals->machine, MACHINE_QUIT);
}

void signals_ask_end(struct signals *signals, const char *why)
{
    if (loop_timer_is_set(&signals->patience) || !machine_press_power_button(signals->machine)) {
        machine_ask_end(signals->machine, MACHINE_QUIT);
        return;
    }
    machine_end_on_reset(signals->machine); /* or the next kernel would not know of the button */
    log_info("%s: the power button is pressed; again, and the machine ends at once", why);
    loop_timer_set(&signals->patience, monotonic_ns() + SIGNALS_PATIENCE_NS);
}

static void on_signal(void *arg, short revents UNUSED) NO_THREAD_SAFETY /* by the main loop */
{
    struct signals *signals = arg;
    struct signalfd_siginfo info;

    if (read(signals->fd, &info, sizeof info) == sizeof info) /* else another turn will see it */
        signals_ask_end(signals, strsignal((int)info.ssi_signo));
}

void signals_free(struct signals *signals)
{
    if (!signals)
        return;
    loop_timer_cancel(&signals->patience);
    if (signals->watch)
        loop_watch_free(signals->watch);
    if (signals->fd >= 0)
        close(signals->fd);
    g_free(signals);
}

struct signals *signals_new(struct machine *machine, GError **error)
{
    struct signals *signals = g_new0(struct signals, 1);
    sigset_t set;

    signals->machine = machine;
    signals->patience.fn = on_patience_ended;
    ending_signals(&set);
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "signalfd: %s",
                    g_strerror(errno));
        g_free(signals);
        return NULL;
    }
    signals->watch = loop_watch_new(signals->fd, POLLIN, on_signal, signals);
    return signals;
}
