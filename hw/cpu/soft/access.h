/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * How handlers touch guest memory. Addresses are virtual (linear) ones.
 *
 * The fast path is a TLB hit: a compare and one host access. The rest is in tlb.c:
 * the page walk and its faults, accesses across pages, devices, code pages, memory
 * that is not there. All of them may raise, and then do not return.
 */
#ifndef HW_CPU_SOFT_ACCESS_H
#define HW_CPU_SOFT_ACCESS_H

#include "hw/cpu/soft/host_access.h"
#include "hw/cpu/soft/op.h"

static ALWAYS_INLINE struct tlb_entry *tlb_entry(const struct soft *cpu, uint64_t va)
{
    return &cpu->tlb[(va >> PAGE_SHIFT) & (TLB_ENTRIES - 1)];
}

/* An access of @size bytes that leaves its page has the next page's number, and misses. */
#define TLB_HITS_(tag, va, size) likely((((va) + (size)-1) & PAGE_MASK) == (tag))

/* ---- The slow paths (tlb.c) --------------------------------------------------------- */

/** Any size up to 16 bytes at once, little-endian in the result; with all that can happen. */
uint64_t soft_load_slow(struct soft *cpu, const struct op *op, uint64_t va, unsigned size) COLD;
void soft_store_slow(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                     unsigned size) COLD;

/** Copy any number of bytes: all are checked before the first is written. Not single accesses. */
void soft_load_bytes(struct soft *cpu, const struct op *op, uint64_t va, void *to, size_t size);
void soft_store_bytes(struct soft *cpu, const struct op *op, uint64_t va, const void *from,
                      size_t size);

/** Raise what a write of @size bytes would raise; else nothing. For what stores twice. */
void soft_probe_write(struct soft *cpu, const struct op *op, uint64_t va, size_t size);

/**
 * Implicit accesses of the processor: descriptor tables, the TSS, stacks of handlers. As
 * CPL 0, whatever CPL is. Sizes 1-8.
 */
uint64_t soft_load_system(struct soft *cpu, const struct op *op, uint64_t va, unsigned size);
void soft_store_system(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value,
                       unsigned size);

/**
 * The longest run of bytes from @va on that is plain memory in one page and may be
 * read (written): host pointer and length in @ret_size; NULL if there is none (device, code
 * page), then single accesses do it. Raises where those would. For string instructions.
 */
void *soft_bulk(struct soft *cpu, const struct op *op, uint64_t va, bool is_write,
                size_t *ret_size);

/* Translations are forgotten: all (also @globals), or the page of @va. Owner only. */
void soft_tlb_flush(struct soft *cpu, bool globals);
void soft_tlb_flush_page(struct soft *cpu, uint64_t va);

/* ---- The fast paths ------------------------------------------------------------------- */

/*
 * A handler that touches memory is compiled twice from one body. In the first every
 * access is a TLB hit, or the whole handler begins again as the second: that way
 * the first calls nothing, so it needs no frame. The second goes the slow path always.
 *
 *   MEMORY_HANDLER(mov_r64_m64)
 *   {
 *       uint64_t value;
 *
 *       LOAD(64, value, op_address(cpu, op));
 *       REG64(op->dst) = value;
 *       NEXT;
 *   }
 *
 * Nothing may have changed before the last access of a body but by its own stores.
 */
#define MEMORY_HANDLER(name)                                                                       \
    static ALWAYS_INLINE op_result name##_body(struct soft *cpu, const struct op *op,              \
                                               bool is_slow, op_fn *slow);                         \
    static COLD HANDLER(name##_slow)                                                               \
    {                                                                                              \
        return name##_body(cpu, op, true, NULL);                                                   \
    }                                                                                              \
    static HANDLER(name)                                                                           \
    {                                                                                              \
        return name##_body(cpu, op, false, name##_slow);                                           \
    }                                                                                              \
    static ALWAYS_INLINE op_result name##_body(struct soft *cpu UNUSED,                            \
                                               const struct op *op UNUSED, bool is_slow UNUSED,    \
                                               op_fn *slow UNUSED)

/* @variable = the @bits at @address. */
#define LOAD(bits, variable, address)                                                              \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            (variable) = (uint##bits##_t)soft_load_slow(cpu, op, va_, (bits) / 8);                 \
        else if (TLB_HITS_(entry_->read_tag, va_, (bits) / 8))                                     \
            (variable) = host_load##bits((const void *)(uintptr_t)(va_ + entry_->addend));         \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

#define STORE(bits, address, value)                                                                \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            soft_store_slow(cpu, op, va_, (value), (bits) / 8);                                    \
        else if (TLB_HITS_(entry_->write_tag, va_, (bits) / 8))                                    \
            host_store##bits((void *)(uintptr_t)(va_ + entry_->addend), (value));                  \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

/*
 * A read-modify-write without LOCK: faults as a write does. RMW_LOAD declares nothing;
 * @host is a void * for RMW_STORE, which comes next.
 */
#define RMW_LOAD(bits, variable, address, host)                                                    \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow) {                                                                             \
            (host) = NULL;                                                                         \
            soft_probe_write(cpu, op, va_, (bits) / 8);                                            \
            (variable) = (uint##bits##_t)soft_load_slow(cpu, op, va_, (bits) / 8);                 \
        } else if (TLB_HITS_(entry_->write_tag, va_, (bits) / 8)) {                                \
            (host) = (void *)(uintptr_t)(va_ + entry_->addend);                                    \
            (variable) = host_load##bits(host);                                                    \
        } else {                                                                                   \
            return slow(cpu, op);                                                                  \
        }                                                                                          \
    } while (0)

#define RMW_STORE(bits, address, host, value)                                                      \
    do {                                                                                           \
        if (is_slow)                                                                               \
            soft_store_slow(cpu, op, (address), (value), (bits) / 8);                              \
        else                                                                                       \
            host_store##bits((host), (value));                                                     \
    } while (0)

/* Where speed does not matter: as functions, which call the slow path. */
#define ACCESS_(bits)                                                                              \
    static inline uint##bits##_t load##bits(struct soft *cpu, const struct op *op, uint64_t va)    \
    {                                                                                              \
        const struct tlb_entry *entry = tlb_entry(cpu, va);                                        \
                                                                                                   \
        if (TLB_HITS_(entry->read_tag, va, (bits) / 8))                                            \
            return host_load##bits((const void *)(uintptr_t)(va + entry->addend));                 \
        return (uint##bits##_t)soft_load_slow(cpu, op, va, (bits) / 8);                            \
    }                                                                                              \
    static inline void store##bits(struct soft *cpu, const struct op *op, uint64_t va,             \
                                   uint##bits##_t value)                                           \
    {                                                                                              \
        const struct tlb_entry *entry = tlb_entry(cpu, va);                                        \
                                                                                                   \
        if (TLB_HITS_(entry->write_tag, va, (bits) / 8))                                           \
            host_store##bits((void *)(uintptr_t)(va + entry->addend), value);                      \
        else                                                                                       \
            soft_store_slow(cpu, op, va, value, (bits) / 8);                                       \
    }
ACCESS_(8)
ACCESS_(16)
ACCESS_(32)
ACCESS_(64)
#undef ACCESS_

#define LOAD128(variable, address)                                                                 \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            soft_load_bytes(cpu, op, va_, &(variable), 16);                                        \
        else if (TLB_HITS_(entry_->read_tag, va_, 16))                                             \
            (variable) = host_load128((const void *)(uintptr_t)(va_ + entry_->addend));            \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

#define STORE128(address, value)                                                                   \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const bytes16 value_ = (value);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            soft_store_bytes(cpu, op, va_, &value_, 16);                                           \
        else if (TLB_HITS_(entry_->write_tag, va_, 16))                                            \
            host_store128((void *)(uintptr_t)(va_ + entry_->addend), value_);                      \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

#endif
