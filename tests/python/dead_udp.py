"""Chromium over a road on which UDP dies: between two requests, within a response, and before the
start of a browser that remembers `Alt-Svc`.

Arguments: the server's binary, the road's program, and a directory. Prints one line of JSON; for
each case, what came over which protocol, in how many ms, and after which errors.
"""

import json
import os
import subprocess
import sys
import time

import browsing
import public_root

from process import Failed
from roads import SERVER, Road

HOST = "www.example.com"
URL = f"https://{HOST}/"
# Has a certificate of its own, so that no connection to it is used for the other.
READY = "ready.example.com"
SITE = """
https://{host} {{
    root {home}/www
    header / Cache-Control no-store
    tls {home}/{host}.pem {home}/{host}.key {{
        https_record off
    }}
}}
"""
ROAD = ["--rtt", "50", "--rate", "20", "--queue", "125000"]
DEAD = [*ROAD, "--udp-dies-after", "0"]
LARGE = 2 << 20
# Dies when about a quarter of the large file has come.
DYING = [*ROAD, "--udp-dies-after", str(LARGE // 4)]
DRAIN = 0.1
# Fetches until it has the whole response; as a page does whose user tries again.
FETCH = """(async (path) => {
  const start = performance.now(), errors = [];
  for (let number = 0; number < 5; number++) {
    const url = location.origin + path + '?' + number;
    const begin = performance.now();
    try {
      const got = await (await fetch(url, {cache: 'no-store'})).arrayBuffer();
      const entry = performance.getEntriesByName(url)[0];
      return {protocol: entry.nextHopProtocol, bytes: got.byteLength, errors,
        ms: Math.round(performance.now() - start)};
    } catch (error) {
      errors.push(String(error) + ' after ' + Math.round(performance.now() - begin) + ' ms');
    }
  }
  return {errors};
})"""


def fetch(page, path):
    return page.run(f"{FETCH}({json.dumps(path)})")


class Site:
    def __init__(self, binary, link, home):
        self.home = home
        public_root.certificates(home, HOST, READY)
        os.makedirs(os.path.join(home, "www"))
        self._write("www/index.html", b"<!doctype html><title>t</title><p>t")
        self._write("www/small", b"s" * 1000)
        self._write("www/large", bytes(LARGE))
        sites = "".join(SITE.format(home=home, host=host) for host in (HOST, READY))
        self._write("Caddyfile", sites.encode())
        self.road = Road(link)
        with open(os.path.join(home, "caddy.log"), "w") as log:
            argv = [binary, "-conf", f"{home}/Caddyfile"]
            self.caddy = subprocess.Popen(self.road.servers.command(*argv), stdout=log, stderr=log)

    def _write(self, name, data):
        with open(os.path.join(self.home, name), "wb") as file:
            file.write(data)

    def chromium(self, profile):
        """A browser with this profile, which may be one that it had before."""
        path = os.path.join(self.home, profile)
        if not os.path.exists(path):
            public_root.profile(self.home, path)
        # No flag is about QUIC: it learns of HTTP/3 from Alt-Svc.
        rules = f"--host-resolver-rules=MAP *.example.com {SERVER}, MAP * ~NOTFOUND"
        arguments = [rules, f"--log-net-log={self.log(profile)}"]
        return browsing.browser(arguments, path, self.road.clients.command())

    def log(self, profile):
        """The browser's own log, of its last run."""
        return os.path.join(self.home, f"{profile}.json")

    def close(self):
        self.caddy.terminate()
        self.caddy.wait()
        self.road.close()

    def visited(self, profile):
        """A browser that has HTTP/3 with the site, and its tab."""
        with self.road.link(ROAD, DRAIN):
            one, page, _ = browsing.first_page(URL, lambda: self.chromium(profile))
            end = time.monotonic() + 60
            while page.load(URL)["protocol"] != "h3":
                if time.monotonic() > end:
                    raise Failed("the browser does not go to HTTP/3")
        return one, page


def main():
    binary, link, home = sys.argv[1:]
    site = Site(binary, link, home)
    try:
        print(json.dumps({"between": between(site), "within": within(site), "before": before(site)}))
    finally:
        site.close()


def between(site):
    """Two requests after UDP has died on a connection that was in use."""
    one, page = site.visited("between")
    with site.road.link(DEAD, DRAIN):
        found = [fetch(page, "/small"), fetch(page, "/small")]
    # UDP comes back; the browser may try it again when it likes.
    with site.road.link(ROAD, DRAIN):
        found.append(fetch(page, "/small"))
    browsing.leave(one)
    return found


def within(site):
    """A download that UDP dies under."""
    one, page = site.visited("within")
    with site.road.link(DYING, DRAIN):
        found = fetch(page, "/large")
    browsing.leave(one)
    return found


def before(site):
    """The first page of a browser that was ended when it had HTTP/3."""
    one, _ = site.visited("before")
    browsing.leave(one)
    with site.road.link(ROAD, DRAIN):
        # Its root store has been read when this site's page comes.
        start = f"https://{READY}/"
        one, page, _ = browsing.first_page(start, lambda: site.chromium("before"))
    with site.road.link(DEAD, DRAIN):
        found = [page.load(URL), page.load(URL)]
    browsing.leave(one)
    with open(site.log("before")) as file:
        remembered = f'"alt_svc":"quic {HOST}:443' in (text := file.read())
    return {"remembered": remembered and '"is_broken":false' in text, "pages": found}


main()
