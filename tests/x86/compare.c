/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/annotate.h"

static struct comparison *running; /* for reports of crashes */

static void describe_running(void)
{
    if (running)
        report_case(running);
}

static bool is_of_family(const struct insn_row *row, bool is_float)
{
    const enum insn_family family = insn_kind_family(row->kind);

    return (family == FAMILY_SSE || family == FAMILY_X87) == is_float;
}

void compare_open(struct comparison *comparison)
{
    struct catalogue *const catalogue = catalogue_get();

    if (running)
        return;
    running = comparison;
    comparison->rows.row = calloc(catalogue->nr_rows, sizeof(struct catalogue_row *));
    if (!comparison->rows.row)
        abort();
    for (unsigned i = 0; i < catalogue->nr_rows; i++) {
        if (is_of_family(catalogue->rows[i].row, comparison->is_float) &&
            compose_may_mix(&catalogue->rows[i]))
            comparison->rows.row[comparison->rows.nr++] = &catalogue->rows[i];
    }
    host_open();
    host_on_crash(describe_running);
    guest_open();
    scene_init(&comparison->scene);
    comparison->scene.is_float = comparison->is_float;
    memcpy(host_data(), comparison->scene.image, DATA_BYTES);
    memcpy(guest_data(), comparison->scene.image, DATA_BYTES);
}

void compare_close(void)
{
    guest_close();
    if (running)
        free(running->rows.row);
    running = NULL;
}

bool compare_compose(struct comparison *comparison, const struct case_id *id)
{
    struct program *const program = &comparison->program;
    struct random random = random_from(random_mix(id->seed, id->shape * 65536u + id->row));
    const struct rows *const rows = &comparison->rows;

    comparison->id = *id;
    comparison->has_code = false;
    switch (id->shape) {
    case SHAPE_SINGLE:
        return compose_single(program, &random, &catalogue_get()->rows[id->row]);
    case SHAPE_SEQUENCE:
        return compose_sequence(program, &random, rows);
    case SHAPE_LOOP:
        return compose_loop(program, &random, rows);
    case SHAPE_SELF_MODIFYING:
        return compose_self_modifying(program, &random, rows);
    case SHAPE_CUT_OFF:
        return compose_cut_off(program, &random, rows);
    case SHAPE_BAD_LOCK:
        return compose_bad_lock(program, &random, rows);
    case NR_SHAPES:
        break;
    }
    return false;
}

/* ---- Running ------------------------------------------------------------------------------- */

static size_t code_size(const struct program *program)
{
    const size_t left = CODE + CODE_BYTES - program->address, size = program->start[program->nr];

    return size < left ? size : left;
}

static void put_code(const struct program *program)
{
    const size_t size = code_size(program);

    memcpy(host_code() + (program->address - CODE), program->bytes, size);
    guest_put_code(program->address, program->bytes, size);
    if (!program->runs_off) {
        uint8_t bytes[SANDBOX_EXIT_BYTES];

        sandbox_exit(program_end(program), bytes);
        memcpy(host_code() + (program_end(program) - CODE), bytes, sizeof(bytes));
        guest_put_code(program_end(program), bytes, sizeof(bytes));
    }
}

static void put_windows(const struct scene *scene)
{
    for (unsigned i = 0; i < NR_WINDOWS; i++) {
        const size_t offset = windows[i].start - DATA_A;

        memcpy(host_data() + offset, scene->image + offset, windows[i].size);
        memcpy(guest_data() + offset, scene->image + offset, windows[i].size);
    }
}

/* How often the run on our side is interrupted: that is part of the case. */
static enum guest_pace choose_pace(struct random *random)
{
    const unsigned r = random_below(random, 16);

    return r == 0 ? PACE_SINGLE : r == 1 ? PACE_KICKS : PACE_BLOCKS;
}

/* ---- Comparing ----------------------------------------------------------------------------- */

static bool is_inside(const struct program *program, uint64_t rip, unsigned *ret_index)
{
    for (unsigned i = 0; i < program->nr; i++) {
        if (rip == (uint64_t)program->address + program->start[i]) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

uint64_t compare_flags_mask(const struct comparison *comparison)
{
    const struct program *const program = &comparison->program;
    unsigned index = program->nr;
    uint64_t ignored = 0;

    if (comparison->host.has_fault && is_inside(program, comparison->host.after.rip, &index)) {
        const struct insn *const insn = &program->insns[index];

        /* Between two comparisons: Intel puts the flags back (SDM, REP), AMD does not. */
        if ((insn->row->prefixes & ROW_REPCC) && (insn->prefixes & (PREFIX_REP | PREFIX_REPNE)))
            ignored = FLAGS_ARITH;
    }
    ignored |= program->ignored[index];
    return (FLAGS_ARITH | FLAG_DF | FLAG_IF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID) & ~ignored;
}

/* Linux says of addresses that are no user's that pages are there: from its TASK_SIZE_MAX on. */
static uint32_t known_error(const struct outcome *outcome)
{
    if (outcome->vector == VECTOR_PF && outcome->cr2 >= (UINT64_C(1) << 47) - SANDBOX_PAGE)
        return outcome->error & ~(uint32_t)PF_PRESENT;
    return outcome->error;
}

/* x87's operands that are more than one number of 8 bytes. */
static bool is_in_pieces(const struct insn *insn)
{
    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++) {
        if (insn->operands[i].kind == OPERAND_MEMORY && insn->operands[i].size > 8 &&
            insn_kind_family(insn->row->kind) == FAMILY_X87)
            return true;
    }
    return false;
}

/*
 * CMPS has two operands to read, in no order that anybody promises. An indirect CALL to where no
 * code can be is refused before the push by Intel's (SDM, CALL), after it by AMD's. MASKMOV
 * may look at all of its bytes, or at those that it writes.
 */
static bool is_order_unknown(const struct comparison *comparison)
{
    const struct program *const program = &comparison->program;
    unsigned index;

    if (!is_inside(program, comparison->host.after.rip, &index))
        return false;
    switch ((enum insn_kind)program->insns[index].row->kind) {
    case INSN_CMPS:
    case INSN_MASKMOVQ:
    case INSN_MASKMOVDQU:
        return true;
    case INSN_CALL:
        return program->insns[index].operands[0].kind != OPERAND_IMM;
    default:
        return is_in_pieces(&program->insns[index]);
    }
}

static const char *compare_ends(const struct comparison *comparison)
{
    const struct outcome *const host = &comparison->host, *const guest = &comparison->guest;
    const uint64_t cr2_mask = comparison->scene.is_page_of_fault ? ~UINT64_C(0xfff) : UINT64_MAX;

    if (host->has_fault != guest->has_fault)
        return host->has_fault ? "the host faults, we do not" : "we fault, the host does not";
    if (!host->has_fault)
        return NULL;
    if (host->after.rip != guest->after.rip)
        return "rip of the exception";
    if (is_order_unknown(comparison))
        return NULL;
    if (host->vector != guest->vector)
        return "the exception's vector";
    if (known_error(host) != known_error(guest))
        return "the exception's error code";
    if ((host->cr2 ^ guest->cr2) & cr2_mask)
        return "the faulting address";
    return NULL;
}

static bool is_same_x87(const uint8_t *host, const uint8_t *guest)
{
    if (memcmp(host, guest, FX_TAG + 1) != 0)
        return false;
    for (unsigned i = 0; i < 8; i++) {
        if (memcmp(host + FX_ST + 16 * i, guest + FX_ST + 16 * i, 10) != 0)
            return false;
    }
    return true;
}

/*
 * Beside an overflow or underflow that is not masked, PE says whether the result would be inexact
 * with exponents without limits (Intel SDM vol. 1, 4.9.1.5). We know it for limited ones only.
 */
static unsigned unknown_sse_flags(const struct comparison *comparison)
{
    const uint8_t *const mxcsr = comparison->host.after.fxsave + FX_MXCSR;
    const unsigned value = mxcsr[0] | mxcsr[1] << 8, overflow = 1 << 3, underflow = 1 << 4;

    if (comparison->host.has_fault && comparison->host.vector == VECTOR_XM &&
        (value & ~(value >> 7) & (overflow | underflow)))
        return 1 << 5;
    return 0;
}

static const char *compare_registers(const struct comparison *comparison)
{
    const struct registers *const host = &comparison->host.after;
    const struct registers *const guest = &comparison->guest.after;

    if (memcmp(host->gpr, guest->gpr, sizeof(host->gpr)) != 0)
        return "a general register";
    if ((host->rflags ^ guest->rflags) & compare_flags_mask(comparison))
        return "flags";
    if (((host->fxsave[FX_MXCSR] ^ guest->fxsave[FX_MXCSR]) & ~unknown_sse_flags(comparison)) ||
        memcmp(host->fxsave + FX_MXCSR + 1, guest->fxsave + FX_MXCSR + 1, 3) != 0)
        return "MXCSR";
    if (!(comparison->scene.may_become_mmx && comparison->host.has_fault) &&
        !is_same_x87(host->fxsave, guest->fxsave))
        return "x87";
    if (memcmp(host->fxsave + FX_XMM, guest->fxsave + FX_XMM, 256) != 0)
        return "an XMM register";
    return NULL;
}

/* What is different on purpose is made alike. */
static void mask_memory(const struct scene *scene)
{
    for (unsigned i = 0; i < scene->nr_masks; i++) {
        const uint32_t start = scene->masks[i].start, size = scene->masks[i].size;

        if (start >= DATA_A && start <= DATA_C - size) {
            memset(host_data() + (start - DATA_A), 0, size);
            memset(guest_data() + (start - DATA_A), 0, size);
        }
    }
}

static const char *compare_memory(const struct comparison *comparison)
{
    const struct scene *const scene = &comparison->scene;

    if (scene->may_tear && comparison->host.has_fault)
        return NULL;
    mask_memory(scene);
    for (unsigned i = 0; i < NR_WINDOWS; i++) {
        const size_t offset = windows[i].start - DATA_A;

        if (memcmp(host_data() + offset, guest_data() + offset, windows[i].size) != 0)
            return "memory";
    }
    return NULL;
}

static const char *compare_code(const struct program *program)
{
    if (program->writes_code && memcmp(host_code() + (program->address - CODE),
                                       guest_code(program->address), code_size(program)) != 0)
        return "code";
    return NULL;
}

/* NULL: alike. */
static const char *compare_outcomes(const struct comparison *comparison)
{
    const char *what = compare_ends(comparison);

    if (!what)
        what = compare_registers(comparison);
    if (!what)
        what = compare_memory(comparison);
    if (!what)
        what = compare_code(&comparison->program);
    return what;
}

/* Some things are better not tried in this process. */
static bool is_harmless(const struct outcome *guest)
{
    if (guest->is_endless)
        return false;
    return !(guest->has_fault && guest->vector == VECTOR_PF && host_is_private(guest->cr2));
}

/* All of the data that can have changed, at the end of a program. */
static const char *compare_all_memory(const struct comparison *comparison)
{
    const char *what = NULL;

    if (memcmp(host_data(), guest_data(), DATA_BYTES) != 0)
        what = "memory outside of the windows";
    memcpy(host_data(), comparison->scene.image, DATA_BYTES);
    memcpy(guest_data(), comparison->scene.image, DATA_BYTES);
    return what;
}

static bool is_code_whole(const struct program *program)
{
    return memcmp(host_code() + (program->address - CODE), program->bytes, code_size(program)) == 0;
}

const char *compare_rerun(struct comparison *comparison)
{
    const struct program *const program = &comparison->program;
    const struct scene *const scene = &comparison->scene;

    put_windows(scene);
    if (!comparison->has_code || program->writes_code)
        put_code(program);
    comparison->has_code = true;
    guest_run(&scene->before, comparison->pace, &comparison->guest);
    if (!is_harmless(&comparison->guest)) {
        comparison->nr_skipped++;
        memcpy(guest_data(), host_data(), DATA_BYTES); /* as if nothing had been */
        guest_put_code(CODE, host_code(), CODE_BYTES);
        return NULL;
    }
    host_run(&scene->before, &comparison->host);
    if (!program->writes_code && !is_code_whole(program)) {
        /* It has hit itself by chance, and how soon that shows nobody promises (REP STOS). */
        comparison->has_code = false;
        comparison->nr_skipped++;
        memcpy(guest_data(), host_data(), DATA_BYTES);
        return NULL;
    }
    comparison->nr_cases++;
    comparison->nr_faults += comparison->host.has_fault;
    return compare_outcomes(comparison);
}

static const char *run_scene(struct comparison *comparison, unsigned number)
{
    struct catalogue_row *const entry = comparison->program.measured;
    struct random random = random_from(random_mix(comparison->id.seed, 1000 + number));
    const uint64_t nr_before = comparison->nr_cases;
    const char *what;

    comparison->id.scene = number;
    scene_set(&comparison->scene, &random, &comparison->program);
    comparison->pace = choose_pace(&random);
    what = compare_rerun(comparison);
    if (!what && entry && comparison->nr_cases > nr_before) {
        entry->nr_runs++;
        entry->nr_done += !comparison->host.has_fault;
    }
    return what;
}

bool compare_program(struct comparison *comparison)
{
    const char *what = NULL;
    unsigned number = 0;

    while (number < SCENES && !what)
        what = run_scene(comparison, number++);
    if (what)
        report_difference(comparison, what);
    if (what && comparison->program.nr > 1)
        minimise(comparison);

    const char *const far = compare_all_memory(comparison);

    if (!what && far)
        report_difference(comparison, far);
    comparison->nr_different += what || far;
    return !what && !far;
}

bool compare_again(struct comparison *comparison)
{
    const unsigned last = comparison->id.scene;
    const char *what = NULL;

    /* With the blocks that the scenes before it have left. */
    for (unsigned number = 0; number <= last; number++)
        what = run_scene(comparison, number);

    report_difference(comparison, what ? what : "nothing is");
    if (what)
        minimise(comparison);
    return !what;
}
