"""One measurement each: queries, connections, a large result, idle clients."""
import contextlib
import glob
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import processes
import wire
from servers import DATABASE, READER

QUERY = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;"
SAMPLED = 0.05


class Bench:
    """What all measurements share."""

    def __init__(self, stage, options):
        self.stage, self.options = stage, options
        self.script = os.path.join(stage.folder, "select.sql")
        with open(self.script, "w") as file:
            file.write(f"\\set aid random(1, {100_000 * stage.scale})\n{QUERY}\n")

    def pgbench(self, endpoint, protocol, clients, more=()):
        """One run: rates, latencies, CPU of everybody, and how busy the machine was with anything else."""
        logs = tempfile.mkdtemp(dir=self.stage.folder)
        command = ["pgbench", "-h", "127.0.0.1", "-p", str(endpoint.port), "-U", READER, "-n", "-M", protocol,
                   "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(self.options.seconds), "-f", endpoint.script or self.script,
                   "-l", f"--sampling-rate={SAMPLED}", f"--log-prefix={logs}/l", *more, endpoint.database]
        before = self.clocks(endpoint)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=self.options.seconds * 4 + 30,
                              env={**os.environ, "PGSSLMODE": "disable", "PGCONNECT_TIMEOUT": "10"})
        busy_after = processes.machine_s()
        time.sleep(0.3)  # Until the postmaster has reaped this run's backends, whose time would else be in nobody's.
        after = self.clocks(endpoint)
        latencies = sorted(sampled_latencies(logs))
        shutil.rmtree(logs, ignore_errors=True)
        count = re.search(r"transactions actually processed: (\d+)", done.stdout)
        if done.returncode or not count or not int(count.group(1)):
            return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:200]}
        count = int(count.group(1))
        middle, postgres, client = (after[i] - before[i] for i in range(3))
        busy, had = busy_after[0] - before[3][0], busy_after[1] - before[3][1]
        result = {
            "tps": float(re.findall(r"tps = ([\d.]+)", done.stdout)[-1]),
            "middle_us": middle * 1e6 / count, "postgres_us": postgres * 1e6 / count, "client_us": client * 1e6 / count,
            "foreign": max(0.0, busy - middle - postgres - client) / had,
        }
        if latencies:
            result["p50_us"] = latencies[len(latencies) // 2]
            result["p99_us"] = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
        if endpoint.pid:
            result["pss_mb"] = processes.pss_kb(endpoint.pid) / 1024
        return result

    def clocks(self, endpoint):
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (processes.cpu_s(endpoint.pid), processes.cpu_s(self.stage.pg_pid), usage.ru_utime + usage.ru_stime,
                processes.machine_s())

    def interleaved(self, endpoints, once):
        """Rounds over all endpoints in random order; a run that others disturbed is repeated, and the calmest kept."""
        rounds = []
        for _ in range(self.options.rounds):
            row = {}
            for endpoint in random.sample(endpoints, len(endpoints)):
                for _ in range(self.options.retries + 1):
                    result = once(endpoint)
                    best = row.get(endpoint.name)
                    if best is None or result.get("foreign", 9) < best.get("foreign", 9):
                        row[endpoint.name] = result
                    if "failed" in result or result.get("foreign", 0) <= self.options.foreign_max:
                        break
            rounds.append(row)
        return summary(rounds, endpoints)

    def stream(self, endpoint, sql, times=5):
        """A large result, read as fast as it comes: CPU and the peak of memory beside what was there before."""
        with wire.Session(endpoint.port, READER, endpoint.database) as session:
            session.query("SELECT 1")
            began_kb = processes.reset_peak(endpoint.pid) if endpoint.pid else 0
            before, began = self.clocks(endpoint), time.monotonic()
            size = sum(session.query(sql) for _ in range(times))
            seconds = time.monotonic() - began
            after = self.clocks(endpoint)
            result = {"mb_per_s": size / seconds / 1e6, "cpu_ms_per_100_mb": (after[0] - before[0]) * 1e3 / (size / 1e8),
                      "mb": size / times / 1e6,
                      "foreign": foreign(before, after)}
            if endpoint.pid:
                result["peak_extra_mb"] = (processes.peak_kb(endpoint.pid) - began_kb) / 1024
        return result

    def pipelined(self, endpoint, protocol, depth=64, connections=4):
        """Questions on their way `depth` at a time, each with a Sync of its own, over a few connections."""
        questions = [wire.question(protocol, key + 1) for key in range(depth)]
        counts = [0] * connections
        with contextlib.ExitStack() as stack:
            sessions = [stack.enter_context(wire.Session(endpoint.port, READER, endpoint.database))
                        for _ in range(connections)]
            answers = [session.prepare(protocol, questions) for session in sessions]
            before, end = self.clocks(endpoint), time.monotonic() + self.options.seconds

            def ask(index):
                message = b"".join(questions)
                while time.monotonic() < end:
                    sessions[index].exchange(message, answers[index])
                    counts[index] += depth

            own = time.process_time()
            threads = [threading.Thread(target=ask, args=(index,)) for index in range(connections)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            after, client = self.clocks(endpoint), time.process_time() - own
        seconds, count = self.options.seconds, sum(counts)
        return {"tps": count / seconds, "middle_us": (after[0] - before[0]) * 1e6 / count,
                "postgres_us": (after[1] - before[1]) * 1e6 / count, "client_us": client * 1e6 / count,
                "foreign": max(0.0, foreign(before, after) - client / (after[3][1] - before[3][1]))}

    def idle(self, endpoint, count):
        """Memory of the middle process for each client that has asked one thing and is idle since."""
        resident = processes.pss_kb(endpoint.pid)
        sessions = []
        try:
            for _ in range(count):
                sessions.append(wire.Session(endpoint.port, READER, endpoint.database))
                sessions[-1].query("SELECT 1")
            time.sleep(1)
            grown = processes.pss_kb(endpoint.pid) - resident
        finally:
            for session in sessions:
                session.socket.close()
        time.sleep(1)
        return {"clients": count, "kb_per_client": grown / count, "base_mb": resident / 1024,
                "after_mb": processes.pss_kb(endpoint.pid) / 1024}


def foreign(before, after):
    """Share of the machine that was busy with neither PostgreSQL nor the middle process (the reader is among it)."""
    busy, had = after[3][0] - before[3][0], after[3][1] - before[3][1]
    ours = after[0] - before[0] + after[1] - before[1]
    return max(0.0, busy - ours) / had if had else 0.0


def sampled_latencies(folder):
    for path in glob.glob(f"{folder}/l*"):
        with open(path) as log:
            for line in log:
                words = line.split()
                if len(words) > 2 and words[2].isdigit():
                    yield int(words[2])


def summary(rounds, endpoints):
    """Medians; `ratio` is the median of the rates' ratios to the first endpoint within one round."""
    reference, result = endpoints[0].name, {}
    for endpoint in endpoints:
        rows = [row[endpoint.name] for row in rounds]
        good = [row for row in rows if "failed" not in row]
        if not good:
            result[endpoint.name] = rows[0]
            continue
        medians = {key: statistics.median(row[key] for row in good if key in row) for key in good[0]}
        pairs = [(row[endpoint.name], row[reference]) for row in rounds]
        rate = next(key for key in ("tps", "mb_per_s") if key in medians)
        ratios = [one[rate] / other[rate] for one, other in pairs if rate in one and rate in other]
        medians["ratio"] = statistics.median(ratios) if ratios else None
        medians["rounds"] = len(good)
        result[endpoint.name] = medians
    return result
