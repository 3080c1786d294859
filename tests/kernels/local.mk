# Other kernels, booted under QEMU: see tests/kernels/README.md.

kernel_scripts = \
	tests/kernels/README.md \
	tests/kernels/apt.sh \
	tests/kernels/boot \
	tests/kernels/check.sh \
	tests/kernels/guest/cards.sh \
	tests/kernels/guest/cpus.sh \
	tests/kernels/guest/dns.sh \
	tests/kernels/guest/drops.sh \
	tests/kernels/guest/identity.sh \
	tests/kernels/guest/init \
	tests/kernels/guest/kinds.sh \
	tests/kernels/guest/kinds.table \
	tests/kernels/guest/lib.sh \
	tests/kernels/guest/memlock.sh \
	tests/kernels/guest/run.sh \
	tests/kernels/guest/starts.sh \
	tests/kernels/guest/storm.sh \
	tests/kernels/image.sh \
	tests/kernels/table.awk
EXTRA_DIST += $(kernel_scripts)
check_PROGRAMS += tests/kernels/traffic
tests_kernels_traffic_SOURCES = tests/kernels/traffic.c

# All kernels with all tests; check-kernels is a suite (tests/local.mk).
.PHONY: check-kernels-all
check-kernels-all: compile-kernels
	PE_KERNELS=all $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS=tests/kernels/check.sh \
		check_PROGRAMS=tests/kernels/traffic
