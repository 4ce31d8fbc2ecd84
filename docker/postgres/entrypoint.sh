#!/bin/bash
# Makes the cluster once, then serves. Understands the variables of the usual PostgreSQL images that the compose file
# sets: POSTGRES_USER, POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_DB, and *.sql in /docker-entrypoint-initdb.d.
set -euo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD:-}
    [ -n "${POSTGRES_PASSWORD_FILE:-}" ] && password=$(<"$POSTGRES_PASSWORD_FILE")
    if [ -z "$password" ]; then
        echo "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE" >&2
        exit 1
    fi
    # A start that was cut leaves a half-made cluster without PG_VERSION's last file behind: made in one piece elsewhere.
    made=$PGDATA/.making
    rm -rf "$made"
    initdb --pgdata="$made" --username="$user" --pwfile=<(printf '%s\n' "$password") --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 --data-checksums >/dev/null
    echo "host all all all scram-sha-256" >>"$made/pg_hba.conf"
    export PGPASSWORD=$password PGUSER=$user PGHOST=/tmp
    pg_ctl --pgdata="$made" --options="-c listen_addresses='' -c unix_socket_directories=/tmp" --wait --silent start
    if [ "$database" != postgres ]; then
        createdb "$database"
    fi
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ -e "$script" ] && psql --quiet --set=ON_ERROR_STOP=1 --dbname="$database" --file="$script"
    done
    pg_ctl --pgdata="$made" --mode=fast --wait --silent stop
    unset PGPASSWORD PGUSER PGHOST
    # PG_VERSION last: with it the cluster counts as made.
    find "$made" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
    mv "$made/PG_VERSION" "$PGDATA/"
    rmdir "$made"
fi
exec "$@" -c listen_addresses='*'
