"""The site behind every server: files of some sizes, and two pages."""

import os
import random
import struct
import zlib

from origin import keep

SIZES = {"10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20, "10m": 10 << 20, "100m": 100 << 20}
ENDLESS = {"1g": 1 << 30}
IMAGES, SCRIPTS, STYLES = 30, 8, 3
LATE_IMAGES = 60
# The files of each page.
FILES = {"/page/": 1 + IMAGES + SCRIPTS + STYLES, "/late/": 2 + LATE_IMAGES}


def files(directory, paths):
    """Makes those files once that are at `paths`; {path: CRC-32} of those that are loaded whole."""
    www = os.path.join(directory, "www")
    pages = {"page": page(), "late": late_script()}
    for folder in pages:
        os.makedirs(os.path.join(www, folder), exist_ok=True)
    sums = {}
    for name, size in wanted(SIZES, paths):
        path = os.path.join(www, name)
        keep(path, size, lambda size=size: os.urandom(size))
        with open(path, "rb") as file:
            sums[f"/{name}"] = zlib.crc32(file.read())
    for name, size in wanted(ENDLESS, paths):
        with open(os.path.join(www, name), "ab") as file:
            file.truncate(size)
    for folder, made in pages.items():
        for name, content in made.items():
            with open(os.path.join(www, folder, name), "wb") as file:
                file.write(content)
    return www, sums


def wanted(sizes, paths):
    return [(name, size) for name, size in sizes.items() if f"/{name}" in paths]


def page():
    """About 1 MB in 42 files, as incompressible as pictures are."""
    pick = random.Random(42)
    made = {f"{n}.png": picture(pick, 90) for n in range(IMAGES)}
    for n in range(SCRIPTS):
        made[f"{n}.js"] = f"window.s{n} = '{pick.randbytes(12_000).hex()}';\n".encode()
    for n in range(STYLES):
        made[f"{n}.css"] = f"p {{ color: #00{n} }} /* {pick.randbytes(7_000).hex()} */\n".encode()
    head = [f'<link rel="stylesheet" href="{n}.css">' for n in range(STYLES)]
    head += [f'<script defer src="{n}.js"></script>' for n in range(SCRIPTS)]
    body = [f'<p>{n} {pick.randbytes(60).hex()} <img src="{n}.png" alt="">' for n in range(IMAGES)]
    text = '<!doctype html><title>page</title><link rel="icon" href="data:,">' + "\n".join([*head, *body])
    return made | {"index.html": text.encode()}


def late_script():
    """60 images and behind them, at the end, the script that writes what the page is about."""
    pick = random.Random(43)
    made = {f"{n}.png": picture(pick, 90) for n in range(LATE_IMAGES)}
    draw = "requestAnimationFrame(() => performance.mark('drawn'))"
    write = "document.body.prepend(Object.assign(document.createElement('h1'), {textContent: 'page'}))"
    made["late.js"] = f"{write}; {draw}; // {pick.randbytes(30_000).hex()}\n".encode()
    body = [f'<img src="{n}.png" alt="" width="90" height="90">' for n in range(LATE_IMAGES)]
    head = '<!doctype html><title>page</title><link rel="icon" href="data:,"><body>'
    text = "\n".join([head, *body, '<script src="late.js"></script>'])
    return made | {"index.html": text.encode()}


def picture(pick, side):
    """A PNG of noise."""
    rows = b"".join(b"\0" + pick.randbytes(3 * side) for _ in range(side))
    head = struct.pack("!IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    chunks = (
        struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
