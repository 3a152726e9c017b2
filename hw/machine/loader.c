/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/machine/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"
#include "hw/mem/code_gate.h"
#include "util/log.h"

enum {
    PIECE = 1 << 20,
    HEAD = 4096,            /* what is read to see what a file is */
    ENTRY_64 = 0x200,       /* of a bzImage, from where it begins */
    KERNEL_MAX = 512 << 20, /* a bzImage's file; packed kernels have 5 to 15 MiB */
};

bool loader_fail(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
    return false;
}

/* ---- Memory ----------------------------------------------------------------------------------
 */

uint64_t loader_low_size(const struct ram *ram)
{
    return MIN(ram_size(ram), (uint64_t)LAYOUT_RAM_LOW_END);
}

uint64_t loader_high_size(const struct ram *ram)
{
    return ram_size(ram) - loader_low_size(ram);
}

uint8_t *loader_at(const struct ram *ram, uint64_t address, uint64_t length)
{
    if (address >= LAYOUT_RAM_HIGH)
        return ram_pointer(ram, address - LAYOUT_RAM_HIGH + LAYOUT_RAM_LOW_END, length);
    if (address > LAYOUT_RAM_LOW_END || length > LAYOUT_RAM_LOW_END - address)
        return NULL;
    return ram_pointer(ram, address, length);
}

bool loader_clear(struct ram *ram, GError **error)
{
    if (fallocate(ram_fd(ram), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)ram_size(ram)) != 0)
        return loader_fail(error, "%s: cannot be cleared: %s", ram_name(ram), g_strerror(errno));
    code_gate_written(ram, 0, ram_size(ram));
    return true;
}

/* ---- Files -----------------------------------------------------------------------------------
 */

/* An open file. */
struct file {
    const char *path;
    int fd;
    uint64_t size;
};

static bool file_open(struct file *file, const char *path, GError **error)
{
    struct stat stat;

    *file = (struct file){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    if (file->fd < 0 || fstat(file->fd, &stat) != 0)
        return loader_fail(error, "%s: %s", path, g_strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return loader_fail(error, "%s: is %s", path,
                           S_ISDIR(stat.st_mode) ? "a directory" : "no regular file");
    file->size = (uint64_t)stat.st_size;
    return file->size > 0 || loader_fail(error, "%s: is empty", path);
}

static void file_close(const struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
}

/* @size bytes from @offset on. */
static bool file_read(const struct file *file, uint64_t offset, uint8_t *buf, size_t size,
                      GError **error)
{
    while (size > 0) {
        const ssize_t n = pread(file->fd, buf, MIN(size, (size_t)PIECE), (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return loader_fail(error, "%s: %s", file->path, g_strerror(errno));
        if (n == 0)
            return loader_fail(error, "%s: it has become shorter", file->path);
        buf += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* ---- Kernels ---------------------------------------------------------------------------------
 */

/* What loading a kernel comes to. */
struct kernel {
    struct bzimage image; /* or what is invented for an ELF file */
    uint64_t entry, end;  /* physical */
};

static bool load_elf(const struct file *file, struct ram *ram, struct kernel *kernel,
                     GError **error)
{
    g_autofree struct elf_load *load = g_new0(struct elf_load, 1);
    g_autofree uint8_t *piece = g_malloc(PIECE);

    load->ram = ram;
    for (uint64_t at = 0; at < file->size && !elf_load_is_done(load); at += PIECE) {
        const size_t size = (size_t)MIN(file->size - at, (uint64_t)PIECE);

        if (!file_read(file, at, piece, size, error))
            return false;
        if (!elf_load_bytes(load, piece, size, error)) {
            g_prefix_error(error, "%s: ", file->path);
            return false;
        }
    }
    if (!elf_load_end(load, error)) {
        g_prefix_error(error, "%s: ", file->path);
        return false;
    }
    bzimage_invent(&kernel->image);
    kernel->entry = load->entry;
    kernel->end = load->end;
    return true;
}

static bool unpack_elf(const uint8_t *data, struct ram *ram, struct kernel *kernel, GError **error)
{
    g_autofree struct elf_load *load = g_new0(struct elf_load, 1);

    load->ram = ram;
    if (!unpack(data + kernel->image.payload, kernel->image.payload_size, elf_load_bytes, load,
                error) ||
        !elf_load_end(load, error))
        return false;
    kernel->entry = load->entry;
    kernel->end = load->end;
    return true;
}

/* It unpacks itself, where it prefers to be. */
static bool place_bzimage(const uint8_t *data, struct ram *ram, struct kernel *kernel,
                          GError **error)
{
    const struct bzimage *image = &kernel->image;
    uint8_t *to = loader_at(ram, image->address, image->memory_size);

    kernel->entry = image->address + ENTRY_64;
    kernel->end = image->address + image->memory_size;
    if (!to)
        return loader_fail(error, "it takes memory up to %" PRIu64 " MiB, and there are %" PRIu64,
                           (kernel->end + 0xfffff) >> 20, ram_size(ram) >> 20);
    memcpy(to, data + image->code, image->code_size);
    return true;
}

static bool load_bzimage(const struct file *file, bool unpacks, struct ram *ram,
                         struct kernel *kernel, GError **error)
{
    g_autofree uint8_t *data = NULL;
    struct bzimage *image = &kernel->image;
    bool is_good;

    if (file->size > KERNEL_MAX)
        return loader_fail(error, "%s: has more than %d MiB, which no kernel has", file->path,
                           KERNEL_MAX >> 20);
    data = g_malloc(file->size);
    if (!file_read(file, 0, data, file->size, error))
        return false;
    is_good = bzimage_parse(data, file->size, image, error);
    if (is_good && unpacks && unpack_method(data + image->payload, image->payload_size))
        is_good = unpack_elf(data, ram, kernel, error);
    else if (is_good)
        is_good = place_bzimage(data, ram, kernel, error);
    if (!is_good)
        g_prefix_error(error, "%s: ", file->path);
    return is_good;
}

static bool read_kernel(const struct file *file, bool unpacks, struct ram *ram,
                        struct kernel *kernel, GError **error)
{
    uint8_t head[HEAD];
    const size_t size = (size_t)MIN(file->size, sizeof(head));

    if (!file_read(file, 0, head, size, error))
        return false;
    if (elf_is(head, size))
        return load_elf(file, ram, kernel, error);
    if (bzimage_is(head, size))
        return load_bzimage(file, unpacks, ram, kernel, error);
    return loader_fail(error, "%s: not a kernel: neither bzImage nor ELF", file->path);
}

static bool load_kernel(const struct loader_config *config, struct ram *ram, struct kernel *kernel,
                        GError **error)
{
    struct file file;
    bool is_good = file_open(&file, config->kernel, error) &&
                   read_kernel(&file, config->unpacks, ram, kernel, error);

    file_close(&file);
    return is_good;
}

/* ---- Initial RAM disk ------------------------------------------------------------------------
 */

/* As high as the kernel takes it: what is below is for the kernel to unpack it. */
static bool place_initrd(const struct kernel *kernel, const struct ram *ram, uint64_t size,
                         uint64_t *ret_address)
{
    const uint64_t page_mask = ~(uint64_t)(RAM_PAGE - 1);
    const uint64_t top = MIN(loader_low_size(ram), kernel->image.initrd_end);
    const uint64_t high = loader_high_size(ram);

    if (size <= top && ((top - size) & page_mask) >= kernel->end) {
        *ret_address = (top - size) & page_mask;
        return true;
    }
    *ret_address = (LAYOUT_RAM_HIGH + high - size) & page_mask;
    return size <= high && kernel->image.initrd_end == UINT64_MAX;
}

static bool read_initrd(const struct file *file, const struct kernel *kernel, struct ram *ram,
                        struct boot_info *info, GError **error)
{
    if (!place_initrd(kernel, ram, file->size, &info->initrd))
        return loader_fail(error,
                           "%s: with the kernel it takes %" PRIu64 " MiB of memory, and there are"
                           " %" PRIu64,
                           file->path, (kernel->end + file->size + 0xfffff) >> 20,
                           ram_size(ram) >> 20);
    info->initrd_size = file->size;
    return file_read(file, 0, loader_at(ram, info->initrd, file->size), file->size, error);
}

static bool load_initrd(const char *path, const struct kernel *kernel, struct ram *ram,
                        struct boot_info *info, GError **error)
{
    struct file file;
    bool is_good = file_open(&file, path, error) && read_initrd(&file, kernel, ram, info, error);

    file_close(&file);
    return is_good;
}

bool loader_load(const struct loader_config *config, struct ram *ram, struct cpu_state *ret_state,
                 GError **error)
{
    struct kernel kernel = { 0 };
    struct boot_info info = {
        .image = &kernel.image,
        .command_line = config->command_line ? config->command_line : "",
        .rsdp = config->rsdp,
    };

    if (!load_kernel(config, ram, &kernel, error)) {
        g_prefix_error(error, "-kernel ");
        return false;
    }
    if (config->initrd && !load_initrd(config->initrd, &kernel, ram, &info, error)) {
        g_prefix_error(error, "-initrd ");
        return false;
    }
    if (!boot_params_write(&info, ram, error)) {
        g_prefix_error(error, "-append: ");
        return false;
    }
    boot_tables_write(ram);
    loader_start_state(kernel.entry, ret_state);
    ret_state->gpr[RSI] = LAYOUT_BOOT_PARAMS;
    ret_state->gpr[RSP] = LAYOUT_BOOT_STACK;
    log_topic(boot,
              "kernel: entry 0x%" PRIx64 ", up to 0x%" PRIx64 "; initrd: %" PRIu64
              " bytes at 0x%" PRIx64,
              kernel.entry, kernel.end, info.initrd_size, info.initrd);
    return true;
}
