#!/usr/bin/env bash
# Makes stand-ins for the base images out of Debian's packages and this machine's Rust toolchain, for a site that reaches
# a Debian mirror and the registry of crates, but no registry of images. What it makes:
#
#   vitrine-offline/debian:trixie    for RUNTIME_IMAGE
#   vitrine-offline/rust:trixie      for RUST_IMAGE
#   vitrine-offline/postgres:17      for DB_IMAGE: PostgreSQL 17 with pgvector
#
# Needs root (debootstrap), a running Docker engine and rustc. An image that is there is kept; --again makes it anew.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=trixie
docker=${DOCKER:-docker}
again=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

have() { [ "$again" != --again ] && "$docker" image inspect "$1" >/dev/null 2>&1; }
say() { echo "offline-bases: $*" >&2; }

for program in debootstrap rustc tar; do
    command -v "$program" >/dev/null || { say "$program is missing"; exit 1; }
done

if ! have "vitrine-offline/debian:$suite"; then
    say "Debian $suite by debootstrap"
    # The mirror is debootstrap's own default, or the site's: MIRROR=…
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/debian" ${MIRROR:+"$MIRROR"} >"$work/log" 2>&1 \
        || { tail -20 "$work/log" >&2; exit 1; }
    # Authorities that this machine trusts beyond Debian's: a closed site's mirrors often have certificates of its own.
    if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
        cp --dereference /etc/ssl/certs/ca-certificates.crt "$work/debian/etc/ssl/certs/ca-certificates.crt"
    fi
    # As in the usual images: an unpacked package that a crash loses is no loss where the whole layer is made again.
    echo force-unsafe-io >"$work/debian/etc/dpkg/dpkg.cfg.d/docker"
    tar -C "$work/debian" --exclude=./var/cache/apt/archives/*.deb -c . | "$docker" import --change 'CMD ["bash"]' - "vitrine-offline/debian:$suite" >/dev/null
fi

if ! have "vitrine-offline/rust:$suite"; then
    say "Rust $(rustc --version | cut -d' ' -f2) from this machine's toolchain"
    sysroot=$(rustc --print sysroot)
    mkdir -p "$work/rust/usr/local/cargo"
    cp -a "$sysroot/bin" "$sysroot/lib" "$work/rust/usr/local/"
    [ -d "$sysroot/libexec" ] && cp -a "$sysroot/libexec" "$work/rust/usr/local/"
    tar -C "$work/rust" -c -f "$work/rust.tar" .
    cat >"$work/Dockerfile" <<END
FROM vitrine-offline/debian:$suite
ADD rust.tar /
ENV CARGO_HOME=/usr/local/cargo SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
END
    mkdir "$work/context"
    mv "$work/rust.tar" "$work/Dockerfile" "$work/context/"
    "$docker" build --quiet --tag "vitrine-offline/rust:$suite" "$work/context" >/dev/null
fi

if ! have vitrine-offline/postgres:17; then
    say "PostgreSQL 17 with pgvector from Debian's packages"
    "$docker" build --quiet --build-arg "BASE_IMAGE=vitrine-offline/debian:$suite" --tag vitrine-offline/postgres:17 docker/postgres >/dev/null
fi
say "done: vitrine-offline/debian:$suite vitrine-offline/rust:$suite vitrine-offline/postgres:17"
