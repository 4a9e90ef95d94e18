"""Visitors of a site with quic_report, over a road: roadlink between two network namespaces.

Arguments: the server's program, roadlink, a folder, the round trip in ms, and how many visitors.
Each is a network of its own. It comes once over TCP and twice more as Alt-Svc told it. Prints the
report.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT, HOST = 8443, "site.test"
HTTP_2_TLS, HTTP_3_ONLY = 4, 31
PATIENCE = 60
SITE = f"""https://{HOST}:{PORT} {{
    tls self_signed
    root .
    quic_report
}}
"""


def client(number):
    return f"10.98.{number}.1"


def get(number, server, version):
    """One request on a connection of its own: its Alt-Svc."""
    from curl_cffi import Curl, CurlOpt

    curl, head = Curl(), []
    curl.setopt(CurlOpt.URL, f"https://{HOST}:{PORT}/page.html".encode())
    curl.setopt(CurlOpt.RESOLVE, [f"{HOST}:{PORT}:{server}"])
    curl.setopt(CurlOpt.SSL_VERIFYPEER, 0)
    curl.setopt(CurlOpt.SSL_VERIFYHOST, 0)
    curl.setopt(CurlOpt.HTTP_VERSION, version)
    curl.setopt(CurlOpt.INTERFACE, f"host!{client(number)}".encode())
    curl.setopt(CurlOpt.HEADERFUNCTION, lambda line: head.append(line.decode().lower()) or len(line))
    curl.setopt(CurlOpt.WRITEFUNCTION, len)
    curl.setopt(CurlOpt.TIMEOUT_MS, PATIENCE * 1000)
    curl.perform()
    curl.close()
    fields = dict(line.split(":", 1) for line in head if ":" in line)
    return fields.get("alt-svc", "").strip()


def visit(number, server):
    told = get(number, server, HTTP_2_TLS)
    version = HTTP_3_ONLY if told.startswith("h3=") else HTTP_2_TLS
    # The server has noted that it told the visitor before the next request arrives.
    for _ in range(2):
        get(number, server, version)


def visitors(server, count):
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(visit, number, server) for number in range(1, count + 1)]:
            done.result()


def report(program, control):
    done = subprocess.run(
        [program, "-control", control, "-quic-report", "-json"], capture_output=True, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def is_whole(found, count):
    """Whether everything has arrived: connections count when they have ended."""
    if not found:
        return False
    arms = found["sites"][0]["arms"].values()
    return sum(arm["requests"] for arm in arms) == 3 * count


def main(program, link, folder, rtt, count):
    sys.path[:0] = [str(ROOT / "benches/road"), str(ROOT / "benches/peers")]
    from roads import DEVICE, SERVER, Road

    folder = Path(folder)
    (folder / "page.html").write_text("<p>page</p>" * 700)
    (folder / "Caddyfile").write_text(SITE)
    road = Road(link)
    road.clients.ip(*(f"address add {client(n)}/32 dev lo" for n in range(1, count + 1)))
    road.servers.ip(f"route add 10.98.0.0/16 dev {DEVICE} src {SERVER}")
    control = str(folder / "control.sock")
    server = subprocess.Popen(
        road.servers.command(program, "-conf", "Caddyfile", "-control", control, "-quiet"),
        cwd=folder,
        env={**os.environ, "CADDYPATH": str(folder / "state")},
        stdout=sys.stderr,
    )
    try:
        until(lambda: report(program, control) is not None)
        with road.link(["--rtt", rtt, "--rate", "100"], 0.2):
            again = [sys.executable, __file__, "visitors", SERVER, str(count)]
            subprocess.run(road.clients.command(*again), check=True)
            until(lambda: is_whole(report(program, control), count))
        print(json.dumps(report(program, control)))
    finally:
        server.kill()
        server.wait()
        road.close()


def until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return
        time.sleep(0.2)


if __name__ == "__main__":
    if sys.argv[1] == "visitors":
        visitors(sys.argv[2], int(sys.argv[3]))
    else:
        main(*sys.argv[1:5], int(sys.argv[5]))
