/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine that payloads run on, as both sides see it: RAM from 0 on, these ports, and a window
 * of device registers. Where LAB_MAGIC is not what LAB_ID reads, a payload runs elsewhere (in
 * another emulator, to check the payload), and does without the rest.
 *
 * Each processor is entered in 64-bit mode at the payload's entry, interrupts off, in an identity
 * map of the first 4 GiB, with RDI its number, RSI how many there are.
 */
#ifndef TESTS_GUEST_LAB_H
#define TESTS_GUEST_LAB_H

#define LAB_RAM_SIZE 0x1000000 /* 16 MiB */

/* Ports that other emulators have too. */
#define LAB_OUTPUT 0xe9 /* a character */
#define LAB_EXIT 0xf4   /* ends the machine: 0 if all is well */

/* 32 bits each. */
#define LAB_ID 0x500        /* read: LAB_MAGIC */
#define LAB_INTERRUPT 0x504 /* write: raise vector | processor << 8, after << 16 microseconds */
#define LAB_NMI 0x508       /* write: to processor | after << 16 microseconds */
#define LAB_PENDING 0x50c   /* read: how many vectors wait for the processor last written here */
#define LAB_ADDRESS 0x510   /* write: guest-physical address of what follows */
#define LAB_DMA 0x514       /* write: the device stores these 4 bytes there; read: loads them */
#define LAB_BLOB 0x518      /* write: 1 map, 0 unmap the blob; it is unmapped at first */
#define LAB_RELEASED 0x51c  /* read: how many unmapped blobs have been released */
#define LAB_OVERLAY 0x520   /* write: 1 puts device memory over LAB_OVERLAY_AT, 0 takes it away */
#define LAB_MAGIC 0x314d5647

/* With real interrupt controllers (-chips board); without, these read as ones. */
#define LAB_CHIPS 0x524    /* read: LAB_CHIPS_OURS, LAB_CHIPS_KERNEL */
#define LAB_PIN 0x528      /* write: pin of the I/O APIC | its level << 8 */
#define LAB_DOORBELL 0x52c /* write: 1 an eventfd, 0 none; read: rings, or -1 */
#define LAB_EVENTFD 0x530  /* write: as LAB_INTERRUPT, through an eventfd; read: 0 if it can */
#define LAB_STOP_MS 0x534  /* write: the machine and its clock stop for so many milliseconds */
#define LAB_RESET 0x538    /* write: processors and their APICs are reset, and entered anew */
#define LAB_TIME_MS 0x53c  /* read: the host's time, which never stops */
#define LAB_CHIPS_OURS 1
#define LAB_CHIPS_KERNEL 2

#define LAB_SCRATCH 0x540 /* 8 bytes that remember, in any access size */
#define LAB_STREAM 0x548  /* any size: reads count up from 1; writes are summed up */
#define LAB_SUM 0x54c     /* read: the sum, which becomes 0 */

/* A page of device memory. */
#define LAB_WINDOW 0xfe000000
#define LAB_WINDOW_SIZE 0x1000
#define LAB_WINDOW_BELL 0xc00 /* 4 bytes: the doorbell, when it is there */
#define LAB_WINDOW_LAST 0x800 /* 8 bytes: last write's offset | size << 16 | count << 32 */

/* A page in the middle of RAM. */
#define LAB_OVERLAY_AT 0x800000

/* Memory that comes and goes. Each blob is filled with its number, in 32-bit words. */
#define LAB_BLOB_AT 0x100000000 /* 4 GiB: above what the entry's map covers */
#define LAB_BLOB_SIZE 0x10000

#endif
