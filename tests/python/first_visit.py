"""First visits of Chromium to a site, before and after the server has published its HTTPS record.

Runs in network and mount namespaces of its own, whose name server is BIND at 127.0.0.1. Arguments:
the server's binary, and a directory. Prints one line of JSON: the protocols of first visits before
and after, whether the browser's own log has an address with h3 from DNS, and what BIND answers.
"""

import json
import os
import subprocess
import sys
import time

import browsing
import public_root

HOST = "www.example.com"
# Has no record. Its page shows that the browser has read its root store.
READY = "ready.example.com"
# TCP may be faster at a visit on a machine that is busy.
VISITS = 5
SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1jYWRkeSEhISE="
NAMED = """
options {{ directory "{home}"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;
    recursion no; dnssec-validation no; session-keyfile "{home}/session.key"; }};
controls {{ }};
key acme-key {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "example.com" {{ type primary; file "{home}/zone";
    update-policy {{ grant acme-key zonesub HTTPS; }}; }};
"""
ZONE = """
$TTL 1
@ SOA ns a 1 60 60 600 1
@ NS ns
ns A 127.0.0.1
www A 127.0.0.1
ready A 127.0.0.1
"""
CADDYFILE = """
https://{host} {{
    root {home}/www
    tls {home}/{host}.pem {home}/{host}.key {{
        dns rfc2136
        https_record {mode}
    }}
}}
https://{ready} {{
    root {home}/www
    tls {home}/{ready}.pem {home}/{ready}.key {{
        https_record off
    }}
}}
"""
PATIENCE = 60


def main():
    binary, home = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    public_root.certificates(home, HOST, READY)
    write(home, "zone", ZONE)
    write(home, "named.conf", NAMED.format(home=home, secret=SECRET))
    write(home, "resolv.conf", "nameserver 127.0.0.1\n")
    os.makedirs(os.path.join(home, "www"))
    write(home, "www/index.html", "<!doctype html><title>t</title><p>t")
    subprocess.run(["mount", "--bind", f"{home}/resolv.conf", "/etc/resolv.conf"], check=True)
    named = start(home, "named.log", "/usr/sbin/named", "-g", "-n", "1", "-c", f"{home}/named.conf")
    until(home, "named.log", "running")
    found = {}
    for mode, line in (("check", "add to the zone"), ("publish", "HTTPS record published")):
        write(home, "Caddyfile", CADDYFILE.format(home=home, host=HOST, ready=READY, mode=mode))
        caddy = start(home, "caddy.log", binary, "-log", "stderr", "-conf", f"{home}/Caddyfile")
        until(home, "caddy.log", line)
        found[mode] = visit(home, mode) | {"record": dig()}
        stop(caddy)
    stop(named)
    print(json.dumps(found))


def visit(home, mode):
    """First visits, each of which shares nothing with those before it; up to one over HTTP/3."""
    log = os.path.join(home, f"{mode}.json")

    def chromium():
        profile = public_root.profile(home, os.path.join(home, f"{mode}-{time.monotonic()}"))
        return browsing.browser([f"--log-net-log={log}"], profile)

    one, _, _ = browsing.first_page(f"https://{READY}/", chromium)
    protocols = []
    while len(protocols) < VISITS and "h3" not in protocols:
        protocols.append(browsing.Page(one, fresh=True).load(f"https://{HOST}/")["protocol"])
    browsing.leave(one)
    with open(log) as file:
        heard = '"supported_protocol_alpns":["h3"' in file.read()
    return {"protocols": protocols, "from_dns": heard}


def dig():
    done = subprocess.run(
        ["dig", "+short", "@127.0.0.1", HOST, "HTTPS"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def write(home, name, text):
    with open(os.path.join(home, name), "w") as file:
        file.write(text)


def start(home, log, *argv):
    env = os.environ | {
        "RFC2136_NAMESERVER": "127.0.0.1", "RFC2136_TSIG_KEY": "acme-key.",
        "RFC2136_TSIG_SECRET": SECRET,
    }
    with open(os.path.join(home, log), "w") as file:
        mortal = ("setpriv", "--pdeathsig", "TERM")
        return subprocess.Popen([*mortal, *argv], stdout=file, stderr=file, env=env)


def stop(process):
    process.terminate()
    process.wait()


def until(home, log, line):
    end = time.monotonic() + PATIENCE
    while True:
        with open(os.path.join(home, log)) as file:
            text = file.read()
        if line in text:
            return
        if time.monotonic() > end:
            sys.exit(f"{log} has no line {line!r}:\n{text}")
        time.sleep(0.1)


main()
