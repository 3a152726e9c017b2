# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What ./check needs on the machine, and how it gets it. Tools are looked for, not packages: where
# all are there, the package manager is not called, and the distribution does not matter.

MINGW_CC=x86_64-w64-mingw32-gcc-posix # as in tests/cross/mingw64.ini

# need: no check without it. want: installed, else something is skipped. nice: as want, but no
# reason to call the package manager (Debian 12 does not have it; newer releases do).
#
# kind | form     | package                    | how it is seen      | what it is for
packages() {
    cat <<LIST
need | all        | gcc                        | has gcc             | every build
need | all        | libc6-dev                  | compiles gcc        | every build
need | all        | meson                      | has meson           | every build
need | all        | ninja-build                | has ninja           | every build
need | all        | pkg-config                 | has pkg-config      | every build
need | all        | libglib2.0-dev             | library glib-2.0    | every build
need | all        | liblzma-dev                | library liblzma     | kernels packed by xz
need | all        | libzstd-dev                | library libzstd     | kernels packed by zstd
need | all        | zlib1g-dev                 | library zlib        | kernels packed by gzip
need | all        | liblz4-dev                 | library liblz4      | kernels packed by lz4
need | all        | libpixman-1-dev            | library pixman-1    | screens
need | all        | libvirglrenderer-dev       | library virglrenderer | GL
need | all        | libepoxy-dev               | library epoxy       | GL
need | all        | libegl-mesa0               | shared libEGL_mesa.so.0 | GL, no GPU
need | all        | libgl1-mesa-dri            | shared dri/swrast_dri.so | GL, no GPU
need | all        | libsdl2-dev                | library sdl2        | windows
need | all        | libjson-glib-dev           | library json-glib-1.0 | QMP
need | all        | libpng-dev                 | library libpng      | screenshots
need | all        | libslirp-dev               | library slirp       | networks
want | quick,full | xvfb                       | has Xvfb            | tests: windows
want | quick,full | python3-xlib               | python Xlib         | tests: windows
want | quick,full | edid-decode                | has edid-decode     | tests: EDID
need | all        | acpica-tools               | has iasl            | every build: the DSDT
need | all        | python3                    | has python3         | lints, counting
want | quick,full | clang-format-14            | has clang-format-14 | lint: format
want | quick,full | shellcheck                 | has shellcheck      | lint: shell
want | quick,full | spin                       | has spin            | models (spin)
want | all        | systemtap-sdt-dev          | includes sys/sdt.h  | trace points
need | full       | clang-14                   | clang 14            | the build with clang
need | full       | libclang-rt-14-dev         | fuzzes 14           | fuzzing
need | full       | clang-19                   | clang 19            | lock analysis
want | full       | gcc-multilib               | compiles gcc -m32   | the 32-bit build
want | full       | gcc-mingw-w64-x86-64-posix | has $MINGW_CC       | the Windows build
want | full       | wine                       | has wine            | Windows tests
want | full       | libzydis-dev               | includes Zydis/Zydis.h | decoder tests
want | full,bench | liburcu-dev                | library liburcu     | bench: liburcu
want | full,bench | libck-dev                  | library ck          | bench: ck
want | full,bench | valgrind                   | has valgrind        | bench: instructions
want | full,bench | qemu-system-x86            | has qemu-system-x86_64 | bench: TCG
want | full,bench,demo | e2fsprogs             | sbin mke2fs         | guests: disks
want | full,bench,demo | fakeroot              | has fakeroot        | guests: disks
want | full,bench | zstd                       | has zstd            | guests: kernels
want | full,bench,demo | libegl-dev            | library egl         | guests: drawing
want | full,bench,demo | libgl-dev             | includes GL/glcorearb.h | guests: drawing
want | full,bench,demo | libgbm-dev            | library gbm         | guests: drawing
want | full       | mmdebstrap                 | has mmdebstrap      | guests: a desktop (--soak)
want | full       | fdisk                      | sbin sfdisk         | guests: partitions (--soak)
want | full,bench | lz4                        | has lz4             | guests: kernels
want | soak       | debootstrap                | sbin debootstrap    | soak: bare Debians
nice | full       | herdtools7                 | has herd7           | models (herd7)
nice | full       | cbmc                       | has cbmc            | models (cbmc)
LIST
}

has() { type -P "$1" >/dev/null; } # a program, not one of these functions
sbin() { PATH=$PATH:/usr/sbin:/sbin type -P "$1" >/dev/null; } # or for administrators
library() { has pkg-config && pkg-config --exists "$1"; }
compiles() { has "$1" && echo 'int main(void) { return 0; }' | compile "$@"; }
python() { has /usr/bin/python3 && /usr/bin/python3 -c "import $1" 2>/dev/null; }
shared() { compgen -G "/usr/lib*/$1" >/dev/null || compgen -G "/usr/lib/*/$1" >/dev/null; }
includes() { has gcc && echo "#include <$1>" | compile gcc -c; }
compile() { "$@" -x c - -o /dev/null 2>/dev/null; } # a compiler that fails is the answer "no"

# clang VERSION: by its own name, or as what the distribution calls clang, if that is as new.
clang() { find_clang "$1" >/dev/null; }
find_clang() {
    local major
    if has "clang-$1"; then
        echo "clang-$1"
    elif has clang; then
        major=$(echo __clang_major__ | command clang -E -P -x c -)
        [ "$major" -ge "$1" ] && echo clang
    else
        return 1
    fi
}
fuzzes() {
    local cc
    cc=$(find_clang "$1") || return 1
    printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *data, size_t size);
            int LLVMFuzzerTestOneInput(const char *data, size_t size) { return !data && size; }\n' |
        compile "$cc" -fsanitize=fuzzer,address
}

# missing FORM: "kind package what" of each row for FORM whose tool is not there.
missing() {
    local kind form package probe what
    while IFS='|' read -r kind form package probe what; do
        [[ ,${form// /}, =~ ,(all|$1), ]] || continue
        # shellcheck disable=SC2086 # a command and its arguments
        $probe || echo "${kind// /} ${package// /}$what"
    done < <(packages)
}

is_root() { [ "$(id -u)" -eq 0 ]; }
as_root() {
    if is_root; then
        "$@"
    else
        sudo "$@" # asks on the terminal, if at all
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 "$@" \
        </dev/null >>"$LOGS/packages.log" 2>&1
}

# All at once; if that fails one by one, so that one bad package does not cost the others.
install_packages() {
    local package before
    if ! is_root && ! has sudo; then
        say "   to be installed: $*; but this is not root, and there is no sudo"
        return
    fi
    say "   installing: $*"
    apt update || say "   apt-get update failed (no network?); log: $LOGS/packages.log"
    apt install --no-install-recommends "$@" && return
    for package in "$@"; do
        before=$(wc -l <"$LOGS/packages.log")
        apt install --no-install-recommends "$package" ||
            say "   $package cannot be installed: $(tail -n +"$before" "$LOGS/packages.log" |
                grep -m 1 '^E:')"
    done
}

is_debian_like() {
    has apt-get && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release
}

# get_packages FORM: what FORM (quick, full, bench, demo) needs is there, or this does not return.
get_packages() {
    local rows
    rows=$(missing "$1")
    if grep -qE '^(need|want)' <<<"$rows"; then
        if is_debian_like; then
            # shellcheck disable=SC2046 # package names
            install_packages $(awk '$1 != "nice" { print $2 }' <<<"$rows" | sort -u)
            rows=$(missing "$1")
        else
            say '   not Debian or a relative: install what is missing yourself'
        fi
    fi
    # What is only nice is reported by the tests that want it.
    sed -n -E 's/^need ([^ ]+) (.*)/   missing, needed for: \2: package \1/p
        s/^want ([^ ]+) (.*)/   missing, so skipped: \2: package \1/p' <<<"$rows" >&"$SAY_TO"
    if grep -q '^need' <<<"$rows"; then
        die "needed and not there: $(awk '$1 == "need" { print $2 }' <<<"$rows" | xargs)" \
            "(Debian's names of packages)"
    fi
}
