#!/bin/sh
# rootfs.sh FOLDER PROGRAM...: gathers in FOLDER what the programs need to run, and no more: themselves, in
# /usr/local/bin, their shared libraries, authorities of TLS, and a user. Runs inside the build of the image.
set -eu

root=$1
shift

mkdir -p "$root/usr/local/bin" "$root/usr/lib" "$root/etc/ssl/certs" "$root/usr/share" "$root/var/lib/dpkg/status.d"
for name in bin lib lib64 sbin; do
    mkdir -p "$root/usr/$name"
    ln -s "usr/$name" "$root/$name"
done

# The loader and every library, by the names that the loader looks for, each with its package's licence and its entry
# for scanners, which read status.d where there is no package manager.
keep() {
    path=$(readlink -f "$1")
    folder=$root$(dirname "$path")
    mkdir -p "$folder"
    cp "$path" "$folder/"
    [ "$(basename "$1")" = "$(basename "$path")" ] || ln -sf "$(basename "$path")" "$folder/$(basename "$1")"
    note "$(owner "$path")"
}
# Where /lib and /usr/lib are one, some packages know a file by its older name.
owner() {
    { dpkg -S "$1" 2>/dev/null || dpkg -S "${1#/usr}"; } | head -n 1 | sed 's/: .*//'
}
note() {
    name=${1%%:*}
    [ -e "$root/var/lib/dpkg/status.d/$name" ] && return 0
    dpkg -s "$1" >"$root/var/lib/dpkg/status.d/$name"
    mkdir -p "$root/usr/share/doc/$name"
    if [ -e "/usr/share/doc/$name/copyright" ]; then cp "/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/"; fi
}

for program in "$@"; do
    install -m 0755 "$program" "$root/usr/local/bin/"
    case $program in /usr/lib/postgresql/*) note "$(owner "$program")" ;; esac
    for library in $(ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'); do
        keep "$library"
    done
done
# The loader is asked for in /lib64, wherever its package puts it.
for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do
    [ -e "$loader" ] || continue
    found=$(find "$root/usr/lib" -name "$(basename "$(readlink -f "$loader")")" | head -n 1)
    target="$root/usr${loader}"
    [ -e "$target" ] || ln -s "${found#"$root"}" "$target"
done

cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
note ca-certificates
mkdir -p "$root/usr/lib/ssl"
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'root:x:0:0::/nonexistent:/nonexistent
vitrine:x:10001:10001::/var/lib/vitrine:/nonexistent' >"$root/etc/passwd"
echo 'root:x:0:
vitrine:x:10001:' >"$root/etc/group"
cp /etc/os-release "$root/etc/" 2>/dev/null || true

install -d -m 1777 "$root/tmp"
install -d -o 10001 -g 10001 -m 0700 "$root/run/vitrine" "$root/var/lib/vitrine" "$root/backup"

# Nothing may be missing, or the image would fail on its first use.
for program in "$@"; do
    chroot "$root" "/usr/local/bin/$(basename "$program")" --version >/dev/null
done
