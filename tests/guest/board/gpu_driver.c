/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/board/gpu_driver.h"

/* ---- Capabilities (virtio 1.2, 4.1.4) -------------------------------------------------------- */

enum {
    CAP_COMMON = 1,
    CAP_NOTIFY = 2,
    CAP_ISR = 3,
    CAP_DEVICE = 4,
    CAP_SHARED = 8,
    /* Where in a capability. */
    CAP_KIND = 3,
    CAP_BAR = 4,
    CAP_ID = 5,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_MULTIPLIER = 16,
    CAP_OFFSET_HIGH = 16,
    CAP_LENGTH_HIGH = 20,
    CAP_NOTIFY_OFF = 0x1e, /* in the common registers: queue_notify_off */

    MSIX_CONTROL = 2,
    MSIX_TABLE = 4,
    MSIX_ENABLE = 0x8000,
    NO_VECTOR = 0xffff,
    NO_INTERRUPT = 1, /* of avail.flags */
    NEEDS_RESET = 0x40,
    LOOKS = 1 << 24, /* at the ring, before one at the device */
};

static volatile u8 *notify_base;
static u32 notify_multiplier;

static volatile u8 *reach(u64 address, u64 size)
{
    return address < LAYOUT_RAM_HIGH ? (volatile u8 *)address : map_far(address, size);
}

static u64 place_of(unsigned slot, unsigned capability)
{
    const volatile u8 *config = config_of(slot);

    return bar_of(slot, config[capability + CAP_BAR]).address +
           config_read32(slot, capability + CAP_OFFSET);
}

static void take_window(struct gpu *gpu, unsigned capability)
{
    const unsigned slot = gpu->slot, bar = config_of(slot)[capability + CAP_BAR];

    gpu->window =
        place_of(slot, capability) + ((u64)config_read32(slot, capability + CAP_OFFSET_HIGH) << 32);
    gpu->window_size = config_read32(slot, capability + CAP_LENGTH) |
                       (u64)config_read32(slot, capability + CAP_LENGTH_HIGH) << 32;
    /* Of 64 bits, and prefetchable. */
    gpu->is_64bit = (config_read32(slot, PCI_BAR0 + 4 * bar) & 15) == 12;
    gpu->window_at = reach(gpu->window, gpu->window_size);
}

static void take_capability(struct gpu *gpu, unsigned capability)
{
    const volatile u8 *config = config_of(gpu->slot);
    const u64 length = config_read32(gpu->slot, capability + CAP_LENGTH);

    switch (config[capability + CAP_KIND]) {
    case CAP_COMMON:
        gpu->common = reach(place_of(gpu->slot, capability), length);
        break;
    case CAP_NOTIFY:
        notify_base = reach(place_of(gpu->slot, capability), length);
        notify_multiplier = config_read32(gpu->slot, capability + CAP_MULTIPLIER);
        break;
    case CAP_ISR:
        gpu->isr = reach(place_of(gpu->slot, capability), length);
        break;
    case CAP_DEVICE:
        gpu->config = reach(place_of(gpu->slot, capability), length);
        break;
    case CAP_SHARED:
        if (config[capability + CAP_ID] == VIRTIO_GPU_SHM_ID_HOST_VISIBLE)
            take_window(gpu, capability);
        break;
    }
}

bool gpu_find(struct gpu *gpu)
{
    unsigned capability = 0;

    memset(gpu, 0, sizeof(*gpu));
    for (gpu->slot = 1; gpu->slot < NR_SLOTS; gpu->slot++)
        if (config_read32(gpu->slot, PCI_ID) == (0x1af4 | (0x1040 + VIRTIO_GPU) << 16))
            break;
    if (gpu->slot == NR_SLOTS)
        return false;
    config_write32(gpu->slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
    while ((capability = config_capability(gpu->slot, CAPABILITY_VENDOR, capability)))
        take_capability(gpu, capability);
    capability = config_capability(gpu->slot, CAPABILITY_MSIX, 0);
    if (capability) {
        const u32 table = config_read32(gpu->slot, capability + MSIX_TABLE);

        gpu->msix = reach(bar_of(gpu->slot, table & 7).address + (table & ~7u), 0x1000);
    }
    return gpu->common && notify_base && gpu->isr && gpu->config;
}

/* ---- Status and queues ----------------------------------------------------------------------- */

static struct gpu_memory {
    struct descriptor descriptors[RING_MAX] __attribute__((aligned(16)));
    struct avail avail;
    struct used used;
} memory[2] __attribute__((aligned(4096)));
static struct gpu_command commands[GPU_COMMANDS];
static const struct gpu_command *last;

void gpu_reset(const struct gpu *gpu)
{
    write_as(gpu->common + STATUS, 1, 0);
    while (read_as(gpu->common + STATUS, 1))
        relax();
}

static u64 offered_by(const struct gpu *gpu)
{
    u64 features = 0;

    for (unsigned i = 0; i < 2; i++) {
        write_as(gpu->common + FEATURE_SELECT, 4, i);
        features |= read_as(gpu->common + FEATURE, 4) << (32 * i);
    }
    return features;
}

static void set_queue(struct gpu *gpu, unsigned index)
{
    struct gpu_queue *queue = &gpu->queues[index];
    const struct virtio registers = { .registers = gpu->common };
    struct gpu_memory *const rings = &memory[index];

    write_as(gpu->common + QUEUE_SELECT, 2, index);
    queue->size = (unsigned)read_as(gpu->common + QUEUE_SIZE, 2);
    queue->index = index;
    queue->taken = 0;
    queue->descriptors = rings->descriptors;
    queue->avail = &rings->avail;
    queue->used = &rings->used;
    memset(rings, 0, sizeof(*rings));
    queue->avail->flags = NO_INTERRUPT;
    queue->doorbell = (volatile u16 *)(notify_base + read_as(gpu->common + CAP_NOTIFY_OFF, 2) *
                                                         notify_multiplier);
    write_as(gpu->common + QUEUE_VECTOR, 2, NO_VECTOR);
    virtio_set_queue(&registers, index, queue->size, (u64)rings->descriptors, (u64)queue->avail,
                     (u64)queue->used);
}

bool gpu_start(struct gpu *gpu, u64 features)
{
    gpu_reset(gpu);
    write_as(gpu->common + STATUS, 1, DRIVER_STARTS);
    gpu->offered = offered_by(gpu);
    gpu->features = gpu->offered & features;
    gpu->halts = false;
    for (unsigned i = 0; i < 2; i++) {
        write_as(gpu->common + ACCEPT_SELECT, 4, i);
        write_as(gpu->common + ACCEPT, 4, gpu->features >> (32 * i));
    }
    write_as(gpu->common + STATUS, 1, DRIVER_STARTS | FEATURES_OK);
    if (!(read_as(gpu->common + STATUS, 1) & FEATURES_OK))
        return false;
    set_queue(gpu, GPU_CONTROL);
    set_queue(gpu, GPU_CURSOR);
    for (unsigned i = 0; i < GPU_COMMANDS; i++)
        commands[i].is_free = true;
    write_as(gpu->common + STATUS, 1, DRIVER_STARTS | FEATURES_OK | DRIVER_OK);
    return gpu->queues[GPU_CONTROL].size >= 3 * GPU_COMMANDS &&
           gpu->queues[GPU_CONTROL].size <= RING_MAX && gpu->queues[GPU_CURSOR].size <= RING_MAX;
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

static struct gpu *interrupting;

static void on_interrupt(struct frame *frame)
{
    enum { LAPIC_EOI = 0xb0 };

    (void)frame;
    interrupting->nr_wakeups++;
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + LAPIC_EOI) = 0;
}

bool gpu_use_interrupts(struct gpu *gpu)
{
    enum { LAPIC_SVR = 0xf0, SVR_ON = 0x1ff, ENTRY_ADDRESS = 0, ENTRY_HIGH = 4, ENTRY_DATA = 8 };
    const unsigned capability = config_capability(gpu->slot, CAPABILITY_MSIX, 0);
    volatile u16 *control;

    if (!capability)
        return false;
    interrupting = gpu;
    on_vector(GPU_VECTOR, on_interrupt);
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + LAPIC_SVR) = SVR_ON;
    write_as(gpu->msix + ENTRY_ADDRESS, 4, LAYOUT_LAPIC | processor() << 12);
    write_as(gpu->msix + ENTRY_HIGH, 4, 0);
    write_as(gpu->msix + ENTRY_DATA, 4, GPU_VECTOR);
    write_as(gpu->msix + 12, 4, 0); /* not masked */
    control = (volatile u16 *)(config_of(gpu->slot) + capability + MSIX_CONTROL);
    *control |= MSIX_ENABLE;
    write_as(gpu->common + QUEUE_SELECT, 2, GPU_CONTROL);
    write_as(gpu->common + QUEUE_VECTOR, 2, 0);
    gpu->queues[GPU_CONTROL].avail->flags = 0;
    gpu->halts = true;
    return read_as(gpu->common + QUEUE_VECTOR, 2) == 0;
}

/* An interrupt between the look and HLT ends HLT: STI takes effect behind it. */
static void halt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* ---- Commands -------------------------------------------------------------------------------- */

struct virtio_gpu_ctrl_hdr gpu_header(u32 type, u32 context)
{
    return (struct virtio_gpu_ctrl_hdr){ .type = type, .ctx_id = context };
}

void gpu_fence(struct gpu *gpu, struct virtio_gpu_ctrl_hdr *header)
{
    header->flags |= VIRTIO_GPU_FLAG_FENCE;
    header->fence_id = ++gpu->next_fence;
}

static void collect(struct gpu_queue *queue)
{
    while (queue->taken != queue->used->index) {
        const unsigned at = queue->taken++ % queue->size;
        struct gpu_command *command;

        BARRIER();
        if (queue->used->ring[at].head % 3 || queue->used->ring[at].head / 3 >= GPU_COMMANDS)
            die("the used ring has chain %u", queue->used->ring[at].head);
        command = &commands[queue->used->ring[at].head / 3];
        if (command->is_free || command->is_done)
            die("chain %u is used twice", queue->used->ring[at].head);
        command->ended = tsc();
        command->response_length = queue->used->ring[at].length;
        command->is_done = true;
    }
}

static unsigned take_free(void)
{
    for (unsigned i = 0; i < GPU_COMMANDS; i++) {
        if (commands[i].is_free) {
            commands[i].is_free = commands[i].is_done = false;
            return i;
        }
    }
    die("too many commands under way");
}

/* @request, @more, response: the last two in one, if there is nothing more. */
static void describe(struct gpu_queue *queue, unsigned i, u32 size, const void *more, u32 more_size)
{
    struct descriptor *d = &queue->descriptors[3 * i];
    struct gpu_command *command = &commands[i];

    d[0] = (struct descriptor){ (u64)command->request, size, DESC_NEXT,
                                (u16)(3 * i + (more_size ? 1 : 2)) };
    d[1] = (struct descriptor){ (u64)more, more_size, DESC_NEXT, (u16)(3 * i + 2) };
    d[2] = (struct descriptor){ (u64)command->response, GPU_RESPONSE_SIZE, DESC_WRITE, 0 };
}

unsigned gpu_begin_quietly(struct gpu *gpu, const void *request, u32 size, const void *more,
                           u32 more_size)
{
    struct gpu_queue *queue = &gpu->queues[GPU_CONTROL];
    const unsigned i = take_free();
    struct virtio_gpu_ctrl_hdr *response = (void *)commands[i].response;

    memcpy(commands[i].request, request, size);
    memset(response, 0, sizeof(*response));
    describe(queue, i, size, more, more_size);
    queue->avail->ring[queue->avail->index % queue->size] = (u16)(3 * i);
    commands[i].began = tsc();
    BARRIER();
    queue->avail->index++;
    return i;
}

void gpu_kick(const struct gpu *gpu, unsigned queue)
{
    BARRIER();
    *gpu->queues[queue].doorbell = (u16)queue;
}

unsigned gpu_begin(struct gpu *gpu, const void *request, u32 size, const void *more, u32 more_size)
{
    const unsigned i = gpu_begin_quietly(gpu, request, size, more, more_size);

    gpu_kick(gpu, GPU_CONTROL);
    return i;
}

bool gpu_is_done(struct gpu *gpu, unsigned command)
{
    collect(&gpu->queues[GPU_CONTROL]);
    return commands[command].is_done;
}

u32 gpu_finish(struct gpu *gpu, unsigned command)
{
    const struct virtio_gpu_ctrl_hdr *request = (void *)commands[command].request;
    const struct virtio_gpu_ctrl_hdr *response = (void *)commands[command].response;

    /* In RAM only, so that this processor stays where forced quiescence has to kick it out. */
    for (u64 n = 1; !gpu_is_done(gpu, command); n++) {
        if (gpu->halts)
            halt();
        else if (n % LOOKS == 0 && read_as(gpu->common + STATUS, 1) & NEEDS_RESET)
            die("command 0x%x: the device needs a reset", request->type);
    }
    commands[command].is_free = true;
    last = &commands[command];
    if (request->flags & VIRTIO_GPU_FLAG_FENCE &&
        (!(response->flags & VIRTIO_GPU_FLAG_FENCE) || response->fence_id != request->fence_id ||
         response->ctx_id != request->ctx_id))
        return 0;
    return response->type;
}

const struct gpu_command *gpu_command(unsigned command)
{
    return &commands[command];
}

u32 gpu_do(struct gpu *gpu, const void *request, u32 size, const void *more, u32 more_size)
{
    return gpu_finish(gpu, gpu_begin(gpu, request, size, more, more_size));
}

const void *gpu_response(void)
{
    return last->response;
}

u32 gpu_response_length(void)
{
    return last->response_length;
}
