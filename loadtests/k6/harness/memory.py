"""How much memory the gateway has, second by second, and whether it grows."""
import threading

# A process that keeps something of every question or connection grows in every third alike, whatever answers it keeps. What
# else has a bound and is not full yet (verdicts, pools, the allocator's own) may still grow a little in the last.
GROWTH_MAX, GROWTH_MB_MAX = 0.15, 12


class Watch:
    """A context in which a process is looked at once a second. `kept_mb` asks it what its kept answers take."""

    def __init__(self, pid, kept_mb):
        self.pid, self.kept_mb, self.seen, self.over = pid, kept_mb, [], threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def look(self):
        kept = 0.0
        while not self.over.is_set():
            try:
                if len(self.seen) % 5 == 0:
                    kept = self.kept_mb()
                self.seen.append((resident_mb(self.pid), kept))
            except OSError:
                return
            self.over.wait(1)

    def figures(self):
        """See `summed`."""
        return summed(self.seen)


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def summed(seen):
    """MB resident at the first look, at the last, the most, the mean of each third; and the same thirds of kept answers."""
    resident, kept = [one for one, _ in seen], [one for _, one in seen]
    return {"first": round(resident[0], 1), "last": round(resident[-1], 1), "most": round(max(resident), 1),
            "thirds": thirds(resident), "answers_thirds": thirds(kept)}


def thirds(seen):
    third = max(1, len(seen) // 3)
    return [round(sum(part) / len(part), 1) for part in (seen[:third], seen[third:2 * third] or seen, seen[-third:])]


def grows(figures):
    """True where the last third needs noticeably more than the one before it, beside the answers that are kept."""
    _, before, last = (one - kept for one, kept in zip(figures["thirds"], figures["answers_thirds"]))
    return last - before > max(GROWTH_MB_MAX, before * GROWTH_MAX)


def told(figures):
    """One line."""
    listed = {name: " / ".join(f"{mb:.0f}" for mb in figures[name]) for name in ("thirds", "answers_thirds")}
    return (f"memory: {figures['first']:.0f} MB resident at the start, {figures['last']:.0f} at the end, at most {figures['most']:.0f}; in the "
            f"thirds of the run {listed['thirds']}, of which kept answers {listed['answers_thirds']}")
