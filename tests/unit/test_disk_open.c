/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/unit/disk_scene.h"
#include "util/log.h"
#include "util/start.h"

/* What disk_open() says, which names the path. Free it. */
static char *complaint(const char *path, bool is_readonly) REQUIRES(bql)
{
    GError *error = NULL;
    struct disk *disk = disk_open(path, is_readonly, &error);
    char *message;

    g_assert_null(disk);
    g_assert_nonnull(error);
    g_assert_cmpint((int)error->domain, ==, (int)G_FILE_ERROR);
    g_assert_nonnull(strstr(error->message, path));
    message = g_strdup(error->message);
    g_error_free(error);
    return message;
}

static void expect_complaint(const char *path, bool is_readonly, const char *part) REQUIRES(bql)
{
    g_autofree char *message = complaint(path, is_readonly);

    if (!strstr(message, part))
        g_error("'%s' does not say '%s'", message, part);
}

static void what_is_no_disk_is_called_by_its_name(void)
{
    bql_assert_held();
    g_autofree char *dir = g_dir_make_tmp("gracevm-disk-XXXXXX", NULL);
    g_autofree char *pipe_path = g_build_filename(dir, "pipe", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    for (int is_readonly = 0; is_readonly < 2; is_readonly++) {
        expect_complaint(dir, is_readonly, "is a directory");
        expect_complaint(pipe_path, is_readonly, "is a pipe");
        expect_complaint(address.sun_path, is_readonly, "is a socket");
        expect_complaint("/dev/null", is_readonly, "is a character device");
        expect_complaint("/nowhere/disk.img", is_readonly, "No such file");
        expect_complaint("", is_readonly, "No such file");
    }
    close(fd);
    g_assert_cmpint(unlink(pipe_path) | unlink(address.sun_path) | rmdir(dir), ==, 0);
}

static void sizes_that_are_no_disks_are_refused(void)
{
    bql_assert_held();
    static const size_t partial[] = { 1, 511, 513, 1023 };
    char *empty = image_new(0);

    expect_complaint(empty, true, "is empty");
    expect_complaint(empty, false, "is empty");
    image_end(empty);
    for (size_t i = 0; i < ARRAY_SIZE(partial); i++) {
        char *path = image_new(partial[i]);
        g_autofree char *number = g_strdup_printf("%zu bytes", partial[i]);

        expect_complaint(path, false, number);
        expect_complaint(path, false, "truncate -s %512");
        image_end(path);
    }
}

/* A running program cannot be opened for writing, not even by root. */
static void what_cannot_be_written_may_be_read(void)
{
    bql_assert_held();
    char *self = g_file_read_link("/proc/self/exe", NULL);

    expect_complaint(self, false, "readonly=on");
    g_free(self);
}

static void size_and_mode_are_told(void)
{
    bql_assert_held();
    char *path = image_new(7 * SECTOR);
    struct disk *disk = must_open(path, true);

    g_assert_cmpuint(disk_size(disk), ==, 7 * SECTOR);
    g_assert_true(disk_is_readonly(disk));
    g_assert_cmpstr(disk_path(disk), ==, path);
    disk_close(disk);
    disk = must_open(path, false);
    g_assert_false(disk_is_readonly(disk));
    disk_close(disk);
    disk_close(NULL);
    image_end(path);
}

/* ---- Locks ----------------------------------------------------------------------------- */

static void writers_exclude_all_and_readers_share(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *first = must_open(path, false), *second;

    expect_complaint(path, false, "in use by this very process");
    expect_complaint(path, true, "writes to it");
    disk_close(first);
    first = must_open(path, true);
    second = must_open(path, true);
    expect_complaint(path, false, "must be alone");
    disk_close(first);
    expect_complaint(path, false, "must be alone");
    disk_close(second);
    disk_close(must_open(path, false));
    image_end(path);
}

/* What this program does as another process, with @path: see main(). */
static int run_other(const char *what, const char *path, char **ret_errors)
{
    const gchar *const argv[] = { "/proc/self/exe", what, path, NULL };
    g_autoptr(GError) error = NULL;
    int status = 0;

    (void)g_spawn_sync(NULL, (gchar **)(uintptr_t)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                       NULL, NULL, ret_errors, &status, &error);
    g_assert_no_error(error);
    return status;
}

static void another_process_is_kept_out(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    struct disk *disk = must_open(path, true);
    g_autofree char *errors = NULL;
    g_autofree char *holder = g_strdup_printf("in use by process %d (test_disk_open)", getpid());
    int status = run_other("--write", path, &errors);

    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    g_assert_nonnull(strstr(errors, path));
    g_assert_nonnull(strstr(errors, holder));
    disk_close(disk);
    image_end(path);
}

static void a_lock_ends_with_its_process(void)
{
    bql_assert_held();
    char *path = image_new(SECTOR);
    int status = run_other("--die", path, NULL);

    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    disk_close(must_open(path, false));
    image_end(path);
}

/* ---- Other formats --------------------------------------------------------------------- */

static void images_of_other_formats_are_pointed_out(void)
{
    bql_assert_held();
    static const char *const magics[][2] = {
        { "QFI\xfb", "qcow2" }, { "KDMV", "VMDK" }, { "vhdxfile", "VHDX" }, { "QFI", NULL }
    };

    for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
        char *path = image_new(SECTOR), *log = image_new(0);
        g_autofree char *text = NULL;
        FILE *file = fopen(path, "r+");

        g_assert_nonnull(file);
        (void)fputs(magics[i][0], file);
        (void)fclose(file);
        g_assert_true(log_open(log, NULL));
        disk_close(must_open(path, true));
        g_assert_true(log_open(NULL, NULL));
        g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
        if (magics[i][1])
            g_assert_nonnull(strstr(text, magics[i][1]));
        else
            g_assert_cmpstr(text, ==, "");
        image_end(path);
        image_end(log);
    }
}

/* The other process: opens @path for writing, and dies with the lock if it gets it. */
static int be_other(bool may_succeed, const char *path) REQUIRES(bql)
{
    GError *error = NULL;
    struct disk *disk = disk_open(path, false, &error);

    if (!disk) {
        (void)fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    if (may_succeed)
        raise(SIGKILL);
    return 2;
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/disk_open/" #test, test)
    ADD(what_is_no_disk_is_called_by_its_name);
    ADD(sizes_that_are_no_disks_are_refused);
    ADD(what_cannot_be_written_may_be_read);
    ADD(size_and_mode_are_told);
    ADD(writers_exclude_all_and_readers_share);
    ADD(another_process_is_kept_out);
    ADD(a_lock_ends_with_its_process);
    ADD(images_of_other_formats_are_pointed_out);
#undef ADD
    if (util_start(NULL) != 0)
        return 1;
    status = argc == 3 ? be_other(strcmp(argv[1], "--die") == 0, argv[2]) : g_test_run();
    util_stop();
    return status;
}
