# The image by itself.

size() {
    local bytes
    bytes=$("$DOCKER" image inspect --format '{{.Size}}' "$IMAGE")
    echo "= $((bytes / 1000000)) MB"
    [ "$bytes" -lt 200000000 ]
}
listing() {
    local made
    made=$("$DOCKER" create "$IMAGE")
    "$DOCKER" export "$made" >"$work/image.tar"
    "$DOCKER" rm "$made" >/dev/null
    tar -tvf "$work/image.tar" >"$work/listing"
    echo "= $(grep -c '^-' "$work/listing") files"
}
no_tools() {
    none '/(sh|bash|dash|busybox|apt|apt-get|dpkg|apk|gcc|cc|ld|as|make|cargo|rustc|perl|python3?|curl|wget|nc|sudo|su)( |$)' <"$work/listing"
}
no_privileges() { none '^-..s|^-.....s' <"$work/listing"; }
no_secrets() {
    none '\.env|secret|password|\.pem$|\.key$|id_rsa|\.git/' <"$work/listing"
    "$DOCKER" history --no-trunc --format '{{.CreatedBy}}' "$IMAGE" | none 'password|secret|token|://'
    "$DOCKER" image inspect --format '{{json .Config.Env}}' "$IMAGE" | none 'password|secret|token|://'
}
layers() {
    # One of files and one of the working directory: nothing that a later layer only hides.
    [ "$("$DOCKER" image inspect --format '{{len .RootFS.Layers}}' "$IMAGE")" -le 2 ]
}
user() {
    has 10001:10001 "$("$DOCKER" image inspect --format '{{.Config.User}}' "$IMAGE")"
}
labels() {
    local labels
    labels=$("$DOCKER" image inspect --format '{{json .Config.Labels}}' "$IMAGE")
    has "\"org.opencontainers.image.version\":\"$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)\"" "$labels"
    has '"org.opencontainers.image.licenses":"Apache-2.0"' "$labels"
    [ -n "${VITRINE_TEST_IMAGE:-}" ] || has "\"org.opencontainers.image.revision\":\"$(git rev-parse --short HEAD)\"" "$labels"
}
health() {
    has '["CMD","vitrine","health"]' "$("$DOCKER" image inspect --format '{{json .Config.Healthcheck.Test}}' "$IMAGE")"
}
version() {
    local said
    said=$("$DOCKER" run --rm --network none "$IMAGE" --version)
    echo "= $said"
    has "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" "$said"
    [ -n "${VITRINE_TEST_IMAGE:-}" ] || has "$(git rev-parse --short HEAD)" "$said"
}
bare() {
    "$DOCKER" run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges "$IMAGE" check 'SELECT 1'
    has 'pg_sleep' "$(fails "$DOCKER" run --rm --network none --read-only --cap-drop ALL "$IMAGE" check 'SELECT pg_sleep(1)')"
}
sbom() {
    local packages
    packages=$(tar -xOf "$work/image.tar" usr/local/bin/vitrine | "$DOCKER" run --rm --interactive --network none "$CLIENT" ask.py sbom /dev/stdin)
    for package in vitrine vitrine-insights tokio pg_query rustls; do has "$package " "$packages"; done
    echo "= $(wc -l <<<"$packages") crates, $(grep -c 'dpkg/status.d/.' "$work/listing") packages of Debian"
    grep -q 'dpkg/status.d/libpq5$' "$work/listing"
}

check "it is small" size
check "its files can be listed" listing
check "no shell, package manager, compiler, interpreter or downloader is in it" no_tools
check "no file in it gives privileges" no_privileges
check "no secret is in its files, its history, its environment" no_secrets
check "no layer hides another's files" layers
check "it does not run as root" user
check "its labels say version, commit, licence" labels
check "its health check is the program's own" health
check "it says its version and commit" version
check "it runs without network, capabilities and a root file system to write to" bare
check "the list of its dependencies can be read back" sbom
