/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/user.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hw/net/user_internal.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/metric.h"

enum { MTU = 1500 };

/* One of libslirp's timers: it has one, which announces the IPv6 router. */
struct user_timer {
    struct loop_timer timer;
    struct net_user *user;
    SlirpTimerCb fn;
    void *opaque;
    int64_t deadline_ns; /* of the guest's clock */
};

static struct net_user *user_of(struct net_backend *backend)
{
    return container_of(backend, struct net_user, backend);
}

/* ---- To the guest ---------------------------------------------------------------------------- */

static void wait_for_guest(struct net_user *user, const void *frame, size_t size)
{
    if (user->waiting.length >= NET_USER_WAITING_MAX) {
        (void)fetch_add_relaxed(&user->lost, 1);
        return;
    }
    g_queue_push_tail(&user->waiting, g_bytes_new(frame, size));
    store_relaxed(&user->nr_waiting, user->waiting.length);
}

static ssize_t on_frame(const void *frame, size_t size, void *opaque)
{
    struct net_user *user = opaque;

    bql_assert_held();
    if (size < NET_HEADER_SIZE || size > NET_FRAME_MAX)
        (void)fetch_add_relaxed(&user->lost, 1);
    else if (user->waiting.length > 0 || !net_deliver(&user->backend, frame, size))
        wait_for_guest(user, frame, size);
    return (ssize_t)size;
}

static void may_receive(struct net_backend *backend)
{
    struct net_user *user = user_of(backend);
    GBytes *bytes;

    bql_assert_held();
    const bool was_paused = user_is_paused(user);
    while ((bytes = g_queue_peek_head(&user->waiting))) {
        gsize size;
        const uint8_t *frame = g_bytes_get_data(bytes, &size);

        if (!net_deliver(backend, frame, size))
            break;
        g_bytes_unref(g_queue_pop_head(&user->waiting));
    }
    store_relaxed(&user->nr_waiting, user->waiting.length);
    if (was_paused && !user_is_paused(user))
        user_poll_later(user);
}

/* ---- From the guest -------------------------------------------------------------------------- */

/* Whether the packet at @ip may open a connection: UDP, ICMP, and TCP's first segment. */
static bool may_open(uint8_t protocol, const uint8_t *payload, size_t size)
{
    enum { TCP_FLAGS = 13, TCP_SYN = 0x02, TCP_ACK = 0x10 };

    if (protocol != IPPROTO_TCP)
        return true;
    return size > TCP_FLAGS && (payload[TCP_FLAGS] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static bool frame_may_open(const uint8_t *frame, size_t size)
{
    enum { IP4_SIZE = 20, IP4_FRAGMENT = 6, IP4_PROTOCOL = 9, IP6_SIZE = 40, IP6_NEXT = 6 };
    const uint8_t *ip = frame + NET_HEADER_SIZE;
    const unsigned type = (unsigned)frame[12] << 8 | frame[13];

    size -= NET_HEADER_SIZE;
    if (type == 0x0800 && size >= IP4_SIZE) { /* IPv4 */
        const size_t header = MAX(4 * (ip[0] & 15), IP4_SIZE);

        if (ip[IP4_FRAGMENT] & 0x3f || ip[IP4_FRAGMENT + 1]) /* libslirp alone sees it whole */
            return true;
        return size >= header && may_open(ip[IP4_PROTOCOL], ip + header, size - header);
    }
    if (type == 0x86dd && size >= IP6_SIZE) /* IPv6; libslirp takes no extension headers */
        return may_open(ip[IP6_NEXT], ip + IP6_SIZE, size - IP6_SIZE);
    return false;
}

static void send_frame(struct net_backend *backend, const uint8_t *frame, size_t size)
{
    struct net_user *user = user_of(backend);

    bql_assert_held();
    if (load_relaxed(&user->nr_sockets) >= NET_USER_SOCKETS_MAX && frame_may_open(frame, size)) {
        (void)fetch_add_relaxed(&user->refused, 1);
        LOG_RATELIMITED(log_warn, "network: the guest has %d connections, the most it may have",
                        NET_USER_SOCKETS_MAX);
        return;
    }
    slirp_input(user->slirp, frame, (int)size);
    user_poll_later(user);
}

/* ---- libslirp's other calls ------------------------------------------------------------------ */

static void on_guest_error(const char *text, void *opaque)
{
    struct net_user *user = opaque;

    (void)fetch_add_relaxed(&user->guest_errors, 1);
    log_guest_error("network: %s", text);
}

static int64_t clock_now(void *opaque)
{
    return guest_clock_now(((struct net_user *)opaque)->clock);
}

static void arm(struct user_timer *timer) REQUIRES(bql)
{
    loop_timer_set(&timer->timer, guest_clock_deadline(timer->user->clock, timer->deadline_ns));
}

static void on_timer(struct loop_timer *loop_timer)
{
    struct user_timer *timer = container_of(loop_timer, struct user_timer, timer);

    bql_assert_held();
    timer->deadline_ns = DEADLINE_NEVER;
    timer->fn(timer->opaque);
    user_poll_later(timer->user);
}

static void *new_timer(SlirpTimerCb fn, void *fn_opaque, void *opaque)
{
    struct net_user *user = opaque;
    struct user_timer *timer = g_new0(struct user_timer, 1);

    *timer = (struct user_timer){
        .timer.fn = on_timer,
        .user = user,
        .fn = fn,
        .opaque = fn_opaque,
        .deadline_ns = DEADLINE_NEVER,
    };
    g_ptr_array_add(user->timers, timer);
    return timer;
}

static void free_timer(void *opaque_timer, void *opaque)
{
    struct user_timer *timer = opaque_timer;

    bql_assert_held();
    loop_timer_cancel(&timer->timer);
    g_ptr_array_remove_fast(((struct net_user *)opaque)->timers, timer);
    g_free(timer);
}

static void set_timer(void *opaque_timer, int64_t deadline_ms, void *opaque UNUSED)
{
    struct user_timer *timer = opaque_timer;

    bql_assert_held();
    timer->deadline_ns = INT64_C(1000000) * deadline_ms;
    arm(timer);
}

static void on_socket(int fd, void *opaque)
{
    struct net_user *user = opaque;

    bql_assert_held();
    if (user_poll_count(user, fd, true))
        (void)fetch_add_relaxed(&user->nr_sockets, 1);
}

static void on_socket_gone(int fd, void *opaque)
{
    struct net_user *user = opaque;

    bql_assert_held();
    if (user_poll_count(user, fd, false))
        (void)fetch_sub(&user->nr_sockets, 1);
    user_poll_forget(user, fd);
}

static void on_notify(void *opaque)
{
    bql_assert_held();
    user_poll_later(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = on_frame,
    .guest_error = on_guest_error,
    .clock_get_ns = clock_now,
    .timer_new = new_timer,
    .timer_free = free_timer,
    .timer_mod = set_timer,
    .register_poll_fd = on_socket,
    .unregister_poll_fd = on_socket_gone,
    .notify = on_notify,
};

/* What it tells GLib's log, some of it because of what a guest sends. */
static void on_log(const char *domain UNUSED, GLogLevelFlags level UNUSED, const char *text,
                   void *opaque UNUSED)
{
    LOG_RATELIMITED(log_warn, "network: libslirp: %s", text);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void clock_changed(struct net_backend *backend)
{
    struct net_user *user = user_of(backend);

    bql_assert_held();
    for (guint i = 0; i < user->timers->len; i++) {
        struct user_timer *timer = user->timers->pdata[i];

        if (timer->deadline_ns != DEADLINE_NEVER)
            arm(timer);
    }
    user_poll_clock_changed(user);
}

static void free_user(struct net_backend *backend)
{
    struct net_user *user = user_of(backend);

    bql_assert_held();
    if (user->slirp)
        slirp_cleanup(user->slirp);
    user_poll_fini(user);
    g_queue_clear_full(&user->waiting, (GDestroyNotify)(void (*)(void))g_bytes_unref);
    g_ptr_array_unref(user->timers);
    g_free(user);
}

static bool forward(struct net_user *user, const char *option, const char *text, GError **error)
{
    struct net_user_forward rule;
    char address[INET_ADDRSTRLEN] = "all addresses";

    if (!net_user_parse_forward(option, text, &rule, error))
        return false;
    if (slirp_add_hostfwd(user->slirp, rule.is_udp, rule.host, rule.host_port, rule.guest,
                          rule.guest_port) == 0)
        return true;
    if (rule.host.s_addr)
        (void)inet_ntop(AF_INET, &rule.host, address, sizeof(address)); /* has room for all */
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                "%s: hostfwd=%s: cannot listen on the host's %s port %u (%s): %s", option, text,
                rule.is_udp ? "UDP" : "TCP", rule.host_port, address, g_strerror(errno));
    return false;
}

static Slirp *start(struct net_user *user, const struct net_user_config *config)
{
    SlirpConfig slirp = {
        .version = 1,
        .restricted = config->is_restricted,
        .in_enabled = true,
        .vnetwork.s_addr = htonl(NET_USER_NETWORK),
        .vnetmask.s_addr = htonl(NET_USER_MASK),
        .vhost.s_addr = htonl(NET_USER_ROUTER),
        .vnameserver.s_addr = htonl(NET_USER_NAMES),
        .vdhcp_start.s_addr = htonl(NET_USER_GUEST),
        .in6_enabled = config->has_ipv6,
        .vprefix_len = 64,
        .vhostname = config->hostname,
        .if_mtu = MTU,
        .if_mru = MTU,
    };
    int is_good = inet_pton(AF_INET6, "fec0::", &slirp.vprefix_addr6) &
                  inet_pton(AF_INET6, "fec0::2", &slirp.vhost6) &
                  inet_pton(AF_INET6, "fec0::3", &slirp.vnameserver6);

    assert(is_good == 1);
    return slirp_new(&slirp, &callbacks, user);
}

struct net_backend *net_user_new(const char *option, const struct net_user_config *config,
                                 const struct guest_clock *clock, GError **error)
{
    struct net_user *user;

    if (config->hostname && strlen(config->hostname) > NET_USER_HOSTNAME_MAX) {
        keyval_usage(error, "%s: hostname=%s has more than %d characters", option, config->hostname,
                     NET_USER_HOSTNAME_MAX);
        return NULL;
    }
    g_log_set_handler("Slirp", G_LOG_LEVEL_MASK, on_log, NULL);
    user = g_new0(struct net_user, 1);
    user->backend = (struct net_backend){
        .send = send_frame,
        .may_receive = may_receive,
        .clock_changed = clock_changed,
        .free = free_user,
        .mtu = MTU,
        .is_link_up = true,
    };
    user->clock = clock;
    user->timers = g_ptr_array_new();
    g_queue_init(&user->waiting);
    if (user_poll_init(user, error))
        user->slirp = start(user, config);
    for (unsigned i = 0; user->slirp && config->forwards && config->forwards[i]; i++) {
        if (!forward(user, option, config->forwards[i], error)) {
            free_user(&user->backend);
            return NULL;
        }
    }
    if (!user->slirp) {
        if (error && !*error)
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: libslirp does not start",
                        option);
        free_user(&user->backend);
        return NULL;
    }
    user_poll_later(user);
    return &user->backend;
}

/* ---- What it has counted --------------------------------------------------------------------- */

void net_user_metrics_register(struct net_backend *backend, struct metrics *metrics,
                               const char *name)
{
    struct net_user *user = user_of(backend);
    const struct metric_label *labels = METRIC_LABELS({ "net", name });

    metric_add_u64(metrics_family(metrics, METRIC_GAUGE, "gracevm_net_user_sockets",
                                  "Sockets of the host that guests' connections have now."),
                   labels, &user->nr_sockets, backend);
    metric_add_u64(metrics_family(metrics, METRIC_GAUGE, "gracevm_net_user_waiting_frames",
                                  "Frames that wait until guests have room for them."),
                   labels, &user->nr_waiting, backend);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_net_user_lost_total",
                                  "Frames for guests that were lost, for want of room."),
                   labels, &user->lost, backend);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_net_user_refused_total",
                                  "Frames that would have opened too many connections."),
                   labels, &user->refused, backend);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_net_user_guest_errors_total",
                                  "What guests sent that the network's protocols forbid."),
                   labels, &user->guest_errors, backend);
    metric_add_u64(
        metrics_family(metrics, METRIC_COUNTER, "gracevm_net_user_accepts_put_off_total",
                       "Times that connections from the host had to wait for file descriptors."),
        labels, &user->accepts_put_off, backend);
}
