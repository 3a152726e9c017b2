/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers, and their order. One that has no fence leaves at once, on the thread that has it. Of
 * fenced ones a driver takes each to mean that all before it in the same timeline are done (that
 * is what Linux does), so in a timeline they leave in the order in which they came, whoever
 * completes them. For that, at most one thread at a time puts fenced answers into used rings: who
 * finds another at it leaves its answer to that one.
 */
#include <assert.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"
#include "util/mutant.h"
#include "util/trace.h"

#define TIMELINE_GLOBAL (UINT64_C(1) << 63)

enum { FINISH_BATCH = 64 }; /* a turn: docs/locking.md, L6 */

struct gpu_timeline {
    int64_t key;
    struct timeline_id id;
    struct list commands; /* fenced and not answered, in the order of the queue */
};

struct gpu_answers {
    struct gpu *gpu;
    struct mutex lock; /* a leaf */
    /* Guarded by it: */
    GHashTable *timelines; /* that have commands */
    uint64_t fences;       /* the last number given */
    struct list ready;     /* to be put into used rings, in this order … */
    bool is_pushing;       /* … by a thread that is at it */
    struct list finished;  /* rendered: finish() is due */
    struct deferred finish;
};

static bool is_error(uint32_t type)
{
    return type >= VIRTIO_GPU_RESP_ERR_UNSPEC;
}

/* ---- One answer ------------------------------------------------------------------------------ */

/* 5.7.6.7: what a fenced request says of itself comes back. */
static void compose(struct gpu_command *command, uint32_t type)
{
    const struct virtio_gpu_ctrl_hdr *request = &command->request.hdr;
    struct virtio_gpu_ctrl_hdr *hdr = &command->response.hdr;

    if (is_error(type) || command->response_size < sizeof(*hdr)) {
        command->response_size = sizeof(*hdr);
        command->response_tail_size = 0;
    }
    *hdr = (struct virtio_gpu_ctrl_hdr){ .type = type };
    if (gpu_is_fenced(command)) {
        hdr->flags =
            request->flags & (VIRTIO_GPU_FLAG_FENCE | (uint32_t)VIRTIO_GPU_FLAG_INFO_RING_IDX);
        hdr->fence_id = request->fence_id;
        hdr->ctx_id = request->ctx_id;
        hdr->ring_idx = request->ring_idx;
    }
    if (is_error(type))
        (void)fetch_add_relaxed(&command->gpu->stats.errors, 1);
}

/* Into the used ring. Its queue is to be notified, and then the command freed. */
static struct virtq *push(struct gpu_command *command)
{
    struct virtq_chain *chain = command->chain;
    struct virtq *queue = virtq_of_chain(chain);
    struct iovec answer[] = {
        { &command->response, command->response_size },
        { (void *)(uintptr_t)command->response_tail, command->response_tail_size },
    };

    if (chain->in_size < command->response_size + command->response_tail_size) {
        /* On the cursor's queue nobody wants one (5.7.6.11). */
        if (!command->type->is_of_cursor)
            virtio_guest_error(&command->gpu->device, "%s: no room for the answer",
                               command->type->name);
        command->response.hdr.type = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        answer[0].iov_len =
            chain->in_size < sizeof(command->response.hdr) ? 0 : sizeof(command->response.hdr);
        answer[1].iov_len = 0;
    }
    TRACE5(gpu_answer, command, command->type->name, command->response.hdr.type,
           command->request.hdr.fence_id, command->popped_ns);
    command->chain = NULL;
    virtq_push_bytes(chain, answer, G_N_ELEMENTS(answer));
    return queue;
}

/* ---- Timelines ------------------------------------------------------------------------------- */

static struct timeline_id timeline_of(const struct virtio_gpu_ctrl_hdr *hdr, int64_t *ret_key)
{
    if (!(hdr->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX)) {
        *ret_key = (int64_t)TIMELINE_GLOBAL;
        return (struct timeline_id){ .is_global = true };
    }
    *ret_key = (int64_t)((uint64_t)hdr->ctx_id << 8 | hdr->ring_idx);
    return (struct timeline_id){ .context = hdr->ctx_id, .ring = hdr->ring_idx };
}

static void enter(struct gpu_answers *answers, struct gpu_command *command) REQUIRES(answers->lock)
{
    int64_t key;
    const struct timeline_id id = timeline_of(&command->request.hdr, &key);
    struct gpu_timeline *timeline = g_hash_table_lookup(answers->timelines, &key);

    if (!timeline) {
        timeline = g_new0(struct gpu_timeline, 1);
        timeline->key = key;
        timeline->id = id;
        list_init(&timeline->commands);
        g_hash_table_insert(answers->timelines, &timeline->key, timeline);
    }
    list_insert_tail(&timeline->commands, &command->timeline_link);
    command->timeline = timeline;
}

void gpu_answers_enter(struct gpu_answers *answers, struct gpu_command *command)
{
    virtq_let_go(command->chain);
    if (!gpu_is_fenced(command))
        return;
    (void)fetch_add_relaxed(&answers->gpu->stats.fences, 1);
    WITH_MUTEX (&answers->lock)
        enter(answers, command);
}

/* What is done at the head of a timeline may leave. A timeline without commands ends. */
static void advance(struct gpu_answers *answers, struct gpu_timeline *timeline)
    REQUIRES(answers->lock)
{
    struct gpu_command *command;

    while ((command = list_first_entry(&timeline->commands, struct gpu_command, timeline_link)) &&
           command->is_done) {
        list_remove(&command->timeline_link);
        command->timeline = NULL;
        list_insert_tail(&answers->ready, &command->link);
    }
    if (!command)
        (void)g_hash_table_remove(answers->timelines, &timeline->key); /* frees it */
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void push_all(struct list *batch)
{
    struct gpu_command *command, *following;
    struct virtq *queue = NULL;

    list_for_each (command, batch, link) {
        struct virtq *next = push(command);

        if (queue && queue != next)
            virtq_notify(queue);
        queue = next;
    }
    if (queue)
        virtq_notify(queue);
    /* Till here they have kept the queues where they are. */
    list_for_each_safe (command, following, batch, link) {
        list_remove(&command->link);
        gpu_command_free(command);
    }
}

/* On the main thread or the render thread, which the device outlives. */
static void push_ready(struct gpu_answers *answers)
{
    mutex_lock(&answers->lock);
    if (!answers->is_pushing) {
        answers->is_pushing = true;
        while (!list_is_empty(&answers->ready)) {
            struct list batch;

            list_init(&batch);
            list_move_all(&batch, &answers->ready);
            mutex_unlock(&answers->lock);
            push_all(&batch);
            mutex_lock(&answers->lock);
        }
        answers->is_pushing = false;
    }
    mutex_unlock(&answers->lock);
}

static void leave_timeline(struct gpu_answers *answers, struct gpu_command *command)
    REQUIRES(answers->lock)
{
    struct gpu_timeline *timeline = command->timeline;

    if (!timeline)
        return;
    list_remove(&command->timeline_link);
    command->timeline = NULL;
    advance(answers, timeline);
}

void gpu_answer(struct gpu_command *command, uint32_t type)
{
    struct gpu_answers *answers = command->gpu->answers;

    compose(command, type);
    if (!gpu_is_fenced(command)) {
        virtq_notify(push(command));
        gpu_command_free(command); /* the device may be gone now */
        return;
    }
    WITH_MUTEX (&answers->lock) {
        command->is_done = true;
        if (MUTANT(gpu_fences_overtake))
            leave_timeline(answers, command);
        if (command->timeline)
            advance(answers, command->timeline);
        else
            list_insert_tail(&answers->ready, &command->link);
    }
    push_ready(answers);
}

void gpu_answer_quietly(struct gpu_command *command, uint32_t type)
{
    assert(!gpu_is_fenced(command));
    compose(command, type);
    (void)push(command);
    gpu_command_free(command);
}

void gpu_answers_notify(struct gpu *gpu)
{
    virtq_notify(virtio_queue(&gpu->device, GPU_QUEUE_CONTROL));
}

void gpu_command_drop(struct gpu_command *command)
{
    struct gpu_answers *answers = command->gpu->answers;

    WITH_MUTEX (&answers->lock)
        leave_timeline(answers, command);
    virtq_drop(command->chain);
    gpu_command_free(command);
    push_ready(answers);
}

/* ---- The render thread, and fences ----------------------------------------------------------- */

static void rendered(struct gpu_command *command)
{
    struct gpu_answers *answers = command->gpu->answers;

    if (!command->type->finish) {
        gpu_answer(command, command->result);
        return;
    }
    WITH_MUTEX (&answers->lock)
        list_insert_tail(&answers->finished, &command->link);
    (void)loop_defer(&answers->finish); /* pending already is as good */
}

/* Whether the command has to wait for the renderer to pass a fence. */
static bool place_fence(struct gpu_command *command, void *renderer)
{
    struct gpu *gpu = command->gpu;
    struct gpu_answers *answers = gpu->answers;
    struct timeline_id id;
    uint64_t number;
    bool is_placed;

    WITH_MUTEX (&answers->lock) {
        if (!command->timeline)
            return false; /* there was a reset */
        id = command->timeline->id;
        number = command->fence = ++answers->fences;
    }
    is_placed = gpu->renderer->fence(renderer, &id, number);
    WITH_MUTEX (&answers->lock) {
        /* It may be passed already, and there may have been a reset. */
        if (is_placed && command->fence && command->timeline)
            return command->is_fence_placed = true;
        command->fence = 0;
    }
    return false;
}

static void run(struct render_work *work, void *renderer)
{
    struct gpu_command *command = container_of(work, struct gpu_command, work);

    if (!gpu_is_stale(command)) /* else it may come behind what is not */
        command->gpu->rendered_generation = command->generation;
    command->result = command->type->render(command, renderer);
    if (gpu_is_fenced(command) && command->gpu->renderer->fence && !is_error(command->result) &&
        place_fence(command, renderer))
        return;
    rendered(command);
}

void gpu_render(struct gpu_command *command)
{
    command->work.run = run;
    command->work.what = command->type->name;
    render_queue(command->gpu->render, &command->work);
}

void gpu_fence_passed(void *opaque, const struct timeline_id *id, uint64_t fence)
{
    struct gpu *gpu = opaque;
    struct gpu_answers *answers = gpu->answers;
    const int64_t key =
        id->is_global ? (int64_t)TIMELINE_GLOBAL : (int64_t)((uint64_t)id->context << 8 | id->ring);
    struct gpu_command *command, *following;
    struct list passed;

    TRACE3(gpu_fence, id->context, id->ring, fence);
    list_init(&passed);
    WITH_MUTEX (&answers->lock) {
        struct gpu_timeline *timeline = g_hash_table_lookup(answers->timelines, &key);

        if (!timeline)
            return;
        list_for_each (command, &timeline->commands, timeline_link) {
            if (command->fence == 0 || command->fence > fence)
                continue;
            command->fence = 0;
            if (command->is_fence_placed) /* else place_fence() has not come back, and will see */
                list_insert_tail(&passed, &command->link);
            command->is_fence_placed = false;
        }
    }
    list_for_each_safe (command, following, &passed, link) {
        list_remove(&command->link);
        rendered(command);
    }
}

static struct gpu_command *take_finished(struct gpu_answers *answers)
{
    MUTEX_GUARD(&answers->lock);
    struct gpu_command *command = list_first_entry(&answers->finished, struct gpu_command, link);

    if (command)
        list_remove(&command->link);
    return command;
}

static void on_finish(struct deferred *deferred)
{
    struct gpu_answers *answers = container_of(deferred, struct gpu_answers, finish);
    struct gpu *gpu = answers->gpu;
    struct gpu_command *command;
    unsigned nr = 0;

    bql_assert_held();
    while (nr++ < FINISH_BATCH && (command = take_finished(answers))) {
        if (gpu_is_stale(command))
            gpu_command_drop(command);
        else
            command->type->finish(gpu, command);
    }
    gpu_window_commit(gpu);
    if (nr > FINISH_BATCH)
        (void)loop_defer(&answers->finish); /* pending already is as good */
}

/* ---- Reset, beginning and end ---------------------------------------------------------------- */

/* Of one timeline, what nobody will complete any more goes to @dropped. */
static void forget_order(struct gpu_timeline *timeline, struct list *dropped)
{
    struct gpu_command *command, *following;

    list_for_each_safe (command, following, &timeline->commands, timeline_link) {
        list_remove(&command->timeline_link);
        command->timeline = NULL;
        if (command->is_done || command->is_fence_placed)
            list_insert_tail(dropped, &command->link);
    }
}

void gpu_answers_drop(struct gpu_answers *answers)
{
    struct gpu_command *command, *following;
    struct list dropped;

    list_init(&dropped);
    WITH_MUTEX (&answers->lock) {
        GHashTableIter iter;
        gpointer timeline;

        g_hash_table_iter_init(&iter, answers->timelines);
        while (g_hash_table_iter_next(&iter, NULL, &timeline))
            forget_order(timeline, &dropped);
        g_hash_table_remove_all(answers->timelines);
    }
    list_for_each_safe (command, following, &dropped, link) {
        list_remove(&command->link);
        gpu_command_drop(command);
    }
}

struct gpu_answers *gpu_answers_new(struct gpu *gpu)
{
    struct gpu_answers *answers = g_new0(struct gpu_answers, 1);

    answers->gpu = gpu;
    mutex_init(&answers->lock, "gpu answers", RANK_LEAF);
    answers->timelines = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    list_init(&answers->ready);
    list_init(&answers->finished);
    deferred_init(&answers->finish, on_finish);
    return answers;
}

void gpu_answers_free(struct gpu_answers *answers)
{
    struct gpu_command *command;

    if (!answers)
        return;
    loop_cancel(&answers->finish);
    while ((command = take_finished(answers)))
        gpu_command_drop(command);
    WITH_MUTEX (&answers->lock) {
        assert(g_hash_table_size(answers->timelines) == 0 && list_is_empty(&answers->ready));
        assert(!answers->is_pushing);
    }
    g_hash_table_unref(answers->timelines);
    mutex_fini(&answers->lock);
    g_free(answers);
}
