/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page walk against a model of it that is written the other way round: as a list
 * of reasons to refuse, over all entries at once.
 */
#include <string.h>

#include "hw/cpu/cpuid.h"
#include "hw/cpu/soft/mmu.h"

enum { TABLES = 4, WORDS = 512, MEMORY = TABLES * PAGE_SIZE };

/* Bits as the manual numbers them. */
#define P (UINT64_C(1) << 0)
#define W (UINT64_C(1) << 1)
#define U (UINT64_C(1) << 2)
#define A (UINT64_C(1) << 5)
#define D (UINT64_C(1) << 6)
#define PS (UINT64_C(1) << 7)
#define G (UINT64_C(1) << 8)
#define NX (UINT64_C(1) << 63)

/* The guest's memory: level 4's table first, one table a level. */
static struct {
    uint64_t words[TABLES][WORDS];
    unsigned nr_told;
    /* Another processor, which flips bits of an entry when the last one is read: */
    unsigned nr_disturbances; /* that are still to come */
    uint64_t *disturbed;
    uint64_t disturbance;
} memory;

static struct soft *cpu;

void *soft_phys(struct soft *of, uint64_t gpa, unsigned size)
{
    g_assert_true(of == cpu);
    g_assert_cmpuint(size, ==, 8);
    if (gpa >= MEMORY)
        return NULL;
    if (gpa >= MEMORY - PAGE_SIZE && memory.nr_disturbances) { /* the last entry is to be read */
        memory.nr_disturbances--;
        *memory.disturbed ^= memory.disturbance;
    }
    return (char *)memory.words + gpa;
}

void soft_phys_written(struct soft *of, uint64_t gpa, unsigned size)
{
    g_assert_true(of == cpu);
    g_assert_cmpuint(size, ==, 8);
    g_assert_cmpuint(gpa, <, MEMORY);
    memory.nr_told++;
}

/* ---- One case, and what the model says of it --------------------------------------------------
 */

struct scene {
    uint64_t entry[TABLES]; /* by step: of level 4 first */
    unsigned leaf;          /* step of the page's entry: 3 is 4 KiB, 2 2 MiB, 1 1 GiB */
    uint64_t va;
    enum mmu_access access;
    enum tlb_class class;
    bool wp, nxe, smep, smap, pge;
};

struct verdict {
    bool is_fault;
    uint32_t error;
    uint64_t entry[TABLES];
    struct mmu_page page;
    unsigned nr_changed;
};

static uint64_t *slot_of(const struct scene *scene, unsigned step)
{
    return &memory.words[step][scene->va >> (39 - 9 * step) & 511];
}

static uint64_t must_be_zero(const struct scene *scene, unsigned step)
{
    uint64_t bits = UINT64_C(0xfff) << CPU_PHYS_BITS & ~(UINT64_C(0xfff) << 52);

    if (!scene->nxe)
        bits |= NX;
    if (step == 0)
        bits |= PS;
    if (step == scene->leaf && step == 1)
        bits |= 0x3fffe000;
    if (step == scene->leaf && step == 2)
        bits |= 0x1fe000;
    return bits;
}

/* Whether rights alone forbid it. */
static bool forbids(const struct scene *scene, enum mmu_access access)
{
    bool all_w = true, all_u = true, some_nx = false;
    bool is_user = scene->class == TLB_USER;

    for (unsigned step = 0; step <= scene->leaf; step++) {
        all_w = all_w && (scene->entry[step] & W);
        all_u = all_u && (scene->entry[step] & U);
        some_nx = some_nx || (scene->entry[step] & NX);
    }
    return (is_user && !all_u) || (access == MMU_FETCH && some_nx) ||
           (access == MMU_WRITE && !all_w && (is_user || scene->wp)) ||
           (access == MMU_FETCH && !is_user && all_u && scene->smep) ||
           (access != MMU_FETCH && scene->class == TLB_SUPERVISOR && all_u && scene->smap);
}

static struct verdict model(const struct scene *scene)
{
    const uint64_t leaf = scene->entry[scene->leaf];
    const uint64_t page_bytes = UINT64_C(1) << (39 - 9 * scene->leaf);
    struct verdict verdict = {
        .error = (scene->access == MMU_WRITE ? 2 : 0) | (scene->class == TLB_USER ? 4 : 0) |
                 (scene->access == MMU_FETCH && (scene->nxe || scene->smep) ? 16 : 0)
    };

    memcpy(verdict.entry, scene->entry, sizeof(verdict.entry));
    verdict.is_fault = true;
    for (unsigned step = 0; step <= scene->leaf; step++) {
        if (!(scene->entry[step] & P))
            return verdict;
        if (scene->entry[step] & must_be_zero(scene, step)) {
            verdict.error |= 1 | 8;
            return verdict;
        }
    }
    if (forbids(scene, scene->access)) {
        verdict.error |= 1;
        return verdict;
    }
    verdict.is_fault = false;
    for (unsigned step = 0; step <= scene->leaf; step++) {
        verdict.entry[step] |= A;
        if (step == scene->leaf && scene->access == MMU_WRITE)
            verdict.entry[step] |= D;
        verdict.nr_changed += verdict.entry[step] != scene->entry[step];
    }
    verdict.page = (struct mmu_page){
        .gpa = ((leaf & 0xfffffff000 & ~(page_bytes - 1)) | (scene->va & (page_bytes - 1))) &
               PAGE_MASK,
        .may_read = !forbids(scene, MMU_READ),
        .may_write = !forbids(scene, MMU_WRITE) && (verdict.entry[scene->leaf] & D),
        .is_global = scene->pge && (leaf & G),
        .shift = (uint8_t)(39 - 9 * scene->leaf),
    };
    return verdict;
}

static bool walk(const struct scene *scene, struct mmu_page *page, uint32_t *error)
{
    cpu->cr0 = CR0_PE | CR0_PG | (scene->wp ? CR0_WP : 0);
    cpu->cr3 = 0x18; /* PWT and PCD are no address bits */
    cpu->cr4 = CR4_PAE | (scene->smep ? CR4_SMEP : 0) | (scene->smap ? CR4_SMAP : 0) |
               (scene->pge ? CR4_PGE : 0);
    cpu->efer = EFER_LME | EFER_LMA | (scene->nxe ? EFER_NXE : 0);
    for (unsigned step = 0; step <= scene->leaf; step++)
        *slot_of(scene, step) = scene->entry[step];
    memory.nr_told = 0;
    return mmu_walk(cpu, scene->va, scene->access, scene->class, page, error);
}

static void compare(const struct scene *scene)
{
    const struct verdict want = model(scene);
    struct mmu_page page;
    uint32_t error = 0xdead;
    const bool is_mapped = walk(scene, &page, &error);
    bool is_same = is_mapped == !want.is_fault && memory.nr_told == want.nr_changed;

    if (is_same && is_mapped)
        is_same = page.gpa == want.page.gpa && page.may_read == want.page.may_read &&
                  page.may_write == want.page.may_write && page.is_global == want.page.is_global &&
                  page.shift == want.page.shift;
    else if (is_same)
        is_same = error == want.error;
    for (unsigned step = 0; step <= scene->leaf; step++)
        is_same = is_same && *slot_of(scene, step) == want.entry[step];
    if (!is_same)
        g_error("va 0x%" G_GINT64_MODIFIER "x, entries 0x%" G_GINT64_MODIFIER
                "x 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER
                "x, leaf %u, access %u, class %u, wp %u nxe %u smep %u smap %u: mapped %u, "
                "error 0x%x (model: %u, 0x%x)",
                scene->va, scene->entry[0], scene->entry[1], scene->entry[2], scene->entry[3],
                scene->leaf, scene->access, scene->class, scene->wp, scene->nxe, scene->smep,
                scene->smap, is_mapped, error, !want.is_fault, want.error);
}

/* ---- Cases
 * --------------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* Where @step's entry leads: to the next table, or to a page that is aligned as it must be. */
static uint64_t target_of(unsigned step, unsigned leaf)
{
    if (step < leaf)
        return (uint64_t)(step + 1) * PAGE_SIZE;
    return (next_random() & 0xffffffffff & ~((UINT64_C(1) << (39 - 9 * leaf)) - 1)) |
           (leaf < 3 ? PS | (next_random() & 0x1000) : 0); /* bit 12 of a large page is PAT's */
}

static void set_controls(struct scene *scene, unsigned n)
{
    scene->access = n % 3;
    scene->class = n / 3 % 3;
    scene->wp = n / 9 & 1;
    scene->nxe = n / 18 & 1;
    scene->smep = n / 36 & 1;
    scene->smap = n / 72 & 1;
}

enum { NR_CONTROLS = 144 };

/* Every combination of rights at each level, access, class and control bit. */
static void rights_are_the_models(gconstpointer leaf)
{
    const unsigned nr_levels = GPOINTER_TO_UINT(leaf) + 1;

    for (unsigned rights = 0; rights < 1u << (3 * nr_levels); rights++) {
        struct scene scene = { .leaf = nr_levels - 1, .va = next_random() >> 17 };
        const uint64_t accessed = next_random();

        for (unsigned step = 0; step < nr_levels; step++) {
            const unsigned here = rights >> (3 * step);

            scene.entry[step] = P | (here & 1 ? W : 0) | (here & 2 ? U : 0) | (here & 4 ? NX : 0) |
                                (accessed >> step & 1 ? A : 0) | target_of(step, scene.leaf);
        }
        scene.entry[scene.leaf] |= (accessed >> 8 & 1 ? D : 0) | (accessed >> 9 & 1 ? G : 0);
        scene.pge = accessed >> 10 & 1;
        for (unsigned n = 0; n < NR_CONTROLS; n++) {
            set_controls(&scene, n);
            compare(&scene);
        }
    }
}

/* Entries that are not present, or have reserved bits, alone and together. */
static void bad_entries_are_the_models(gconstpointer leaf)
{
    const unsigned nr_levels = GPOINTER_TO_UINT(leaf) + 1;

    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t random = next_random();
        struct scene scene = { .leaf = nr_levels - 1, .va = next_random() >> 17 };

        for (unsigned step = 0; step < nr_levels; step++) {
            uint64_t entry = P | (next_random() & (W | U | A | G | 0xe18)) |
                             target_of(step, scene.leaf); /* PWT, PCD and the free bits too */

            if (step != scene.leaf) /* the leaf's is PAT or PS; others have D ignored */
                entry |= next_random() & D;
            if ((random >> (4 * step) & 7) == 0)
                entry ^= P;
            if ((random >> (4 * step + 16) & 7) == 0)
                entry ^= UINT64_C(1) << (next_random() & 63);
            if (step > 0 && step < scene.leaf)
                entry &= ~PS; /* would be a leaf, of another scene */
            if (step == scene.leaf && step < 3)
                entry |= PS;
            if (step < scene.leaf) /* leads to its table, or is refused before */
                entry = (entry & ~UINT64_C(0xfffffff000)) | (uint64_t)(step + 1) * PAGE_SIZE;
            scene.entry[step] = entry;
        }
        set_controls(&scene, (unsigned)(random >> 40) % NR_CONTROLS);
        scene.pge = random >> 63;
        compare(&scene);
    }
}

/* ---- What the model does not cover
 * ------------------------------------------------------------------ */

static struct scene plain_scene(void)
{
    return (struct scene){
        .entry = { P | W | U | 0x1000, P | W | U | 0x2000, P | W | U | 0x3000, P | W | U | 0x7000 },
        .leaf = 3,
        .va = 0x123456789abc,
        .class = TLB_EXPLICIT,
    };
}

static void no_paging_is_identity(void)
{
    struct mmu_page page;
    uint32_t error;

    cpu->cr0 = CR0_PE;
    g_assert_true(mmu_walk(cpu, 0x12345678, MMU_WRITE, TLB_SUPERVISOR, &page, &error));
    g_assert_cmphex(page.gpa, ==, 0x12345000);
    g_assert_true(page.may_read && page.may_write && !page.is_global && page.shift == PAGE_SHIFT);
    g_assert_true(mmu_walk(cpu, 0x100002345, MMU_READ, TLB_USER, &page, &error));
    g_assert_cmphex(page.gpa, ==, 0x2000); /* addresses have 32 bits there */
}

/* All ones: present, writable, and reserved bits set. */
static void table_outside_memory_is_a_reserved_fault(void)
{
    struct scene scene = plain_scene();
    struct mmu_page page;
    uint32_t error;

    for (unsigned step = 0; step < 3; step++) {
        scene = plain_scene();
        scene.entry[step] = P | W | U | 0x100000;
        g_assert_false(walk(&scene, &page, &error));
        g_assert_cmphex(error, ==, PF_PRESENT | PF_RESERVED);
        g_assert_cmphex(*slot_of(&scene, 0), ==, scene.entry[0]); /* no accessed bit */
    }
    cpu->cr3 = 0x100000;
    g_assert_false(mmu_walk(cpu, 0, MMU_READ, TLB_EXPLICIT, &page, &error));
    g_assert_cmphex(error, ==, PF_PRESENT | PF_RESERVED);
}

static void entry_that_changes_is_walked_again(void)
{
    struct scene scene = plain_scene();
    struct mmu_page page;
    uint32_t error;

    memory.nr_disturbances = 1;
    memory.disturbed = slot_of(&scene, 2);
    memory.disturbance = P;
    g_assert_false(walk(&scene, &page, &error));
    g_assert_cmphex(error, ==, 0);
    g_assert_cmphex(*slot_of(&scene, 2), ==,
                    scene.entry[2] ^ P); /* and no accessed bit came back */

    memory.nr_disturbances = 1;
    memory.disturbance = W;
    scene.access = MMU_WRITE;
    scene.wp = true;
    g_assert_false(walk(&scene, &page, &error));
    g_assert_cmphex(error, ==, PF_PRESENT | PF_WRITE);
    g_assert_cmphex(*slot_of(&scene, 3), ==, scene.entry[3]); /* not dirty */
}

/* A guest whose other processor never lets an entry be must not keep us. */
static void entry_that_never_rests_is_a_fault(void)
{
    struct scene scene = plain_scene();
    struct mmu_page page;
    uint32_t error;

    memory.nr_disturbances = UINT32_MAX;
    memory.disturbed = slot_of(&scene, 2);
    memory.disturbance = 0x200; /* a bit that means nothing */
    g_assert_false(walk(&scene, &page, &error));
    g_assert_cmphex(error, ==, 0);
    g_assert_cmphex(*slot_of(&scene, 3), ==, scene.entry[3]);
    memory.nr_disturbances = 0;
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    cpu = g_aligned_alloc0(1, sizeof(*cpu), CACHE_LINE);
    for (unsigned leaf = 1; leaf <= 3; leaf++) {
        g_autofree char *rights = g_strdup_printf("/soft_mmu/rights_are_the_models/%u", leaf);
        g_autofree char *bad = g_strdup_printf("/soft_mmu/bad_entries_are_the_models/%u", leaf);

        g_test_add_data_func(rights, GUINT_TO_POINTER(leaf), rights_are_the_models);
        g_test_add_data_func(bad, GUINT_TO_POINTER(leaf), bad_entries_are_the_models);
    }
    g_test_add_func("/soft_mmu/no_paging_is_identity", no_paging_is_identity);
    g_test_add_func("/soft_mmu/table_outside_memory_is_a_reserved_fault",
                    table_outside_memory_is_a_reserved_fault);
    g_test_add_func("/soft_mmu/entry_that_changes_is_walked_again",
                    entry_that_changes_is_walked_again);
    g_test_add_func("/soft_mmu/entry_that_never_rests_is_a_fault",
                    entry_that_never_rests_is_a_fault);
    result = g_test_run();
    g_aligned_free(cpu);
    return result;
}
