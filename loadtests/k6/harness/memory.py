"""How much memory the gateway has, second by second, and whether it grows."""
import threading

# A process that keeps something of every question or connection grows in every third alike. What has come by the second
# third (caches, verdicts, pools, the allocator's own) may still grow a little in the last.
GROWTH_MAX, GROWTH_MB_MAX = 0.15, 12


class Watch:
    """A context in which a process is looked at once a second."""

    def __init__(self, pid):
        self.pid, self.seen, self.over = pid, [], threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def look(self):
        while not self.over.is_set():
            try:
                self.seen.append(resident_mb(self.pid))
            except OSError:
                return
            self.over.wait(1)

    def figures(self):
        """MB resident: at the first look, at the last, the most, and the mean of each third."""
        return summed(self.seen)


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def summed(seen):
    third = max(1, len(seen) // 3)
    means = [sum(part) / len(part) for part in (seen[:third], seen[third:2 * third] or seen, seen[-third:])]
    return {"first": round(seen[0], 1), "last": round(seen[-1], 1), "most": round(max(seen), 1), "thirds": [round(mean, 1) for mean in means]}


def grows(figures):
    """True where the last third needs noticeably more than the one before it."""
    _, before, last = figures["thirds"]
    return last - before > max(GROWTH_MB_MAX, before * GROWTH_MAX)
