# Who reaches whom, and the bounds of the containers.
. docker/test/cases/2_start.sh

address() { inspect "$(container "$1")" "{{(index .NetworkSettings.Networks \"${PROJECT}_$2\").IPAddress}}"; }
# seen NETWORK PLACE...: what a container there reaches. Each is said with how it was found.
seen() { ask_on "$1" reach "${@:2}"; }

probe() { has 'customer:5432 open' "$(seen customer customer:5432)"; }
from_app() {
    local customer db said
    customer=$(address customer customer) db=$(address db tool)
    said=$(seen app vitrine:6432 vitrine:6434 vitrine:6433 customer:5432 "$customer:5432" db:5432 "$db:5432")
    has 'vitrine:6432 open' "$said"
    has 'vitrine:6434 open' "$said"
    # The admin port.
    has 'vitrine:6433 closed' "$said"
    has 'customer:5432 closed' "$said"
    has "$customer:5432 closed" "$said"
    has 'db:5432 closed' "$said"
    has "$db:5432 closed" "$said"
}
from_edge() {
    local customer db said
    customer=$(address customer customer) db=$(address db tool)
    said=$(seen edge "$customer:5432" "$db:5432" customer:5432)
    [ "$(grep -c ' closed' <<<"$said")" -eq 3 ] || { echo "$said" && return 1; }
}
from_tool() {
    local customer said
    customer=$(address customer customer)
    said=$(seen tool db:5432 customer:5432 "$customer:5432")
    has 'db:5432 open' "$said"
    [ "$(grep -c ' closed' <<<"$said")" -eq 2 ] || { echo "$said" && return 1; }
}
from_db() {
    fails dc exec -T db timeout 5 bash -c "exec 3<>/dev/tcp/$(address customer customer)/5432"
    # The same probe finds what may be found.
    dc exec -T db bash -c "exec 3<>/dev/tcp/$(address db tool)/5432"
}
published() {
    for service in db customer; do
        [ -z "$("$DOCKER" port "$(container $service)")" ]
    done
    local ports
    ports=$("$DOCKER" port "$(container vitrine)")
    [ "$(wc -l <<<"$ports")" -eq 2 ]
    hasnt 0.0.0.0 "$ports"
}
no_router() {
    local forwards
    forwards=$("$DOCKER" run --rm --network "container:$(container vitrine)" "$CLIENT" -c 'print(open("/proc/sys/net/ipv4/ip_forward").read())')
    [ "$forwards" = 0 ]
}
limits() {
    for service in db vitrine customer; do
        local said
        said=$(inspect "$(container $service)" '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{json .HostConfig.LogConfig}} {{json .HostConfig.SecurityOpt}} {{.HostConfig.RestartPolicy.Name}}')
        hasnt 'map[]' "$said"
        [ "$(cut -d' ' -f1 <<<"$said")" -gt 0 ] && [ "$(cut -d' ' -f2 <<<"$said")" -gt 0 ]
        has '"max-size":"10m"' "$said"
        has '"max-file":"5"' "$said"
        has 'no-new-privileges' "$said"
        has unless-stopped "$said"
    done
    local gateway
    gateway=$(inspect "$(container vitrine)" '{{.HostConfig.ReadonlyRootfs}} {{json .HostConfig.CapDrop}} {{.HostConfig.PidsLimit}} {{.Config.User}}')
    has 'true ["ALL"] 512 10001:10001' "$gateway"
}
secrets() {
    local said
    said=$(inspect "$(container vitrine)" '{{json .Config}}'; inspect "$(container db)" '{{json .Config}}'; inspect "$(container customer)" '{{json .Config}}')
    for file in db_password insights_url customer_owner_password gateway/customer_password; do
        hasnt "$(cat "$work/stage/docker/secrets/$file")" "$said"
    done
    for service in vitrine db customer; do
        local log
        log=$("$DOCKER" logs "$(container $service)" 2>&1)
        for file in db_password customer_owner_password gateway/customer_password; do
            hasnt "$(cat "$work/stage/docker/secrets/$file")" "$log"
        done
        hasnt "$(cat "$work/key")" "$log"
    done
}

check "the probe finds the customer database from its own network" probe
check "clients reach the gateway, and neither its admin port nor the customer database nor the tool database" from_app
check "from the gateway's outer network neither database is reached" from_edge
check "from the network of the tool database the customer database is not reached" from_tool
check "from the tool database's container neither" from_db
check "only the gateway publishes ports, on loopback" published
check "the gateway's container carries no packets between its networks" no_router
check "memory, CPU, processes, logs and privileges are bounded" limits
check "no secret is in a container's configuration or log" secrets
