# SPDX-License-Identifier: GPL-2.0-or-later
"""Compile dsdt.asl into the bytes of a C array.

usage: dsdt.py IASL INCLUDE_DIR DSDT.ASL OUTPUT.C CC...

The C compiler expands the includes: iasl's own preprocessor does not know comments.
"""

import os
import subprocess
import sys
import tempfile


def main():
    iasl, include_dir, source, output, *cc = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        expanded, stem = os.path.join(folder, 'dsdt.asl'), os.path.join(folder, 'dsdt')
        subprocess.run([*cc, '-E', '-P', '-x', 'c', '-I', include_dir, '-o', expanded, source],
                       check=True)
        # -we: warnings are errors; -Pn: no preprocessor
        result = subprocess.run([iasl, '-we', '-Pn', '-p', stem, expanded],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            sys.exit(result.stdout)
        with open(stem + '.aml', 'rb') as file:
            code = file.read()
    with open(output, 'w', encoding='ascii') as file:
        file.write('/* made of dsdt.asl by dsdt.py */\n#include "hw/machine/acpi_dsdt.h"\n\n')
        file.write('const uint8_t acpi_dsdt[] = {\n')
        for at in range(0, len(code), 16):
            file.write('    ' + ' '.join(f'0x{byte:02x},' for byte in code[at:at + 16]) + '\n')
        file.write('};\nconst uint32_t acpi_dsdt_size = sizeof(acpi_dsdt);\n')


main()
