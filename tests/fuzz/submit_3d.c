/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damaged command streams (SUBMIT_3D) against the library that runs them in our process.
 *
 * virglrenderer does not stand them: it crashes, and draws for hours. That is known and written
 * down (docs/gpu.md). What must hold is that none of it is ours, so each few streams have a process
 * of their own, and where one ends badly, whose code it was in is looked at. A crash in the
 * library, or in the driver below it, is counted by its stack; one of ours is a failure.
 *
 *     submit_3d [-runs=PROCESSES] [-seed=NUMBER]
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "tests/gpu/virgl_scene.h"
#include "util/annotate.h"

#if defined(__SANITIZE_ADDRESS__)
enum { HAS_ADDRESS_SANITIZER = 1 };
#else
enum { HAS_ADDRESS_SANITIZER = 0 };
#endif

enum {
    NO_GL = 77,
    STREAMS = 8, /* of one process */
    CHANGES_MAX = 6,
    CPU_SECONDS = HAS_ADDRESS_SANITIZER ? 40 : 10, /* then it draws for hours */
    STUCK_SECONDS = 300,                           /* without using the processor */
    FRAMES_MAX = 64,
    SIGNATURE_FRAMES = 4,
};
#define MEMORY_MAX (UINT64_C(8) << 30)

/* ---- The child: streams ------------------------------------------------------------------------
 */

static uint64_t state;

/* Marsaglia's xorshift, 64 bits: the same everywhere, for a seed that is not 0. */
static uint32_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static uint32_t draw_word(uint32_t old)
{
    static const uint32_t edges[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 4096 };

    switch (draw() % 5) {
    case 0:
        return edges[draw() % ARRAY_SIZE(edges)];
    case 1:
        return old ^ UINT32_C(1) << draw() % 32;
    case 2:
        return old + draw() % 16 - 8;
    case 3:
        return draw() % 256;
    default:
        return draw();
    }
}

static void damage(struct stream *stream)
{
    for (unsigned i = 1 + draw() % CHANGES_MAX; i > 0; i--) {
        uint32_t *word = &stream->words[draw() % stream->nr_words];

        *word = draw_word(*word);
    }
}

/* Some of everything that there is a builder for. */
static void build(struct virgl_scene *scene)
{
    static const uint32_t words[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const struct stream_box box = { 1, 2, 0, 8, 8, 1 };

    scene_triangle(scene);
    stream_constants(&scene->stream, STREAM_VERTEX, 8, words);
    stream_index_buffer(&scene->stream, SCENE_BUFFER, 2, 0);
    stream_draw(&scene->stream, STREAM_TRIANGLES, 0, 3, true);
    stream_copy(&scene->stream, SCENE_TARGET, 20, 20, SCENE_TARGET, &box);
    stream_transfer(&scene->stream, SCENE_TARGET, &box, 64, STREAM_TO_HOST);
    stream_transfer(&scene->stream, SCENE_TARGET, &box, 64, STREAM_FROM_HOST);
    stream_persistent_buffer(&scene->stream, 7, SCENE_PAGE);
    stream_destroy_sub_context(&scene->stream, 1);
}

static void set_up(struct virgl_scene *scene, struct iovec *iov)
{
    void *vertices;

    scene_set_up(scene, &vertices);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, SCENE_TARGET, iov, 1), ==, 0);
}

static void take_down(struct virgl_scene *scene)
{
    renderer_virgl.context_destroy(scene->renderer, SCENE_CONTEXT);
    renderer_virgl.unmap(scene->renderer, SCENE_BUFFER);
    renderer_virgl.resource_unref(scene->renderer, SCENE_BUFFER);
    renderer_virgl.resource_unref(scene->renderer, SCENE_TARGET);
}

/* What a guest does after it, and what we do for its screens. */
static void use(struct virgl_scene *scene)
{
    static const struct timeline_id timelines[] = { { .is_global = true },
                                                    { .context = SCENE_CONTEXT } };
    static uint32_t pixels[SCENE_SIDE * SCENE_SIDE];
    void *host;

    for (size_t i = 0; i < ARRAY_SIZE(timelines); i++) {
        if (renderer_virgl.fence(scene->renderer, &timelines[i], 1 + scene->nr_passed))
            scene_wait(scene, scene->nr_passed + 1);
    }
    (void)scene_read(scene, SCENE_TARGET, 0, 0, SCENE_SIDE, SCENE_SIDE, pixels);
    if (scene_blob(scene, 30, 7, SCENE_PAGE) == 0) {
        if (scene_map(scene, 30, SCENE_PAGE, &host) == 0)
            memset(host, 0x11, SCENE_PAGE);
        renderer_virgl.resource_unref(scene->renderer, 30);
    }
}

static void run_streams(uint64_t seed)
{
    static uint32_t memory[SCENE_SIDE * SCENE_SIDE];
    struct iovec iov = { memory, sizeof(memory) };
    g_autofree char *why = NULL;
    struct virgl_scene *scene = scene_new(&why);

    if (!scene)
        _exit(NO_GL);
    state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (unsigned i = 0; i < STREAMS; i++) {
        set_up(scene, &iov);
        build(scene);
        damage(&scene->stream);
        (void)scene_submit(scene, SCENE_CONTEXT);
        use(scene);
        take_down(scene);
    }
    scene_free(scene);
}

/* Crashes of both kinds, to see that they are told apart. */
static void crash_ourselves(uint64_t seed UNUSED)
{
    raise(SIGSEGV);
}

static void crash_library(uint64_t seed UNUSED)
{
    virgl_renderer_get_cap_set(CAPSET_VIRGL2, NULL, NULL);
}

/* ---- The child: its end ------------------------------------------------------------------------
 */

static const void *own_base; /* of the program in memory */

/* "own main+0x12" or "lib libvirglrenderer.so.1+0x1234": what the parent reads. */
static void print_frame(void *address)
{
    Dl_info info;
    const char *name;
    char line[256];
    int length;

    if (!dladdr(address, &info) || !info.dli_fname) {
        length = snprintf(line, sizeof(line), "frame lib ?\n"); /* compiled by the driver */
    } else {
        name = strrchr(info.dli_fname, '/');
        length = snprintf(
            line, sizeof(line), "frame %s %s+0x%zx\n", info.dli_fbase == own_base ? "own" : "lib",
            name ? name + 1 : info.dli_fname, (size_t)((char *)address - (char *)info.dli_fbase));
    }
    if (length > 0 && write(STDERR_FILENO, line, MIN((size_t)length, sizeof(line) - 1)) < 0)
        _exit(1);
}

/* Not safe in a handler by any book, and good enough for a process that is lost anyway. */
static void on_crash(int number, siginfo_t *info UNUSED, void *context)
{
    void *frames[FRAMES_MAX], *at = NULL;
    int nr_frames = backtrace(frames, FRAMES_MAX), first = 0;

#if defined(__x86_64__)
    at = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    (void)context;
#endif
    while (first < nr_frames && frames[first] != at)
        first++;
    if (write(STDERR_FILENO, "\n", 1) < 0) /* behind what the library has begun to say */
        _exit(1);
    if (first == nr_frames) { /* a jump to nowhere: its caller follows the handler's frames */
        if (at)
            print_frame(at);
        first = MIN(2, nr_frames);
    }
    for (int i = first; i < nr_frames; i++)
        print_frame(frames[i]);
    signal(number, SIG_DFL);
    raise(number);
}

static void limit(int what, rlim_t soft, rlim_t hard)
{
    const struct rlimit limits = { soft, hard };

    if (setrlimit(what, &limits) != 0)
        perror("setrlimit");
}

static void G_GNUC_NORETURN child(void (*run)(uint64_t seed), uint64_t seed, int out)
{
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_RESETHAND };
    void *frames[4];
    Dl_info info;

    dup2(out, STDERR_FILENO);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 5);
    if (!HAS_ADDRESS_SANITIZER)
        limit(RLIMIT_AS, MEMORY_MAX, MEMORY_MAX);
    if (dladdr(&state, &info))
        own_base = info.dli_fbase;
    (void)backtrace(frames, ARRAY_SIZE(frames)); /* loads what it needs, which a handler must not */
    for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
        sigaction(crashes[i], &action, NULL);
    alarm(STUCK_SECONDS);
    run(seed);
    _exit(0);
}

/* ---- The parent --------------------------------------------------------------------------------
 */

struct totals {
    unsigned processes, crashes, hangs, ours;
    bool is_quiet;
    GHashTable *stacks; /* signature → count */
};

/* Whose it is when it ends in there: of whoever called. */
static bool is_neutral(const char *frame)
{
    static const char *const modules[] = { "libc.so", "libpthread", "libasan", "libubsan",
                                           "libglib", "linux-vdso", "ld-linux" };

    for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
        if (strstr(frame, modules[i]))
            return true;
    }
    return false;
}

/* A line of a sanitizer's stack names a source file of ours, or a module. */
static bool is_own_source(const char *frame)
{
    return strstr(frame, "/hw/") || strstr(frame, "/util/") || strstr(frame, "/tests/");
}

/* Lines that are frames, from the crash outwards: of our handler, or of the first stack that a
 * sanitizer prints. */
static GPtrArray *find_frames(char **lines)
{
    GPtrArray *frames = g_ptr_array_new();

    for (; *lines; lines++) {
        const char *text = g_strchug(*lines);

        if (g_str_has_prefix(text, "frame ") || text[0] == '#')
            g_ptr_array_add(frames, *lines);
        else if (frames->len > 0)
            break;
    }
    return frames;
}

static bool is_ours(const GPtrArray *frames)
{
    for (unsigned i = 0; i < frames->len; i++) {
        const char *frame = frames->pdata[i];

        if (!is_neutral(frame))
            return g_str_has_prefix(frame, "frame own") ||
                   (frame[0] == '#' && is_own_source(frame));
    }
    return true; /* nothing to say for it */
}

static char *signature(const GPtrArray *frames, const char *how)
{
    GString *text = g_string_new(how);

    for (unsigned i = 0, said = 0; i < frames->len && said < SIGNATURE_FRAMES; i++) {
        const char *frame = frames->pdata[i];

        if (is_neutral(frame))
            continue;
        if (frame[0] == '#') /* "#3 0x7f… in name …": the address is another one each time */
            frame = strstr(frame, " in ") ? strstr(frame, " in ") + 4 : frame;
        else
            frame += strlen("frame own ");
        g_string_append_printf(text, "%s %s", said++ ? " <" : ":", frame);
    }
    return g_string_free(text, FALSE);
}

/* glibc's own checks: what is found by them was damaged before, by nobody knows whom. */
static bool is_heap_damage(const char *text)
{
    return strstr(text, "free(): ") || strstr(text, "malloc(): ") || strstr(text, "corrupted ") ||
           strstr(text, "malloc_consolidate(): ") || strstr(text, "realloc(): ");
}

static void print_crash(uint64_t seed, const char *how, char **lines)
{
    printf("# seed %" G_GUINT64_FORMAT ": %s, in our code:\n", seed, how);
    for (; *lines; lines++)
        printf("#   %s\n", *lines);
}

static void record(struct totals *totals, uint64_t seed, const char *how, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GPtrArray *frames = find_frames(lines);
    char *stack = signature(frames, is_heap_damage(text) ? "damaged heap" : how);
    unsigned nr = GPOINTER_TO_UINT(g_hash_table_lookup(totals->stacks, stack));

    totals->crashes++;
    if (!is_heap_damage(text) && is_ours(frames)) {
        totals->ours++;
        if (!totals->is_quiet)
            print_crash(seed, how, lines);
    }
    g_hash_table_replace(totals->stacks, stack, GUINT_TO_POINTER(nr + 1));
    g_ptr_array_free(frames, TRUE);
}

static char *read_all(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t got;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0)
            g_string_append_len(text, buffer, got);
    }
    return g_string_free(text, FALSE);
}

/* False: no GL, and why has been said. */
static bool run_one(struct totals *totals, void (*run)(uint64_t seed), uint64_t seed)
{
    g_autofree char *text = NULL;
    int fds[2], status = 0;
    pid_t pid;

    fflush(stdout);
    if (pipe(fds) != 0 || (pid = fork()) < 0) {
        perror("submit_3d");
        exit(1);
    }
    if (pid == 0)
        child(run, seed, fds[1]);
    close(fds[1]);
    text = read_all(fds[0]);
    close(fds[0]);
    waitpid(pid, &status, 0);
    totals->processes++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_GL) {
        printf("1..0 # SKIP %s\n", g_strchomp(text));
        return false;
    }
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM))
        totals->hangs++;
    else if (WIFSIGNALED(status))
        record(totals, seed, strsignal(WTERMSIG(status)), text);
    else if (WEXITSTATUS(status) != 0)
        record(totals, seed, "sanitizer", text);
    return true;
}

static void print_stack(gpointer stack, gpointer number, gpointer unused UNUSED)
{
    printf("# %u times %s\n", GPOINTER_TO_UINT(number), (char *)stack);
}

static struct totals totals_new(void)
{
    return (struct totals){ .stacks =
                                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
}

/* Looked for in a process of its own, like all else: this one has no GL, and may fork. */
static void start_only(uint64_t seed UNUSED)
{
    g_autofree char *why = NULL;
    struct virgl_scene *scene = scene_new(&why);

    if (!scene) {
        fprintf(stderr, "%s\n", why);
        _exit(NO_GL);
    }
    scene_free(scene);
}

static bool has_gl(void)
{
    struct totals totals = totals_new();
    const bool has = run_one(&totals, start_only, 0);

    g_hash_table_destroy(totals.stacks);
    return has;
}

static bool tells_crashes_apart(void)
{
    struct totals totals = totals_new();
    bool is_good;

    totals.is_quiet = true;
    (void)run_one(&totals, crash_library, 0);
    is_good = totals.crashes == 1 && totals.ours == 0;
    (void)run_one(&totals, crash_ourselves, 0);
    is_good = is_good && totals.crashes == 2 && totals.ours == 1;
    g_hash_table_destroy(totals.stacks);
    printf("%sok 1 - crashes are told apart\n", is_good ? "" : "not ");
    return is_good;
}

static bool stands_streams(uint64_t runs, uint64_t seed)
{
    struct totals totals = totals_new();

    for (uint64_t i = 0; i < runs; i++)
        (void)run_one(&totals, run_streams, seed + i);
    printf("# %u processes of %u streams: %u ended in a crash, %u at their limit of time\n",
           totals.processes, STREAMS, totals.crashes, totals.hangs);
    g_hash_table_foreach(totals.stacks, print_stack, NULL);
    printf("%sok 2 - no crash is ours\n1..2\n", totals.ours ? "not " : "");
    g_hash_table_destroy(totals.stacks);
    return totals.ours == 0;
}

int main(int argc, char **argv)
{
    uint64_t runs = 12, seed = 1;
    bool tells, stands;

    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "-runs=%" G_GUINT64_FORMAT, &runs) != 1 &&
            sscanf(argv[i], "-seed=%" G_GUINT64_FORMAT, &seed) != 1) {
            fprintf(stderr, "usage: %s [-runs=PROCESSES] [-seed=NUMBER]\n", argv[0]);
            return 2;
        }
    }
    if (!has_gl())
        return 0;
    tells = tells_crashes_apart();
    stands = stands_streams(runs, seed);
    return tells && stands ? 0 : 1;
}
