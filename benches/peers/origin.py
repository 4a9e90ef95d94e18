"""The plain site behind every proxy: nginx over HTTP/1.1, its files, and the certificate."""

import hashlib
import os
import random
import subprocess

from process import Child, Failed

SIZES = {"1k": 1024, "100k": 100 * 1024, "256m": 256 * 1024 * 1024}

CONFIG = """
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {home}/origin.pid;
error_log {home}/origin-error.log; {user}
events {{ worker_connections 16384; }}
http {{
    access_log off; default_type application/octet-stream; types {{ text/html html; }}
    sendfile on; tcp_nopush on; open_file_cache max=100;
    keepalive_timeout 3600; keepalive_requests 1000000000;
    client_body_buffer_size 256k; client_max_body_size 64m; client_body_temp_path {home}/origin-body;
    proxy_temp_path {home}/origin-proxy;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {www};
        # Reads the whole upload before it answers, and answers with how much came.
        location = /up {{
            proxy_pass http://unix:{home}/count.sock:;
            proxy_pass_request_body off; proxy_set_header Content-Length "";
            proxy_set_header Received $request_length;
        }}
    }}
    server {{ listen unix:{home}/count.sock; location / {{ return 200 "$http_received\\n"; }} }}
}}
"""


def files(directory):
    """Makes the files of the site once; {name: sha256}."""
    www = os.path.join(directory, "www")
    os.makedirs(www, exist_ok=True)
    for name, size in SIZES.items():
        keep(os.path.join(www, name), size, lambda size=size: os.urandom(size))
    keep(os.path.join(www, "page.html"), SIZES["100k"], lambda: _text(SIZES["100k"]))
    keep(os.path.join(directory, "upload"), SIZES["100k"], lambda: os.urandom(SIZES["100k"]))
    return www


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def certificate(directory):
    """An ECDSA P-256 certificate for localhost and *.bench.test, made once; (cert, key)."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    both = os.path.join(directory, "both.pem")
    if not os.path.exists(both):
        names = "subjectAltName=DNS:localhost,DNS:*.bench.test,IP:127.0.0.1"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650"
        subprocess.run(
            [*command.split(), "-subj", "/CN=localhost", "-addext", names, "-keyout", key, "-out", cert],
            check=True,
            capture_output=True,
        )
        with open(both, "w") as joined:
            for part in (cert, key):
                with open(part) as file:
                    joined.write(file.read())
    return cert, key


def start(home, www, port, cores, prefix=()):
    """`prefix` is put before the command line, such as what enters a namespace."""
    config = os.path.join(home, "origin.conf")
    user = "user root;" if os.geteuid() == 0 else ""
    with open(config, "w") as file:
        file.write(CONFIG.format(home=home, www=www, port=port, user=user))
    argv = [*prefix, "nginx", "-e", f"{home}/origin-error.log", "-c", config]
    child = Child("origin", argv, cores, home)
    if not child.alive():
        raise Failed(f"the origin does not start: {child.tail()}")
    return child


def keep(path, size, content):
    if not os.path.exists(path) or os.path.getsize(path) != size:
        with open(path, "wb") as file:
            file.write(content())


def _text(size):
    """A page: made-up words as often as words are, between tags; gzip makes a quarter of it."""
    pick = random.Random(7)
    syllables = "an be ca de er fi go ha in ja ko la me no or pa re sa te un ve wi yo st th ing".split()
    words = ["".join(pick.choices(syllables, k=pick.choice((1, 2, 2, 3, 4)))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    lines, length = [], 0
    while length < size:
        some = pick.choices(words, weights, k=pick.randrange(8, 60))
        links = "".join(f'<li><a href="/{a}/{b}.html">{a} {b}</a>' for a, b in zip(some, some[1::2]))
        forms = (
            f'<h2 id="{some[0]}-{pick.randrange(10_000)}">{" ".join(some[:6])}</h2>',
            f'<ul class="links">{links}</ul>',
            f'<p class="text">{" ".join(some)}.</p>',
        )
        lines.append(pick.choices(forms, (1, 1, 4))[0])
        length += len(lines[-1]) + 1
    return "\n".join(lines).encode()[:size]
