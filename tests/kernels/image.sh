# shellcheck shell=bash
# What a guest boots from: a kernel, and an initrd of three archives one behind the other; sourced
# by `boot`. Expects: cache, builddir, srcdir, and apt.sh.

guest_programs=(bash bpftool bridge dmesg ethtool ip modprobe ping setpriv tc teamnl wg)

# All that some test asks for, with what it depends on. A kernel need not have each: the tests say
# what they cannot go without.
modules=(virtio_pci virtio_net e1000e igb
	8021q act_mirred bareudp batman_adv bonding bridge can_raw cls_matchall dummy geneve hsr ifb
	ip_gre ip6_gre ip6_tunnel ipip ipvlan macsec macvlan macvtap netkit sch_fq_codel sch_ingress sit
	tap team team_mode_roundrobin tun vcan vrf vxcan veth vxlan wireguard xfrm_interface xfrm_user
	esp4 cbc ccm ctr gcm ghash_generic hmac sha1_generic sha256_generic aes_generic aesni_intel
	ansi_cprng drbg jitterentropy_rng sha512_generic
	authenc echainiv seqiv crc32c_generic)

# The path of a program: what apt unpacked goes before what is installed.
tool() {
	PATH=$cache/tools/usr/sbin:$cache/tools/usr/bin:$cache/tools/sbin:$cache/tools/bin:$PATH:/usr/sbin:/sbin \
		command -v "$1"
}

tool_libraries=/usr/lib/x86_64-linux-gnu
tool_library_path() {
	echo "$cache/tools$tool_libraries:$cache/tools/lib/x86_64-linux-gnu"
}

# archive FOLDER: the files below it as an archive that the kernel unpacks, on standard output.
archive() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | "$(tool cpio)" -o -H newc -R 0:0 --quiet)
}

# put ROOT PROGRAM: PROGRAM to ROOT/bin, with its libraries where the loader looks for them.
put() {
	local root=$1 program=$2 library
	cp -L "$program" "$root/bin/"
	# ldd fails for what is linked statically.
	{ LD_LIBRARY_PATH=$(tool_library_path) ldd "$program" 2>/dev/null || true; } |
		awk '{ for (i = 1; i <= NF; i++) if ($i ~ "^/[^:]+$") print $i }' |
		while read -r library; do
			local as=$tool_libraries/${library##*/}
			[[ $library != */ld-linux-* ]] || as=/lib64/${library##*/}
			[ -e "$root$as" ] || cp -L "$library" "$root$as"
		done
}

# image_base FILE: busybox, the exporter, the traffic generator and programs for networks.
image_base() {
	local root applet program
	root=$(mktemp -d "$cache/base.XXXXXX")
	mkdir -p "$root"/{bin,dev,etc,lib64,proc,run,sys,tmp,var,"$tool_libraries"}
	ln -s bin "$root/sbin"
	ln -s /run "$root/var/run"
	put "$root" "$(tool busybox)"
	for applet in $("$root/bin/busybox" --list); do
		[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
	done
	for program in "${guest_programs[@]}"; do
		# The programs of these names in busybox can less.
		rm -f "$root/bin/$program"
		put "$root" "$(tool "$program")"
	done
	put "$root" "$builddir/packet-exporter"
	put "$root" "$builddir/tests/kernels/traffic"
	printf 'root:x:0:0::/:/bin/bash\nnobody:x:65534:65534::/:/bin/bash\n' >"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	archive "$root" >"$1.new"
	mv "$1.new" "$1"
	rm -rf "$root"
}

# image_modules TREE VERSION: the modules of a kernel that is unpacked below TREE, as an archive.
image_modules() {
	local tree=$1 version=$2 root file to
	root=$(mktemp -d "$cache/modules.XXXXXX")
	to=$root/lib/modules/$version
	mkdir -p "$to"
	[ -e "$tree/lib" ] || ln -s usr/lib "$tree/lib"
	# Newer packages come without these lists; depmod warns of each that it misses.
	touch "$tree/lib/modules/$version"/modules.{builtin,builtin.modinfo,order}
	"$(tool depmod)" -b "$tree" "$version"
	{ "$(tool modprobe)" -d "$tree" -S "$version" -a --show-depends "${modules[@]}" 2>/dev/null ||
		true; } | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
		if [[ $file = *.xz ]]; then
			xz -dc "$file" >"$to/$(basename "$file" .xz)"
		else
			cp "$file" "$to/"
		fi
	done
	cp "$tree/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$to/"
	"$(tool depmod)" -b "$root" "$version"
	archive "$root"
	rm -rf "$root"
}

# image_unpack FILE: a kernel that is compressed as what it unpacks itself to, which takes seconds in
# emulation. QEMU finds where that begins by the note of its entry for PVH. zstd fails for what follows
# the compressed stream, and has written all of it by then.
image_unpack() {
	local begin unpack
	for unpack in '\xfd7zXZ xz -dc --single-stream' '\x28\xb5\x2f\xfd zstd -qdc'; do
		begin=$(LC_ALL=C grep -abom 1 -P "${unpack%% *}" "$1" | head -n 1 | cut -d : -f 1 || true)
		[ -n "$begin" ] || continue
		${unpack#* } < <(tail -c "+$((begin + 1))" "$1") >"$1.new" 2>/dev/null || true
		if readelf -nW "$1.new" 2>/dev/null | grep -q 'Xen .*type: (0x00000012)'; then
			mv "$1.new" "$1"
			return
		fi
		rm "$1.new"
	done
}

# image_kernel NAME: makes sure of $cache/kernels/VERSION/{vmlinuz,modules.cpio}, for a flavour
# VERSION-FLAVOUR; prints the folder. Of those that nobody has asked for in a month nothing stays.
image_kernel() {
	local version package folder tree made_by
	made_by=$(sum_of "$srcdir/tests/kernels/image.sh")
	read -r version package < <(apt_kernel "$1")
	folder=$cache/kernels/$version
	[[ $package != *-cloud-* ]] || folder+=-cloud
	if [ "$(cat "$folder/made-by" 2>/dev/null)" != "$made_by" ]; then
		tree=$(mktemp -d "$cache/tree.XXXXXX")
		apt_unpack_kernel "$version" "$package" "$tree"
		mkdir -p "$folder"
		image_modules "$tree" "$(ls "$tree"/lib/modules 2>/dev/null || ls "$tree"/usr/lib/modules)" \
			>"$folder/modules.cpio"
		cp "$(find "$tree" -name 'vmlinuz*' -type f | head -n 1)" "$folder/vmlinuz"
		image_unpack "$folder/vmlinuz"
		echo "$made_by" >"$folder/made-by"
		rm -rf "$tree"
	fi
	touch "$folder"
	find "$cache/kernels" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
	echo "$folder"
}
