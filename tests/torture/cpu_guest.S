/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest programs of torture_cpu: 64-bit code that is copied to PROGRAM_AT, interrupts off, for ever.
 *
 * At the start: RDI the processor's number, R12 its line of the mailbox, R13D something random, RSP
 * a stack, R15 zero. These keep their meaning. A program counts its rounds in the mailbox.
 * Whatever is wrong goes to the host as `fail NUMBER, GOT, WANT`.
 */
#include "tests/torture/cpu_layout.h"

        .macro  random bits, to /* 32-bit register; Numerical Recipes' generator, upper bits */
        imul    $1664525, %r13d, %r13d
        add     $1013904223, %r13d
        mov     %r13d, \to
        shr     $(32 - \bits), \to
        .endm

        .macro  fail number, got, want
        movq    \got, MAIL_GOT(%r12)
        movq    \want, MAIL_WANT(%r12)
        movq    $\number, MAIL_CHECK(%r12)
        movl    $\number, DEVICE_AT + DEVICE_FAIL
        .endm

        /* RAX: what the function at @target (a register) returns, or FAULT(vector). */
        .macro  try_call target
        lea     .Lback\@(%rip), %r15
        mov     %rsp, %r14
        call    *\target
.Lback\@:
        xor     %r15d, %r15d
        .endm

        /* An instruction: RAX is FAULT(vector) if it faults. */
        .macro  try instruction:vararg
        lea     .Lback\@(%rip), %r15
        mov     %rsp, %r14
        \instruction
.Lback\@:
        mov     $0, %r15d /* flags stay */
        .endm

        .macro  serialize
        xor     %eax, %eax
        cpuid
        .endm

        .section .rodata.guest, "a"
        .balign 16
        .globl  guest_program, guest_program_end
guest_program:

/* ---- Exceptions ------------------------------------------------------------------------------- */

        .globl  on_invalid, on_protection, on_page_fault
on_invalid:
        mov     $FAULT(VECTOR_INVALID), %rax
        jmp     on_fault
on_protection:
        add     $8, %rsp /* the error code */
        mov     $FAULT(VECTOR_PROTECTION), %rax
        jmp     on_fault
on_page_fault:
        add     $8, %rsp
        mov     $FAULT(VECTOR_PAGE_FAULT), %rax
on_fault:
        test    %r15, %r15
        jz      1f
        mov     %r15, (%rsp)
        mov     %r14, 24(%rsp)
        xor     %r15d, %r15d
        iretq
1:      mov     (%rsp), %rbx
        fail    99, %rbx, %rax

/* ---- Blobs that come and go -------------------------------------------------------------------- */

        .globl  blob_program
blob_program:
        incq    MAIL_ROUNDS(%r12)
        random  3, %esi
        random  9, %ecx
        mov     %esi, %edx
        shl     $SLOT_SHIFT, %edx
        add     $WINDOW_AT, %edx
        mov     MAPPED_AT(, %rsi, 8), %r9
        mov     GONE_AT(, %rsi, 8), %r8
        lea     1(%rsi), %r11
        random  3, %eax
        cmp     $1, %eax
        jb      blob_copy
        je      blob_call
        mov     (%rdx, %rcx, 8), %rax
        cmp     $-1, %rax
        je      blob_hole
        mov     %rax, %rbp
        shr     $32, %rbp
        cmp     %r11, %rbp
        jne     1f
        mov     %eax, %eax
blob_check: /* RAX: the generation that was met */
        mov     NEWEST_AT(, %rsi, 8), %r10
        cmp     %r8, %rax
        jbe     2f
        cmp     %r10, %rax
        ja      3f
        cmp     %r9, %rax
        jb      4f
        mov     %r11, BLOB_WRITTEN(%rdx, %rcx, 8)
        lock incq BLOB_COUNTED(%rdx, %rcx, 8)
        jmp     blob_program
blob_hole: /* what was mapped before, and is afterwards, was there */
        test    %r9, %r9
        jz      blob_program
        cmp     %r9, MAPPED_AT(, %rsi, 8)
        jne     blob_program
        fail    5, %rax, %r9
1:      fail    1, %rax, %r11
2:      fail    2, %rax, %r8 /* it was gone */
3:      fail    3, %rax, %r10
4:      fail    4, %rax, %r9 /* a newer one was there */
blob_call:
        lea     BLOB_CODE(%rdx), %rbx
        try_call %rbx
        cmp     $FAULT(VECTOR_INVALID), %rax
        je      blob_hole
        jmp     blob_check
blob_copy: /* from this slot to any */
        push    %rdi
        mov     %rdx, %rsi
        random  3, %edi
        shl     $SLOT_SHIFT, %edi
        add     $WINDOW_AT + BLOB_COPIED, %edi
        mov     $COPIED_WORDS, %ecx
        rep movsq
        pop     %rdi
        jmp     blob_program

/* ---- One maps, tells, another reads --------------------------------------------------------------- */

        .globl  tell_program, told_program
tell_program:
        xor     %ebx, %ebx
1:      incq    MAIL_ROUNDS(%r12)
        inc     %ebx
        mov     %ebx, DEVICE_AT + DEVICE_MAP
        mov     %rbx, TOLD_AT
2:      pause
        cmp     %rbx, ANSWERED_AT
        jne     2b
        movl    $0, DEVICE_AT + DEVICE_UNMAP
3:      cmp     %ebx, DEVICE_AT + DEVICE_RELEASED
        jne     3b
        jmp     1b

        /* It does not leave its section while it waits, but when it is kicked. */
told_program:
        xor     %ebx, %ebx
1:      incq    MAIL_ROUNDS(%r12)
2:      random  8, %eax
        test    %eax, %eax
        jnz     5f
        mov     $WINDOW_AT + BLOB_CODE, %ebp /* the last one, nothing, or the next one already */
        try_call %rbp
5:      mov     TOLD_AT, %r8
        cmp     %r8, %rbx
        je      2b
        mov     %r8, %rbx
        random  1, %eax
        test    %eax, %eax
        jz      4f
3:      mov     WINDOW_AT, %rax
        mov     %eax, %ecx
        cmp     %rbx, %rcx
        jne     8f
4:      mov     $WINDOW_AT + BLOB_CODE, %ebp
        try_call %rbp
        cmp     %rbx, %rax
        jne     9f
        mov     %rbx, ANSWERED_AT
        jmp     1b
8:      fail    1, %rax, %rbx
9:      fail    2, %rax, %rbx

/* ---- Spinning until kicked --------------------------------------------------------------------------- */

        .globl  spin_count_program, spin_program, spin_string_program, spin_fault_program
spin_count_program:
        incq    MAIL_ROUNDS(%r12)
        jmp     spin_count_program
spin_program:
        jmp     spin_program
spin_string_program:
        xor     %esi, %esi
        mov     $RAM_BYTES, %ecx
        rep lodsb
        jmp     spin_string_program
spin_fault_program:
        lea     spin_fault_program(%rip), %r15
        mov     %rsp, %r14
        ud2

/* ---- Code that changes --------------------------------------------------------------------------------- */

        .globl  code_program
code_program:
        incq    MAIL_ROUNDS(%r12)
        random  3, %esi
        mov     %esi, %ebp
        shl     $6, %ebp
        add     $ANNOUNCED_AT, %ebp
        mov     FUNCTION_AT(, %rsi, 8), %r10
        mov     (%rbp), %r8
        cmp     %rdi, %rsi
        je      1f
        serialize
        try_call %r10
        mov     (%rbp), %r9
        inc     %r9 /* the next may be there, and not announced yet */
        cmp     %r8, %rax
        jb      7f
        cmp     %r9, %rax
        ja      8f
        jmp     code_program

1:      inc     %r8 /* its own function: a new version */
        mov     %r8d, 1(%r10)
        test    $1, %r8b
        jz      2f
        mov     %r8, (%rbp)
2:      try_call %r10
        mov     %r8, (%rbp)
        cmp     %r8, %rax
        jne     9f
        random  2, %edx
        shl     $SELF_VARIANT_SHIFT, %edx
        mov     %edi, %ebx
        imul    $SELF_BYTES, %ebx, %ebx
        lea     PATCH_AT + SELF_AT(%rbx, %rdx), %rbx
        mov     %r8d, %eax
        push    %rdi
        call    *%rbx
        pop     %rdi
        cmp     %r8d, %ecx
        je      code_program
        fail    4, %rcx, %r8
7:      fail    1, %rax, %r8 /* older than announced */
8:      fail    2, %rax, %r9
9:      fail    3, %rax, %r8

        /* One writes one function, as fast as may be; the other runs it. */
        .globl  patch_program, patched_program
patch_program:
        mov     FUNCTION_AT, %r10
        xor     %r8d, %r8d
1:      incq    MAIL_ROUNDS(%r12)
        inc     %r8
        mov     %r8d, 1(%r10)
        mov     %r8, ANNOUNCED_AT
        random  8, %ecx
2:      dec     %ecx
        jg      2b
        jmp     1b
patched_program:
        mov     FUNCTION_AT, %r10
1:      incq    MAIL_ROUNDS(%r12)
        mov     ANNOUNCED_AT, %r8
        serialize
        call    *%r10
        mov     ANNOUNCED_AT, %r9
        inc     %r9
        cmp     %r8, %rax
        jb      7b
        cmp     %r9, %rax
        ja      8b
        jmp     1b

        /* Copied to its place, one variant each 64 bytes: ECX = EAX, by way of its own code. */
        .globl  self_code
        .balign 64
self_code:
        mov     %eax, 1f + 1(%rip)
1:      mov     $0, %ecx
        ret
        .balign 64
        mov     %eax, %edx
        xchg    %edx, 1f + 1(%rip)
1:      mov     $0, %ecx
        ret
        .balign 64
        lea     1f + 1(%rip), %rdi
        stosl
        jmp     1f
1:      mov     $0, %ecx
        ret
        .balign 64
        mov     %eax, 3f + 1(%rip) /* behind another block */
        jmp     1f
2:      jmp     3f
1:      jmp     2b
3:      mov     $0, %ecx
        ret

/* ---- Under LOCK -------------------------------------------------------------------------------------------- */

        .globl  lock_program
lock_program:
        cmpl    $0, STOP_AT
        jne     park
        lock incq LOCK_PLAIN
        mov     $1, %eax
        lock xadd %rax, LOCK_XADD
        lock incq LOCK_LINE
        lock incq LOCK_PAGE
        lock incl LOCK_CODE
        lock incl DEVICE_AT + DEVICE_COUNT
        mov     LOCK_PAIR, %rax
        mov     LOCK_PAIR + 8, %rdx
        mov     $1, %r8d
        shl     $LOCK_PAIR_STEP_SHIFT, %r8
1:      mov     %rax, %rbx
        mov     %rdx, %rcx
        add     %r8, %rbx
        adc     $0, %rcx
        lock cmpxchg16b LOCK_PAIR
        jne     1b
2:      mov     $1, %eax
        xchg    %eax, LOCK_SPIN
        test    %eax, %eax
        jz      3f
        pause
        jmp     2b
3:      mov     LOCK_SPUN, %rax
        inc     %rax
        mov     %rax, LOCK_SPUN
        movl    $0, LOCK_SPIN
        mov     $PATCH_AT + FUNCTION_OFFSET, %ebx /* code beside the number: the page stays code */
        call    *%rbx
        incq    MAIL_ROUNDS(%r12)
        jmp     lock_program
park:
        movq    $1, MAIL_IS_PARKED(%r12)
1:      hlt
        jmp     1b

/* ---- Page tables --------------------------------------------------------------------------------------------- */

        .globl  tlb_change_program, tlb_use_program
        /* RBP: the number of its newest change. */
tlb_change_program:
        xor     %ebp, %ebp
1:      incq    MAIL_ROUNDS(%r12)
        random  STATE_BITS, %esi
        inc     %rbp
        mov     %rbp, WANTED_AT
        mov     %esi, %eax
        and     $STATE_FRAME, %eax
        shl     $12, %eax
        add     $FRAMES_AT, %eax
        mov     %esi, %ecx /* writable: bit 2 becomes bit 1 */
        and     $STATE_WRITABLE, %ecx
        shr     $1, %ecx
        mov     %esi, %edx
        shr     $STATE_PRESENT_BIT, %edx
        and     $1, %edx
        or      %edx, %ecx
        mov     %rsi, %rdx
        and     $STATE_NX, %edx
        shl     $60, %rdx
        or      %rdx, %rcx
        or      %rcx, %rax
        mov     %rax, PT_MOVING_AT + 8 * (FRAMES_AT >> 12)
        mov     $PT_MOVING_AT + 3, %eax
        test    $STATE_LARGE, %esi
        jz      2f
        lea     0x80(%rcx), %rax
2:      mov     %rax, PD_AT + 8 * (MOVING_REGION >> 21)
        mov     %rsi, STATE_AT
        mov     %rbp, GO_AT
        invlpg  MOVING_AT
3:      pause
        cmp     %rbp, MAIL_AT + 1 * MAIL_LINE + MAIL_ACK
        jne     3b
        cmp     %rbp, MAIL_AT + 2 * MAIL_LINE + MAIL_ACK
        jne     3b
        call    check_moving
        jmp     1b

        /* RBP: the newest change that it has flushed its TLB for. */
tlb_use_program:
        xor     %ebp, %ebp
1:      incq    MAIL_ROUNDS(%r12)
        mov     GO_AT, %r8
        cmp     %r8, %rbp
        je      3f
        mov     %r8, %rbp
        random  1, %eax
        test    %eax, %eax
        jz      2f
        invlpg  MOVING_AT
        jmp     4f
2:      mov     %cr3, %rax
        mov     %rax, %cr3
4:      mov     %rbp, MAIL_ACK(%r12)
3:      test    %rbp, %rbp
        jz      1b
        mov     STATE_AT, %rsi
        cmp     %rbp, WANTED_AT
        jne     1b /* the next one is under way */
        call    check_moving
        jmp     1b

/*
 * That the moving page is as state RSI says, in one of three ways. If the next change has begun
 * meanwhile, it may be anything.
 */
check_moving:
        mov     %esi, %r8d /* number of its frame */
        and     $STATE_FRAME, %r8d
        test    $STATE_LARGE, %esi
        jz      1f
        xor     %r8d, %r8d
1:      inc     %r8d
        mov     $FAULT(VECTOR_PAGE_FAULT), %r9
        random  2, %eax
        cmp     $1, %eax
        jb      moving_write
        je      moving_call

        try     mov MOVING_AT + FRAME_NUMBER, %rax
        test    $STATE_PRESENT, %esi
        cmovz   %r9, %r8
        cmp     %r8, %rax
        jne     1f
        ret
1:      cmp     %rbp, WANTED_AT
        je      2f
        ret
2:      fail    1, %rax, %r8

moving_call:
        mov     $MOVING_AT + FRAME_CODE, %ebx
        try_call %rbx
        mov     %esi, %ecx
        and     $STATE_PRESENT | STATE_NX, %ecx
        cmp     $STATE_PRESENT, %ecx
        cmovne  %r9, %r8
        cmp     %r8, %rax
        jne     1f
        ret
1:      cmp     %rbp, WANTED_AT
        je      2f
        ret
2:      fail    2, %rax, %r8

moving_write:
        mov     MAIL_ROUNDS(%r12), %r10
        xor     %eax, %eax
        try     mov %r10, MOVING_AT + FRAME_WRITTEN(, %rdi, 8)
        mov     %esi, %ecx
        and     $STATE_PRESENT | STATE_WRITABLE, %ecx
        cmp     $STATE_PRESENT | STATE_WRITABLE, %ecx
        mov     $0, %ecx
        cmovne  %r9, %rcx
        cmp     %rcx, %rax
        jne     1f
        test    %rax, %rax
        jnz     3f
        dec     %r8d /* it has gone to that frame */
        shl     $12, %r8d
        mov     FRAMES_AT + FRAME_WRITTEN(%r8, %rdi, 8), %rax
        cmp     %r10, %rax
        jne     4f
3:      ret
1:      cmp     %rbp, WANTED_AT
        jne     3b
        fail    3, %rax, %rcx
4:      cmp     %rbp, WANTED_AT
        jne     3b
        fail    4, %rax, %r10

guest_program_end:
        .section .note.GNU-stack, "", @progbits
