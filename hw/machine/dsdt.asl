/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest cannot find by itself: the PCI root, ports and their interrupts, the power button.
 * Compiled by iasl when gracevm is built. ACPI 6.4; PCI Firmware 3.2 for _OSC and ECAM.
 */
#include "hw/machine/layout.h"

DefinitionBlock ("", "DSDT", 2, "GRACE", "GRACEVM", 1)
{
    Name (\_S5, Package () { 5, 0, 0, 0 }) /* POWER_SLP_TYP_S5 */

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_SEG, 0)
            Name (_BBN, 0)

            /* Where the 64-bit window is depends on the size of RAM: hw/machine/acpi.c. */
            OperationRegion (HOLE, SystemMemory, LAYOUT_ACPI_WINDOW, 24)
            Field (HOLE, DWordAcc, NoLock, Preserve)
            {
                FRST, 64,
                LAST, 64,
                SIZE, 64,
            }

            Name (LOW, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                               0, 0, LAYOUT_ECAM_LAST_BUS, 0, LAYOUT_ECAM_BUSES)
                IO (Decode16, LAYOUT_PORT_PCI, LAYOUT_PORT_PCI, 1, 8)
                DWordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                         0, LAYOUT_PCI_IO, LAYOUT_PCI_IO_LAST, 0,
                         LAYOUT_PCI_IO_SIZE)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                             ReadWrite, 0, LAYOUT_PCI32, LAYOUT_PCI32_LAST, 0,
                             LAYOUT_PCI32_SIZE)
            })
            Name (HIGH, ResourceTemplate ()
            {
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Prefetchable,
                             ReadWrite, 0, 0, 0, 0, 1, , , WNDW)
            })

            Method (_CRS, 0, Serialized)
            {
                CreateQWordField (HIGH, ^WNDW._MIN, WMIN)
                CreateQWordField (HIGH, ^WNDW._MAX, WMAX)
                CreateQWordField (HIGH, ^WNDW._LEN, WLEN)

                If (SIZE == 0)
                {
                    Return (LOW)
                }
                WMIN = FRST
                WMAX = LAST
                WLEN = SIZE
                Return (ConcatenateResTemplate (LOW, HIGH))
            }

            /* Pin p of slot s is GSI LAYOUT_GSI_INTX + (s + p) % LAYOUT_GSI_INTX_NR. */
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Package (4) { 0, 0, 0, 0 }
                    Local3 = Local1 >> 2
                    Local2[0] = (Local3 << 16) | 0xffff
                    Local2[1] = Local1 & 3
                    Local2[3] = LAYOUT_GSI_INTX + ((Local3 + Local1) & (LAYOUT_GSI_INTX_NR - 1))
                    Local0[Local1] = Local2
                    Local1++
                }
                Return (Local0)
            }

            /* The guest may control all it asks for: there is nobody else who would. */
            Method (_OSC, 4)
            {
                CreateDWordField (Arg3, 0, STAT)

                If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
                {
                    STAT |= 4 /* unknown UUID */
                }
                ElseIf (Arg1 != 1)
                {
                    STAT |= 8 /* unknown revision */
                }
                Return (Arg3)
            }
        }

        /* Linux uses ECAM only where it is reserved. */
        Device (BRD0)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, LAYOUT_ECAM, LAYOUT_ECAM_SIZE)
                Memory32Fixed (ReadWrite, LAYOUT_MAILBOX, 0x1000)
                IO (Decode16, LAYOUT_PORT_POWER, LAYOUT_PORT_POWER, 1, LAYOUT_PORT_POWER_SIZE)
            })
        }

        /* There is no PIC, so an IRQ() descriptor would mean nothing. */
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, LAYOUT_PORT_COM1, LAYOUT_PORT_COM1, 1, 8)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { LAYOUT_GSI_COM1 }
            })
        }

        Device (RTC0)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, LAYOUT_PORT_RTC, LAYOUT_PORT_RTC, 1, 2)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { LAYOUT_GSI_RTC }
            })
        }

        /* Where a kernel says that it has panicked: docs/specs/pvpanic of QEMU. */
        Device (PVPN)
        {
            Name (_HID, "QEMU0001")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, LAYOUT_PORT_PVPANIC, LAYOUT_PORT_PVPANIC, 1, 1)
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
            Name (_UID, 0)
        }

        /* What in other machines is a general-purpose event. */
        Device (GED0)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { LAYOUT_GSI_GED }
            })

            OperationRegion (EVTS, SystemIO, LAYOUT_PORT_POWER + 3, 1) /* POWER_EVENTS */
            Field (EVTS, ByteAcc, NoLock, WriteAsZeros)
            {
                EVNT, 8, /* read: what has happened, which clears it; write: 1, we listen */
            }

            Method (_INI)
            {
                EVNT = 1
            }

            Method (_EVT, 1, Serialized)
            {
                Local0 = EVNT
                If (Local0 & 1)
                {
                    Notify (PWRB, 0x80)
                }
            }
        }
    }
}
