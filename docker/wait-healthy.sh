#!/usr/bin/env bash
# wait-healthy.sh DOCKER PROJECT: waits until every container of the project is healthy; says which is not.
set -euo pipefail
docker=$1 project=$2
states() {
    "$docker" ps --all --filter "label=com.docker.compose.project=$project" --format '{{.Names}} {{.Status}}'
}
for _ in $(seq 1 180); do
    waiting=$(states | grep -v '(healthy)' || true)
    [ -z "$waiting" ] && exit 0
    sleep 1
done
echo "not healthy after 180 s:" >&2
echo "$waiting" >&2
exit 1
