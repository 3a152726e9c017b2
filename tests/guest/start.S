/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries, stubs of the 256 vectors, and the way to ring 3 and back. */
#include "layout.h"

/* ---- The page tables that payloads begin with: 4 GiB of 2 MiB pages, for all rings ---------- */
        .data
        .balign 4096
        .globl boot_pml4, boot_pdpt, boot_pd
boot_pml4:
        .quad boot_pdpt + 7
        .fill 511, 8, 0
boot_pdpt:
        .quad boot_pd + 7, boot_pd + 0x1007, boot_pd + 0x2007, boot_pd + 0x3007
        .fill 508, 8, 0
boot_pd:
        .set page, 0x87 /* present, writable, user, large */
        .rept 2048
        .quad page
        .set page, page + 0x200000
        .endr

/* ---- 64-bit entry -------------------------------------------------------------------------- */
        .text
        .code64
        .globl _start
_start:
        mov     $boot_pml4, %eax
        mov     %rax, %cr3
        mov     %edi, %eax
        inc     %eax
        shl     $STACK_SHIFT, %eax
        lea     stacks(%rax), %rsp
        lgdt    gdt_pointer
        push    $SEL_CODE
        push    $1f
        lretq
1:      mov     $SEL_DATA, %eax
        mov     %eax, %ss
        mov     %eax, %ds
        mov     %eax, %es
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        xor     %ebp, %ebp
        call    payload_start
        ud2

/* ---- Entry of PVH (Xen's and QEMU's direct boot): 32-bit, no paging ------------------------- */
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   pvh_start

        .text
        .code32
pvh_start:
        cli
        mov     $0x620, %eax /* CR4: PAE, OSFXSR, OSXMMEXCPT */
        mov     %eax, %cr4
        mov     $boot_pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        mov     $0x900, %eax /* EFER: LME, NXE */
        xor     %edx, %edx
        wrmsr
        mov     $0x80010033, %eax
        mov     %eax, %cr0
        lgdt    gdt_pointer
        xor     %edi, %edi
        mov     $1, %esi
        ljmp    $SEL_CODE, $_start
        .code64

/* ---- Vectors --------------------------------------------------------------------------------- */
        .balign 16
        .globl  stubs
stubs:
        .set    vector, 0
        .rept   256
        .balign 16
        .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21)
        nop
        .else
        push    $0
        .endif
        push    $vector
        jmp     enter
        .set    vector, vector + 1
        .endr

        /* struct frame of payload.h */
enter:
        push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %rdi
        mov     %rsp, %rbx
        and     $-16, %rsp
        cld
        call    payload_trap
        mov     %rbx, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp
        iretq

/* ---- Ring 3: enter_user(rip, rsp, rflags, rdi, cs, ss); back by user_returned -------------- */
        .globl  enter_user, user_returned
enter_user:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, user_saved_rsp
        push    %r9
        push    %rsi
        push    %rdx
        push    %r8
        push    %rdi
        mov     %rcx, %rdi
        iretq
user_returned:
        mov     user_saved_rsp, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .bss
        .balign 4096
        .globl  stacks, user_saved_rsp
stacks: .skip   NR_CPUS_MAX << STACK_SHIFT
user_saved_rsp:
        .skip   8
        .section .note.GNU-stack, "", @progbits
