"""Checks of the bench itself that need no server: `python3 -m unittest discover -s benches/peers`."""

import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import cases
import configs
import peers
import report
from loads import Generators, Load, quantile
from process import Failed
from setup import Place, Setup

H2LOAD = """finished in 500.00ms, 4.00 req/s, 4.00KB/s
requests: 2 total, 2 started, 2 done, {ok} succeeded, {failed} failed, 0 errored, 0 timeout
status codes: 2 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 4.00KB (4096) total, 100B (100) headers (space savings 50.00%), 2.00KB ({data}) data
"""


class Honesty(unittest.TestCase):
    """A run that did not go right is no result."""

    load = Load("h2", "/1k", 1024, 1, 1)

    def h2load(self, ok=2, data=2048, statuses=(200, 200)):
        failed = 2 - ok
        with tempfile.TemporaryDirectory() as home:
            rows = os.path.join(home, "rows")
            with open(rows, "w") as file:
                file.writelines(f"{n}\t{status}\t{n + 100}\n" for n, status in enumerate(statuses))
            text = H2LOAD.format(ok=ok, failed=failed, data=data)
            return Generators(set(), home, "")._h2load_result(self.load, text, rows)

    def test_a_good_run_counts(self):
        sample = self.h2load()
        self.assertEqual((sample.requests, sample.seconds, sample.p50_us), (2, 0.5, 101))

    def test_failures_statuses_and_lengths_end_it(self):
        for wrong in ({"ok": 1}, {"statuses": (200, 404)}, {"data": 2047}, {"data": 9999}):
            with self.subTest(**wrong), self.assertRaises(Failed):
                self.h2load(**wrong)

    def test_no_latency_is_no_result(self):
        with self.assertRaises(Failed):
            quantile([], 0.5)


class Ratios(unittest.TestCase):
    def test_they_are_to_the_best_peer_and_not_to_ours(self):
        def figures(cpu, rate):
            return {"cpu_us": {"median": cpu}, "rps": {"median": rate}}

        results = {"a": figures(20, 100), "b": figures(40, 300), "new": figures(10, 600)}
        ratios = report.ratios(results, ["new"])
        self.assertEqual(ratios["new"], {"cpu_us": 0.5, "rps": 2})
        self.assertEqual(ratios["b"], {"cpu_us": 2, "rps": 1})


class Configurations(unittest.TestCase):
    def test_every_peer_writes_one_for_every_case_that_it_is_able_to_do(self):
        place = Place("/home", "/www", 1, 2, 3, "/cert", "/key", "/both")
        setups = {case.setup for case in cases.table("/upload").values()}
        for peer in peers.table([], "/bench", "/caddy").values():
            for setup in setups:
                if any(peer.able(protocol, setup) for protocol in peers.ALL):
                    for name, text in peer.config(place, setup).items():
                        self.assertNotIn("None", text)
                        if name.endswith(".json"):
                            json.loads(text)

    def test_haproxy_serves_no_files(self):
        table = peers.table([], "/bench", "/caddy")
        self.assertFalse(table["haproxy"].able("h1", Setup(static=True)))
        self.assertFalse(table["nginx"].able("h3", Setup()))

    def test_only_those_with_quic_listen_for_it(self):
        place = Place("/home", "/www", 1, 2, 3, "/cert", "/key", "/both", address="10.99.0.2")
        for make, want in (
            (configs.nginx, False),
            (configs.nginx_quic, True),
            (configs.haproxy, False),
            (configs.haproxy_quic, True),
        ):
            (text,) = make(place, Setup()).values()
            self.assertEqual("quic" in text, want)
            self.assertIn("10.99.0.2:1", text)
            self.assertNotIn("127.0.0.1:1 ", text)


if __name__ == "__main__":
    unittest.main()
