#!/usr/bin/env bash
# wait-healthy.sh DOCKER PROJECT: waits until every container of the project is healthy and the store has its tables;
# says what is not.
set -euo pipefail
docker=$1 project=$2
ours=(--filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.oneoff=False)

waiting=nothing
idle=0
for _ in $(seq 1 180); do
    waiting=$("$docker" ps --all "${ours[@]}" --format '{{.Names}} {{.Status}}' | grep -v '(healthy)' || true)
    [ -z "$waiting" ] && break
    # What is not even starting will not get healthy.
    if grep -qE ' (Created|Exited|Dead)' <<<"$waiting"; then idle=$((idle + 1)); else idle=0; fi
    [ "$idle" -lt 10 ] || break
    sleep 1
done
if [ -n "$waiting" ]; then
    echo "not healthy:" >&2
    echo "$waiting" >&2
    exit 1
fi
# A gateway is healthy as soon as it serves customers; its store may still be making its tables.
gateway=$("$docker" ps --quiet "${ours[@]}" --filter label=com.docker.compose.service=vitrine | head -n 1)
said=
for _ in $(seq 1 60); do
    said=$("$docker" exec "$gateway" vitrine health 2>&1) && [ "$said" = ready ] && exit 0
    sleep 1
done
echo "it serves, but:" >&2
echo "$said" >&2
