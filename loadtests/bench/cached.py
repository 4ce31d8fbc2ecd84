"""Answers from memory: direct, pgpool-II with its memory cache, Vitrine without a cache, with one that keeps nothing
(every question is a miss), with one that keeps what is hot, and a server of canned bytes as the ceiling."""
import os
import shutil
import subprocess
import sys

import servers
from servers import DATABASE, POOL_SIZE, READER, Endpoint

HOT = 1000
AGGREGATE = "SELECT bid, count(*), sum(abalance) FROM pgbench_accounts GROUP BY bid ORDER BY bid;"
COLORS = {"direct": "#444444", "pgpool, cache hit": "#c06000", "vitrine, cache off": "#7aa6d8", "vitrine, miss": "#3b6fb0",
          "vitrine, hit": "#0a8a3a", "canned": "#b0b0b0"}


def install_pgpool():
    if shutil.which("pgpool", path=os.environ["PATH"] + ":/usr/sbin"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run([*prefix, "apt-get", "install", "-y", "--no-install-recommends", "pgpool2"], check=True,
                   env=environment, stdout=sys.stderr)


def start_pgpool(stage):
    port, folder = servers.free_port(), os.path.join(stage.folder, "pgpool")
    os.mkdir(folder)
    stage.own(folder)
    # 4.3 speaks as it did before 4.0 only when asked; every child keeps one connection of its own.
    lines = {
        "listen_addresses": "'127.0.0.1'", "port": port, "pcp_port": servers.free_port(), "socket_dir": f"'{folder}'",
        "pcp_socket_dir": f"'{folder}'", "backend_hostname0": "'127.0.0.1'", "backend_port0": stage.pg_port,
        "backend_weight0": 1, "backend_clustering_mode": "'raw'", "num_init_children": 280, "max_pool": 1,
        "enable_pool_hba": "off", "pool_passwd": "''", "allow_clear_text_frontend_auth": "on", "pid_file_name": f"'{folder}/pid'",
        "logdir": f"'{folder}'", "memory_cache_enabled": "on", "memqcache_method": "'shmem'",
        "memqcache_total_size": "256MB", "memqcache_max_num_cache": 100000, "memqcache_maxcache": "400kB",
        "memqcache_cache_block_size": "1MB", "memqcache_auto_cache_invalidation": "on",
        "memqcache_oiddir": f"'{folder}/oid'", "connection_cache": "on", "log_min_messages": "warning",
    }
    os.mkdir(f"{folder}/oid")
    stage.own(f"{folder}/oid")
    path = f"{folder}/pgpool.conf"
    with open(path, "w") as file:
        file.write("".join(f"{name} = {value}\n" for name, value in lines.items()))
    for name in ("pool_hba.conf", "pcp.conf"):
        open(f"{folder}/{name}", "w").close()
    process = stage.spawn("pgpool", [servers.program("pgpool"), "-n", "-f", path, "-a", f"{folder}/pool_hba.conf",
                                     "-F", f"{folder}/pcp.conf"], cwd=folder, **stage.as_account())
    servers.await_port(process, port, READER, DATABASE, stage.log("pgpool"))
    return Endpoint("pgpool, cache hit", port, process.pid)


def start_canned(stage, binary):
    port = servers.free_port()
    process = stage.spawn("canned", [binary, str(port), "1"])
    servers.await_port(process, port, READER, DATABASE, stage.log("canned"))
    return Endpoint("canned", port, process.pid)


def endpoints(stage, canned):
    install_pgpool()
    keeping = {"VITRINE_CACHE_FRESHNESS": "watch"}
    return [
        Endpoint("direct", stage.pg_port),
        start_pgpool(stage),
        stage.start_vitrine("vitrine, cache off", unix=False),
        stage.start_vitrine("vitrine, miss", unix=False, extra={**keeping, "VITRINE_CACHE_BYTES_MAX": "0"}),
        stage.start_vitrine("vitrine, hit", unix=False, extra=keeping),
        start_canned(stage, canned),
    ]


def sections(bench, stage, options, canned):
    among = endpoints(stage, canned)
    hot = os.path.join(stage.folder, "hot.sql")
    with open(hot, "w") as file:
        file.write(f"\\set aid random(1, {HOT})\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n")
    aggregate = os.path.join(stage.folder, "aggregate.sql")
    with open(aggregate, "w") as file:
        file.write(AGGREGATE + "\n")
    bench.script = hot
    for protocol in options.protocols.split(","):
        for clients in map(int, options.clients.split(",")):
            rows = bench.interleaved(among, lambda endpoint: bench.pgbench(endpoint, protocol, clients))
            yield {"kind": "queries", "title": f"from memory, {protocol}, {clients} clients", "rows": rows,
                   "protocol": protocol, "clients": clients}
    bench.script = aggregate
    rows = bench.interleaved([one for one in among if one.name in ("direct", "pgpool, cache hit", "vitrine, hit")],
                             lambda endpoint: bench.pgbench(endpoint, "simple", 8))
    yield {"kind": "queries", "title": "from memory, an aggregate, simple, 8 clients", "rows": rows}


def plot(sections):
    """Throughput against clients, a panel for each protocol, as SVG."""
    drawn = [one for one in sections if "clients" in one]
    protocols = list(dict.fromkeys(one["protocol"] for one in drawn))
    clients = sorted({one["clients"] for one in drawn})
    top = max((row.get("tps", 0) for one in drawn for row in one["rows"].values()), default=1)
    width, height, left, base, panel = 300, 260, 60, 40, 0
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(protocols) + 190}" height="{height + 80}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>']
    for protocol in protocols:
        x0 = left + panel * width
        place = lambda count: x0 + 10 + (width - 70) * clients.index(count) / max(1, len(clients) - 1)
        level = lambda rate: base + height - height * rate / (top * 1.05)
        parts.append(f'<text x="{x0}" y="24" font-size="13">{protocol}</text>'
                     f'<path d="M{x0} {base}V{base + height}H{x0 + width - 50}" fill="none" stroke="#888"/>')
        for step in range(5):
            rate = top * step / 4
            parts.append(f'<text x="{x0 - 4}" y="{level(rate) + 4:.0f}" text-anchor="end">{rate / 1000:.0f}k</text>')
        for count in clients:
            parts.append(f'<text x="{place(count):.0f}" y="{base + height + 16}" text-anchor="middle">{count}</text>')
        for name, color in COLORS.items():
            points = [(place(one["clients"]), level(one["rows"][name]["tps"])) for one in drawn
                      if one["protocol"] == protocol and "tps" in one["rows"].get(name, {})]
            parts.append(f'<polyline fill="none" stroke="{color}" stroke-width="2" points="'
                         + " ".join(f"{x:.0f},{y:.0f}" for x, y in points) + '"/>')
            parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="2.5" fill="{color}"/>' for x, y in points]
        panel += 1
    for index, (name, color) in enumerate(COLORS.items()):
        y, x = base + 20 * index, left + panel * width - 20
        parts.append(f'<path d="M{x} {y}h20" stroke="{color}" stroke-width="2"/><text x="{x + 26}" y="{y + 4}">{name}</text>')
    parts.append(f'<text x="{left}" y="{base + height + 34}">clients; queries in a second</text></svg>')
    return "".join(parts)
