# Sourced by docker/test/run: what the cases say and how they ask.

passed=0
failed=0

# check TEXT COMMAND...: the command must succeed. Of what it prints, lines that begin with "= " are shown; all of it when
# it fails. A function runs with `set -e`, in a process of its own: what it wants to hand on goes into a file in $work.
check() {
    local text=$1 began ended output status
    shift
    began=$(date +%s%N)
    set +e
    output=$(set -e; "$@" 2>&1)
    status=$?
    set -e
    ended=$(date +%s%N)
    local shown
    shown=$(sed -n 's/^= //p' <<<"$output" | paste -sd ';' | sed 's/;/; /g')
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        printf 'pass  %s (%d.%d s)%s\n' "$text" $(((ended - began) / 1000000000)) $(((ended - began) / 100000000 % 10)) "${shown:+: $shown}"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n' "$text"
        tail -n 25 <<<"$output" | sed 's/^/      /'
    fi
}

# must TEXT COMMAND...: as check; without it nothing else can be tried.
must() {
    local before=$failed
    check "$@"
    [ "$failed" -eq "$before" ] || { echo "$passed passed, $failed failed, and the rest could not be tried" && exit 1; }
}

# has WORDS TEXT: the text holds the words.
has() {
    grep -qF -- "$1" <<<"$2" || { echo "\"$1\" is not in:" && tail -n 15 <<<"$2" && return 1; }
}
hasnt() {
    ! grep -qF -- "$1" <<<"$2" || { echo "\"$1\" is in:" && tail -n 15 <<<"$2" && return 1; }
}
# none PATTERN: no line of standard input matches. (`! grep` would not end a function under set -e.)
none() {
    if grep -iE -- "$1"; then return 1; fi
}
# fails COMMAND...: prints what it said, and fails when it succeeds.
fails() {
    ! "$@" 2>&1 || { echo "it succeeded: $*" && return 1; }
}
# within SECONDS COMMAND...: tries once a second until it succeeds.
within() {
    local left=$1 output=
    shift
    while ! output=$("$@" 2>&1); do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "$output" && return 1; }
        sleep 1
    done
    echo "$output"
}

# says WORDS COMMAND...: what the command prints holds the words. For `within`, which asks anew each time.
says() {
    local words=$1
    shift
    has "$words" "$("$@" 2>&1)"
}

free_port() {
    local port
    while :; do
        # Below what systems give to outgoing connections.
        port=$((10000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
}

# The project under test: a copy, so that nobody's .env and secrets are touched. Its make targets are what is tested.
stage() { make --no-print-directory --directory "$work/stage" "$@"; }
# Compose as the targets call it.
dc() { (cd "$work/stage" && $COMPOSE --project-name "$PROJECT" --env-file .env --file docker/compose.yml "$@"); }
# set_env NAME VALUE: a line of .env; an empty value takes it away.
set_env() {
    sed -i "/^#\?$1=/d" "$work/stage/.env"
    if [ -n "$2" ]; then echo "$1=$2" >>"$work/stage/.env"; fi
}
env_of() { sed -n "s/^$1=//p" "$work/stage/.env"; }
container() { dc ps -q "$1" | head -n 1; }
inspect() { "$DOCKER" inspect --format "$2" "$1"; }

# Questions through the published port, as a program on this machine asks, and from a container on a network of the project.
ask() { "$DOCKER" run --rm --interactive --network host --volume "$work/stage/docker/secrets/gateway:/secrets:ro" "$CLIENT" ask.py "$@"; }
ask_on() {
    local network=${PROJECT}_$1
    shift
    "$DOCKER" run --rm --network "$network" "$CLIENT" ask.py "$@"
}
password() { env_of VITRINE_USERS | cut -d: -f2; }
sql() { ask query 127.0.0.1 "$SQL_PORT" app "$(password)" "${2:-shop}" "$1"; }
http() { ask http "$1" "http://127.0.0.1:$HTTP_PORT$2" "$(cat "$work/key")" "${@:3}"; }
insight() { printf '{"kind": "note", "key": "%s", "title": "written by the test: %s", "payload": {}}' "$1" "$1"; }
writes() { has '201 ' "$(http POST /v1/insights "$(insight "$1")")"; }
reads() { has "$1" "$(sql 'SELECT key FROM insights ORDER BY key' insights)"; }
# A query that no cache has seen.
serves() { has 30000 "$(sql "SELECT 30000 + count(*), '$RANDOM-$RANDOM' FROM sales.orders WHERE id < 0")"; }
