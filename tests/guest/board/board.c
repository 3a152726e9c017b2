/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/board/board.h"

/* ---- What we are told (Linux: Documentation/arch/x86/zero-page.rst) ---------------------------
 */

enum { AT_COMMAND_LINE = 0x228, AT_E820_ENTRIES = 0x1e8, AT_E820 = 0x2d0, E820_SIZE = 20 };

extern const u8 *boot_params;
extern char board_further[];

static const char *find_parameter(const char *name)
{
    const char *text = (const char *)(u64) * (const u32 *)(boot_params + AT_COMMAND_LINE);

    for (const char *s = text; *s; s++) {
        const char *n = name;

        if (s != text && s[-1] != ' ')
            continue;
        for (const char *t = s; *t && *t == *n; t++)
            if (!*++n && t[1] == '=')
                return t + 2;
    }
    return NULL;
}

u64 parameter(const char *name, u64 otherwise)
{
    const char *s = find_parameter(name);
    u64 value = 0;

    if (!s)
        return otherwise;
    while (*s >= '0' && *s <= '9')
        value = value * 10 + (u64)(*s++ - '0');
    return value;
}

bool parameter_is(const char *name, const char *value)
{
    const char *s = find_parameter(name);

    while (s && *value && *s == *value) {
        s++;
        value++;
    }
    return s && !*value && (!*s || *s == ' ');
}

/* Where the RAM ends that begins at 1 MiB. */
u64 ram_size(void)
{
    u64 end = 0;

    for (unsigned i = 0; i < boot_params[AT_E820_ENTRIES]; i++) {
        u64 entry[2];
        u32 kind;

        memcpy(entry, boot_params + AT_E820 + i * E820_SIZE, sizeof(entry));
        memcpy(&kind, boot_params + AT_E820 + i * E820_SIZE + sizeof(entry), sizeof(kind));
        if (kind == 1 && entry[0] + entry[1] > end && entry[0] < LAYOUT_RAM_LOW_END)
            end = entry[0] + entry[1];
    }
    return end;
}

/* ---- Numbers: xorshift64* ----------------------------------------------------------------------
 */

static u64 states[NR_CPUS_MAX];

void seed_random(u64 seed)
{
    for (unsigned i = 0; i < NR_CPUS_MAX; i++)
        states[i] = (seed + 1) * 0x9e3779b97f4a7c15 + i * 0xbf58476d1ce4e5b9 + 1;
}

u64 random(void)
{
    u64 *state = &states[processor()];

    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

u64 random_below(u64 limit)
{
    return (random() >> 16) % limit;
}

u64 hostile_number(void)
{
    switch (random_below(8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return ~(u64)0;
    case 3:
        return random() & 0xffff;
    case 4:
        return 1ul << random_below(64);
    default:
        return random() | 0x8000000080000000;
    }
}

/* ---- Processors ---------------------------------------------------------------------------------
 */

unsigned processor(void)
{
    u64 sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    /* In a handler of an exception it is not known, and is the first one. */
    sp = (sp - (u64)stacks) >> STACK_SHIFT;
    return sp < NR_CPUS_MAX ? (unsigned)sp : 0;
}

static volatile bool has_come;

static void come(void *unused)
{
    (void)unused;
    has_come = true;
}

void start_processors(unsigned how_many)
{
    volatile u8 *mailbox = (volatile u8 *)(u64)LAYOUT_MAILBOX;

    for (unsigned i = 1; i < how_many; i++) {
        *(volatile u32 *)(mailbox + 4) = i;
        *(volatile u64 *)(mailbox + 8) = (u64)board_further;
        *(volatile u16 *)mailbox = 1;
        while (*(volatile u16 *)mailbox)
            relax();
        has_come = false;
        start_on(i, come, NULL);
        wait_for(i);
    }
    nr_cpus = how_many;
}

u64 tsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (u64)high << 32;
}

/* As Linux: Documentation/virt/kvm/x86/msr.rst, struct pvclock_vcpu_time_info. */
u64 nanoseconds(u64 ticks)
{
    enum { MSR_KVM_CLOCK = 0x4b564d01, CLOCK_ON = 1 };
    static struct {
        u32 version, pad;
        u64 tsc, system_time;
        u32 multiplier;
        signed char shift;
        u8 flags, pads[2];
    } info __attribute__((aligned(64)));

    if (!*(volatile u32 *)&info.multiplier)
        write_msr(MSR_KVM_CLOCK, (u64)&info | CLOCK_ON);
    BARRIER();
    ticks = info.shift < 0 ? ticks >> -info.shift : ticks << info.shift;
    return (u64)((unsigned __int128)ticks * info.multiplier >> 32);
}

/* ---- Memory above 4 GiB ------------------------------------------------------------------------
 */

enum { PAGE_2M = 0x83, SHIFT_2M = 21, FIRST_GIB = 8, FAR_GIB = 16, NR_FAR = 4 };

static u64 directories[NR_CPUS_MAX][512] __attribute__((aligned(4096)));
static u64 far_directories[NR_FAR * 512] __attribute__((aligned(4096)));
static unsigned nr_far_pages;

volatile u8 *at(u64 physical)
{
    const unsigned i = processor();
    const u64 virtual = (u64)(FIRST_GIB + i) << 30, page = physical >> SHIFT_2M << SHIFT_2M;

    directories[i][0] = page | PAGE_2M;
    directories[i][1] = (page + (1 << SHIFT_2M)) | PAGE_2M;
    if (page + (1 << SHIFT_2M) >= LAYOUT_PHYSICAL_END)
        directories[i][1] = 0;
    BARRIER();
    boot_pdpt[FIRST_GIB + i] = (u64)directories[i] | 3;
    BARRIER();
    invlpg((void *)virtual);
    invlpg((void *)(virtual + (1 << SHIFT_2M)));
    return (volatile u8 *)virtual + (physical - page);
}

volatile u8 *map_far(u64 physical, u64 size)
{
    const u64 page = physical >> SHIFT_2M << SHIFT_2M;
    const u64 virtual = ((u64)FAR_GIB << 30) + ((u64)nr_far_pages << SHIFT_2M);

    for (u64 at = page; at < physical + size; at += 1 << SHIFT_2M) {
        if (nr_far_pages == ARRAY_SIZE(far_directories))
            die("no page table left for 0x%lx bytes at 0x%lx", size, physical);
        far_directories[nr_far_pages++] = at | PAGE_2M;
    }
    for (unsigned i = 0; i < NR_FAR; i++)
        boot_pdpt[FAR_GIB + i] = (u64)&far_directories[i * 512] | 3;
    BARRIER();
    return (volatile u8 *)virtual + (physical - page);
}

/* ---- Accesses -----------------------------------------------------------------------------------
 */

u64 read_as(const volatile void *address, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile u8 *)address;
    case 2:
        return *(const volatile u16 *)address;
    case 4:
        return *(const volatile u32 *)address;
    default:
        return *(const volatile u64 *)address;
    }
}

void write_as(volatile void *address, unsigned size, u64 value)
{
    switch (size) {
    case 1:
        *(volatile u8 *)address = (u8)value;
        break;
    case 2:
        *(volatile u16 *)address = (u16)value;
        break;
    case 4:
        *(volatile u32 *)address = (u32)value;
        break;
    default:
        *(volatile u64 *)address = value;
    }
}

u32 in_as(u16 port, unsigned size)
{
    return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

void out_as(u16 port, unsigned size, u32 value)
{
    if (size == 1)
        out8(port, (u8)value);
    else if (size == 2)
        out16(port, (u16)value);
    else
        out32(port, value);
}

/* ---- Speaking and ending ------------------------------------------------------------------------
 */

enum { COM1 = LAYOUT_PORT_COM1, LCR_8N1 = 3, LSR = 5, LSR_DR = 1, LSR_THRE = 0x20 };

void take_over_serial(void)
{
    out8(COM1 + 3, 0x80);
    out8(COM1, 1); /* divisor */
    out8(COM1 + 1, 0);
    out8(COM1 + 3, LCR_8N1);
    out8(COM1 + 1, 0); /* no interrupts */
    out8(COM1 + 2, 0);
    out8(COM1 + 4, 3);
    put_character('\n');
}

void put_character(char c)
{
    while (!(in8(COM1 + LSR) & LSR_THRE))
        relax();
    out8(COM1, (u8)c);
}

char get_character(void)
{
    while (!(in8(COM1 + LSR) & LSR_DR))
        relax();
    return (char)in8(COM1);
}

void reset_machine(void)
{
    out8(LAYOUT_PORT_POWER + POWER_RESET, 1);
}

void end_machine(u8 status)
{
    if (status == 0)
        out8(LAYOUT_PORT_POWER + POWER_SLEEP, POWER_S5);
    else
        out8(LAYOUT_PORT_PVPANIC, 1);
    for (;;)
        __asm__ volatile("cli; hlt");
}
