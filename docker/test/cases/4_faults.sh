# What happens when a part is gone.
. docker/test/cases/2_start.sh

tool_down() {
    dc stop db
    serves
    serves
    has '503 ' "$(http POST /v1/insights "$(insight while-down)")"
    has ready "$(dc exec -T vitrine vitrine health)"
    has 'tool database' "$(dc exec -T vitrine vitrine health)"
    sleep 15
    has healthy "$(inspect "$(container vitrine)" '{{.State.Health.Status}}')"
}
tool_back() {
    dc start db
    within 60 writes after-down
    reads after-down
    hasnt while-down "$(sql 'SELECT key FROM insights' insights)"
}
customer_down() {
    dc stop customer
    fails serves
    dc start customer
    within 60 serves
}
# The process, not by `docker kill`: that counts as a person's wish, and no restart policy acts against it.
kill_hard() {
    local gateway pid began
    gateway=$(container vitrine)
    pid=$(inspect "$gateway" '{{.State.Pid}}')
    began=$SECONDS
    "$DOCKER" run --rm --pid host --cap-add KILL "$CLIENT" -c "import os; os.kill($pid, 9)"
    within 60 serves
    echo "= serves again within $((SECONDS - began)) s"
    [ "$(inspect "$gateway" '{{.RestartCount}}')" -ge 1 ]
    within 60 writes after-kill
    reads after-down
}
kill_database() {
    local pid
    pid=$(inspect "$(container db)" '{{.State.Pid}}')
    writes before-crash
    "$DOCKER" run --rm --pid host --cap-add KILL "$CLIENT" -c "import os; os.kill($pid, 9)"
    within 60 writes after-crash
    # What was acknowledged is there.
    reads before-crash
}

check "tool database stopped: customers are served, an insight is 503, the gateway stays healthy" tool_down
check "tool database started: the store recovers by itself" tool_back
check "customer database stopped and started: the gateway recovers by itself" customer_down
check "gateway killed: the restart policy brings it back" kill_hard
check "tool database killed: it comes back with what was acknowledged" kill_database
