"""The k6 program and one run of it."""
import json
import os
import pathlib
import subprocess

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


def start(program, scene, scenario, environment, out, name=None):
    """A running k6. Its notes go to a file beside the summaries."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    notes = out / f"{name or scenario}.notes"
    notes.unlink(missing_ok=True)
    command = [program, "run", "--quiet", "--no-usage-report", "--no-color", "--address", "", "--log-format", "raw",
               "--console-output", str(notes), str(HERE / "main.js")]
    kept = {key: os.environ[key] for key in os.environ if key.startswith("LOADTEST_") or key in ("PATH", "HOME", "SEED")}
    return subprocess.Popen(command, env={**kept, **environment, "SCENARIO": scenario, "OUT": str(out)}, cwd=scene.folder,
                            stdin=subprocess.DEVNULL), notes


def run(program, scene, scenario, environment, out):
    """(figures, ledger, exit code); 99 is k6's code for crossed thresholds."""
    process, notes = start(program, scene, scenario, environment, out)
    ended = process.wait()
    path = pathlib.Path(out, f"{scenario}.json")
    if ended not in (0, 99):
        raise SystemExit(f"k6 ended with {ended}")
    return json.loads(path.read_text(encoding="utf-8")), Ledger(notes), ended


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
            f"{gateway['denials_total']:.0f} denials, {gateway['readers_disagree_total']:.0f} disagreements, "
            f"{gateway['resident_mb']} MB resident{failures}")
