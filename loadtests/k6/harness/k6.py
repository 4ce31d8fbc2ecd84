"""The k6 program and one run of it."""
import json
import os
import pathlib
import resource
import subprocess
import time

from . import memory
from .ending import Ledger

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def cache():
    """Where what takes long to make is kept."""
    return str(target() / "k6")


def programs(options):
    """Paths of k6 and of the gateway, each built if it is not there."""
    subprocess.run([HERE / "build" / "run"], check=True)
    program = os.environ.get("K6", str(target() / "k6" / "k6"))
    if not options.binary:
        command = ["cargo", "build", "--locked", "--profile", options.profile, "--package", "vitrine", "--bin", "vitrine"]
        subprocess.run(command, cwd=ROOT, check=True)
        options.binary = target() / ("debug" if options.profile == "dev" else options.profile) / "vitrine"
    return program, os.path.abspath(options.binary)


def start(program, scene, scenario, environment, out):
    """A running k6. Its notes go to a file beside the summaries."""
    out = pathlib.Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    notes = out / f"{scenario}.notes"
    notes.unlink(missing_ok=True)
    command = [program, "run", "--quiet", "--no-usage-report", "--no-color", "--address", "", "--log-format", "raw",
               "--console-output", str(notes), str(HERE / "main.js")]
    kept = {key: os.environ[key] for key in os.environ if key.startswith("LOADTEST_") or key in ("PATH", "HOME", "SEED")}
    environment = {**kept, **environment, "SCENARIO": scenario, "OUT": str(out), "RUN": str(int(time.time()))}
    # k6 has a line for each request that fails: the notes count them.
    with open(out / f"{scenario}.k6.log", "wb") as log:
        return subprocess.Popen(command, env=environment, cwd=scene.folder, stdin=subprocess.DEVNULL, stderr=log), notes


def finish(process, notes, scenario, out):
    """Waits: (figures, ledger, exit code); 99 is k6's code for crossed thresholds."""
    ended = process.wait()
    if ended not in (0, 99):
        said = pathlib.Path(out, f"{scenario}.k6.log").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"k6 ended with {ended}\n{said[-3000:]}")
    return json.loads(pathlib.Path(out, f"{scenario}.json").read_text(encoding="utf-8")), Ledger(notes), ended


def run(program, scene, scenario, environment, out):
    """From start to finish."""
    return finish(*start(program, scene, scenario, environment, out), scenario, out)


def allow_many_files():
    """Every virtual user has connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard), hard))


def told(figures, ledger):
    """What the end of the run showed, beside k6's own figures."""
    insights, attacks, gateway = figures["insights"], figures["attacks"], figures["gateway"]
    refused = ", ".join(f"{outcome} {count}" for outcome, count in attacks["refused"].items())
    failures = "".join(f"\n  not answered: {what} {outcome} {count} ({ledger.samples[what, outcome]})"
                       for (what, outcome), count in ledger.failures.most_common(12))
    return (f"  attacks by what they were told: {refused}; {len(attacks['reached_postgresql'])} came as far as PostgreSQL\n"
            + "".join(f"    {line[:160]}\n" for line in attacks["reached_postgresql"][:8]) +
            f"  insights: {insights['acknowledged']} acknowledged, {insights['missing']} of them missing, {insights['doubled']} doubled\n"
            f"  gateway: {gateway['cache_hits_total']:.0f} answers from memory, {gateway['cache_misses_total']:.0f} not, "
            f"{gateway['denials_total']:.0f} denials, {gateway['readers_disagree_total']:.0f} disagreements"
            f"\n  {memory.told(gateway['memory_mb'])}{failures}")
