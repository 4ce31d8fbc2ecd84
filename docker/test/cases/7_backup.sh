# Back up, wipe, restore, compare.
. docker/test/cases/2_start.sh

newest() { find "$work/stage/backups" -name '*.dump' | sort | tail -n 1; }
backup() {
    writes kept
    stage backup
    newest >"$work/first"
    [ -s "$(cat "$work/first")" ] && [ -s "$(cat "$work/first").manifest.json" ]
    echo "= $(stat -c %s "$(cat "$work/first")") bytes"
}
wipe() {
    stage wipe
    for kind in container volume network; do
        local left
        left=$("$DOCKER" $kind ls --quiet --filter "label=com.docker.compose.project=$PROJECT" $([ $kind = container ] && echo --all))
        [ -z "$left" ] || { echo "$kind: $left" && return 1; }
    done
    left=$("$DOCKER" volume ls --quiet | grep "$PROJECT" || true)
    [ -z "$left" ] || { echo "volume $left" && return 1; }
}
empty() {
    stage up
    hasnt kept "$(sql 'SELECT key FROM insights' insights)"
    has '401 ' "$(http GET /v1/kinds)"
}
restore() {
    stage restore BACKUP="backups/$(basename "$(cat "$work/first")")"
    reads kept
    within 30 says '"kept"' http GET '/v1/insights?kind=note'
}
same() {
    sleep 1
    stage backup
    "$DOCKER" run --rm --volume "$work/stage/backups:/backups:ro" "$CLIENT" -c '
import json, sys
first, second = (json.load(open(f"/backups/{name}.manifest.json"))["tables"] for name in sys.argv[1:])
differ = [one["name"] if "name" in one else one for one, two in zip(first, second) if one != two]
print("=", len(first), "tables compared")
print("differ:", differ)
# The health of the parts is noted by the gateway itself, every few seconds.
sys.exit(len(first) != len(second) or any("service_health" not in str(one) for one in differ))
' "$(basename "$(cat "$work/first")")" "$(basename "$(newest)")"
}
refused() {
    # A restore over something needs a word, and a damaged file is not taken.
    local name
    name=$(basename "$(cat "$work/first")")
    fails dc run --rm -T vitrine restore "/backup/$name"
    head -c 1000 "$work/stage/backups/$name" >"$work/stage/backups/cut.dump"
    cp "$work/stage/backups/$name.manifest.json" "$work/stage/backups/cut.dump.manifest.json"
    fails stage restore BACKUP=backups/cut.dump
    reads kept
    rm "$work/stage/backups/"cut.dump*
}

check "make backup: into the volume, restored for proof, copied out" backup
check "make wipe leaves no container, volume or network" wipe
check "make up begins with an empty store" empty
check "make restore brings it back, keys too" restore
check "a second backup has the same rows and checksums" same
check "a restore over data, and of a damaged file, is refused" refused
