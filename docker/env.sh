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

mkdir -p docker/secrets
chmod 0700 docker/secrets
secret db_password "$(random)"
secret insights_url "postgres://vitrine:$(<docker/secrets/db_password)@db:5432/insights?sslmode=disable"
secret customer_owner_password "$(random)"
secret customer_reader_password "$(random)"

if [ ! -e .env ]; then
    reader=$(<docker/secrets/customer_reader_password)
    url="postgres://vitrine_reader:$reader@customer:5432/shop?sslmode=disable"
    sed -e "s|^VITRINE_CUSTOMER_URL=.*|VITRINE_CUSTOMER_URL=$url|" -e "s|^VITRINE_USERS=.*|VITRINE_USERS=app:$(random)|" \
        config/env.template >.env
    echo "made .env, which points at the sample of \`make up-demo\`: set VITRINE_CUSTOMER_URL for your own database" >&2
fi
