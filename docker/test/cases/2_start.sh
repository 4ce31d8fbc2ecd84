# From nothing to a served query.

without_env() {
    has 'make env' "$(fails stage up)"
    # Compose by itself names the setting too.
    has 'set VITRINE_CUSTOMER_URL' "$(cd "$work/stage" && fails $COMPOSE --project-name "$PROJECT" --file docker/compose.yml config)"
}
environment() {
    stage env
    set_env VITRINE_IMAGE "$IMAGE"
    set_env DB_IMAGE "$DB_IMAGE"
    set_env VITRINE_PORT "$SQL_PORT"
    set_env VITRINE_HTTP_PORT "$HTTP_PORT"
    # An engine may give no more open files than it has itself.
    local files
    files=$("$DOCKER" run --rm "$CLIENT" -c 'import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[1])')
    [ "$files" -ge 65536 ] || set_env VITRINE_FILES "$files"
    [ "$(stat -c %a "$work/stage/.env")" = 600 ]
    [ "$(stat -c %a "$work/stage/docker/secrets")" = 700 ]
    local before
    before=$(cat "$work/stage/.env" "$work/stage"/docker/secrets/*_password)
    stage env
    [ "$before" = "$(cat "$work/stage/.env" "$work/stage"/docker/secrets/*_password)" ]
}
up() { stage up; }
order() {
    local db gateway log
    db=$(inspect "$(container db)" '{{.State.StartedAt}}')
    gateway=$(inspect "$(container vitrine)" '{{.State.StartedAt}}')
    [[ $db < $gateway ]] || { echo "db $db, gateway $gateway" && return 1; }
    log=$("$DOCKER" logs "$(container vitrine)" 2>&1 | sed 's/\x1b\[[0-9;]*m//g')
    local migrated seeded
    migrated=$(grep -n 'migrate' <<<"$log" | tail -n 1 | cut -d: -f1)
    seeded=$(grep -n 'seeded' <<<"$log" | head -n 1 | cut -d: -f1)
    [ "$migrated" -lt "$seeded" ] || { tail -n 20 <<<"$log" && return 1; }
}
query() {
    local rows
    rows=$(sql 'SELECT count(*) FROM sales.orders')
    echo "= $rows orders"
    [ "$rows" -gt 0 ]
}
write() { has '25006: cannot execute DELETE' "$(fails sql 'DELETE FROM sales.orders')"; }
login() {
    has 28P01 "$(fails ask query 127.0.0.1 "$SQL_PORT" app wrong shop 'SELECT 1')"
    has 28P01 "$(fails ask query 127.0.0.1 "$SQL_PORT" nobody "$(password)" shop 'SELECT 1')"
}
key() {
    stage key SCOPES=read,write,admin | grep -oE 'vtr_[A-Za-z0-9_-]+' | head -n 1 >"$work/key"
    [ -s "$work/key" ]
}
api() {
    has '"anomaly"' "$(http GET /v1/kinds)"
    has '401 ' "$(ask http GET "http://127.0.0.1:$HTTP_PORT/v1/kinds" wrong)"
    has '201 ' "$(http PUT /v1/kinds/note '{"description": "Of the test.", "schema": {"type": "object"}}')"
    writes first
    has '"written by the test: first"' "$(http POST /v1/search '{"query": "written by the test"}')"
    has '"openapi"' "$(http GET /openapi.json)"
}
vectors() { has 'extension vector: ok' "$(stage health)"; }
door() {
    reads first
    sql "INSERT INTO insights (kind, key, title, payload) VALUES ('note', 'second', 'by SQL', '{}')" insights
    has '"second"' "$(http GET '/v1/insights?kind=note')"
}
healthy() { has ready "$(stage health)"; }
listed() { has healthy "$(stage ps 2>&1; "$DOCKER" ps --filter "name=$PROJECT")"; }

if [ ! -e "$work/started" ]; then
    check "a start without .env says what to set" without_env
    check "make env makes it with its secrets, closed to others, once" environment
    must "make up: from nothing to healthy" up
    check "the database first, then migrations, then seeds" order
    check "a query through the published port" query
    check "a write is refused" write
    check "a wrong password and a stranger are refused" login
    must "make key makes a key" key
    must "the HTTP API serves: seeds, a kind, an insight, a search" api
    check "the store has vectors" vectors
    must "the SQL door reads what HTTP wrote and the other way round" door
    check "make health, make ps" healthy
    touch "$work/started"
fi
