/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/qmp_frame.h"

#include <string.h>

void qmp_frame_init(struct qmp_frame *frame)
{
    *frame = (struct qmp_frame){ .text = g_string_new(NULL), .value_max = QMP_VALUE_MAX };
}

void qmp_frame_fini(struct qmp_frame *frame)
{
    g_string_free(frame->text, TRUE);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Outside strings: what numbers, names and structure are made of. Parsers know more than the
 * standard (comments); a quotation mark in one would be taken for a string here, and not there. */
static bool is_of_json(char byte)
{
    return g_ascii_isalnum(byte) || is_space(byte) || (byte && strchr("{}[]:,\"+-.", byte));
}

/* The value, or its rest, is not wanted: @byte was the one too many. */
static enum qmp_framed refuse(struct qmp_frame *frame, char byte, enum qmp_framed why)
{
    frame->depth = 0;
    frame->is_in_string = frame->is_escaped = false;
    frame->is_skipping = byte != '\n';
    g_string_truncate(frame->text, 0);
    return why;
}

static enum qmp_framed take_in_string(struct qmp_frame *frame, char byte)
{
    if ((unsigned char)byte < 0x20) /* section 7: these are escaped */
        return refuse(frame, byte, QMP_FRAMED_GARBAGE);
    if (frame->is_escaped)
        frame->is_escaped = false;
    else if (byte == '\\')
        frame->is_escaped = true;
    else if (byte == '"')
        frame->is_in_string = false;
    return QMP_FRAMED_MORE;
}

/* A byte of a value. */
static enum qmp_framed take(struct qmp_frame *frame, char byte)
{
    if (frame->text->len == frame->value_max)
        return refuse(frame, byte, QMP_FRAMED_TOO_LONG);
    g_string_append_c(frame->text, byte);
    if (frame->is_in_string)
        return take_in_string(frame, byte);
    if (!is_of_json(byte))
        return refuse(frame, byte, QMP_FRAMED_GARBAGE);
    if (byte == '"')
        frame->is_in_string = true;
    else if ((byte == '{' || byte == '[') && ++frame->depth > QMP_DEPTH_MAX)
        return refuse(frame, byte, QMP_FRAMED_TOO_DEEP);
    else if ((byte == '}' || byte == ']') && --frame->depth == 0)
        return QMP_FRAMED_VALUE;
    return QMP_FRAMED_MORE;
}

static enum qmp_framed take_between(struct qmp_frame *frame, char byte)
{
    if (frame->is_skipping) {
        frame->is_skipping = byte != '\n';
        return QMP_FRAMED_MORE;
    }
    if (is_space(byte))
        return QMP_FRAMED_MORE;
    if (byte != '{' && byte != '[')
        return refuse(frame, byte, QMP_FRAMED_GARBAGE);
    g_string_truncate(frame->text, 0);
    return take(frame, byte);
}

size_t qmp_frame_feed(struct qmp_frame *frame, const char *bytes, size_t size,
                      enum qmp_framed *ret_framed)
{
    size_t used = 0;

    *ret_framed = QMP_FRAMED_MORE;
    while (used < size && *ret_framed == QMP_FRAMED_MORE) {
        const char byte = bytes[used++];

        *ret_framed = frame->depth > 0 ? take(frame, byte) : take_between(frame, byte);
    }
    return used;
}
