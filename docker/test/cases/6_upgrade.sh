# Another image in place of the running one, with clients at work.
. docker/test/cases/2_start.sh

clients() {
    local name=$1 network=$2
    shift 2
    "$DOCKER" run --detach --name "$PROJECT-$name" --network "$network" "$CLIENT" load.py "$@" >/dev/null
    within 10 says running "$DOCKER" logs "$PROJECT-$name"
}
count() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$work/$2.json"; }
ended() {
    "$DOCKER" stop --time 60 "$PROJECT-$1" >/dev/null
    "$DOCKER" logs "$PROJECT-$1" 2>&1 | tail -n 1 >"$work/$1.json"
    "$DOCKER" rm --force "$PROJECT-$1" >/dev/null
    cat "$work/$1.json"
    [ "$(count queries "$1")" -gt 0 ]
}
upgrade() {
    printf 'FROM %s\nLABEL of.the.test=next\n' "$IMAGE" | "$DOCKER" build --quiet --tag "$IMAGE-next" - >/dev/null
    clients near "${PROJECT}_app" vitrine 6432 app "$(password)" shop 8 10
    clients far host 127.0.0.1 "$SQL_PORT" app "$(password)" shop 4 90
    sleep 3
    set_env VITRINE_IMAGE "$IMAGE-next"
    local began=$SECONDS
    stage upgrade
    echo "= $((SECONDS - began)) s"
    sleep 3
    ended near
    ended far
    has next "$(inspect "$(container vitrine)" '{{json .Config.Labels}}')"
    serves && reads first
}
near() {
    echo "= $(count queries near) queries, $(count lost near) lost, $(count again near) said again on a new connection, longest $(count longest_ms near) ms"
    cat "$work/near.json"
    [ "$(count lost near)" -eq 0 ] && [ "$(count queries near)" -gt 1000 ]
}
far() {
    echo "= $(count queries far) queries, $(count lost far) lost by clients that wait, $(count turned_away far) connections refused meanwhile, longest $(count longest_ms far) ms"
    cat "$work/far.json"
    [ "$(count lost far)" -eq 0 ]
}
nothing_left() { [ "$("$DOCKER" ps --all --filter "name=${PROJECT}[-_]" --format '{{.Names}}' | grep -c vitrine[-_]1)" -eq 1 ]; }
broken() {
    local before
    before=$(container vitrine)
    printf 'FROM %s\nENTRYPOINT ["/no/such/program"]\n' "$IMAGE" | "$DOCKER" build --quiet --tag "$IMAGE-next" - >/dev/null
    fails stage upgrade
    [ "$before" = "$(container vitrine)" ]
    serves
    set_env VITRINE_IMAGE "$IMAGE"
}

check "make upgrade replaces the image under load" upgrade
check "clients on the network app lose no query" near
check "clients of the published port that wait for it lose no query" far
check "an image that does not start changes nothing" broken
