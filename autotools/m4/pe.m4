# Own macros of packet-exporter's configure.

# PE_MISSING(WHAT, DEBIAN-PACKAGE): remembers that something is missing.
AC_DEFUN([PE_MISSING], [
  pe_missing="$pe_missing
  - $1 (Debian package: $2)"
])

# PE_LIBRARY(VARIABLE-PREFIX, PKG-CONFIG-SPEC, DEBIAN-PACKAGE)
AC_DEFUN([PE_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$2], [], [PE_MISSING([$2], [$3])])
])

# PE_TESTS: --enable-tests=required leaves no test out for what the machine lacks. What a test looks
# for only when it runs, it says itself.
AC_DEFUN([PE_TESTS], [
  AC_ARG_ENABLE([tests],
    [AS_HELP_STRING([--enable-tests=required],
      [fail if anything is missing that a test needs; by default such tests are left out])],
    [], [enable_tests=auto])
  AS_CASE([$enable_tests], [auto | required], [],
    [AC_MSG_ERROR([--enable-tests is auto or required])])
])

# PE_TEST_LIBRARY(VARIABLE-PREFIX, PKG-CONFIG-SPEC, DEBIAN-PACKAGE, WHAT-FOR)
AC_DEFUN([PE_TEST_LIBRARY], [
  AC_REQUIRE([PE_TESTS])
  PKG_CHECK_MODULES([$1], [$2], [pe_have_$1=yes], [
    pe_have_$1=no
    AS_IF([test $enable_tests = required], [PE_MISSING([$2 for $4], [$3])],
      [AC_MSG_NOTICE([no $2, so not $4 (Debian package: $3)])])
  ])
  AM_CONDITIONAL([HAVE_$1], [test "$pe_have_$1" = yes])
])

# PE_TEST_PROTOBUF: a compiler and a library that read protobuf, for tests.
AC_DEFUN([PE_TEST_PROTOBUF], [
  AC_CHECK_PROG([PROTOC_C], [protoc-c], [protoc-c])
  AS_IF([test -n "$PROTOC_C"], [],
    [AS_IF([test "$enable_tests" = required],
      [PE_MISSING([protoc-c for the tests of protobuf], [protobuf-c-compiler])])])
  PE_TEST_LIBRARY([PROTOBUF_C], [libprotobuf-c], [libprotobuf-c-dev], [the tests of protobuf])
  AM_CONDITIONAL([HAVE_PROTOBUF_C], [test -n "$PROTOC_C" && test "$pe_have_PROTOBUF_C" = yes])
])

# PE_REFUSE_IF_MISSING: one error that names everything.
AC_DEFUN([PE_REFUSE_IF_MISSING], [
  AS_IF([test -n "$pe_missing"], [AC_MSG_ERROR([missing:$pe_missing])])
])

# PE_WARNINGS: the warnings this code is free of.
AC_DEFUN([PE_WARNINGS], [
  PE_CFLAGS="-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes"
  PE_CFLAGS="$PE_CFLAGS -Wpointer-arith -Wformat=2 -Wvla -Wno-unused-parameter -fno-common"
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
    [AS_IF([test "$enableval" = yes], [PE_CFLAGS="$PE_CFLAGS -Werror"])])
  AC_SUBST([PE_CFLAGS])
])

# PE_REPRODUCIBLE: objects that are the same wherever they are built.
AC_DEFUN([PE_REPRODUCIBLE], [
  PE_IF_COMPILES([-ffile-prefix-map=/here=.], [
    for pe_folder in top_srcdir abs_top_srcdir abs_top_builddir; do
      PE_CFLAGS="$PE_CFLAGS -ffile-prefix-map=\$($pe_folder)=."
    done
  ])
])

# PE_IF_COMPILES(FLAGS, THEN): a program can be compiled and linked with them and the user's flags.
AC_DEFUN([PE_IF_COMPILES], [
  pe_save_CFLAGS=$CFLAGS
  CFLAGS="$1 $CFLAGS -Werror"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])], [$2])
  CFLAGS=$pe_save_CFLAGS
])

# PE_HARDENING: what makes errors harder to exploit, as far as the compiler and linker know it. After
# PE_SANITIZE. What the user gives in CFLAGS and LDFLAGS comes later on the command line and wins.
AC_DEFUN([PE_HARDENING], [
  AC_ARG_ENABLE([hardening],
    [AS_HELP_STRING([--disable-hardening],
      [without position-independent code, full RELRO, stack protector, FORTIFY, CET])],
    [], [enable_hardening=yes])
  AS_IF([test "$enable_hardening" != no], [
    AC_MSG_CHECKING([for options that harden])
    pe_hardening=
    # Sanitizers check the calls that FORTIFY replaces. It takes optimization: without, it warns.
    pe_fortify='3 2'
    AS_IF([test -n "$with_sanitizers$enable_fuzzing" && test "$with_sanitizers$enable_fuzzing" != no],
      [pe_fortify=])
    for pe_option in $pe_fortify; do
      pe_option="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$pe_option"
      AS_IF([test -z "$pe_hardening"],
        [PE_IF_COMPILES([$pe_option], [pe_hardening=" $pe_option"])])
    done
    for pe_option in -fstack-protector-strong -fstack-clash-protection \
        -fcf-protection=full -mbranch-protection=standard; do
      PE_IF_COMPILES([$pe_option], [pe_hardening="$pe_hardening $pe_option"])
    done
    PE_IF_COMPILES([-fPIE -pie], [
      pe_hardening="$pe_hardening -fPIE"
      PE_LDFLAGS="$PE_LDFLAGS -pie"
    ])
    for pe_option in -Wl,-z,relro,-z,now -Wl,-z,noexecstack; do
      PE_IF_COMPILES([$pe_option], [PE_LDFLAGS="$PE_LDFLAGS $pe_option"])
    done
    PE_CFLAGS="$PE_CFLAGS$pe_hardening"
    AC_MSG_RESULT([$pe_hardening$PE_LDFLAGS])
  ])
  AC_SUBST([PE_LDFLAGS])
])

# PE_SANITIZE: --with-sanitizers=address,undefined or =thread.
AC_DEFUN([PE_SANITIZE], [
  AC_ARG_WITH([sanitizers],
    [AS_HELP_STRING([--with-sanitizers=LIST], [build with -fsanitize=LIST])],
    [AS_IF([test "$withval" != no], [
      PE_CFLAGS="$PE_CFLAGS -fsanitize=$withval -fno-sanitize-recover=all -fno-omit-frame-pointer"
      LDFLAGS="$LDFLAGS -fsanitize=$withval"
    ])])
])

# PE_FUZZING: --enable-fuzzing links the fuzz targets with libFuzzer; `make fuzz` asks for it.
AC_DEFUN([PE_FUZZING], [
  AC_ARG_ENABLE([fuzzing],
    [AS_HELP_STRING([--enable-fuzzing], [build the fuzz targets for libFuzzer (clang); see make fuzz])],
    [], [enable_fuzzing=no])
  AS_IF([test "$enable_fuzzing" = yes], [PE_CFLAGS="$PE_CFLAGS -fsanitize=fuzzer-no-link"])
  AC_SUBST([LIBFUZZER], [-fsanitize=fuzzer])
  AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
])

# PE_TEST_LINKER: there are many tests, and each has the whole library; gold takes half the time for it
# that bfd does. The program is linked by the compiler's own choice.
AC_DEFUN([PE_TEST_LINKER], [
  TEST_LDFLAGS=
  PE_IF_COMPILES([$PE_LDFLAGS -fuse-ld=gold], [TEST_LDFLAGS=-fuse-ld=gold])
  AC_SUBST([TEST_LDFLAGS])
])

# PE_BPF_TOOLCHAIN: clang with the BPF target, bpftool, and the flags for both.
AC_DEFUN([PE_BPF_TOOLCHAIN], [
  AC_ARG_VAR([CLANG], [clang with the BPF target])
  AC_ARG_VAR([BPFTOOL], [bpftool, which links BPF objects and writes skeletons])
  AC_PATH_PROGS([CLANG], [clang clang-19 clang-16 clang-15 clang-14], [no])
  AC_PATH_PROG([BPFTOOL], [bpftool], [no], [$PATH:/usr/sbin:/sbin])
  # In the byte order of the machine that it is for.
  AC_C_BIGENDIAN([BPF_TARGET=bpfeb], [BPF_TARGET=bpfel], [BPF_TARGET=bpf])
  AC_SUBST([BPF_TARGET])
  AC_MSG_CHECKING([whether clang compiles for BPF])
  pe_bpf_works=no
  AS_IF([test "$CLANG" != no], [
    echo 'int f(void *c) { return 0; }' >conftest.bpf.c
    AS_IF([$CLANG -target $BPF_TARGET -mcpu=v3 -O2 -g -c conftest.bpf.c -o conftest.bpf.o >&AS_MESSAGE_LOG_FD 2>&1],
      [pe_bpf_works=yes])
    rm -f conftest.bpf.c conftest.bpf.o
  ])
  AC_MSG_RESULT([$pe_bpf_works])
  AS_IF([test $pe_bpf_works = no], [PE_MISSING([clang with the BPF target], [clang])])
  AS_IF([test "$BPFTOOL" = no || ! "$BPFTOOL" version >&AS_MESSAGE_LOG_FD 2>&1],
    [PE_MISSING([bpftool], [bpftool])])
  # clang's BPF target does not look into the architecture's own include folder, which can be in a sysroot.
  BPF_CPPFLAGS=
  pe_asm=`echo '#include <asm/types.h>' | $CC $CPPFLAGS -E - 2>/dev/null |
    sed -n 's,^# 1 "\(.*\)/asm/types.h".*,\1,p' | sed 1q`
  AS_IF([test -n "$pe_asm" && test "$pe_asm" != /usr/include], [BPF_CPPFLAGS="-idirafter $pe_asm"])
  AC_SUBST([BPF_CPPFLAGS])
])

# PE_DEPENDENCY_FILES: config.status makes an empty file of dependencies for each object, each by a shell, a
# mkdir and a mv of its own, unless it is there: half of what configure takes. All of them at once.
AC_DEFUN([PE_DEPENDENCY_FILES], [
  AC_CONFIG_COMMANDS_PRE([
    AS_IF([test "${enable_dependency_tracking:-yes}" != no], [
      pe_files=`sed -n 's,^@AMDEP_TRUE@.*am__quote@\(.*\)\$(DEPDIR)\(/.*\.Po\)@am__quote.*,\1.deps\2,p' \
        "$srcdir/Makefile.in"`
      mkdir -p `echo "$pe_files" | sed 's,/@<:@^/@:>@*$,,' | sort -u`
      for pe_file in $pe_files; do
        test -e "$pe_file" || echo '# dummy' >"$pe_file"
      done
    ])
  ])
])

# PE_PTHREAD: -pthread is all that is needed on Linux.
AC_DEFUN([PE_PTHREAD], [
  PE_CFLAGS="$PE_CFLAGS -pthread"
  LDFLAGS="$LDFLAGS -pthread"
])

# PE_INSTALL: where units and completions go. Without options nothing is outside of the prefix; systemd and
# the shells look below /usr and /usr/local.
AC_DEFUN([PE_INSTALL], [
  AC_ARG_WITH([systemdsystemunitdir],
    [AS_HELP_STRING([--with-systemdsystemunitdir=DIR], [units of systemd [PREFIX/lib/systemd/system]])],
    [], [with_systemdsystemunitdir='${prefix}/lib/systemd/system'])
  AC_ARG_WITH([bashcompletiondir],
    [AS_HELP_STRING([--with-bashcompletiondir=DIR],
      [completions for bash [DATADIR/bash-completion/completions]])],
    [], [with_bashcompletiondir='${datadir}/bash-completion/completions'])
  AC_ARG_WITH([zshcompletiondir],
    [AS_HELP_STRING([--with-zshcompletiondir=DIR], [completions for zsh [DATADIR/zsh/site-functions]])],
    [], [with_zshcompletiondir='${datadir}/zsh/site-functions'])
  AC_SUBST([systemdsystemunitdir], [$with_systemdsystemunitdir])
  AC_SUBST([bashcompletiondir], [$with_bashcompletiondir])
  AC_SUBST([zshcompletiondir], [$with_zshcompletiondir])
  # The program prints its documents. Where it cannot run, those of the distribution are installed.
  AM_CONDITIONAL([HAVE_DOCUMENTS],
    [test "$cross_compiling" != yes || test -e "$srcdir/packet-exporter.8"])
  AS_IF([test "$cross_compiling" = yes && test ! -e "$srcdir/packet-exporter.8"],
    [AC_MSG_NOTICE([no man page and no completions: `make dist` of a build for this machine has them])])
])
