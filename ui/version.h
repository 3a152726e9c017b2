/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The program's version; meson.build says the same.
 */
#ifndef UI_VERSION_H
#define UI_VERSION_H

enum { VERSION_MAJOR = 0, VERSION_MINOR = 1, VERSION_MICRO = 0 };
#define VERSION_TEXT "0.1.0"

#endif
