"""The tables of docs/road.md, from the raw results."""

import math

import results
from cells import cells, loads
from targets import targets

BUILD = "ours"
OURS, OWN_TCP = f"{BUILD}-h3-bbr", (f"{BUILD}-h2-bbr", f"{BUILD}-h2-cubic")
# Less than this apart is no difference.
NOTHING = 0.05
BUSY = 0.05
# What stands for a failed run: no time is as long. None: the figure says nothing of such a run.
WORST = {"mbit": 0.0, "beside": None, "cpu_ms": None}


def titles():
    """A target's name as it stands in tables."""
    names = {name: target.title for name, target in targets([BUILD]).items()}
    return {name: title.replace(f"{BUILD} ", "this server, ", 1) for name, title in names.items()}


def road(name):
    """A cell in words."""
    cell = cells()[name]
    words = [f"{cell.rtt} ms", f"{cell.rate} Mbit/s" if cell.rate < 1000 else "1 Gbit/s"]
    words.append(f"{cell.loss:g} % loss")
    if cell.burst > 1:
        words.append(f"in bursts of {cell.burst:.0f}")
    if cell.queue:
        words.append(f"queue of {cell.queue // 1024:,} KiB")
    for value, text in (
        (cell.jitter, f"up to {cell.jitter:.0f} ms of jitter"),
        (cell.reorder, f"{cell.reorder} % reordered"),
        (cell.mtu != 1500, f"MTU {cell.mtu}"),
        (cell.move_after is not None, "client address changes"),
        (cell.udp_dies_after is not None, "UDP blocked"),
    ):
        words += [text] if value else []
    return ", ".join(words)


def order(found):
    """The measured (cell, load) pairs, in the order of the tables."""
    table = cells()
    names = sorted(table, key=lambda name: (table[name].rtt, table[name].rate, table[name].loss))
    for load in loads():
        for cell in names:
            if load in found.get(cell, {}).get("loads", {}):
                yield cell, load, found[cell]["loads"][load]


def median(measured, target, column=0):
    """Infinite where half of the runs failed, nothing where there are no runs."""
    numbers = values(measured, target, column)
    return results.quartiles(numbers)[1] if numbers else None


def values(measured, target, column=0):
    """A column of a target's runs. One that failed is slower than all that did not."""
    worst = WORST.get(measured["figures"][column], math.inf)
    return results.values(measured["runs"].get(target, []), column, worst)


def milliseconds(time):
    return "failed" if math.isinf(time) else f"{time:,.0f}"


def timed(measured):
    return measured["figures"][0] in ("ms", "load", "drawn")


def best(measured, names, column=0):
    """(median, target) of the fastest of these; nothing if none was measured."""
    medians = [(median(measured, name, column), name) for name in names]
    return min((pair for pair in medians if pair[0] is not None), default=None)


def rivals(measured, protocol):
    known = targets([BUILD])
    kept = (known[name] for name in measured["runs"] if name in known)
    return [one.name for one in kept if not one.is_ours and one.protocol == protocol]


def pays(found):
    """This server's HTTP/3 next to its own HTTP/2, road by road."""
    lines = ["| load | path | HTTP/3, ms | HTTP/2, ms (controller) | ratio |"]
    lines += ["|---|---|---:|---:|---:|"]
    for cell, load, measured in order(found):
        tcp = best(measured, OWN_TCP) if timed(measured) else None
        mine = median(measured, OURS)
        if tcp is None or mine is None:
            continue
        controller = targets([BUILD])[tcp[1]].controller
        lines.append(
            f"| {loads()[load].title} | {road(cell)} | {milliseconds(mine)} "
            f"| {milliseconds(tcp[0])} ({controller}) | {verdict(measured, tcp[1])} |"
        )
    return "\n".join(lines) + "\n"


def compared(measured, other):
    """How this server's HTTP/3 does next to another target: the ratio of the medians, and -1, 0 or
    1 for faster, no difference and slower. Infinite or 0 if only one has failed, 1 if both have."""
    low, middle, high = results.quartiles(values(measured, OURS))
    least, theirs, most = results.quartiles(values(measured, other))
    ratio = 1.0 if math.isinf(middle) and math.isinf(theirs) else middle / theirs
    if ratio < 1 - NOTHING and high < least:
        return ratio, -1
    return ratio, int(ratio > 1 + NOTHING and low > most)


def verdict(measured, other):
    ratio, sign = compared(measured, other)
    text = f"{ratio:.2f}" if succeeded(measured, other) else "–"
    return {-1: f"**{text}**", 0: text, 1: f"{text} (slower)"}[sign]


def succeeded(measured, other):
    """Whether both medians are times."""
    return all(math.isfinite(median(measured, name)) for name in (OURS, other))


def peers(found):
    """This server's HTTP/3 next to the best HTTP/3 of another."""
    rows = []
    for cell, load, measured in order(found):
        other = best(measured, rivals(measured, "h3")) if timed(measured) else None
        mine = median(measured, OURS)
        if other and mine:
            ratio, _ = compared(measured, other[1])
            rows.append((ratio, cell, load, mine, *other, verdict(measured, other[1])))
    lines = ["| load | path | this server, ms | fastest other, ms | ratio |", "|---|---|---:|---|---:|"]
    for _, cell, load, mine, theirs, name, ratio in sorted(rows, reverse=True):
        lines.append(
            f"| {loads()[load].title} | {road(cell)} | {milliseconds(mine)} "
            f"| {milliseconds(theirs)} ({titles()[name]}) | {ratio} |"
        )
    return "\n".join(lines) + "\n"


def summary(found):
    """The two comparisons in a sentence each, counted."""
    peers_h3 = [name for name, one in targets([]).items() if one.protocol == "h3"]
    lines = []
    for names, title in (
        (OWN_TCP, "its own HTTP/2 (the faster of bbr and cubic; both were measured in {} cases, in "
                  "the others one)"),
        (peers_h3, "the fastest HTTP/3 of another server (Caddy, nginx and HAProxy; all three were "
                   "measured in {} cases, in the others fewer)"),
    ):
        pairs = []
        for _, _, measured in order(found):
            other = best(measured, names) if timed(measured) else None
            if other and median(measured, OURS):
                pairs.append((measured, other[1]))
        if pairs:
            whole = sum(all(name in measured["runs"] for name in names) for measured, _ in pairs)
            title = title.format(whole)
            lines.append(f"- HTTP/3 of this server, compared with {title}: {comparison(pairs)}")
    return "\n".join(lines) + "\n"


def comparison(pairs):
    """How this server's HTTP/3 does in cases: (measured, the other target)."""
    signs = [compared(*pair)[1] for pair in pairs]
    ratios = [compared(*pair)[0] for pair in pairs if succeeded(*pair)]
    text = (
        f"faster in {signs.count(-1)} of {len(pairs)} cases (path and load), slower in "
        f"{signs.count(1)}."
    )
    if ratios:
        low, middle, high = results.quartiles(ratios)
        text += (
            f" Median ratio of the times: {middle:.2f} (quartiles {low:.2f} and {high:.2f}, minimum "
            f"{min(ratios):.2f}, maximum {max(ratios):.2f})."
        )
    if len(ratios) < len(pairs):
        text += f" In {len(pairs) - len(ratios)} cases half of the runs failed: no ratio."
    return text


HEADS = {
    "ms": "total, ms", "first": "first byte, ms", "tls": "TLS done, ms", "load": "load, ms",
    "drawn": "script has run, ms", "slowest": "slowest user, ms", "paint": "first paint, ms",
    "mbit": "Mbit/s", "beside": "TCP flow, Mbit/s", "added": "delay added to a ping, ms",
    "added_p95": "its 95th percentile, ms", "cpu_ms": "CPU time of the server, ms",
}


def every(found, kinds):
    """Every cell with all of its targets, for the loads whose figures begin so."""
    parts = []
    for cell, load, measured in order(found):
        if loads()[load].kind not in kinds:
            continue
        parts += [f"#### {loads()[load].title}: {road(cell)}", "", *table(measured), ""]
        parts += [f"{jobs(measured)} {disturbed(measured)}", ""]
    return "\n".join(parts) or "Nothing has been measured.\n"


def jobs(measured):
    """The jobs that a table joins: a sentence for each, with its servers if there are several."""
    parts = []
    for name in (name for name in titles() if name in measured["runs"]):
        job = dict(results.job(measured, name))
        commit = job.pop("commit", None)
        part = next((part for part in parts if part[0] == job), None)
        if part is None:
            part = job, [], set()
            parts.append(part)
        part[1].append(titles()[name])
        part[2].update([commit] if commit else [])
    return " ".join(sentence(*part, len(parts) > 1) for part in parts)


def sentence(job, names, commits, is_one_of_many):
    """About a job. Of one that is known only as the newest of several, that day's figures."""
    first, last = job["load_average"]
    day, newest = job.get("date"), ""
    if day is None:
        day, newest = f"{job['until']} or earlier", " that day"
    build = f" (this server: commit {', '.join(sorted(commits))})" if commits else ""
    rows = f"{'; '.join(names)}: measured" if is_one_of_many else "measured"
    priority = "real-time" if job["realtime"] else "normal"
    text = (
        f"{rows} on {day}{build}. Load average of the machine{newest}: {first:.1f} at the start, "
        f"{last:.1f} at the end, with {priority} priority."
    )
    return text[0].upper() + text[1:]


def table(measured):
    heads = [HEADS[name] for name in measured["figures"]]
    lines = ["| server | " + " | ".join(heads) + " | queue full | lost | runs |"]
    lines += ["|---|" + "---:|" * (len(heads) + 3)]
    for name in (name for name in titles() if name in measured["runs"]):
        rows = measured["runs"][name]
        columns = [spread(values(measured, name, at), at == 0) for at in range(len(heads))]
        lines.append("| " + " | ".join([titles()[name], *columns, *dropped(rows), runs(rows)]) + " |")
    return lines


def spread(numbers, whole):
    if not numbers:
        return "–"
    low, middle, high = map(figure, results.quartiles(numbers))
    return f"{middle} ({low}–{high})" if whole and low != "failed" else middle


def figure(number):
    if math.isinf(number):
        return "failed"
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def dropped(rows):
    """The shares of packets towards the client that found the queue full, and that got lost."""
    counted = [row[2] for row in rows if row[1] is not None]
    sent = sum(one[0] for one in counted)
    shares = [sum(one[at] for one in counted) / sent if sent else None for at in (1, 2)]
    return ["–" if share is None else f"{share:.1%}".replace("%", " %") for share in shares]


def runs(rows):
    failed = results.failed(rows)
    return f"{len(rows)}, {failed} failed" if failed else f"{len(rows)}"


def disturbed(measured):
    """Says when the link itself was late, which is the machine's doing."""
    counted = [row[2] for rows in measured["runs"].values() for row in rows if row[1] is not None]
    packets = sum(one[0] + one[4] for one in counted)
    late = sum(one[3] for one in counted) / packets if packets else 0
    text = f"{late:.1%} of the packets left the link more than 2 ms late".replace("%", " %")
    return text + (", so the load of the machine affected these figures." if late > BUSY else ".")
