#!/usr/bin/env bash
# upgrade.sh DOCKER PROJECT COMPOSE...: puts a gateway of the image that .env names in the place of the running one.
#
#   1. a second gateway of the new image starts beside the old one; if it does not get healthy, it goes and nothing changed
#   2. it joins the network of the clients under the name `vitrine`: new connections reach either of the two
#   3. compose replaces the old one, which lets each session finish its transaction and then says 57P01
#   4. when the one in its place is healthy, the second one is stopped in the same way
#
# Clients on the network `app` find a gateway at every moment. The published port of the machine belongs to one container
# at a time: from the end of the old one to the start of the new one it refuses connections.
set -euo pipefail
docker=$1 project=$2
shift 2
compose=("$@")
second=${project}_upgrade

say() { echo "upgrade: $*" >&2; }
drop() { "$docker" rm --force "$second" >/dev/null 2>&1 || true; }
healthy() {
    local state
    for _ in $(seq 1 90); do
        state=$("$docker" inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$1" 2>/dev/null || true)
        case $state in
            "running healthy") return 0 ;;
            exited* | dead*) return 1 ;;
        esac
        sleep 1
    done
    return 1
}

[ -n "$("${compose[@]}" ps -q vitrine)" ] || { say "no gateway runs: make up"; exit 1; }
drop
"${compose[@]}" run --detach --no-deps --name "$second" vitrine serve >/dev/null
if ! healthy "$second"; then
    "$docker" logs --tail 20 "$second" >&2 || true
    drop
    say "the new gateway does not get healthy; the old one serves on"
    exit 1
fi
network=$("$docker" network ls --quiet --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.network=app)
"$docker" network disconnect "$network" "$second"
"$docker" network connect --alias vitrine "$network" "$second"
say "the new gateway is healthy and takes connections; the old one finishes"
"${compose[@]}" up --detach --no-deps --force-recreate vitrine
if ! healthy "$("${compose[@]}" ps -q vitrine | head -n 1)"; then
    say "the one in its place does not get healthy; $second serves the network app until you remove it"
    exit 1
fi
"$docker" stop --time 40 "$second" >/dev/null
drop
say "done"
