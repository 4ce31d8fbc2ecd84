# The same image with VITRINE_MODE=production.
. docker/test/cases/2_start.sh

bare() {
    local said status=0
    said=$("$DOCKER" run --rm --network none --env VITRINE_MODE=production \
        --env VITRINE_CUSTOMER_URL=postgres://reader:x@db.invalid/shop "$IMAGE" serve 2>&1) || status=$?
    has 'tls.cert' "$said" && has 'users_file' "$said"
    [ "$status" -eq 78 ]
}
files() {
    stage wipe
    rm -rf "$work/stage/.env" "$work/stage/docker/secrets"
    environment
    # By hand, as docs/setup-docker.md says it.
    "$DOCKER" run --rm --network none --volume "$work/stage/docker/secrets/gateway:/out" --entrypoint openssl "$CLIENT" \
        req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=vitrine -keyout /out/server.key -out /out/server.crt \
        -addext 'subjectAltName=DNS:vitrine,DNS:localhost,IP:127.0.0.1'
    chmod 0644 "$work/stage/docker/secrets/gateway/server.key"
    echo first-password | stage user NAME=ada IMAGE="$IMAGE"
    has 'SCRAM-SHA-256$' "$(cat "$work/stage/docker/secrets/gateway/users")"
    set_env VITRINE_MODE production
    set_env VITRINE_USERS ''
    set_env VITRINE_USERS_FILE /etc/vitrine/secrets/users
    set_env VITRINE_TLS_CERT /etc/vitrine/secrets/server.crt
    set_env VITRINE_TLS_KEY /etc/vitrine/secrets/server.key
    set_env VITRINE_INSIGHTS_TENANTS ada:default
}
strict() {
    # The owner of the sample could write.
    local url said
    url=$(env_of VITRINE_CUSTOMER_URL)
    dc up --detach customer db
    within 240 says '(healthy)' "$DOCKER" ps --filter "name=${PROJECT}[-_]customer" --format '{{.Status}}'
    set_env VITRINE_CUSTOMER_URL "postgres://owner:$(cat "$work/stage/docker/secrets/customer_owner_password")@customer:5432/shop?sslmode=disable"
    said=$(fails dc run --rm -T vitrine serve)
    set_env VITRINE_CUSTOMER_URL "$url"
    has 'could write' "$said"
}
up() { stage up; }
tls() { ask query 127.0.0.1 "$SQL_PORT" ada first-password "${2:-shop}" "$1" /secrets/server.crt; }
encrypted() {
    [ "$(tls 'SELECT count(*) FROM sales.orders')" -gt 0 ]
    has 'TLS' "$(fails ask query 127.0.0.1 "$SQL_PORT" ada first-password shop 'SELECT 1')"
}
api() {
    stage key SCOPES=read,write,admin | grep -oE 'vtr_[A-Za-z0-9_-]+' | head -n 1 >"$work/key"
    has '"anomaly"' "$(ask http GET "https://127.0.0.1:$HTTP_PORT/v1/kinds" "$(cat "$work/key")" '' /secrets/server.crt)"
    has '"anomaly"' "$(fails ask http GET "http://127.0.0.1:$HTTP_PORT/v1/kinds" "$(cat "$work/key")" || true)" && return 1
    tls 'SELECT count(*) FROM insights' insights
}
# The SQL door's own login, as docs/setup-docker.md says it.
door() {
    printf of-the-test >"$work/stage/docker/secrets/gateway/door_password"
    chmod 0644 "$work/stage/docker/secrets/gateway/door_password"
    dc exec -T db psql --username vitrine insights --command "CREATE ROLE door LOGIN NOINHERIT IN ROLE vitrine_sql PASSWORD 'of-the-test'"
    set_env VITRINE_INSIGHTS_SQL_URL 'postgres://door@db:5432/insights?sslmode=disable&password_file=/etc/vitrine/secrets/door_password'
    stage up
    tls 'SELECT count(*) FROM insights' insights
    has door "$(dc exec -T db psql --username vitrine insights --tuples-only --command "SELECT usename FROM pg_stat_activity")"
}
json() {
    local line
    line=$("$DOCKER" logs "$(container vitrine)" 2>&1 | grep '"event"' | head -n 1)
    "$DOCKER" run --rm --interactive "$CLIENT" -c 'import json, sys; json.load(sys.stdin)' <<<"$line"
}
reload() {
    echo second-password | stage user NAME=bob IMAGE="$IMAGE"
    stage reload
    within 10 ask query 127.0.0.1 "$SQL_PORT" bob second-password shop 'SELECT 1' /secrets/server.crt
    # bob has no tenant: in production that is no default.
    has 28000 "$(fails ask query 127.0.0.1 "$SQL_PORT" bob second-password insights 'SELECT 1' /secrets/server.crt)"
}
end() {
    stage wipe
    rm -f "$work/started"
}

check "without TLS, SCRAM and a users file it does not start, and says so" bare
check "certificate, users and settings of production" files
check "with a role that could write it does not start, and says so" strict
must "make up" up
check "clients need TLS" encrypted
check "the HTTP API and the SQL door need it too" api
check "the SQL door logs in as a role of its own" door
check "logs are JSON" json
check "make reload takes a new user in" reload
check "make wipe" end
