/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging: what the tables allow to whom, what faults say, and what the processor may remember
 * (Intel SDM vol. 3, chapter 4). Expected rights come from a model that is written here anew.
 */
#include "payload.h"

#define P 1ul
#define W 2ul
#define U 4ul
#define A 0x20ul
#define D 0x40ul
#define PS 0x80ul
#define G 0x100ul
#define NX (1ul << 63)
#define ADDRESS 0xffffffffff000ul

enum { PRESENT = 1, WRITE = 2, USER = 4, RESERVED = 8, FETCH = 16 }; /* error codes */

/* The area under test has a PML4 entry of its own; ring 3 sees all of memory at ALIAS. */
#define AREA (1ul << 39)
#define ALIAS (2ul << 39)
static u64 *const pdpt = (u64 *)TEST_MEMORY;
static u64 *const pd = (u64 *)(TEST_MEMORY + 0x1000);
static u64 *const pt = (u64 *)(TEST_MEMORY + 0x2000);
static u64 *const gigabyte_pd = (u64 *)(TEST_MEMORY + 0x3000);
#define PAGES (TEST_MEMORY + 0x200000ul) /* physical pages to map; a multiple of 2 MiB */
#define ALL (P | W | U)

__asm__("user_read: movb (%rdi), %al; int $0x80\n"
        "user_write: movb %al, 0x20(%rdi); int $0x80\n");
extern char user_read[], user_write[];

static void flush(void)
{
    write_cr3(read_cr3());
}

static void set_up(void)
{
    boot_pml4[0] &= ~U; /* the kernel's own map: SMEP and SMAP are tested */
    boot_pml4[1] = (u64)pdpt | ALL;
    boot_pml4[2] = (u64)boot_pdpt | ALL;
    memset(pdpt, 0, 4096);
    memset(pd, 0, 4096);
    memset(pt, 0, 4096);
    pdpt[0] = (u64)pd | ALL;
    pd[0] = (u64)pt | ALL;
    for (unsigned i = 0; i < 16; i++) {
        u8 *page = (u8 *)PAGES + 4096 * i;

        memset(page, (int)i, 4096);
        page[0] = 0xc3;    /* RET, for ring 0 */
        page[0x10] = 0xcd; /* INT 0x80, for ring 3 */
        page[0x11] = 0x80;
        pt[i] = (u64)page | ALL;
    }
    flush();
}

/* ---- Accesses ------------------------------------------------------------------------- */

enum kind { READ, STORE, EXECUTE };

/* What an access to @va came to: -1, or the page fault's error code; other vectors are 1000 on. */
static int access(enum kind kind, bool is_user, u64 va)
{
    int vector;

    if (is_user) {
        const void *code = kind == EXECUTE ? (void *)(va + 0x10)
                           : kind == STORE ? user_write
                                           : user_read;
        const u64 rip = kind == EXECUTE ? (u64)code : (u64)code + ALIAS;

        vector = run_user((void *)rip, USER_STACK_TOP + ALIAS, 0, va);
        if (vector == VECTOR_USER_EXIT)
            return -1;
    } else {
        u64 at = va;

        if (kind == READ)
            vector = TRY("movb (%0), %%al", : : "r"(at) : "rax");
        else if (kind == STORE)
            vector = TRY("movb $7, 0x20(%0)", : : "r"(at));
        else
            vector = TRY("call *%0", : : "r"(at));
        if (vector == -1)
            return -1;
    }
    return vector == PF ? (int)caught.error : 1000 + vector;
}

struct mode {
    bool wp, smep, smap, ac;
};

static int expected(enum kind kind, bool is_user, u64 pte, const struct mode *mode)
{
    const int code =
        (kind == STORE ? WRITE : 0) | (kind == EXECUTE ? FETCH : 0) | (is_user ? USER : 0);
    bool allowed;

    if (!(pte & P))
        return code;
    if (is_user)
        allowed = (pte & U) && (kind != STORE || (pte & W)) && (kind != EXECUTE || !(pte & NX));
    else if (kind == EXECUTE)
        allowed = !(pte & NX) && !((pte & U) && mode->smep);
    else
        allowed =
            (kind == READ || (pte & W) || !mode->wp) && !((pte & U) && mode->smap && !mode->ac);
    return allowed ? -1 : code | PRESENT;
}

static void set_ac(bool ac)
{
    u64 flags = read_flags() & ~(u64)FLAG_AC;

    if (ac)
        flags |= FLAG_AC;
    __asm__ volatile("push %0; popfq" : : "r"(flags) : "memory");
}

static u64 with(u64 value, u64 bit, bool is_set)
{
    return is_set ? value | bit : value & ~bit;
}

/* All rights of one entry, by all accesses. */
static bool matrix_agrees(const struct mode *mode, u64 *entry, u64 base, u64 flags_kept)
{
    for (unsigned n = 0; n < 16; n++) {
        const u64 rights = (n & 1 ? P : 0) | (n & 2 ? W : 0) | (n & 4 ? U : 0) | (n & 8 ? NX : 0);

        *entry = base | flags_kept | rights;
        for (unsigned how = 0; how < 6; how++) {
            const enum kind kind = (enum kind)(how / 2);
            const bool is_user = how & 1;
            int got, want = expected(kind, is_user, rights, mode);

            invlpg((void *)AREA);
            set_ac(mode->ac);
            got = access(kind, is_user, AREA);
            set_ac(false);
            if (got == want &&
                (want == -1 || caught.cr2 == AREA + (kind == STORE ? 0x20 : 0) +
                                                 (kind == EXECUTE && is_user ? 0x10 : 0)))
                continue;
            say("# entry %lx, %s, access %u: got %d, want %d, CR2 %lx\n", *entry,
                is_user ? "ring 3" : "ring 0", kind, got, want, caught.cr2);
            return false;
        }
    }
    return true;
}

static void matrix(void)
{
    const u64 page = PAGES;

    for (unsigned n = 0; n < 16; n++) {
        const struct mode mode = { n & 1, n & 2, n & 4, n & 8 };

        if ((mode.smep && !has_smep()) || (mode.smap && !has_smap()) || (mode.ac && !mode.smap))
            continue;
        write_cr0(with(read_cr0(), CR0_WP, mode.wp));
        write_cr4(with(with(read_cr4(), CR4_SMEP, mode.smep), CR4_SMAP, mode.smap));
        check(matrix_agrees(&mode, &pt[0], page, 0), "PTE: WP %d SMEP %d SMAP %d AC %d", mode.wp,
              mode.smep, mode.smap, mode.ac);
        pt[0] = page | ALL;
        check(matrix_agrees(&mode, &pd[0], (u64)pt, 0), "PDE: WP %d SMEP %d SMAP %d AC %d", mode.wp,
              mode.smep, mode.smap, mode.ac);
        check(matrix_agrees(&mode, &pd[0], page, PS), "2 MiB: WP %d SMEP %d SMAP %d AC %d", mode.wp,
              mode.smep, mode.smap, mode.ac);
        pd[0] = (u64)pt | ALL;
        check(matrix_agrees(&mode, &pdpt[0], (u64)pd, 0), "PDPTE: WP %d SMEP %d SMAP %d AC %d",
              mode.wp, mode.smep, mode.smap, mode.ac);
        pdpt[0] = (u64)pd | ALL;
        check(matrix_agrees(&mode, &boot_pml4[1], (u64)pdpt, 0),
              "PML4E: WP %d SMEP %d SMAP %d AC %d", mode.wp, mode.smep, mode.smap, mode.ac);
        boot_pml4[1] = (u64)pdpt | ALL;
    }
    write_cr4(read_cr4() & ~(u64)(CR4_SMEP | CR4_SMAP));
    write_cr0(read_cr0() | CR0_WP);
    flush();
}

static void stac_and_clac(void)
{
    if (!has_smap()) {
        skip("STAC, CLAC", "no SMAP");
        return;
    }
    write_cr4(read_cr4() | CR4_SMAP);
    RAISES(NOTHING, "STAC opens", "stac; movb (%0), %%al", : : "r"(AREA) : "rax");
    RAISES(PF, "CLAC closes", "stac; clac; movb (%0), %%al", : : "r"(AREA) : "rax");
    is(caught.error, PRESENT, "SMAP's error code");
    set_ac(false);
    write_cr4(read_cr4() & ~(u64)CR4_SMAP);
}

/* ---- Accessed and dirty ----------------------------------------------------------------- */

static void clear_bits(void)
{
    boot_pml4[1] &= ~(A | D);
    pdpt[0] &= ~(A | D);
    pd[0] &= ~(A | D);
    pt[0] &= ~(A | D);
    flush();
}

static void accessed_and_dirty(void)
{
    clear_bits();
    is((u64)access(READ, false, AREA), (u64)-1, "a read");
    is(pt[0] & (A | D), A, "a read sets A of the PTE");
    check((pd[0] & A) && (pdpt[0] & A) && (boot_pml4[1] & A), "and of all levels");
    is((u64)access(STORE, false, AREA), (u64)-1, "a write after it");
    is(pt[0] & (A | D), A | D, "a write sets D");
    is((pd[0] | pdpt[0] | boot_pml4[1]) & D, 0, "D of no other level");
    clear_bits();
    is((u64)access(STORE, true, AREA), (u64)-1, "a first write, ring 3");
    is(pt[0] & (A | D), A | D, "sets both");
    clear_bits();
    is((u64)access(EXECUTE, true, AREA), (u64)-1, "a fetch, ring 3");
    is(pt[0] & (A | D), A, "sets A");
    pt[0] &= ~W;
    clear_bits();
    is((u64)access(STORE, false, AREA), PRESENT | WRITE, "a write that faults");
    is(pt[0] & D, 0, "does not set D");
    pt[0] |= W;
    clear_bits();
    RAISES(NOTHING, "read-modify-write", "addb $0, (%0)", : : "r"(AREA));
    is(pt[0] & (A | D), A | D, "sets both");
    clear_bits();
    RAISES(NOTHING, "CMPXCHG that fails", "lock cmpxchgb %%cl, (%0)",
           :
           : "r"(AREA), "a"(0x11), "c"(0)
           :);
    is(pt[0] & (A | D), A | D, "is a write all the same");
    pd[0] = PAGES | ALL | PS;
    flush();
    is((u64)access(READ, false, AREA + 0x3000), (u64)-1, "2 MiB: a read");
    is(pd[0] & (A | D), A, "2 MiB: sets A");
    is((u64)access(STORE, false, AREA + 0x3000), (u64)-1, "2 MiB: a write");
    is(pd[0] & (A | D), A | D, "2 MiB: sets D");
    pd[0] = (u64)pt | ALL;
    flush();
}

/* ---- Reserved bits ------------------------------------------------------------------------- */

static int read_after(u64 *entry, u64 bits)
{
    const u64 before = *entry;
    int result;

    *entry |= bits;
    flush();
    result = access(READ, false, AREA);
    *entry = before;
    flush();
    return result;
}

static void reserved(void)
{
    const u64 too_far = 1ul << 51; /* of an address: processors have fewer bits here */

    is((u64)read_after(&pt[0], too_far), PRESENT | RESERVED, "PTE: address too large");
    is((u64)read_after(&pd[0], too_far), PRESENT | RESERVED, "PDE: address too large");
    is((u64)read_after(&pdpt[0], too_far), PRESENT | RESERVED, "PDPTE: address too large");
    is((u64)read_after(&boot_pml4[1], too_far), PRESENT | RESERVED, "PML4E: address too large");
    is((u64)read_after(&boot_pml4[1], PS), PRESENT | RESERVED, "PML4E: PS");
    is((u64)read_after(&pd[0], PS | 0x2000), PRESENT | RESERVED, "2 MiB: not aligned");
    pt[0] |= too_far;
    pt[0] &= ~P;
    flush();
    is((u64)access(READ, false, AREA), 0, "not present: nothing is reserved");
    is((u64)access(READ, true, AREA), USER, "not present, ring 3");
    pt[0] = PAGES | ALL;
    write_msr(MSR_EFER, read_msr(MSR_EFER) & ~(u64)EFER_NXE);
    is((u64)read_after(&pt[0], NX), PRESENT | RESERVED, "without EFER.NXE, NX is reserved");
    pt[0] &= ~P;
    flush();
    is((u64)access(EXECUTE, true, AREA), USER, "and faults do not say that they are fetches");
    pt[0] = PAGES | ALL;
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
    flush();
}

/* ---- What the processor may remember --------------------------------------------------------- */

static u8 byte_at(u64 va)
{
    return *(volatile u8 *)(va + 0x40);
}

static void memory_of_translations(void)
{
    is(byte_at(AREA + 0x1000), 1, "page 1");
    pt[1] = (PAGES + 0x2000) | ALL;
    invlpg((void *)(AREA + 0x1fff));
    is(byte_at(AREA + 0x1000), 2, "INVLPG, by any address of the page");
    pt[1] = (PAGES + 0x3000) | ALL;
    flush();
    is(byte_at(AREA + 0x1000), 3, "CR3 written");
    pt[1] = (PAGES + 0x4000) | ALL | G;
    write_cr4(read_cr4() | CR4_PGE);
    is(byte_at(AREA + 0x1000), 4, "CR4.PGE set");
    pt[1] = (PAGES + 0x5000) | ALL | G;
    invlpg((void *)(AREA + 0x1000));
    is(byte_at(AREA + 0x1000), 5, "INVLPG of a global page");
    pt[1] = (PAGES + 0x6000) | ALL | G;
    write_cr4(read_cr4() & ~(u64)CR4_PGE);
    is(byte_at(AREA + 0x1000), 6, "CR4.PGE cleared");
    pt[1] = 0;
    invlpg((void *)(AREA + 0x1000));
    is((u64)access(READ, false, AREA + 0x1000), 0, "taken away");
    pt[1] = (PAGES + 0x1000) | ALL;
    is((u64)access(READ, false, AREA + 0x1000), (u64)-1, "there again: needs no INVLPG");
    pt[1] = (PAGES + 0x1000) | P | U;
    flush();
    is((u64)access(READ, false, AREA + 0x1000), (u64)-1, "read-only, read");
    pt[1] |= W;
    (void)access(STORE, false, AREA + 0x1000); /* may fault once */
    is((u64)access(STORE, false, AREA + 0x1000), (u64)-1, "writable now: needs no INVLPG");
    pd[0] = (u64)PAGES | ALL | PS;
    flush();
    is(byte_at(AREA + 0x7000), 7, "2 MiB");
    is(byte_at(AREA + 0x8000), 8, "2 MiB");
    pd[0] = (u64)pt | ALL;
    pt[8] = (PAGES + 0x9000) | ALL;
    invlpg((void *)(AREA + 0x7000));
    is(byte_at(AREA + 0x8000), 9, "INVLPG of any address in 2 MiB");
    pt[8] = (PAGES + 0x8000) | ALL;
    flush();
}

static void gigabyte(void)
{
    if (!(cpuid(0x80000001, 0).edx >> 26 & 1)) {
        skip("1 GiB", "not there");
        return;
    }
    pdpt[1] = 0 | ALL | PS;
    is(byte_at(AREA + (1ul << 30) + PAGES + 0x5000), 5, "1 GiB");
    is(pdpt[1] & (A | D), A, "1 GiB: A");
    pt[5] = (PAGES + 0x6000) | ALL;
    memset(gigabyte_pd, 0, 4096);
    gigabyte_pd[PAGES >> 21] = (u64)pt | ALL;
    pdpt[1] = (u64)gigabyte_pd | ALL;
    invlpg((void *)(AREA + (1ul << 30)));
    is(byte_at(AREA + (1ul << 30) + PAGES + 0x5000), 6, "INVLPG of any address in 1 GiB");
    pt[5] = (PAGES + 0x5000) | ALL;
    pdpt[1] = 0 | ALL | PS;
    pdpt[1] |= 0x2000;
    flush();
    is((u64)access(READ, false, AREA + (1ul << 30)), PRESENT | RESERVED, "1 GiB: not aligned");
    pdpt[1] = 0;
    flush();
}

/* ---- Across pages --------------------------------------------------------------------------- */

static void crossing(void)
{
    const u64 at = AREA + 0x3000 - 3;
    u64 value = 0;

    pt[2] = (PAGES + 0x2000) | ALL;
    pt[3] = (PAGES + 0x5000) | ALL;
    flush();
    memset((void *)(PAGES + 0x2000), 0x22, 4096);
    memset((void *)(PAGES + 0x5000), 0x55, 4096);
    RAISES(NOTHING, "a load across pages", "mov (%1), %0", : "=r"(value) : "r"(at));
    is(value, 0x5555555555222222, "its value");
    pt[3] = 0;
    flush();
    RAISES(PF, "a load into a missing page", "mov (%0), %%rax", : : "r"(at) : "rax");
    is(caught.cr2, AREA + 0x3000, "CR2 is the missing page");
    is(caught.error, 0, "error code");
    RAISES(PF, "a store into a missing page", "movq $0, (%0)", : : "r"(at));
    is(caught.cr2, AREA + 0x3000, "CR2 is the missing page");
    is(caught.error, WRITE, "error code");
    is(*(u8 *)(PAGES + 0x2fff), 0x22, "nothing was stored");
    pt[3] = (PAGES + 0x5000) | P | U;
    pt[2] = (PAGES + 0x2000) | P | U;
    flush();
    RAISES(PF, "a store over two read-only pages", "movq $0, (%0)", : : "r"(at));
    is(caught.cr2, at, "CR2 is where it begins");
    is(caught.error, PRESENT | WRITE, "error code");
    pt[2] |= W;
    flush();
    RAISES(PF, "a read-modify-write into a read-only page", "lock incq (%0)", : : "r"(at));
    is(caught.cr2, AREA + 0x3000, "CR2 is the second page");
    is(*(u8 *)(PAGES + 0x2ffd), 0x22, "nothing was stored");
    pt[3] |= W;
    flush();
    RAISES(NOTHING, "a locked add across pages", "lock addq $1, (%0)", : : "r"(at));
    is(*(u8 *)(PAGES + 0x2ffd), 0x23, "its value");
}

void payload_main(void)
{
    set_up();
    accessed_and_dirty();
    memory_of_translations();
    gigabyte();
    crossing();
    reserved();
    set_up();
    matrix();
    stac_and_clac();
}
