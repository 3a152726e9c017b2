/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87's arithmetic, loads, stores and comparisons. */

#include "hw/cpu/soft/x87.h"
#include "hw/cpu/soft/flags.h"
#include "hw/cpu/soft/mmx.h"
#include "hw/cpu/soft/sse_stubs.h"

/* ---- The host's x87 ------------------------------------------------------------------------ */

/* FNSAVE's and FRSTOR's image, 32-bit format (Intel SDM vol. 1, figure 8-9). */
struct x87_image {
    uint16_t control, unused_control;
    uint16_t status, unused_status;
    uint16_t tag, unused_tag;
    uint32_t pointers[4]; /* ours, not the host's: cpu->fpu.ip and dp */
    uint8_t stack[80];
} __attribute__((packed));
_Static_assert(sizeof(struct x87_image) == 108, "");

static inline uint16_t host_control(void)
{
    uint16_t control;

    __asm__ volatile("fnstcw %0" : "=m"(control));
    return control;
}

static inline uint16_t host_status(void)
{
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=am"(status));
    return status;
}

void x87_get_stack(const struct soft *cpu, unsigned stride, uint8_t *ret_stack)
{
    unsigned top = cpu->fpu.status >> X87_TOP_SHIFT;

    for (unsigned i = 0; i < 8; i++)
        memcpy(ret_stack + (size_t)stride * i, cpu->fpu.reg[(top + i) & 7], 10);
}

void x87_set_stack(struct soft *cpu, unsigned stride, const uint8_t *stack)
{
    unsigned top = cpu->fpu.status >> X87_TOP_SHIFT;

    for (unsigned i = 0; i < 8; i++)
        memcpy(cpu->fpu.reg[(top + i) & 7], stack + (size_t)stride * i, 10);
}

void x87_control_changed(struct soft *cpu)
{
    cpu->fpu.control = host_control();
    cpu->fpu.x87 = ~cpu->fpu.control & X87_EXCEPTIONS ? X87_LIVE_UNMASKED : X87_LIVE;
}

void x87_load(struct soft *cpu)
{
    struct x87_image image = { .control = cpu->fpu.control, .status = cpu->fpu.status };

    if (cpu->fpu.x87 != X87_SAVED)
        return;
    for (unsigned i = 0; i < 8; i++) { /* only empty or not: the rest is the host's to find */
        if (!(cpu->fpu.full_tag >> i & 1))
            image.tag |= (uint16_t)(3 << (2 * i));
    }
    x87_get_stack(cpu, 10, image.stack);
    cpu->fpu.host_control = host_control();
    __asm__ volatile("frstor %0" ::"m"(image));
    x87_control_changed(cpu);
}

void x87_save(struct soft *cpu)
{
    struct x87_image image;

    if (cpu->fpu.x87 == X87_SAVED)
        return;
    __asm__ volatile("fnsave %0" : "=m"(image));
    if (cpu->fpu.host_control != X87_CONTROL_INIT)
        __asm__ volatile("fldcw %0" ::"m"(cpu->fpu.host_control));
    cpu->fpu.control = image.control;
    cpu->fpu.status = image.status;
    cpu->fpu.full_tag = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((image.tag >> (2 * i) & 3) != 3)
            cpu->fpu.full_tag |= (uint8_t)(1 << i);
    }
    x87_set_stack(cpu, 10, image.stack);
    cpu->fpu.x87 = X87_SAVED;
}

uint16_t x87_status(const struct soft *cpu)
{
    return cpu->fpu.x87 == X87_SAVED ? cpu->fpu.status : host_status();
}

void x87_begin(struct soft *cpu, const struct op *op)
{
    if (x87_status(cpu) & X87_PENDING)
        soft_raise(cpu, op, VECTOR_MF);
    x87_load(cpu);
}

void mmx_begin(struct soft *cpu, const struct op *op)
{
    x87_save(cpu);
    if (cpu->fpu.status & X87_PENDING)
        soft_raise(cpu, op, VECTOR_MF);
}

/* ---- Every instruction, in code of 8 bytes (sse_stubs.h) ----------------------------------- */

/* By opcode and ModRM: with registers; and with memory at RDI, by opcode and ModRM.reg. */
__asm__(".pushsection .text\n"
        ".balign 8\n"
        "x87_register_stubs:\n"
        ".set at, 0\n"
        ".rept 512\n"
        ".balign 8\n"
        ".byte 0xd8 + at / 64, 0xc0 + at % 64\n"
        "ret\n"
        ".set at, at + 1\n"
        ".endr\n"
        ".balign 8\n"
        "x87_memory_stubs:\n"
        ".set at, 0\n"
        ".rept 64\n"
        ".balign 8\n"
        ".byte 0xd8 + at / 8, 0x07 + at % 8 * 8\n"
        "ret\n"
        ".set at, at + 1\n"
        ".endr\n"
        ".popsection\n");
extern const uint8_t x87_register_stubs[8][64][STUB_BYTES] __attribute__((visibility("hidden")));
extern const uint8_t x87_memory_stubs[8][8][STUB_BYTES] __attribute__((visibility("hidden")));

static ALWAYS_INLINE void call_register(const void *stub)
{
    __asm__ volatile("call *%0" ::"r"(stub));
}

static ALWAYS_INLINE void call_memory(const void *stub, const void *memory)
{
    __asm__ volatile("call *%0" ::"r"(stub), "D"(memory) : "memory");
}

/* With the six arithmetic flags as @flags, an image of RFLAGS; those afterwards. */
static uint64_t call_flags(const void *stub, uint64_t flags)
{
    uint64_t rax = (flags & 0xff) << 8 | !!(flags & FLAG_OF);

    __asm__ volatile("addb $0x7f, %%al\n\t" /* sets OF from bit 0 */
                     "sahf\n\t"
                     "call *%1\n\t"
                     "lahf\n\t"
                     "seto %%al"
                     : "+a"(rax)
                     : "r"(stub)
                     : "cc");
    return (rax >> 8 & 0xff) | (rax & 1 ? FLAG_OF : 0);
}

/* ---- Handlers ----------------------------------------------------------------------------------
 */

/* What FNSTENV and FXSAVE say of the last instruction. The selectors are 0, as of late. */
static ALWAYS_INLINE void set_last(struct soft *cpu, const struct op *op)
{
    cpu->fpu.ip = op_rip(cpu, op);
    cpu->fpu.opcode = op->aux;
    cpu->fpu.cs = 0;
}

static ALWAYS_INLINE void set_last_memory(struct soft *cpu, const struct op *op, uint64_t va)
{
    set_last(cpu, op);
    cpu->fpu.dp = va - REG64(op->seg);
    cpu->fpu.ds = 0;
}

MEMORY_HANDLER(with_registers)
{
    X87_BEGIN;
    call_register(op->ptr);
    set_last(cpu, op);
    NEXT;
}

MEMORY_HANDLER(move_if)
{
    X87_BEGIN;
    (void)call_flags(op->ptr, flags_get(cpu));
    set_last(cpu, op);
    NEXT;
}

MEMORY_HANDLER(compare_to_flags)
{
    X87_BEGIN;
    flags_set(cpu, call_flags(op->ptr, flags_get(cpu)));
    set_last(cpu, op);
    NEXT;
}

#define LOAD_HANDLER(size)                                                                         \
    MEMORY_HANDLER(with_memory##size)                                                              \
    {                                                                                              \
        const uint64_t va = op_address(cpu, op);                                                   \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        X87_BEGIN;                                                                                 \
        READ_POINTER(size, 1, from, copy, va);                                                     \
        if (is_slow)                                                                               \
            x87_load(cpu); /* the access may have left the run */                                  \
        call_memory(op->ptr, from);                                                                \
        set_last_memory(cpu, op, va);                                                              \
        NEXT;                                                                                      \
    }
LOAD_HANDLER(2)
LOAD_HANDLER(4)
LOAD_HANDLER(8)
LOAD_HANDLER(10)

/* Whether a store has stored: these exceptions prevent it, if they are not masked. */
static bool has_stored(const struct soft *cpu)
{
    const unsigned prevents = MXCSR_IE | MXCSR_OE | MXCSR_UE; /* the same bits in x87 */

    return !(host_status() & ~(unsigned)cpu->fpu.control & prevents);
}

/* Pops and sets flags, so all that may fault comes first. */
static void store_slow(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    v128 copy;
    bool stored;

    sse_probe_write(cpu, op, va, size);
    x87_load(cpu);
    call_memory(op->ptr, &copy);
    stored = has_stored(cpu);
    set_last_memory(cpu, op, va);
    if (stored)
        sse_store(cpu, op, va, &copy, size, 1);
}

#define STORE_HANDLER(size)                                                                        \
    MEMORY_HANDLER(to_memory##size)                                                                \
    {                                                                                              \
        const uint64_t va = op_address(cpu, op);                                                   \
        const struct tlb_entry *entry = tlb_entry(cpu, va);                                        \
                                                                                                   \
        X87_BEGIN;                                                                                 \
        if (is_slow) {                                                                             \
            store_slow(cpu, op, va, size);                                                         \
        } else if (TLB_HITS_(entry->write_tag, va, size)) {                                        \
            call_memory(op->ptr, (const void *)(uintptr_t)(va + entry->addend));                   \
            set_last_memory(cpu, op, va);                                                          \
        } else {                                                                                   \
            return slow(cpu, op);                                                                  \
        }                                                                                          \
        NEXT;                                                                                      \
    }
STORE_HANDLER(2)
STORE_HANDLER(4)
STORE_HANDLER(8)
STORE_HANDLER(10)

/* ---- Lowering
 * ------------------------------------------------------------------------------------ */

static bool is_store(enum insn_kind kind)
{
    return kind == INSN_FST || kind == INSN_FSTP || kind == INSN_FIST || kind == INSN_FISTP ||
           kind == INSN_FBSTP;
}

static op_fn *memory_handler(const struct insn *insn)
{
    const bool store = is_store((enum insn_kind)insn->row->kind);

    switch (insn->operands[0].size) {
    case 2:
        return store ? to_memory2 : with_memory2;
    case 4:
        return store ? to_memory4 : with_memory4;
    case 8:
        return store ? to_memory8 : with_memory8;
    default:
        return store ? to_memory10 : with_memory10;
    }
}

static op_fn *register_handler(const struct insn *insn)
{
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_FCOMI:
    case INSN_FCOMIP:
    case INSN_FUCOMI:
    case INSN_FUCOMIP:
        return compare_to_flags;
    case INSN_FCMOVB:
    case INSN_FCMOVE:
    case INSN_FCMOVBE:
    case INSN_FCMOVU:
    case INSN_FCMOVNB:
    case INSN_FCMOVNE:
    case INSN_FCMOVNBE:
    case INSN_FCMOVNU:
        return move_if;
    default:
        return with_registers;
    }
}

static bool lower(struct builder *builder, const struct insn *insn)
{
    const unsigned opcode = insn->opcode & 7;
    struct op *op;

    sse_build_check(builder, CHECK_X87);
    if (insn->row->kind == INSN_FNOP && opcode != 1)
        return true; /* FNENI and its like: not even waiting */
    if (insn_touches_memory(insn)) {
        op = build_memory_op(builder, insn, memory_handler(insn));
        op->ptr = x87_memory_stubs[opcode][insn->modrm >> 3 & 7];
    } else {
        op = build_op(builder, register_handler(insn));
        op->ptr = x87_register_stubs[opcode][insn->modrm & 63];
    }
    op->aux = (uint16_t)(opcode << 8 | insn->modrm);
    return true;
}

lower_fn *lower_x87(enum insn_kind kind)
{
    if (insn_kind_family(kind) != FAMILY_X87)
        return NULL;
    if (kind >= INSN_FXSAVE)
        return fxsave_lower;
    return kind >= INSN_FWAIT ? x87_lower_control : lower;
}
_Static_assert(INSN_FWAIT < INSN_FRSTOR && INSN_FRSTOR < INSN_FXSAVE, "their order in kinds.h");
