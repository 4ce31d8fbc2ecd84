#!/usr/bin/env bash
# Makes .env from config/env.template and the secrets that the compose file mounts, each once: what is there stays.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

random() { od -An -N18 -tx1 /dev/urandom | tr -d ' \n'; }
# The folder is closed to others; the files are not, because the user inside the container is another.
secret() {
    [ -s "docker/secrets/$1" ] && return 0
    printf '%s' "$2" >"docker/secrets/$1"
    chmod 0644 "docker/secrets/$1"
}

# What lies in docker/secrets/gateway is what the gateway sees as /etc/vitrine/secrets.
mkdir -p docker/secrets/gateway
chmod 0700 docker/secrets
chmod 0755 docker/secrets/gateway
secret db_password "$(random)"
secret insights_url "postgres://vitrine:$(<docker/secrets/db_password)@db:5432/insights?sslmode=disable"
secret customer_owner_password "$(random)"
secret gateway/customer_password "$(random)"

if [ ! -e .env ]; then
    sed -e "s|^VITRINE_USERS=.*|VITRINE_USERS=app:$(random)|" config/env.template >.env
    echo "made .env, which points at a sample database. For your own: set VITRINE_CUSTOMER_URL, take COMPOSE_PROFILES away," >&2
    echo "and write the password into docker/secrets/gateway/customer_password. Then: make up" >&2
fi
