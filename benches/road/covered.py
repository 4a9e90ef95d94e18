"""The tables of docs/road.md that say what was measured, when, and what was not."""

import results
from cells import cells, loads
from figures import order, road, titles


def missing(found):
    """What the bench has and this page has not."""
    measured = {load: [one for one in order(found) if one[1] == load] for load in loads()}
    never = [name for name in titles() if not any(count(name, measured[load]) for load in measured)]
    lines = ["| load | paths measured | least runs | servers that some or all of them lack "
             "| measured paths |", "|---|---:|---:|---|---|"]
    for load, about in loads().items():
        tables = measured[load]
        runs = [len(rows) for _, _, one in tables for rows in one["runs"].values()]
        paths = "; ".join(road(cell) for cell, _, _ in tables) or "–"
        lines.append(
            f"| {about.title} | {len(tables)} of {possible(about)} | {min(runs, default='–')} "
            f"| {absent(tables, never)} | {paths} |"
        )
    names = "; ".join(titles()[name] for name in never)
    return "\n".join([*([f"Not measured in any load: {names}.", ""] if never else []), *lines, ""])


def possible(load):
    """On how many paths a load comes to its end. Where UDP is blocked, only a fallback does."""
    return sum((cell.udp_dies_after is not None) == load.fallback for cell in cells().values())


def count(name, tables):
    return sum(name in measured["runs"] for _, _, measured in tables)


def absent(tables, never):
    """The servers that some of these tables lack, without those that all of the page lack."""
    counts = {name: count(name, tables) for name in titles() if name not in never}
    lacking = [
        titles()[name] + (f" (measured on {number})" if number else "")
        for name, number in counts.items() if number < len(tables)
    ]
    return "; ".join(lacking) or "–"


def machine(found):
    pairs = list(order(found))
    newest = max((measured for _, _, measured in pairs), key=lambda one: one["date"])
    total = sum(len(rows) for _, _, measured in pairs for rows in measured["runs"].values())
    kernels = ", ".join(sorted({measured["kernel"] for _, _, measured in pairs}))
    days = sorted({day for _, _, measured in pairs for day in known_days(measured)})
    dates = " to ".join(dict.fromkeys([days[0], days[-1]]))
    return (
        f"{newest['processor']}, {newest['cores']} cores, Linux {kernels}, {dates}: "
        f"{len(pairs)} cases (path and load), {total:,} runs. The machine also did other work.\n"
    )


def known_days(measured):
    found = (results.job(measured, name) for name in measured["runs"])
    return {job.get("date") or job["until"] for job in found}
