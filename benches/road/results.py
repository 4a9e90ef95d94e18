"""The raw figures as JSON, a file for each cell, and what is drawn from them."""

import datetime
import fcntl
import json
import os
import platform
import subprocess

# What changes in a tree without a change of what is measured: this bench writes there.
_NO_SOURCE = (":(top,exclude)benches/road/results", ":(top,exclude)docs")


class Results:
    """What was measured: cell, load, target, and then one row a run."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def read(self):
        """Every cell by name."""
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".json"):
                with open(os.path.join(self.folder, name)) as file:
                    found[name.removesuffix(".json")] = json.load(file)
        return found

    def add(self, cell, arguments, load, measured):
        """Puts the runs of one load in the file of its cell, in the place of those before."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            # Another run of the bench may write there too.
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._add(cell, arguments, load, measured)
        finally:
            os.close(folder)

    def _add(self, cell, arguments, load, measured):
        path = os.path.join(self.folder, f"{cell}.json")
        found = {"cell": cell, "road": arguments, "loads": {}}
        if os.path.exists(path):
            with open(path) as file:
                found["loads"] = json.load(file)["loads"]
        kept = found["loads"].get(load, {})
        joined = {part: kept.get(part, {}) | measured[part] for part in ("protocol", "runs")}
        joined["jobs"] = {target: job(kept, target) for target in kept.get("runs", {})}
        joined["jobs"] |= measured["jobs"]
        found["loads"][load] = measured | joined
        with open(path + ".new", "w") as file:
            file.write(compact(found))
        os.replace(path + ".new", path)


def compact(found):
    """JSON with a line for each target, so that a change of one shows as one."""
    lines = [f'{{"cell": {json.dumps(found["cell"])}, "road": {json.dumps(found["road"])}, "loads": {{']
    loads = []
    for load, measured in sorted(found["loads"].items()):
        about = {name: value for name, value in measured.items() if name != "runs"}
        runs = ",\n".join(
            f"{json.dumps(target)}: {json.dumps(rows, separators=(',', ':'))}"
            for target, rows in sorted(measured["runs"].items())
        )
        loads.append(f'{json.dumps(load)}: {json.dumps(about)[:-1]}, "runs": {{\n{runs}}}}}')
    return "\n".join([*lines, ",\n".join(loads), "}}", ""])


def job(measured, target):
    """The job that measured a target: `date`, `load_average`, `realtime`, and `commit` of a build
    that is known. Older results know these of the load's newest job only; that day is `until`."""
    known = measured.get("jobs", {}).get(target)
    if known is None:
        known = {"until": measured["date"]}
        known |= {name: measured[name] for name in ("load_average", "realtime")}
    return known


def commit(program):
    """The commit of the tree that a program lies in, with + if the tree has changes; nothing if it
    lies in none."""
    git = ["git", "--no-optional-locks", "-C", os.path.dirname(program)]

    def said(*words):
        done = subprocess.run([*git, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changes = said("status", "--porcelain", "--", ":(top)", *_NO_SOURCE)
        return said("rev-parse", "--short", "HEAD") + ("+" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def about_machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    return {
        "date": datetime.date.today().isoformat(),
        "kernel": platform.release(),
        "processor": model,
        "cores": os.cpu_count(),
    }


def values(rows, column, failed=None):
    """A column of the runs, without those that have no figure; `failed` stands for a failed run."""
    found = [failed if row[1] is None else row[1][column] for row in rows]
    return [value for value in found if value is not None]


def failed(rows):
    return sum(row[1] is None for row in rows)


def quartiles(numbers):
    """(lower quartile, median, upper quartile)."""
    ordered = sorted(numbers)
    return tuple(_quartile(ordered, number) for number in (1, 2, 3)) if ordered else ()


def _quartile(ordered, number):
    """Between two numbers in proportion, as statistics.quantiles does it, which knows no infinity."""
    at, rest = divmod(number * (len(ordered) - 1), 4)
    # Infinity times zero is no number.
    return (ordered[at] * (4 - rest) + ordered[at + 1] * rest) / 4 if rest else ordered[at]
