# One-off commands of the same image, and data over restarts.
. docker/test/cases/2_start.sh

migrate() { stage migrate; }
seed() { stage seed; }
doctor() { stage doctor; }
verify() {
    local said
    said=$(stage verify)
    tail -n 15 <<<"$said"
    echo "= $(grep -iE "[0-9]+ (attacks|attempts|cases)" <<<"$said" | tail -n 1)"
}
# As a person types it, in the folder of .env: file and project come from there, the project of the test from outside.
typed() {
    (
        cd "$work/stage"
        export COMPOSE_PROJECT_NAME=$PROJECT
        has 'COMPOSE_FILE=docker/compose.yml' "$(cat .env)"
        for task in migrate seed doctor verify 'backup --verify --output /backup/typed.dump' 'restore --overwrite /backup/typed.dump'; do
            # shellcheck disable=SC2086
            $COMPOSE run --rm -T vitrine $task
        done
    )
    reads second
}
config() { dc run --rm -T vitrine config check; }
one_off() {
    # Nothing of them stays.
    [ -z "$("$DOCKER" ps --all --quiet --filter "label=com.docker.compose.project=$PROJECT" --filter label=com.docker.compose.oneoff=True)" ]
}
restart() { stage restart && serves && reads second; }
stop_start() {
    stage stop
    has refused "$(fails sql 'SELECT 1')"
    stage start
    serves && reads second
}
down_up() { stage down && stage up && serves && reads second && has '"second"' "$(http GET '/v1/insights?kind=note')"; }
reset() {
    dc run --rm -T vitrine key create --label kept >/dev/null
    writes gone
    stage reset
    hasnt gone "$(sql 'SELECT key FROM insights' insights)"
    # Seeds come back with the next start, and people make their kinds and keys anew.
    stage key SCOPES=read,write,admin | grep -oE 'vtr_[A-Za-z0-9_-]+' | head -n 1 >"$work/key"
    within 30 says '"anomaly"' http GET /v1/kinds
    has '201 ' "$(http PUT /v1/kinds/note '{"description": "Of the test.", "schema": {"type": "object"}}')"
    writes first && writes second
}

check "make migrate: once more, nothing to do" migrate
check "make seed: once more, nothing to do" seed
check "make doctor finds that the role cannot write" doctor
check "make verify: every attack is refused" verify
check "docker compose run --rm vitrine migrate, seed, doctor, verify, backup, restore" typed
check "vitrine config check" config
check "one-off containers leave nothing" one_off
check "make restart keeps data" restart
check "make stop, make start keep data" stop_start
check "make down, make up keep data" down_up
check "make reset empties the store and makes it anew" reset
