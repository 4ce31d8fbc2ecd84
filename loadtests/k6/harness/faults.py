"""What is broken under load, and what the clients saw of it."""
import collections
import signal
import time

from .ending import DIRECT

# Seconds after the start of the load.
BREAKS_AT_S = 10


def customer_restart(scene):
    scene.customer.stop()
    scene.customer.start()


def tool_gone(scene):
    scene.tool.stop()
    time.sleep(30)
    scene.tool.start()


def upstream_slow(scene):
    scene.shaper.slow(0.1, 200_000)
    time.sleep(15)
    scene.shaper.mend()


def upstream_cut(scene):
    scene.shaper.cut()
    time.sleep(10)
    scene.shaper.mend()


def upgrade(scene):
    scene.start_gateway("--upgrade")


def gateway_killed(scene):
    scene.gateway.send_signal(signal.SIGKILL)
    scene.gateway.wait()
    # As long as whoever watches over it needs.
    time.sleep(3)
    scene.start_gateway()


FAULTS = {
    "fault-customer-restart": (customer_restart, "customer database restarted"),
    "fault-tool-gone": (tool_gone, "tool database gone for 30 s"),
    "fault-upstream-slow": (upstream_slow, "wire to the customer database slow for 15 s (100 ms each way, 200 kB/s)"),
    "fault-upstream-cut": (upstream_cut, "wire to the customer database cut for 10 s"),
    "fault-upgrade": (upgrade, "gateway upgraded"),
    "fault-gateway-killed": (gateway_killed, "gateway killed (SIGKILL), started again after 3 s"),
}

LOST = ("connection refused", "connection lost", "no answer", "no answer in time", "something else")
# Over HTTP; the rest is SQL.
HTTP = ("write", "search", "list")


def row(name, figures, ledger, mended_at):
    """What a fault did to the clients, counted."""
    sql, http = collections.Counter(), collections.Counter()
    for (what, outcome), count in ledger.failures.items():
        if what not in DIRECT:
            (http if what in HTTP else sql)[outcome] += count
    last = max(ledger.failed_at, default=None)
    return {
        "fault": FAULTS[name][1], "answered": figures["ok"], "sql": dict(sql.most_common()), "http": dict(http.most_common()),
        "insights": figures["insights"], "differing": figures["compared"]["differing"], "through": figures["attacks"]["through"],
        "ended_while_idle": figures["ended_while_idle"], "compared": figures["compared"]["answers"], "attacks": figures["attacks"]["tried"],
        # From the moment when what was broken was there again.
        "last_failure_after_s": None if last is None else round(last - mended_at, 1),
    }


def split(outcomes):
    """(refused with a code or a status, lost)."""
    lost = {outcome: count for outcome, count in outcomes.items() if outcome in LOST}
    return {outcome: count for outcome, count in outcomes.items() if outcome not in LOST}, lost


def listed(outcomes):
    return ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items()) or "0"


def table(rows):
    """As Markdown."""
    lines = ["| what broke | answered | SQL refused, by SQLSTATE | SQL lost | ended while idle | HTTP refused, by status | HTTP lost | insights acknowledged / missing / twice | last failure after the end of the fault |",
             "|---|---|---|---|---|---|---|---|---|"]
    for one in rows:
        (sql, sql_lost), (http, http_lost) = split(one["sql"]), split(one["http"])
        insights, last = one["insights"], one["last_failure_after_s"]
        after = "none failed" if last is None else "before it" if last <= 0 else f"{last} s"
        lines.append(f"| {one['fault']} | {one['answered']} | {listed(sql)} | {listed(sql_lost)} | {one['ended_while_idle']} | {listed(http)} | {listed(http_lost)} | "
                     f"{insights['acknowledged']} / {insights['missing']} / {insights['doubled']} | {after} |")
    return "\n".join(lines)
