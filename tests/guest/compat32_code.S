/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of payload compat32. It is below 4 GiB, as its data. */
#include "layout.h"

        .text
        .globl  to_32_and_back
        .globl  user32, user32_into, user32_into_not, user32_far, user64, user64_far
to_32_and_back:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    $SEL_CODE32
        push    $1f
        lretq

        .code32
1:      mov     $SEL_DATA32, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %esp, save_esp
        mov     $0x7fffffff, %eax
        inc     %eax /* 0x40: INC here, not REX */
        mov     %eax, results
        pushf
        pop     %ecx
        mov     %ecx, results + 4
        push    $0x12345678
        mov     %esp, %ecx
        pop     %edx
        mov     %edx, results + 8
        mov     save_esp, %edx
        sub     %ecx, %edx
        mov     %edx, results + 12
        call    3f
        mov     %eax, results + 16
        mov     $results + 64, %edi
        mov     $0xabcdef01, %eax
        mov     $3, %ecx
        rep stosl
        sub     $results + 64, %edi
        mov     %edi, results + 20
        mov     $0xffffffff, %ebx
        lea     2(%ebx), %eax /* wraps at 32 bits */
        mov     %eax, results + 24
        mov     $1, %ebx
        mov     results(, %ebx, 4), %eax
        mov     %eax, results + 28

        /* Out of paging, hence out of long mode. */
        mov     %cr0, %eax
        and     $0x7fffffff, %eax
        mov     %eax, %cr0
        mov     $0xc0000080, %ecx
        rdmsr
        mov     %eax, results + 32
        mov     %cr0, %eax
        mov     %eax, results + 36
        rdmsr
        and     $~0x100, %eax /* LME */
        wrmsr
        movl    $2f, far_to
        movw    $SEL_CODE32, far_to + 4
        ljmp    *far_to
2:      mov     $SEL_DATA32, %eax
        mov     %eax, %ds
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $0x5a5a5a5a, %eax
        mov     %eax, results + 40
        mov     %cr4, %eax
        mov     %eax, results + 44
        xor     $0x80, %eax
        mov     %eax, %cr4
        xor     $0x80, %eax
        mov     %eax, %cr4

        /* And back. */
        mov     $boot_pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        rdmsr
        mov     %eax, results + 48
        ljmp    $SEL_CODE, $4f
3:      mov     $0x600dca11, %eax
        ret

        .code64
4:      mov     $SEL_DATA, %eax
        mov     %eax, %ss
        mov     %eax, %ds
        mov     %eax, %es
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %esp, %esp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        /* In ring 3. */
        .code32
user32: mov     $0x11111111, %eax
        inc     %eax
        push    %eax
        pop     %ebx
        mov     %esp, %ecx
        push    $0
        mov     %esp, %edx
        int     $0x80
user32_into:
        mov     $0x7fffffff, %eax
        add     $1, %eax
        into
        int     $0x80
user32_into_not:
        xor     %eax, %eax
        into
        int     $0x80
user32_far:
        ljmp    $SEL_USER_CODE, $user64
        .code64
user64: mov     $0x123456789abcdef0, %rax
        int     $0x80
user64_far:
        mov     $0x8877665544332211, %rbx
        push    $SEL_USER_CODE32
        push    $user32
        lretq
        .section .note.GNU-stack, "", @progbits
