/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "tests/x86/compare.h"
#include "util/annotate.h"

enum { /* in full; then only counted */
       REPORTS_MAX = 40,
       ROW_REPORTS_MAX = 2,
};

const char *const shape_names[NR_SHAPES] = {
    [SHAPE_SINGLE] = "single",   [SHAPE_SEQUENCE] = "sequence",
    [SHAPE_LOOP] = "loop",       [SHAPE_SELF_MODIFYING] = "self-modifying",
    [SHAPE_CUT_OFF] = "cut-off", [SHAPE_BAD_LOCK] = "bad-lock",
};

static const char *const gpr_names[NR_GPRS] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};

static void print_bytes(const char *name, const uint8_t *bytes, size_t size)
{
    printf("%s", name);
    for (size_t i = 0; i < size; i++)
        printf("%02x", bytes[i]);
}

/* As numbers are written: the highest byte first. */
static void print_number(const char *name, const uint8_t *bytes, size_t size)
{
    printf("%s", name);
    for (size_t i = size; i > 0; i--)
        printf("%02x", bytes[i - 1]);
}

static void print_operand(const struct insn *insn, const struct insn_operand *operand)
{
    static const char *const names[] = {
        [OPERAND_GPR] = "r",   [OPERAND_GPR_HIGH] = "high", [OPERAND_MEMORY] = "mem",
        [OPERAND_IMM] = "imm", [OPERAND_SEGMENT] = "seg",   [OPERAND_CR] = "cr",
        [OPERAND_DR] = "dr",   [OPERAND_ST] = "st",         [OPERAND_MMX] = "mm",
        [OPERAND_XMM] = "xmm", [OPERAND_FAR] = "far",
    };
    const struct insn_memory *const memory = &insn->memory;

    switch ((enum operand_kind)operand->kind) {
    case OPERAND_GPR:
    case OPERAND_GPR_HIGH:
        printf(" %s:%u", gpr_names[operand->reg], operand->size);
        if (operand->kind == OPERAND_GPR_HIGH)
            printf("h");
        break;
    case OPERAND_IMM:
        printf(" %#llx", (unsigned long long)insn->imm);
        break;
    case OPERAND_MEMORY:
        printf(" %s[", memory->segment == SEG_GS ? "gs:" : "");
        if (memory->base == MEMORY_RIP)
            printf("rip");
        else if (memory->base != MEMORY_NO_REG)
            printf("%s", gpr_names[memory->base]);
        if (memory->index != MEMORY_NO_REG)
            printf(" + %s * %u", gpr_names[memory->index], 1u << memory->shift);
        printf(" + %#llx]:%u%s", (unsigned long long)memory->disp, operand->size,
               insn->address_size == 4 ? " (32-bit address)" : "");
        break;
    default:
        printf(" %s%u:%u", names[operand->kind], operand->reg, operand->size);
        break;
    }
}

static void print_program(const struct program *program)
{
    if (program->nr == 0)
        print_bytes("#   no instruction: ", program->bytes, program->start[0]);
    for (unsigned i = 0; i < program->nr; i++) {
        const struct insn *const insn = &program->insns[i];

        printf("#   %#x ", program->address + program->start[i]);
        print_bytes("", program->bytes + program->start[i], insn->length);
        printf("  %s%s%s", insn->prefixes & PREFIX_LOCK ? "lock " : "",
               insn->prefixes & PREFIX_REP     ? "rep "
               : insn->prefixes & PREFIX_REPNE ? "repne "
                                               : "",
               insn->row->name);
        for (unsigned o = 0; o < INSN_OPERANDS_MAX && insn->operands[o].kind; o++)
            print_operand(insn, &insn->operands[o]);
        if (program->target[i] != PROGRAM_NO_TARGET)
            printf(" -> %#x", program->address + program->start[program->target[i]]);
        if (i == program->entry)
            printf("  <- begins here");
        printf("\n");
    }
}

static void print_registers(const struct registers *registers, bool is_float)
{
    const uint8_t *const fx = registers->fxsave;

    for (unsigned i = 0; i < NR_GPRS; i++)
        printf("%s%s=%llx%s", i % 4 ? " " : "#   ", gpr_names[i],
               (unsigned long long)registers->gpr[i], i % 4 == 3 ? "\n" : "");
    printf("#   rflags=%llx\n", (unsigned long long)registers->rflags);
    if (!is_float)
        return;
    print_number("#   fcw=", fx + FX_CONTROL, 2);
    print_number(" fsw=", fx + FX_STATUS, 2);
    print_number(" tag=", fx + FX_TAG, 1);
    print_number(" mxcsr=", fx + FX_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        printf("%sst%u=", i % 4 ? " " : "\n#   ", i);
        print_number("", fx + FX_ST + 16 * i, 10);
    }
    for (unsigned i = 0; i < 16; i++) {
        printf("%sxmm%u=", i % 2 ? " " : "\n#   ", i);
        print_number("", fx + FX_XMM + 16 * i, 16);
    }
    printf("\n");
}

/* What the memory operands hold at the start: those with addresses in the windows. */
static void print_memory(const struct comparison *comparison)
{
    const struct program *const program = &comparison->program;
    const struct scene *const scene = &comparison->scene;

    for (unsigned i = program->entry; i < program->nr; i++) {
        const struct insn *const insn = &program->insns[i];
        const uint64_t va =
            scene_address(&scene->before, insn, program->address + program->start[i]);

        for (unsigned o = 0; o < INSN_OPERANDS_MAX; o++) {
            if (insn->operands[o].kind != OPERAND_MEMORY)
                continue;
            printf("#   first operand address of %u: %#llx", i, (unsigned long long)va);
            if (va >= DATA_A && va <= DATA_END - 16)
                print_number(" number there: ", scene->image + (va - DATA_A), 16);
            printf("\n");
        }
    }
}

static void print_end(const char *name, const struct outcome *outcome)
{
    if (outcome->is_endless)
        printf("#   %s: endless\n", name);
    else if (outcome->has_fault)
        printf("#   %s: vector %u error %#x cr2 %#llx rip %#llx\n", name, outcome->vector,
               outcome->error, (unsigned long long)outcome->cr2,
               (unsigned long long)outcome->after.rip);
    else
        printf("#   %s: reached the end\n", name);
}

static void differ(const char *name, const uint8_t *before, const uint8_t *host,
                   const uint8_t *guest, size_t size)
{
    if (memcmp(host, guest, size) == 0)
        return;
    printf("#   %s:", name);
    print_number(" before ", before, size);
    print_number(" host ", host, size);
    print_number(" ours ", guest, size);
    printf("\n");
}

static void print_register_differences(const struct comparison *comparison)
{
    const struct registers *const before = &comparison->scene.before;
    const struct registers *const host = &comparison->host.after;
    const struct registers *const guest = &comparison->guest.after;
    char name[8];

    for (unsigned i = 0; i < NR_GPRS; i++) {
        if (host->gpr[i] != guest->gpr[i])
            printf("#   %s: before %llx host %llx ours %llx\n", gpr_names[i],
                   (unsigned long long)before->gpr[i], (unsigned long long)host->gpr[i],
                   (unsigned long long)guest->gpr[i]);
    }
    if ((host->rflags ^ guest->rflags) & compare_flags_mask(comparison))
        printf(
            "#   rflags: before %llx host %llx ours %llx; differ where they count: %llx\n",
            (unsigned long long)before->rflags, (unsigned long long)host->rflags,
            (unsigned long long)guest->rflags,
            (unsigned long long)((host->rflags ^ guest->rflags) & compare_flags_mask(comparison)));
    differ("fcw", before->fxsave, host->fxsave, guest->fxsave, 2);
    differ("fsw", before->fxsave + FX_STATUS, host->fxsave + FX_STATUS, guest->fxsave + FX_STATUS,
           2);
    differ("tag", before->fxsave + FX_TAG, host->fxsave + FX_TAG, guest->fxsave + FX_TAG, 1);
    differ("mxcsr", before->fxsave + FX_MXCSR, host->fxsave + FX_MXCSR, guest->fxsave + FX_MXCSR,
           4);
    for (unsigned i = 0; i < 24; i++) {
        const size_t at = i < 8 ? FX_ST + 16 * i : FX_XMM + 16 * (i - 8);

        (void)snprintf(name, sizeof(name), i < 8 ? "st%u" : "xmm%u", i < 8 ? i : i - 8);
        differ(name, before->fxsave + at, host->fxsave + at, guest->fxsave + at, i < 8 ? 10 : 16);
    }
}

static void print_memory_differences(const struct comparison *comparison)
{
    const uint8_t *const host = host_data(), *const guest = guest_data();
    unsigned nr = 0;

    for (uint32_t i = 0; i < DATA_BYTES && nr < 4; i += 8) {
        if (memcmp(host + i, guest + i, 8) == 0)
            continue;
        printf("#   at %#x:", DATA_A + i);
        print_bytes(" before ", comparison->scene.image + i, 8);
        print_bytes(" host ", host + i, 8);
        print_bytes(" ours ", guest + i, 8);
        printf("\n");
        nr++;
    }
}

void report_case(const struct comparison *comparison)
{
    const struct case_id *const id = &comparison->id;

    print_program(&comparison->program);
    print_registers(&comparison->scene.before, comparison->is_float);
    print_memory(comparison);
    printf("#   again: %s -r %s:%u:%#llx:%u\n", comparison->program_name, shape_names[id->shape],
           id->row, (unsigned long long)id->seed, id->scene);
}

/* The same mistake in every row and shape would fill the log. */
static bool is_worth_saying(const struct comparison *comparison)
{
    static unsigned nr_reports;
    struct catalogue_row *entry = NULL;

    if (comparison->program.nr)
        entry = catalogue_find(comparison->program.insns[comparison->program.entry].row);
    if (comparison->id.shape == SHAPE_SINGLE && entry && entry->nr_reports++ >= ROW_REPORTS_MAX)
        return false;
    return nr_reports++ < REPORTS_MAX;
}

void report_difference(const struct comparison *comparison, const char *what)
{
    if (!is_worth_saying(comparison))
        return;
    printf("# %s: %s%s\n", shape_names[comparison->id.shape],
           comparison->program.nr ? comparison->program.insns[comparison->program.entry].row->name
                                  : "no instruction",
           ": different");
    printf("#   %s\n", what);
    report_case(comparison);
    print_end("host", &comparison->host);
    print_end("ours", &comparison->guest);
    print_register_differences(comparison);
    print_memory_differences(comparison);
}
