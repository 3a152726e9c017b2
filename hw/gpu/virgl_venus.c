/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether Vulkan for guests (Venus) can be had. Its protocol was fixed in virglrenderer 1.0: older
 * ones speak another, which the guest's driver refuses. From then on it lives in a process of its
 * own, the render server.
 */
#include <string.h>
#include <unistd.h>

#include "hw/gpu/virgl.h"

#define RENDER_SERVER "/usr/libexec/virgl_render_server"

bool virgl_venus_may_start(enum virgl_age age)
{
    const char *server = g_getenv("RENDER_SERVER_EXEC_PATH");

    if (age < VIRGL_1_0) {
        log_warn("venus=on needs virglrenderer 1.0 or newer: this is 0.10, whose protocol guests "
                 "of today do not accept; OpenGL goes on without it");
        return false;
    }
    if (!server)
        server = RENDER_SERVER;
    if (access(server, X_OK) != 0) {
        log_warn("venus=on needs %s, which cannot be run (Debian: virgl-server); OpenGL goes on "
                 "without it",
                 server);
        return false;
    }
    return true;
}

/* Words of the capset: 0 is the version of the wire format, 4 says whether blob id 0 is shared
 * memory, on which the driver insists. */
bool virgl_venus_is_good(const struct renderer_capset *capset)
{
    enum { WIRE_FORMAT, HAS_BLOB_ID_0 = 4, WORDS };
    uint32_t words[WORDS] = { 0 };

    memcpy(words, capset->bytes, MIN(sizeof(words), capset->size));
    if (words[WIRE_FORMAT] >= 1 && words[HAS_BLOB_ID_0] == 1)
        return true;
    log_warn("venus=on: this virglrenderer offers wire format %u and %s shared memory by blob id "
             "0, which guests of today do not accept; OpenGL goes on without it",
             words[WIRE_FORMAT], words[HAS_BLOB_ID_0] == 1 ? "has" : "no");
    return false;
}
