"""Answers from memory: direct, pgpool-II with its memory cache, Vitrine with a cache that keeps nothing (every question is a
miss), without one, with one that keeps what is hot, and a server of canned bytes as the ceiling."""
import os
import shutil
import subprocess
import sys

import servers
from servers import DATABASE, POOL_SIZE, READER, Endpoint

HOT = 1000
AGGREGATE = "SELECT bid, count(*), sum(abalance) FROM pgbench_accounts GROUP BY bid ORDER BY bid;"
COLORS = {"direct": "#444444", "pgpool, cache hit": "#c06000", "vitrine, miss": "#3b6fb0",
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
    process = stage.spawn("canned", [binary, str(port), "2"])
    servers.await_port(process, port, READER, DATABASE, stage.log("canned"))
    return Endpoint("canned", port, process.pid)


def endpoints(stage, canned, scripts):
    """The first is what the others are compared with. Misses are asked over all rows, so that none comes by another's."""
    hot, cold, _ = scripts
    keeping = {"VITRINE_CACHE_FRESHNESS": "watch"}
    missing = stage.start_vitrine("vitrine, miss", unix=False, extra={**keeping, "VITRINE_CACHE_BYTES_MAX": "0"})
    off = stage.start_vitrine("vitrine, cache off", unix=False)
    among = [Endpoint("direct", stage.pg_port), start_pgpool(stage), missing, off,
             stage.start_vitrine("vitrine, hit", unix=False, extra=keeping), start_canned(stage, canned)]
    for endpoint in among:
        endpoint.script = cold if endpoint in (missing, off) else hot
    return {endpoint.name: endpoint for endpoint in among}


def script(stage, name, text):
    path = os.path.join(stage.folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def sections(bench, stage, options, canned):
    select = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
    scripts = (script(stage, "hot.sql", f"\\set aid random(1, {HOT})\n{select}"),
               script(stage, "cold.sql", f"\\set aid random(1, {100_000 * stage.scale})\n{select}"),
               script(stage, "aggregate.sql", AGGREGATE + "\n"))
    named = endpoints(stage, canned, scripts)
    among = [endpoint for name, endpoint in named.items() if name != "vitrine, cache off"]
    wanted = options.only.split(",")
    for protocol in options.protocols.split(",") if "queries" in wanted else []:
        for endpoint in among:
            if endpoint.script == scripts[0]:
                bench.pgbench(endpoint, protocol, 8)  # What is hot is known before it is measured.
        for clients in map(int, options.clients.split(",")):
            rows = bench.interleaved(among, lambda endpoint: bench.pgbench(endpoint, protocol, clients))
            yield {"kind": "queries", "title": f"{protocol}, {clients} clients", "rows": rows, "protocol": protocol,
                   "clients": clients}
    for protocol in ("simple", "prepared") if "misses" in wanted else []:
        pair = [named["vitrine, cache off"], named["vitrine, miss"]]
        rows = bench.interleaved(pair * 2, lambda endpoint: bench.pgbench(endpoint, protocol, 8))
        yield {"kind": "misses", "title": f"a miss with the cache on and off, {protocol}, 8 clients", "rows": rows}
    if "aggregate" in wanted:
        four = [named[name] for name in ("pgpool, cache hit", "vitrine, hit", "canned", "direct")]
        for endpoint in four:
            endpoint.script = scripts[2]
        # Direct, 64 clients would have to wait for one answer each, much longer than everything else takes.
        for clients, among in ((8, four), (64, four[:3])):
            rows = bench.interleaved(among, lambda endpoint: bench.pgbench(endpoint, "simple", clients))
            yield {"kind": "aggregate", "title": f"an aggregate, simple, {clients} clients (times pgpool's)", "rows": rows}
    for protocol in ("simple", "prepared") if "pipelined" in wanted else []:
        three = [named[name] for name in ("direct", "vitrine, hit", "canned")]
        rows = bench.interleaved(three, lambda endpoint: bench.pipelined(endpoint, protocol))
        yield {"kind": "pipelined", "title": f"pipelined, {protocol}, 4 connections, 64 at a time", "rows": rows}


def cell(row):
    if row is None:
        return "–"
    if "failed" in row:
        return "failed"
    ratio = f"{row['ratio']:.2f}x; " if row.get("ratio") else ""
    return (f"{row['tps']:,.0f}/s ({ratio}{row['middle_us']:.1f} + {row['postgres_us']:.1f} µs; "
            f"{row['foreign']:.2f})")


def lines(section):
    return "".join(f"  {name:20} {cell(row)}{' ' + row['failed'] if 'failed' in row else ''}\n"
                   for name, row in section["rows"].items())


def markdown(results):
    """Every figure: rate (times direct in the same round; CPU of the middle + of PostgreSQL; foreign share)."""
    parts = [f"# Answers from memory, measured\n\n{results['machine']}. {results['versions']}. {results['when']}, load average "
             f"{results['load_before']:.1f} before; {results['method']}; {results.get('took_s', 0)} s in all. Made by "
             "`make bench-cache`.\n\nEach cell: queries in a second (times direct in the same round; CPU µs for each query of "
             "the process in the middle + of PostgreSQL; share of the machine that others used).\n"]
    drawn = [one for one in results["sections"] if one["kind"] == "queries"]
    for protocol in dict.fromkeys(one["protocol"] for one in drawn):
        own = [one for one in drawn if one["protocol"] == protocol]
        parts.append(f"## {protocol}\n\n| | " + " | ".join(f"{one['clients']} clients" for one in own) + " |\n"
                     + "|---" * (len(own) + 1) + "|")
        parts += [f"| {name} | " + " | ".join(cell(one["rows"].get(name)) for one in own) + " |" for name in own[0]["rows"]]
        for title, other in (("hit's CPU, times canned", "canned"), ("hit's CPU, times pgpool's", "pgpool, cache hit")):
            parts.append(f"| {title} | " + " | ".join(quotient(one["rows"], "vitrine, hit", other) for one in own) + " |")
        parts.append("")
    for one in results["sections"]:
        if one["kind"] != "queries":
            parts.append(f"## {one['title'][0].upper()}{one['title'][1:]}\n\n| | |\n|---|---|")
            parts += [f"| {name} | {cell(row)} |" for name, row in one["rows"].items()]
            if one["kind"] == "misses":
                parts.append(f"| CPU on, times off | {quotient(one['rows'], 'vitrine, miss', 'vitrine, cache off')} |")
            parts.append("")
    return "\n".join(parts)


def quotient(rows, one, other):
    figures = [rows.get(name, {}).get("middle_us") for name in (one, other)]
    return f"{figures[0] / figures[1]:.2f}" if all(figures) else "–"


def plot(sections):
    """Throughput against clients, a panel for each protocol, as SVG."""
    drawn = [one for one in sections if one["kind"] == "queries"]
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
