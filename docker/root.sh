#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The root folder of the image: root.sh PROGRAM FOLDER [SYSROOT]. The program, the libraries that it and they
# need, of the program's architecture, whatever this machine's is, from SYSROOT if that is named; certificates;
# who is who.
set -eu
program=$1
root=$2
sysroot=${3:-}
# Loaded when they are used, so that no header names them. glibc wants the last one when a thread ends
# by pthread_exit(3).
loaded='libcurl.so.4 libjansson.so.4 libsnappy.so.1 libgcc_s.so.1'

# Its architecture, as Debian's folders have it.
loader=$(readelf -p .interp "$program" | sed -n 's/.*\] *//p')
case $loader in
*x86-64*) folder=x86_64-linux-gnu ;;
*aarch64*) folder=aarch64-linux-gnu ;;
*)
	echo "no folder is known for programs with $loader" >&2
	exit 1
	;;
esac

needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# take NAME: with what it needs.
take() {
	local file
	[ ! -e "$root/usr/lib/$folder/$1" ] || return 0
	for file in "$sysroot/lib/$folder/$1" "$sysroot/usr/lib/$folder/$1"; do
		[ ! -e "$file" ] || break
	done
	cp -L "$file" "$root/usr/lib/$folder/$1"
	for file in $(needed "$root/usr/lib/$folder/$1"); do
		take "$file"
	done
}

mkdir -p "$root/usr/lib/$folder" "$root/etc/ssl/certs"
ln -s usr/lib "$root/lib"
install -m 755 "$program" "$root/packet-exporter"
for library in $(needed "$program") $loaded; do
	take "$library"
done
# Where the program looks for it.
case $loader in
/lib64/*)
	mkdir -p "$root/usr/lib64"
	ln -s usr/lib64 "$root/lib64"
	;;
esac
mv "$root/usr/lib/$folder/${loader##*/}" "$root$loader"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# For --user, and for names of hosts.
grep -E '^(root|nobody):' /etc/passwd >"$root/etc/passwd"
grep -E '^(root|nogroup):' /etc/group >"$root/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' >"$root/etc/nsswitch.conf"
