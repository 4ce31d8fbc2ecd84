"""What /proc says of processes: CPU time, memory, and how busy the machine is with anything else."""
import os
import re

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tree(root):
    """(pid, fields of its stat from the state on) of a process and all below it."""
    children, fields = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                text = stat.read()
        except OSError:
            continue
        rest = text[text.rindex(")") + 2:].split()
        children.setdefault(int(rest[1]), []).append(int(entry))
        fields[int(entry)] = rest
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        if pid in fields:
            found.append((pid, fields[pid]))
            queue += children.get(pid, [])
    return found


def cpu_s(root):
    """utime + stime + those of children that were waited for, of the whole tree: a backend that has ended counts."""
    return sum(sum(int(field) for field in stat[11:15]) for _, stat in tree(root)) / TICKS_PER_S if root else 0.0


def pss_kb(root):
    """Proportional set size of the tree: memory in user space, each shared page divided among its users."""
    total = 0
    for pid, _ in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total


def reset_peak(pid):
    """Begins a new measurement of the peak resident size; returns the size now, in KB."""
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")
    return _status_kb(pid, "VmRSS")


def peak_kb(pid):
    """Peak resident size since `reset_peak`, in KB."""
    return _status_kb(pid, "VmHWM")


def _status_kb(pid, name):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"^{name}:\s+(\d+)", status.read(), re.M).group(1))


def machine_s():
    """(CPU seconds the machine was busy, CPU seconds it had) since boot."""
    with open("/proc/stat") as stat:
        fields = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS_PER_S, sum(fields) / TICKS_PER_S


def description():
    """Cores, memory, kernel."""
    with open("/proc/cpuinfo") as info:
        models = re.findall(r"^model name\s*:\s*(.+)$", info.read(), re.M)
    with open("/proc/meminfo") as info:
        memory_gib = int(re.search(r"MemTotal:\s+(\d+)", info.read()).group(1)) / 1048576
    model = models[0] if models else "unknown CPU"
    return f"{os.cpu_count()} cores ({model}), {memory_gib:.0f} GiB, Linux {os.uname().release}"
