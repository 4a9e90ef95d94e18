"""Checks of the bench that need no road: `python3 -m unittest discover -s benches/road`."""

import math
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "peers"))

import cells
import covered
import figures
import results
import runs
import site_files
import targets

DAY = {"date": "2026-11-30", "load_average": [1, 2], "realtime": False}
UNTIL = {"until": "2026-11-30", "load_average": [1, 2], "realtime": False}
GOOD = {"status": 200, "protocol": "h3", "length": 5, "crc": 7}


class Cells(unittest.TestCase):
    def test_the_queue_is_one_product_unless_it_is_named(self):
        def queue(cell):
            words = cell.arguments(1)
            return int(words[words.index("--queue") + 1])

        table = cells.cells()
        self.assertEqual(queue(table["50ms-20m-1"]), 125_000)
        self.assertEqual(queue(table["50ms-20m-0-30k"]), 30 * 1024)
        self.assertEqual(queue(table["50ms-20m-0-4bdp"]), 500_000)

    def test_what_is_not_set_is_not_passed(self):
        words = cells.cells()["50ms-20m-1"].arguments(1000)
        self.assertNotIn("--move-after", words)
        self.assertEqual(words[words.index("--seed") + 1], "1000")

    def test_the_page_has_its_files_and_about_a_megabyte(self):
        page = site_files.page()
        self.assertEqual(len(page), 42)
        self.assertTrue(9e5 < sum(map(len, page.values())) < 1.1e6)


class Honesty(unittest.TestCase):
    """A run that did not go right is no result."""

    def test_a_good_run_counts(self):
        runs.check(GOOD, "h3", 7)

    def test_wrong_bytes_statuses_and_protocols_do_not(self):
        for wrong in ({"crc": 8}, {"status": 502}, {"protocol": "h2"}, {"problem": "timeout"}):
            with self.subTest(**wrong), self.assertRaises(runs.Refused):
                runs.check(GOOD | wrong, "h3", 7)

    def test_a_transfer_without_end_has_to_be_the_file(self):
        self.assertEqual(runs.endless([GOOD | {"length": 2_500_000}], 10), [2.0])
        with self.assertRaises(runs.Refused):
            runs.endless([GOOD | {"status": 502}], 10)


    def test_packets_that_reach_nobody_are_counted_both_ways(self):
        names = ("sent", "queue_full", "lost", "late", "unreachable")
        ways = {way: dict(zip(names, counts)) for way, counts in
                (("up", (1, 2, 3, 4, 5)), ("down", (10, 20, 30, 40, 50)))}
        found = dict(zip(runs.COUNTED, runs.counted(ways), strict=True))
        want = {"sent": 10, "again": 20, "lost": 30, "late": 44, "up_sent": 1, "unreachable": 55}
        self.assertEqual(found, want)


class Kept(unittest.TestCase):
    def test_runs_of_other_targets_and_loads_stay(self):
        def measured(target, rows):
            return DAY | {"protocol": {target: "h3"}, "runs": {target: rows}, "jobs": {target: {}}}

        with tempfile.TemporaryDirectory() as folder:
            kept = results.Results(folder)
            kept.add("c", ["--rtt", "1"], "1m", measured("a", [[1, [2.5, None], [3]]]))
            kept.add("c", ["--rtt", "1"], "1m", measured("b", [[1, None, "why"]]))
            kept.add("c", ["--rtt", "1"], "10k", measured("a", []))
            loads = kept.read()["c"]["loads"]
            self.assertEqual(set(loads), {"1m", "10k"})
            rows = loads["1m"]["runs"]
            self.assertEqual(rows, {"a": [[1, [2.5, None], [3]]], "b": [[1, None, "why"]]})
            self.assertEqual(results.values(rows["a"], 0), [2.5])
            self.assertEqual((results.values(rows["a"], 1), results.failed(rows["b"])), ([], 1))

    def test_each_target_keeps_the_day_and_build_of_its_job(self):
        def measured(day, target, commit):
            about = DAY | {"date": day, "protocol": {target: "h3"}, "runs": {target: []}}
            return about | {"jobs": {target: {"date": day, "commit": commit}}}

        old = DAY | {"title": "t", "protocol": {"a": "h3", "b": "h3"}, "runs": {"a": [], "b": []}}
        with tempfile.TemporaryDirectory() as folder:
            kept = results.Results(folder)
            with open(os.path.join(folder, "c.json"), "w") as file:
                file.write(results.compact({"cell": "c", "road": [], "loads": {"1m": old}}))
            self.assertEqual(results.job(kept.read()["c"]["loads"]["1m"], "a"), UNTIL)
            for job in (("2026-12-01", "b", "1a"), ("2026-12-02", "c", "2b")):
                kept.add("c", [], "1m", measured(*job))
            load = kept.read()["c"]["loads"]["1m"]
        self.assertEqual(load["date"], "2026-12-02")
        found = [results.job(load, target) for target in "abc"]
        dated = [{"date": f"2026-12-0{day}", "commit": one} for day, one in ((1, "1a"), (2, "2b"))]
        self.assertEqual(found, [UNTIL, *dated])

    def test_a_build_is_named_by_the_commit_of_its_tree(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "caddy")
            self.assertIsNone(results.commit(program))
            git = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@bench.test"]
            for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "t"]):
                subprocess.run([*git, *words], check=True)
            clean = results.commit(program)
            self.assertRegex(clean, "^[0-9a-f]{4,}$")
            os.makedirs(os.path.join(folder, "benches", "road", "results"))
            for name, dirty in (("benches/road/results/c.json", ""), ("new.rs", "+")):
                with open(os.path.join(folder, name), "w"):
                    self.assertEqual(results.commit(program), clean + dirty)

    def test_quartiles(self):
        self.assertEqual(results.quartiles([]), ())
        self.assertEqual(results.quartiles([5]), (5, 5, 5))
        self.assertEqual(results.quartiles([1, 2, 3, 4, 5]), (2, 3, 4))
        self.assertEqual(results.quartiles([4, 1, 3, 2]), (1.75, 2.5, 3.25))
        self.assertEqual(results.quartiles([1, 2, 3, math.inf, 4]), (2, 3, 4))
        self.assertEqual(results.quartiles([1, math.inf]), (math.inf, math.inf, math.inf))


def load(kind="fetch", **times):
    """A load that was measured; a run without a time has failed."""
    def row(time):
        if time is None:
            return [1, None, "why"]
        return [1, [time] * len(runs.FIGURES[kind]), [10, 0, 0, 0, 5]]

    rows = {name.replace("_", "-"): list(map(row, times[name])) for name in times}
    return {"figures": runs.FIGURES[kind], "runs": rows}


class Figures(unittest.TestCase):
    def test_a_failed_run_is_slower_than_all_others(self):
        for times, middle in (
            ((1, 2, 3, 4, 5), 3), ((1, 2, 3, None, 5), 3), ((None, 2, None, 4, 5), 5),
            ((None, 2, None, None, 5), math.inf), ((1, None), math.inf), ((), None),
        ):
            with self.subTest(times=times):
                self.assertEqual(figures.median(load(ours_h3_bbr=times), figures.OURS), middle)

    def test_a_rate_that_failed_is_lower_than_all_others(self):
        measured = load("fair", ours_h3_bbr=(5, None, 9))
        self.assertEqual(figures.median(measured, figures.OURS), 5)
        self.assertEqual(figures.values(measured, figures.OURS, 1), [5, 9])

    def test_an_infinite_median_prints_as_failed(self):
        self.assertEqual(figures.spread([1, 2, math.inf], True), "2.0 (1.5–failed)")
        self.assertEqual(figures.spread([1, math.inf, math.inf], True), "failed")
        self.assertEqual(figures.spread([math.inf], False), "failed")
        self.assertEqual(figures.milliseconds(math.inf), "failed")

    def test_what_failed_is_slower_and_has_no_ratio(self):
        good, bad = (1, 1, 1), (None, None, None)
        for ours, other, text in (
            (good, bad, "**–**"), (bad, good, "– (slower)"), (bad, bad, "–"),
            (good, good, "1.00"),
            (good, (2, 2, None), "**0.50**"),
        ):
            with self.subTest(ours=ours, other=other):
                measured = load(ours_h3_bbr=ours, caddy_h3=other)
                self.assertEqual(figures.verdict(measured, "caddy-h3"), text)


class Told(unittest.TestCase):
    """What the page says of its figures."""

    def found(self, *names):
        rows = {name: [[1, [1.0, 1.0, 1.0], [10, 0, 0, 0, 5]]] * 3 for name in names}
        machine = {"processor": "P", "cores": 2, "kernel": "6.1"}
        about = {"figures": runs.FIGURES["fetch"], "runs": rows, "jobs": {}}
        return {"50ms-20m-1": {"loads": {"1m": DAY | machine | about}}}

    def test_coverage_counts_paths_and_runs_and_names_who_is_missing(self):
        found = self.found("ours-h3-bbr", "ours-h2-bbr", "caddy-h3")
        found["50ms-20m-2"] = self.found("ours-h3-bbr", "caddy-h3")["50ms-20m-1"]
        found["50ms-20m-2"]["loads"]["1m"]["runs"]["caddy-h3"] = [[1, None, "why"]] * 2
        never, _, _, _, *lines = covered.missing(found).splitlines()
        self.assertIn("nginx 1.28 HTTP/3, cubic; HAProxy 3.2 HTTP/3, bbr", never)
        line = next(line for line in lines if line.startswith("| 1 MiB, new connection"))
        every = len(cells.cells()) - 1
        missing = "this server, HTTP/2, bbr (measured on 1)"
        start = f"| 1 MiB, new connection | 2 of {every} | 2 | {missing} | 50 ms, 20 Mbit/s, 1 %"
        self.assertTrue(line.startswith(start), line)
        self.assertIn("| 1 MiB, HTTP/3 asked for | 0 of 1 | – | – | – |", lines)

    def test_the_summary_says_where_both_controllers_were_measured(self):
        found = self.found("ours-h3-bbr", "ours-h2-bbr")
        self.assertIn("both were measured in 0 cases", figures.summary(found))
        found = self.found("ours-h3-bbr", "ours-h2-bbr", "ours-h2-cubic")
        text = figures.summary(found)
        self.assertIn("both were measured in 1 cases", text)
        self.assertIn("faster in 0 of 1 cases", text)

    def test_the_servers_of_each_job_stand_beside_its_day_and_build(self):
        measured = self.found("ours-h3-bbr", "caddy-h3")["50ms-20m-1"]["loads"]["1m"]
        load = ("Load average of the machine{}: 1.0 at the start, 2.0 at the end, "
                "with normal priority.")
        old = f"Measured on 2026-11-30 or earlier. {load.format(' that day')}"
        self.assertEqual(figures.jobs(measured), old)
        job = {"date": "2026-12-01", "load_average": [1, 2], "realtime": False}
        measured["jobs"] = {"ours-h3-bbr": job | {"commit": "1a2b+"}}
        new = f"measured on 2026-12-01 (this server: commit 1a2b+). {load.format('')}"
        one, other = f"This server, HTTP/3, bbr: {new}", f"Caddy 2.11 HTTP/3, cubic: m{old[1:]}"
        self.assertEqual(figures.jobs(measured), f"{one} {other}")
        measured["jobs"]["caddy-h3"] = job
        self.assertEqual(figures.jobs(measured), f"M{new[1:]}")
        days = self.found("caddy-h3") | {"50ms-20m-2": {"loads": {"1m": measured}}}
        self.assertIn("Linux 6.1, 2026-11-30 to 2026-12-01: 2 cases", covered.machine(days))


class Targets(unittest.TestCase):
    def test_each_build_has_both_controllers_over_both_protocols(self):
        table = targets.targets(["new", "old"])
        for build in ("new", "old"):
            for kind in ("h3-bbr", "h3-cubic", "h2-bbr", "h2-cubic"):
                self.assertTrue(table[f"{build}-{kind}"].is_ours)
        self.assertEqual(table["nginx-h2-bbr"].tcp, "bbr")
        self.assertEqual(table["caddy-h3"].title, "Caddy 2.11 HTTP/3, cubic")


if __name__ == "__main__":
    unittest.main()
