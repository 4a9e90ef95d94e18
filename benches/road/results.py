"""The raw figures as JSON, a file for each cell, and what is drawn from them."""

import datetime
import fcntl
import json
import os
import platform


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
