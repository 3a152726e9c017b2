/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-mode network, with a card that is the test: it speaks Ethernet to libslirp, and to the
 * host's sockets behind it.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/net/user.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/run.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/loop.h"
#include "util/metric.h"

enum {
    ARP_SIZE = 42, /* an Ethernet header, and RFC 826's packet for IPv4 */
    IP_AT = NET_HEADER_SIZE,
    UDP_AT = IP_AT + 20,
    DATA_AT = UDP_AT + 8,
    ETHER_IP = 0x0800,
    ETHER_ARP = 0x0806,
};

static const uint8_t mac[NET_MAC_SIZE] = { 0x52, 0x54, 0, 1, 2, 3 };
static const uint8_t guest_ip[4] = { 10, 0, 2, 15 }, router_ip[4] = { 10, 0, 2, 2 };

static struct {
    struct net_card card;
    bool is_full;
    GQueue frames; /* GBytes, as they came */
    struct guest_clock clock;
    struct net_backend *network;
} world;

static bool receive(struct net_card *card UNUSED, const uint8_t *frame, size_t size)
{
    if (world.is_full)
        return false;
    g_queue_push_tail(&world.frames, g_bytes_new(frame, size));
    return true;
}

static void plug(struct net_backend *network) REQUIRES(bql)
{
    world.network = network;
    world.card.receive = receive;
    net_connect(network, &world.card);
}

static void start(const struct net_user_config *config) REQUIRES(bql)
{
    GError *error = NULL;

    memset(&world, 0, sizeof(world));
    g_queue_init(&world.frames);
    guest_clock_start(&world.clock);
    plug(net_user_new("-nic", config, &world.clock, &error));
    g_assert_no_error(error);
}

static void end(void) REQUIRES(bql)
{
    net_disconnect(world.network);
    net_free(world.network);
    g_queue_clear_full(&world.frames, (GDestroyNotify)(void (*)(void))g_bytes_unref);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put_header(uint8_t *frame, unsigned type)
{
    memset(frame, 0xff, NET_MAC_SIZE);
    memcpy(frame + NET_MAC_SIZE, mac, NET_MAC_SIZE);
    put16(frame + 12, type);
}

/* Operation 1 asks who has @target, 2 says that we have what we are asked for. */
static void send_arp(unsigned operation, const uint8_t *target) REQUIRES(bql)
{
    uint8_t frame[ARP_SIZE] = { 0 };
    uint8_t *arp = frame + NET_HEADER_SIZE;

    put_header(frame, ETHER_ARP);
    put16(arp, 1); /* Ethernet */
    put16(arp + 2, ETHER_IP);
    arp[4] = NET_MAC_SIZE;
    arp[5] = sizeof(guest_ip);
    put16(arp + 6, operation);
    memcpy(arp + 8, mac, NET_MAC_SIZE);
    memcpy(arp + 14, guest_ip, sizeof(guest_ip));
    memcpy(arp + 24, target, sizeof(guest_ip));
    world.network->send(world.network, frame, sizeof(frame));
}

static void send_udp(uint16_t from, uint16_t to, const char *text) REQUIRES(bql)
{
    uint8_t frame[256] = { 0 };
    const size_t size = strlen(text);
    uint8_t *ip = frame + IP_AT;
    uint32_t sum = 0;

    put_header(frame, ETHER_IP);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(28 + size));
    ip[8] = 64; /* hops */
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, guest_ip, 4);
    memcpy(ip + 16, router_ip, 4);
    for (unsigned i = 0; i < 20; i += 2)
        sum += get16(ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
    put16(frame + UDP_AT, from);
    put16(frame + UDP_AT + 2, to);
    put16(frame + UDP_AT + 4, (unsigned)(8 + size));
    memcpy(frame + DATA_AT, text, size);
    world.network->send(world.network, frame, DATA_AT + size);
}

/* The next frame of @type for the guest, of @protocol if it is IPv4's; others are dropped. */
static GBytes *next_frame(unsigned type, uint8_t protocol) REQUIRES(bql)
{
    for (;;) {
        GBytes *bytes = g_queue_pop_head(&world.frames);
        const uint8_t *frame;
        gsize size;

        if (!bytes) {
            (void)loop_iterate(true); /* whether it came is seen next */
            continue;
        }
        frame = g_bytes_get_data(bytes, &size);
        if (get16(frame + 12) == type && (type != ETHER_IP || frame[IP_AT + 9] == protocol))
            return bytes;
        g_bytes_unref(bytes);
    }
}

static void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

/* ---- The host's side ------------------------------------------------------------------------- */

static int host_socket(int type, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static unsigned nr_open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned nr = 0;

    while (readdir(folder))
        nr++;
    closedir(folder);
    return nr;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void forwards_are_parsed(void)
{
    static const struct {
        const char *text, *fault; /* NULL: none */
        bool is_udp;
        uint32_t host, guest;
        uint16_t host_port, guest_port;
    } rows[] = {
        { "tcp::2222-:22", NULL, false, 0, 0x0a00020f, 2222, 22 },
        { ":127.0.0.1:80-10.0.2.20:8080", NULL, false, 0x7f000001, 0x0a000214, 80, 8080 },
        { "udp:127.0.0.1:0-:65535", NULL, true, 0x7f000001, 0x0a00020f, 0, 65535 },
        { .text = "", .fault = "it has no colon" },
        { .text = "tcp", .fault = "it has no colon" },
        { .text = "sctp::1-:1", .fault = "it is neither tcp nor udp" },
        { .text = "tcp::2222", .fault = "it has no '-' between the host's side and the guest's" },
        { .text = "tcp:2222-:22", .fault = "a port is missing" },
        { .text = "tcp::2222-22", .fault = "a port is missing" },
        { .text = "tcp::65536-:22", .fault = "a port is no number up to 65535" },
        { .text = "tcp::2222-:0", .fault = "a port is no number up to 65535" },
        { .text = "tcp::-:22", .fault = "a port is no number up to 65535" },
        { .text = "tcp::0x10-:22", .fault = "a port is no number up to 65535" },
        { .text = "tcp::2222-:22-", .fault = "a port is no number up to 65535" },
        { .text = "tcp:localhost:2222-:22", .fault = "an address is not of the form 127.0.0.1" },
        { .text = "tcp:::1:2222-:22", .fault = "an address is not of the form 127.0.0.1" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct net_user_forward got = { 0 };
        g_autoptr(GError) error = NULL;
        const bool is_good = net_user_parse_forward("-nic", rows[i].text, &got, &error);

        g_assert_true(is_good == !rows[i].fault);
        if (!is_good) {
            g_autofree char *begin =
                g_strdup_printf("-nic: hostfwd=%s: %s (", rows[i].text, rows[i].fault);

            g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE);
            g_assert_true(g_str_has_prefix(error->message, begin));
            continue;
        }
        g_assert_cmpint(got.is_udp, ==, rows[i].is_udp);
        g_assert_cmphex(ntohl(got.host.s_addr), ==, rows[i].host);
        g_assert_cmphex(ntohl(got.guest.s_addr), ==, rows[i].guest);
        g_assert_cmpuint(got.host_port, ==, rows[i].host_port);
        g_assert_cmpuint(got.guest_port, ==, rows[i].guest_port);
    }
}

static void a_port_that_is_taken_is_named(void)
{
    uint16_t port;
    const int fd = host_socket(SOCK_STREAM, &port);
    g_autofree char *text = g_strdup_printf("tcp:127.0.0.1:%u-:22", port);
    g_autofree char *named = g_strdup_printf("TCP port %u (127.0.0.1): Address already", port);
    char *forwards[] = { text, NULL };
    const struct net_user_config config = { .forwards = forwards };
    const struct guest_clock clock = { 0 };
    const unsigned nr_before = nr_open_files();
    g_autoptr(GError) error = NULL;

    bql_assert_held();
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_assert_null(net_user_new("-nic", &config, &clock, &error));
    g_assert_true(error && error->domain == G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, named));
    g_assert_cmpuint(nr_open_files(), ==, nr_before);
    close(fd);
}

static void names_that_are_too_long_are_refused(void)
{
    char name[] = "a-name-with-33-characters-00000000";
    const struct net_user_config config = { .hostname = name };
    const struct guest_clock clock = { 0 };
    g_autoptr(GError) error = NULL;

    bql_assert_held();
    g_assert_null(net_user_new("-netdev", &config, &clock, &error));
    g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, "-netdev: hostname=a-name"));
}

static void the_router_answers(void)
{
    const struct net_user_config config = { .has_ipv6 = true };
    GBytes *answer;

    bql_assert_held();
    start(&config);
    send_arp(1, router_ip);
    answer = next_frame(ETHER_ARP, 0);
    g_assert_cmpuint(get16((const uint8_t *)g_bytes_get_data(answer, NULL) + 20), ==, 2);
    g_bytes_unref(answer);
    end();
}

/* What the card has no room for waits, in its order, up to a limit. */
static void frames_wait_for_the_card(void)
{
    const struct net_user_config config = { 0 };
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    bql_assert_held();
    start(&config);
    net_user_metrics_register(world.network, metrics, "net0");
    world.is_full = true;
    for (unsigned i = 0; i < NET_USER_WAITING_MAX + 10; i++)
        send_arp(1, router_ip);
    let_loop_run();
    metrics_print(metrics, out);
    (void)fclose(out);
    g_assert_nonnull(strstr(text, "gracevm_net_user_waiting_frames{net=\"net0\"} 512\n"));
    g_assert_nonnull(strstr(text, "gracevm_net_user_lost_total{net=\"net0\"} 10\n"));
    world.is_full = false;
    world.network->may_receive(world.network);
    g_assert_cmpuint(world.frames.length, ==, NET_USER_WAITING_MAX);
    metrics_remove(metrics, world.network);
    metrics_free(metrics);
    end();
}

static void datagrams_go_to_the_host_and_back(void)
{
    const struct net_user_config config = { 0 };
    struct sockaddr_in from;
    socklen_t from_size = sizeof(from);
    char text[16] = "";
    uint16_t port;
    const int fd = host_socket(SOCK_DGRAM, &port);
    const uint8_t *frame;
    GBytes *answer;

    bql_assert_held();
    start(&config);
    send_arp(1, router_ip);
    send_udp(1234, port, "question");
    g_assert_cmpint(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &from_size), ==,
                    8);
    g_assert_cmpstr(text, ==, "question");
    g_assert_cmpint(sendto(fd, "answer", 6, 0, (struct sockaddr *)&from, from_size), ==, 6);
    answer = next_frame(ETHER_IP, IPPROTO_UDP);
    frame = g_bytes_get_data(answer, NULL);
    g_assert_cmpint(memcmp(frame, mac, NET_MAC_SIZE), ==, 0);
    g_assert_cmpint(memcmp(frame + IP_AT + 12, router_ip, 4), ==, 0);
    g_assert_cmpuint(get16(frame + UDP_AT), ==, port);
    g_assert_cmpuint(get16(frame + UDP_AT + 2), ==, 1234);
    g_assert_cmpint(memcmp(frame + DATA_AT, "answer", 6), ==, 0);
    g_bytes_unref(answer);
    end();
    close(fd);
}

static void a_restricted_guest_reaches_nobody(void)
{
    const struct net_user_config config = { .is_restricted = true };
    uint16_t port;
    const int fd = host_socket(SOCK_DGRAM, &port);
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    const unsigned nr_before = nr_open_files();
    unsigned nr_restricted;

    bql_assert_held();
    start(&config);
    nr_restricted = nr_open_files();
    send_arp(1, router_ip);
    send_udp(1234, port, "question");
    let_loop_run();
    /* On the loopback what is sent is there when the call returns. */
    g_assert_cmpint(poll(&ready, 1, 0), ==, 0);
    g_assert_cmpuint(nr_open_files(), ==, nr_restricted);
    end();
    g_assert_cmpuint(nr_open_files(), ==, nr_before);
    close(fd);
}

/* A network with one forwarded port, and a client of the host that has connected to it. */
static int start_with_client(void) REQUIRES(bql)
{
    uint16_t port;
    int fd = host_socket(SOCK_STREAM, &port);
    g_autofree char *text = g_strdup_printf("tcp:127.0.0.1:%u-:22", port);
    char *forwards[] = { text, NULL };
    const struct net_user_config config = { .forwards = forwards };
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };

    close(fd);
    start(&config);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void expect_connection(void) REQUIRES(bql)
{
    enum { TCP_SYN = 2 };
    const uint8_t *frame;
    GBytes *bytes;

    g_bytes_unref(next_frame(ETHER_ARP, 0)); /* where is the guest? */
    send_arp(2, router_ip);
    bytes = next_frame(ETHER_IP, IPPROTO_TCP);
    frame = g_bytes_get_data(bytes, NULL);
    g_assert_cmpint(memcmp(frame + IP_AT + 16, guest_ip, 4), ==, 0);
    g_assert_cmpuint(get16(frame + UDP_AT + 2), ==, 22);
    g_assert_cmpuint(frame[UDP_AT + 13], ==, TCP_SYN);
    g_bytes_unref(bytes);
}

/* Who connects to a forwarded port is heard of by the guest. */
static void connections_from_the_host_arrive(void)
{
    int fd;

    bql_assert_held();
    fd = start_with_client();
    expect_connection();
    end();
    close(fd);
}

/* The listener, which stays readable, does not keep the main loop busy. */
static void connections_wait_for_descriptors(void)
{
    enum { TURNS = 1000 };
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    const char *line;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct rlimit before;
    unsigned nr_turns = 0;
    int fd;

    bql_assert_held();
    fd = start_with_client();
    net_user_metrics_register(world.network, metrics, "net0");
    before = use_up_descriptors();
    while (nr_turns < TURNS && loop_iterate(false))
        nr_turns++;
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
    g_assert_cmpuint(nr_turns, <, TURNS);
    metrics_print(metrics, out);
    (void)fclose(out);
    line = strstr(text, "gracevm_net_user_accepts_put_off_total{net=\"net0\"} ");
    g_assert_nonnull(line);
    g_assert_cmpuint(g_ascii_strtoull(strchr(line, ' '), NULL, 10), >=, 1);
    expect_connection();
    metrics_remove(metrics, world.network);
    metrics_free(metrics);
    end();
    close(fd);
}

/* The first eight bytes of a TCP segment: what it is, only libslirp will see. */
static void send_fragment(void) REQUIRES(bql)
{
    uint8_t frame[IP_AT + 28] = { 0 };
    uint8_t *ip = frame + IP_AT;

    put_header(frame, ETHER_IP);
    ip[0] = 0x45;
    put16(ip + 2, 28);
    put16(ip + 6, 0x2000); /* more follow */
    ip[9] = IPPROTO_TCP;
    world.network->send(world.network, frame, sizeof(frame));
}

/* Each connection costs a file descriptor; none is left behind. */
static void connections_are_limited(void)
{
    const struct net_user_config config = { 0 };
    struct metrics *metrics = metrics_new();
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    uint16_t port;
    const int fd = host_socket(SOCK_DGRAM, &port);
    const unsigned nr_before = nr_open_files();
    unsigned nr_idle;

    bql_assert_held();
    start(&config);
    net_user_metrics_register(world.network, metrics, "net0");
    nr_idle = nr_open_files();
    for (unsigned i = 0; i < NET_USER_SOCKETS_MAX + 20; i++)
        send_udp((uint16_t)(1000 + i), port, "hello");
    send_fragment(); /* might be of one more */
    let_loop_run();
    g_assert_cmpuint(nr_open_files(), ==, nr_idle + NET_USER_SOCKETS_MAX);
    metrics_print(metrics, out);
    (void)fclose(out);
    g_assert_nonnull(strstr(text, "gracevm_net_user_sockets{net=\"net0\"} 512\n"));
    g_assert_nonnull(strstr(text, "gracevm_net_user_refused_total{net=\"net0\"} 21\n"));
    metrics_remove(metrics, world.network);
    metrics_free(metrics);
    end();
    g_assert_cmpuint(nr_open_files(), ==, nr_before);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/net_user/" #test, test)
    ADD(forwards_are_parsed);
    ADD(a_port_that_is_taken_is_named);
    ADD(names_that_are_too_long_are_refused);
    ADD(the_router_answers);
    ADD(frames_wait_for_the_card);
    ADD(datagrams_go_to_the_host_and_back);
    ADD(a_restricted_guest_reaches_nobody);
    ADD(connections_from_the_host_arrive);
    ADD(connections_wait_for_descriptors);
    ADD(connections_are_limited);
#undef ADD
    return run_with_bql();
}
