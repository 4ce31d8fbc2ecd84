# Sourced by docker/test/run: a Docker engine, the base images, the image under test.

DOCKER=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}
export DOCKER DOCKER_BUILDKIT=1
engine_pid=
engine_folder=

say() { echo "test-image: $*" >&2; }
cannot() {
    say "DID NOT RUN: $*"
    exit 77
}

answers() { command -v "$DOCKER" >/dev/null && timeout 10 "$DOCKER" info >/dev/null 2>&1; }
composes() { "$DOCKER" compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; }

# The engine that DOCKER_HOST or the machine offers, or one of our own: its own folder, socket and process, stopped by stop_engine.
find_engine() {
    if ! answers || ! composes; then
        [ "$(uname)" = Linux ] || cannot "no Docker engine with Compose answers"
        [ "$(id -u)" -eq 0 ] || cannot "no Docker engine with Compose answers, and only root can start one"
        install_programs
    fi
    answers || start_engine
    composes || cannot "there is neither docker compose nor docker-compose"
}

install_programs() {
    local missing=()
    command -v "$DOCKER" >/dev/null || missing+=(docker.io)
    command -v dockerd >/dev/null || missing+=(docker.io)
    composes || missing+=(docker-compose)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v iptables >/dev/null || missing+=(iptables)
    [ "${#missing[@]}" -eq 0 ] && return 0
    command -v apt-get >/dev/null || cannot "missing: ${missing[*]}"
    say "installing ${missing[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        </dev/null >/dev/null 2>&1 || cannot "apt-get could not install ${missing[*]}"
    hash -r
}

start_engine() {
    local data=${VITRINE_DOCKER_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/vitrine/docker}
    engine_folder=$(mktemp -d /tmp/vitrine-docker-XXXXXX)
    mkdir -p "$data"
    # Packets of containers must fit the way out, which is narrower than usual in many virtual machines.
    local device mtu
    device=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)
    mtu=$(cat "/sys/class/net/${device:-lo}/mtu" 2>/dev/null || echo 1500)
    [ "$mtu" -le 1500 ] || mtu=1500
    dockerd --data-root "$data" --exec-root "$engine_folder/exec" --pidfile "$engine_folder/pid" --mtu "$mtu" \
        --host "unix://$engine_folder/docker.sock" >"$engine_folder/log" 2>&1 &
    engine_pid=$!
    export DOCKER_HOST=unix://$engine_folder/docker.sock
    for _ in $(seq 1 60); do
        answers && break
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 1
    done
    if ! answers; then
        tail -n 5 "$engine_folder/log" >&2
        stop_engine
        cannot "dockerd does not start here"
    fi
    say "started a Docker engine of our own (process $engine_pid, its images and caches stay in $data)"
}

stop_engine() {
    [ -n "$engine_pid" ] || return 0
    kill -TERM "$engine_pid" 2>/dev/null || true
    wait "$engine_pid" 2>/dev/null || true
    engine_pid=
    # It leaves a network namespace mounted there.
    umount "$engine_folder"/exec/netns/* 2>/dev/null || true
    rm -rf "$engine_folder"
}

# Real base images where a registry answers, stand-ins where none does. Sets RUST_IMAGE, RUNTIME_IMAGE, DB_IMAGE.
find_bases() {
    RUST_IMAGE=$(sed -n 's/^ARG RUST_IMAGE=//p' docker/Dockerfile)
    RUNTIME_IMAGE=$(sed -n 's/^ARG RUNTIME_IMAGE=//p' docker/Dockerfile)
    DB_IMAGE=$(sed -n 's/^DB_IMAGE=//p' config/env.template)
    if [ "${VITRINE_OFFLINE:-0}" != 1 ] && fetched "$RUNTIME_IMAGE" 60 && fetched "$RUST_IMAGE" 600 && fetched "$DB_IMAGE" 600; then
        return 0
    fi
    RUST_IMAGE=vitrine-offline/rust:trixie RUNTIME_IMAGE=vitrine-offline/debian:trixie DB_IMAGE=vitrine-offline/postgres:17
    say "no image registry answers: stand-ins by docker/offline-bases.sh"
    docker/offline-bases.sh >"$work/bases.log" 2>&1 || { tail -n 20 "$work/bases.log" >&2; cannot "no base images can be had"; }
}

fetched() {
    "$DOCKER" image inspect "$1" >/dev/null 2>&1 || timeout "$2" "$DOCKER" pull --quiet "$1" >/dev/null 2>&1
}

# The image under test by `make image`, and the client of the tests.
build_images() {
    local began=$SECONDS
    if [ -n "${VITRINE_TEST_IMAGE:-}" ]; then
        IMAGE=$VITRINE_TEST_IMAGE
    else
        IMAGE=vitrine-test:latest
        say "building the image, profile ${CARGO_PROFILE:=release}"
        make image IMAGE=$IMAGE IMAGE_ARGS="--build-arg RUST_IMAGE=$RUST_IMAGE --build-arg RUNTIME_IMAGE=$RUNTIME_IMAGE \
            --build-arg CARGO_PROFILE=$CARGO_PROFILE" >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
    fi
    CLIENT=vitrine-test-client:latest
    "$DOCKER" build --quiet --build-arg "BASE_IMAGE=$RUNTIME_IMAGE" --tag "$CLIENT" docker/test/client >"$work/client.log" 2>&1 \
        || { tail -n 20 "$work/client.log" >&2; exit 1; }
    export IMAGE CLIENT
    say "images built in $((SECONDS - began)) s"
}
