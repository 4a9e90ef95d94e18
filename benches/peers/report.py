"""Prints figures as tables, each next to its ratio to the best peer of the run."""

import json
import os

# metric: heading, unit, whether more is better, digits
METRICS = {
    "cpu_us": ("CPU/request", "µs", False, 1),
    "rps": ("requests/s", "", True, 0),
    "p50_ms": ("p50", "ms", False, 2),
    "p99_ms": ("p99", "ms", False, 2),
    "peak_mib": ("peak memory", "MiB", False, 1),
    "body_kib": ("compressed to", "KiB", False, 1),
    "kib_each": ("per connection", "KiB", False, 1),
    "fresh_mib": ("fresh memory", "MiB", False, 1),
    "start_ms": ("first 200", "ms", False, 1),
    "busy": ("of its core", "", None, 2),
}


def ratios(results, ours):
    """Medians over the best median of the peers, for each server and metric.

    The best is taken among those not in `ours`; only among ours when there is no one else.
    """
    others = [name for name in results if name not in ours] or list(results)
    found = {name: {} for name in results}
    for metric, (_, _, more_is_better, _) in METRICS.items():
        medians = {n: r[metric]["median"] for n, r in results.items() if metric in r}
        rivals = [medians[name] for name in others if name in medians]
        if not rivals or more_is_better is None:
            continue
        best = max(rivals) if more_is_better else min(rivals)
        for name, value in medians.items():
            found[name][metric] = value / best if best else float("nan")
    return found


def table(case, results, ours):
    """The lines of one case."""
    metrics = [m for m in METRICS if any(m in figures for figures in results.values())]
    ratio = ratios(results, ours)
    rows = [["", *(heading(metric) for metric in metrics)]]
    for name, figures in results.items():
        cells = [cell(metric, figures, ratio[name]) for metric in metrics]
        rows.append([name, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) if not n else text.rjust(width)
                  for n, (text, width) in enumerate(zip(row, widths)))
        for row in rows
    ]
    return [f"{case.name}: {case.title}", *lines]


def heading(metric):
    name, unit, _, _ = METRICS[metric]
    return f"{name} {unit}".strip()


def cell(metric, figures, ratio):
    if metric not in figures:
        return "-"
    found = figures[metric]
    text = number(metric, found["median"])
    if metric == "cpu_us" and found["min"] < found["max"]:
        text = f"[{number(metric, found['min'])}–{number(metric, found['max'])}] {text}"
    return f"{text} ×{ratio[metric]:.2f}" if metric in ratio else text


def number(metric, value):
    digits = METRICS[metric][3]
    if value >= 1000:
        digits = 0
    elif metric == "rps" and value < 100:
        digits = 2
    return f"{value:.{digits}f}"


def save(directory, case, results, ours, about):
    """Keeps the figures of one case; the last run of a case stands."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"{case.name}.json")
    content = {
        "case": case.name,
        "title": case.title,
        "ours": ours,
        "machine": about,
        "results": results,
        "ratios": ratios(results, ours),
    }
    with open(path + ".new", "w") as file:
        json.dump(content, file, indent=1)
    os.replace(path + ".new", path)
    return path
