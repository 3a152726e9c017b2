/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of payloads that a machine loads as it loads Linux: then as in the lab (../start.S). */
        .text
        .code64
        .globl board_start, board_further
/* By the 64-bit boot protocol: RSI is the address of boot_params. */
board_start:
        mov     %rsi, boot_params
        xor     %edi, %edi
        mov     $1, %esi
        jmp     _start
/* By the mailbox. Which processor this is: the APIC ID. */
board_further:
        mov     $1, %eax
        cpuid
        shr     $24, %ebx
        mov     %ebx, %edi
        xor     %esi, %esi
        jmp     _start

        .data
        .globl  boot_params
boot_params:
        .quad   0
        .section .note.GNU-stack, "", @progbits
