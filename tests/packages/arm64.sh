# shellcheck shell=bash
# The program for arm64: compiled here, and run by QEMU as far as a program gets that loads nothing into a
# kernel. For check.sh to source.
# Expects: build_dir, cached, check, is_hardened, source_dir, sysroot, work, and the distribution in $work/sources.
#
# The libraries are those of Debian for arm64, unpacked (../archs/sysroot.sh).

arm64_triplet=aarch64-linux-gnu
arm64_root=$(sysroot arm64)

# In the distribution, which has the documents that the program cannot print here. What it is optimized
# for does not matter.
arm64_compiles() {
	rm -rf "$work/arm64" && mkdir -p "$work/arm64/build" && cd "$work/arm64/build" &&
		cached sysroot_configure arm64 $arm64_triplet ../../sources/configure --prefix=/usr CFLAGS='-Og -g0' &&
		cached make -s -j"$(nproc)" && file_is_arm64 packet-exporter &&
		make -s install DESTDIR="$work/arm64/installed"
}

file_is_arm64() {
	readelf -h "$1" | grep -q 'Machine: *AArch64'
}

arm64_run() {
	qemu-aarch64-static -L "$arm64_root" "$work/arm64/build/packet-exporter" "$@"
}

# With TLS, a regular expression and a user, so that libraries do their part.
arm64_checks() {
	local file=$work/arm64/web.yml
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=arm64 \
		-keyout "$work/arm64/key.pem" -out "$work/arm64/cert.pem" 2>/dev/null || return
	printf 'tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n' >"$file"
	arm64_run --check-config --web.config.file="$file" --interface.include='^veth[0-9]+$' \
		--push.url=http://localhost:9091 || return
	sed -i "s/key_file: key/key_file: cert/" "$file"
	! arm64_run --check-config --web.config.file="$file"
}

arm64_says_the_same() {
	[ "$(arm64_run --version)" = "$("$build_dir/packet-exporter" --version)" ] || return
	arm64_run --help=man | cmp - "$build_dir/packet-exporter.8" &&
		cmp "$work/arm64/installed/usr/share/man/man8/packet-exporter.8" "$build_dir/packet-exporter.8"
}

# The kernel side is for any machine of this byte order: CO-RE finds what differs.
arm64_bpf_is_the_same() {
	local file
	for file in identity packet_exporter packet_exporter_plain; do
		cmp "$build_dir/bpf/$file.bpfo" "$work/arm64/build/bpf/$file.bpfo" || return
	done
}

# arm64_podman COMMAND…: with images of its own, and without control groups.
arm64_podman() {
	podman --root "$work/arm64/images" --runroot "$work/arm64/containers" --storage-driver=vfs \
		--cgroup-manager=cgroupfs "$@"
}

# The Dockerfile's last stage, of what its first one makes of a program: to compile it there as well takes eight
# times as long, most of it for unpacking the compiler.
arm64_image_is_made() {
	local context=$work/arm64/context
	mkdir "$context" && aarch64-linux-gnu-strip -o "$work/arm64/stripped" \
		"$work/arm64/build/packet-exporter" &&
		sh "$source_dir/docker/root.sh" "$work/arm64/stripped" "$context/out" "$arm64_root" &&
		sed -n 's/--from=build //; /^FROM scratch$/,$p' "$source_dir/docker/Dockerfile" >"$context/Dockerfile" &&
		arm64_podman build -q --format docker --platform linux/arm64 -t packet-exporter "$context" || return
	[ "$(arm64_podman image inspect -f '{{.Os}}/{{.Architecture}}' packet-exporter)" = linux/arm64 ]
}

# Unpacked as an engine would.
arm64_image_is_small() {
	local size image=$work/arm64/image
	size=$(arm64_podman image inspect -f '{{.Size}}' packet-exporter) && echo "$size bytes" &&
		[ "$size" -le $((40 << 20)) ] || return
	mkdir "$image" && arm64_podman save -q packet-exporter | tar -C "$work/arm64/context" -x &&
		cat "$work"/arm64/context/*.tar | tar -C "$image" -xi
}

# No other program, no shell: what may be run is ours, and the loader; and nothing of this machine.
arm64_image_has_nothing_else() {
	local file image=$work/arm64/image
	find "$image" -type f -perm /111 -not -path '*/lib/*' | grep -vx "$image/packet-exporter" && return 1
	find "$image" -name '*sh' -o -name busybox | grep . && return 1
	find "$image" -type f -name '*.so*' >"$work/arm64/libraries" && [ -s "$work/arm64/libraries" ] || return
	while read -r file; do file_is_arm64 "$file" || { echo "$file"; return 1; }; done <"$work/arm64/libraries"
}

# With the libraries of the image alone, and as the image is run.
arm64_image_runs() {
	local image=$work/arm64/image entry
	entry=$(arm64_podman image inspect -f '{{index .Config.Entrypoint 0}}' packet-exporter) || return
	install "$(command -v qemu-aarch64-static)" "$image/qemu" || return
	chroot "$image" /qemu "$entry" --version &&
		chroot "$image" /qemu "$entry" --check-config --push.url=http://localhost --user=nobody
}

arm64_image_tests() {
	check "its image is made, and is one for arm64" arm64_image_is_made || return
	check "the image is small" arm64_image_is_small || return
	check "and has no program but ours" arm64_image_has_nothing_else
	check "which runs with what is in it" arm64_image_runs
}

arm64_tests() {
	check "Debian's libraries for arm64 are there" sysroot_make arm64 $arm64_triplet || return
	check "the program is compiled for arm64" arm64_compiles || return
	check "it runs, and prints the documents that this machine's prints" arm64_says_the_same
	check "it checks a configuration" arm64_checks
	check "it is hardened" is_hardened "$work/arm64/build"
	check "its BPF programs are those of this machine" arm64_bpf_is_the_same
	arm64_image_tests
}
