/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <stddef.h>
#include <string.h>

#include "hw/dev/virtio_input.h"
#include "hw/display/input.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/metric.h"

enum {
    EVENT_QUEUE,
    STATUS_QUEUE,
    NR_QUEUES,
    QUEUE_SIZE = 64,
    STATUSES_MAX = 64, /* looked at in one chain */
    BITMAP_SIZE = sizeof(((struct virtio_input_config *)NULL)->u),
    NR_AXES = ABS_Y + 1,
    VENDOR = 0x1af4, /* virtio's own on PCI */
};

/* What a kind of device says of itself (5.8.2). */
struct kind {
    const char *name;
    uint16_t product;
    uint32_t pci_class;
    enum input_takes takes;
    uint8_t nr_axes, leds;
    uint16_t first_key, last_key;
    uint32_t wheels;
    bool repeats; /* the guest does, while a key is down */
};

static const struct kind kinds[] = {
    [VIRTIO_INPUT_KEYBOARD] = {
        .name = "gracevm keyboard",
        .product = 1,
        .pci_class = 0x090000, /* keyboard */
        .takes = INPUT_KEYS,
        .leds = 1 << LED_NUML | 1 << LED_CAPSL | 1 << LED_SCROLLL,
        .first_key = KEY_ESC,
        .last_key = KEY_MICMUTE,
        .repeats = true,
    },
    [VIRTIO_INPUT_TABLET] = {
        .name = "gracevm tablet",
        .product = 2,
        .pci_class = 0x098000, /* another input device */
        .takes = INPUT_POINTER,
        .nr_axes = NR_AXES,
        .first_key = BTN_LEFT,
        .last_key = BTN_EXTRA,
        .wheels = 1 << REL_WHEEL | 1 << REL_HWHEEL,
    },
};

struct report_event {
    uint16_t type, code;
    int32_t value;
};

/* Keys by code, and the position; all guarded by the BQL, as what follows. */
struct state {
    bool is_down[KEY_CNT];
    int32_t position[NR_AXES];
};

struct virtio_input {
    struct virtio_device device;
    struct virtio_ops ops;
    const struct kind *kind;
    struct input *input;
    struct input_handler handler;
    char serial[VIRTIO_INPUT_SERIAL_MAX + 1];
    uint8_t select, subsel;
    unsigned leds;

    struct report_event report[VIRTIO_INPUT_REPORT_MAX]; /* until its end is told */
    unsigned nr_report;
    bool is_report_cut; /* it has had more events than that */

    struct report_event waiting[VIRTIO_INPUT_EVENTS_MAX]; /* whole reports, for the guest */
    unsigned first, nr_waiting;

    struct state now;  /* as people have it */
    struct state told; /* as the guest knows it, when it has what waits */
    bool has_missed;   /* told differs, and nothing waits that would tell */

    uint64_t reports, dropped; /* atomic: metrics read them */
};

static struct virtio_input *input_of(struct virtio_device *device)
{
    return container_of(device, struct virtio_input, device);
}

/* ---- Configuration ---------------------------------------------------------------------------
 */

static void set_bit(struct virtio_input_config *config, unsigned bit)
{
    config->u.bitmap[bit / 8] |= (uint8_t)(1 << bit % 8);
    config->size = (uint8_t)MAX(config->size, bit / 8 + 1); /* no longer than need be */
}

static void set_bits(struct virtio_input_config *config, uint32_t bits)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        if (bits >> bit & 1)
            set_bit(config, bit);
    }
}

/* 5.8.4: the codes of a type of event. */
static void describe_events(const struct kind *kind, unsigned type,
                            struct virtio_input_config *config)
{
    _Static_assert(KEY_CNT <= 8 * BITMAP_SIZE, "all codes have a bit");

    switch (type) {
    case EV_KEY:
        for (unsigned key = kind->first_key; key <= kind->last_key; key++)
            set_bit(config, key);
        break;
    case EV_REL:
        set_bits(config, kind->wheels);
        break;
    case EV_ABS:
        set_bits(config, (1U << kind->nr_axes) - 1);
        break;
    case EV_LED:
        set_bits(config, kind->leds);
        break;
    case EV_REP:
        set_bits(config, kind->repeats ? 1 << REP_DELAY | 1 << REP_PERIOD : 0);
        break;
    default: /* none */
        break;
    }
}

static void describe_text(const char *text, struct virtio_input_config *config)
{
    config->size = (uint8_t)strlen(text);
    memcpy(config->u.string, text, config->size);
}

static void describe(const struct virtio_input *device, struct virtio_input_config *config)
{
    const struct kind *kind = device->kind;

    switch (config->select) {
    case VIRTIO_INPUT_CFG_ID_NAME:
        describe_text(kind->name, config);
        break;
    case VIRTIO_INPUT_CFG_ID_SERIAL:
        describe_text(device->serial, config);
        break;
    case VIRTIO_INPUT_CFG_ID_DEVIDS:
        config->u.ids = (struct virtio_input_devids){
            .bustype = GUINT16_TO_LE(BUS_VIRTUAL),
            .vendor = GUINT16_TO_LE(VENDOR),
            .product = GUINT16_TO_LE(kind->product),
            .version = GUINT16_TO_LE(1),
        };
        config->size = sizeof(config->u.ids);
        break;
    case VIRTIO_INPUT_CFG_EV_BITS:
        describe_events(kind, config->subsel, config);
        break;
    case VIRTIO_INPUT_CFG_ABS_INFO:
        if (config->subsel >= kind->nr_axes)
            break;
        config->u.abs = (struct virtio_input_absinfo){ .max = GUINT32_TO_LE(INPUT_ABS_MAX) };
        config->size = sizeof(config->u.abs);
        break;
    default: /* properties too: there are none */
        break;
    }
}

static void get_config(struct virtio_device *device, void *ret_config)
{
    const struct virtio_input *input = input_of(device);
    struct virtio_input_config config = { .select = input->select, .subsel = input->subsel };

    bql_assert_held();
    if (config.select != VIRTIO_INPUT_CFG_EV_BITS && config.select != VIRTIO_INPUT_CFG_ABS_INFO &&
        config.subsel != 0)
        config.select = VIRTIO_INPUT_CFG_UNSET; /* 5.8.5: those have but the first */
    describe(input, &config);
    config.select = input->select;
    memcpy(ret_config, &config, sizeof(config));
}

static void set_config(struct virtio_device *device, unsigned offset, const void *data,
                       unsigned size)
{
    struct virtio_input *input = input_of(device);
    uint8_t selection[2] = { input->select, input->subsel };

    _Static_assert(offsetof(struct virtio_input_config, select) == 0 &&
                       offsetof(struct virtio_input_config, subsel) == 1,
                   "5.8.4: what the driver writes");
    bql_assert_held();
    if (offset >= sizeof(selection) || size > sizeof(selection) - offset) {
        virtio_guest_error(device, "%u bytes of configuration written at %u", size, offset);
        return;
    }
    memcpy(selection + offset, data, size);
    input->select = selection[0];
    input->subsel = selection[1];
}

/* ---- To the guest ------------------------------------------------------------------------------
 */

static bool send(struct virtio_input *input, struct virtq_chain *chain,
                 const struct report_event *event) REQUIRES(bql)
{
    const struct virtio_input_event wire = {
        .type = GUINT16_TO_LE(event->type),
        .code = GUINT16_TO_LE(event->code),
        .value = GUINT32_TO_LE((uint32_t)event->value),
    };

    if (chain->out_size > 0 ||
        iov_from_buf(chain->in, chain->nr_in, 0, &wire, sizeof(wire)) < sizeof(wire)) {
        virtio_device_broken(&input->device, "a buffer for events that holds none");
        virtq_drop(chain);
        return false;
    }
    virtq_push(chain, sizeof(wire));
    return true;
}

/* As many events as there are buffers. */
static void drain(struct virtio_input *input) REQUIRES(bql)
{
    struct virtq *queue = virtio_queue(&input->device, EVENT_QUEUE);
    struct virtq_chain *chain;
    bool has_sent = false;

    while (input->nr_waiting > 0 && virtq_pop(queue, &chain) == VIRTQ_GOT) {
        if (!send(input, chain, &input->waiting[input->first]))
            return;
        input->first = (input->first + 1) % VIRTIO_INPUT_EVENTS_MAX;
        input->nr_waiting--;
        has_sent = true;
    }
    if (has_sent)
        virtq_notify(queue);
}

static void wait_for_guest(struct virtio_input *input, struct report_event event) REQUIRES(bql)
{
    const unsigned at = (input->first + input->nr_waiting++) % VIRTIO_INPUT_EVENTS_MAX;

    input->waiting[at] = event;
    if (event.type == EV_KEY)
        input->told.is_down[event.code] = event.value;
    else if (event.type == EV_ABS)
        input->told.position[event.code] = event.value;
}

/* A key that is where the guest knows it to be says nothing new. */
static bool is_news(const struct virtio_input *input, const struct report_event *event)
{
    return event->type != EV_KEY || input->told.is_down[event->code] != (event->value != 0);
}

/* Each event of @events, and the end of the report; none is none. False: no room. */
static bool put_report(struct virtio_input *input, const struct report_event *events, unsigned nr)
    REQUIRES(bql)
{
    const unsigned nr_before = input->nr_waiting;

    if (nr + 1 > VIRTIO_INPUT_EVENTS_MAX - input->nr_waiting)
        return false;
    for (unsigned i = 0; i < nr; i++) {
        if (is_news(input, &events[i]))
            wait_for_guest(input, events[i]);
    }
    if (input->nr_waiting == nr_before)
        return true;
    wait_for_guest(input, (struct report_event){ EV_SYN, SYN_REPORT, 0 });
    fetch_add_relaxed(&input->reports, 1);
    return true;
}

/* Make up for what was missed: one report of all that differs. */
static void catch_up(struct virtio_input *input) REQUIRES(bql)
{
    struct report_event events[VIRTIO_INPUT_REPORT_MAX];
    unsigned nr = 0;

    for (unsigned key = input->kind->first_key; key <= input->kind->last_key; key++) {
        if (input->now.is_down[key] != input->told.is_down[key])
            events[nr++] = (struct report_event){ EV_KEY, (uint16_t)key, input->now.is_down[key] };
    }
    for (unsigned axis = 0; axis < input->kind->nr_axes; axis++) {
        if (input->now.position[axis] != input->told.position[axis])
            events[nr++] =
                (struct report_event){ EV_ABS, (uint16_t)axis, input->now.position[axis] };
    }
    input->has_missed = !put_report(input, events, nr);
}

static void handle_queue(struct virtio_device *device, unsigned index);

/* ---- From people -------------------------------------------------------------------------------
 */

static bool is_ours(const struct kind *kind, uint16_t type, uint16_t code)
{
    switch (type) {
    case EV_KEY:
        return code >= kind->first_key && code <= kind->last_key;
    case EV_REL:
        return code < 32 && kind->wheels >> code & 1;
    case EV_ABS:
        return code < kind->nr_axes;
    default:
        return false;
    }
}

static void on_event(struct input_handler *handler, uint16_t type, uint16_t code, int32_t value)
{
    struct virtio_input *input = container_of(handler, struct virtio_input, handler);

    bql_assert_held();
    if (!is_ours(input->kind, type, code))
        return;
    if (type == EV_KEY)
        input->now.is_down[code] = value;
    else if (type == EV_ABS)
        input->now.position[code] = value;
    if (input->nr_report < VIRTIO_INPUT_REPORT_MAX)
        input->report[input->nr_report++] = (struct report_event){ type, code, value };
    else
        input->is_report_cut = true;
}

static void on_sync(struct input_handler *handler)
{
    struct virtio_input *input = container_of(handler, struct virtio_input, handler);
    const unsigned nr = input->nr_report;
    const bool is_cut = input->is_report_cut;

    bql_assert_held();
    input->nr_report = 0;
    input->is_report_cut = false;
    if (!virtq_is_ready(virtio_queue(&input->device, EVENT_QUEUE)))
        return; /* nobody is there */
    if (input->has_missed || is_cut || !put_report(input, input->report, nr)) {
        fetch_add_relaxed(&input->dropped, 1);
        input->has_missed = true;
    }
    handle_queue(&input->device, EVENT_QUEUE);
}

/* ---- Queues ----------------------------------------------------------------------------------
 */

static void take_status(struct virtio_input *input, const struct virtq_chain *chain) REQUIRES(bql)
{
    struct virtio_input_event wire;

    if (chain->out_size % sizeof(wire) || chain->out_size == 0 || chain->in_size > 0)
        virtio_guest_error(&input->device, "a status of %zu bytes", chain->out_size);
    for (unsigned i = 0; i < STATUSES_MAX; i++) {
        if (iov_to_buf(chain->out, chain->nr_out, i * sizeof(wire), &wire, sizeof(wire)) <
            sizeof(wire))
            return;
        const unsigned code = GUINT16_FROM_LE(wire.code);

        if (GUINT16_FROM_LE(wire.type) != EV_LED || code > LED_MAX ||
            !(input->kind->leds >> code & 1))
            continue; /* 5.8.6: repetition and sounds, for devices that have them */
        input->leds = (input->leds & ~(1U << code)) | (unsigned)(wire.value != 0) << code;
        log_topic(display, "%s: LEDs 0x%x", input->device.place, input->leds);
    }
}

static void handle_status(struct virtio_input *input) REQUIRES(bql)
{
    struct virtq *queue = virtio_queue(&input->device, STATUS_QUEUE);
    struct virtq_chain *chain;

    while (virtq_pop(queue, &chain) == VIRTQ_GOT) {
        take_status(input, chain);
        virtq_push(chain, 0);
        virtq_notify(queue);
    }
}

static void handle_queue(struct virtio_device *device, unsigned index)
{
    struct virtio_input *input = input_of(device);

    bql_assert_held();
    if (index == STATUS_QUEUE) {
        handle_status(input);
        return;
    }
    drain(input);
    if (input->has_missed && input->nr_waiting == 0) {
        catch_up(input);
        drain(input);
    }
}

/* The next driver knows of nothing that is down, and hears of none until it is pressed again. */
static bool reset(struct virtio_device *device)
{
    struct virtio_input *input = input_of(device);

    bql_assert_held();
    input->select = input->subsel = 0;
    input->leds = 0;
    input->nr_waiting = 0;
    input->nr_report = 0;
    input->is_report_cut = input->has_missed = false;
    memset(&input->now, 0, sizeof(input->now));
    memset(&input->told, 0, sizeof(input->told));
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------
 */

static const struct virtio_ops common_ops = {
    .id = VIRTIO_ID_INPUT,
    .nr_queues = NR_QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = sizeof(struct virtio_input_config),
    .handle_queue = handle_queue,
    .get_config = get_config,
    .set_config = set_config,
    .reset = reset,
};

void virtio_input_free(struct virtio_input *device)
{
    if (!device)
        return;
    input_remove_handler(device->input, &device->handler);
    virtio_device_fini(&device->device);
    g_free(device);
}

struct virtio_input *virtio_input_new(struct space *memory, struct input *input,
                                      enum virtio_input_kind kind, const char *serial)
{
    struct virtio_input *device = g_new0(struct virtio_input, 1);

    device->kind = &kinds[kind];
    device->input = input;
    device->ops = common_ops;
    device->ops.pci_class = device->kind->pci_class;
    if (serial)
        memcpy(device->serial, serial, strnlen(serial, VIRTIO_INPUT_SERIAL_MAX));
    device->handler = (struct input_handler){
        .takes = device->kind->takes,
        .event = on_event,
        .sync = on_sync,
    };
    virtio_device_init(&device->device, &device->ops, "virtio-input", memory, NR_QUEUES);
    input_add_handler(input, &device->handler);
    return device;
}

struct virtio_device *virtio_input_device(struct virtio_input *device)
{
    return &device->device;
}

unsigned virtio_input_leds(const struct virtio_input *device)
{
    return device->leds;
}

uint64_t virtio_input_dropped(const struct virtio_input *device)
{
    return load_relaxed(&device->dropped);
}

void virtio_input_metrics_register(struct virtio_input *device, struct metrics *metrics,
                                   const char *name)
{
    const struct metric_label *labels = METRIC_LABELS({ "device", name });

    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_input_reports_total",
                                  "Reports of keys and movements for guests."),
                   labels, &device->reports, device);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_input_dropped_total",
                                  "Reports that guests have missed, for want of buffers."),
                   labels, &device->dropped, device);
}
