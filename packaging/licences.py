#!/usr/bin/env python3
"""Prints the licences of everything that is compiled into the program, with their full texts.

Lists what `cargo tree` finds for the machine that is named, as uname -m names it, or for this one:
a program for another machine may contain other packages. Equal texts are printed once, with all the
packages that they come from. Fails when a package names no licence.

Usage: packaging/licences.py [ARCH]
"""
import hashlib
import json
import os
import re
import subprocess
import sys

NAMES = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
SOURCES = (".rs", ".py", ".sh", ".c", ".h", ".go", ".cc", ".pl")
RULE = "=" * 78


def main():
    target = platform()
    metadata = json.loads(cargo("metadata", "--format-version=1", "--filter-platform", target))
    # The first line is the program itself.
    lines = cargo("tree", "--edges=normal", "--prefix=none", "--target", target).splitlines()[1:]
    found = {" ".join(line.replace(" v", " ", 1).split()[:2]) for line in lines}
    root = metadata["resolve"]["root"]
    used = sorted((package for package in metadata["packages"] if label(package) in found),
                  key=lambda package: (package["name"], package["version"]))
    without = [label(package) for package in used if not package["license"]]
    if without:
        sys.exit(f"no licence is named by: {', '.join(without)}")
    own = next(package for package in metadata["packages"] if package["id"] == root)
    print(f"caddy {own['version']} is under the licence {own['license']}; see LICENSE.\n\n"
          "It contains the packages below, each under its own licence, and the standard library\n"
          "of Rust (MIT OR Apache-2.0). The texts follow the list.\n")
    for package in used:
        print(f"{label(package):40} {package['license']}")
    for text, owners in texts(used):
        print(f"\n{RULE}\n{', '.join(owners)}\n{RULE}\n\n{text}")


def platform():
    if len(sys.argv) > 1:
        return f"{sys.argv[1]}-unknown-linux-gnu"
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True)
    return re.search(r"^host: (.*)$", version.stdout, re.MULTILINE)[1]


def cargo(*args):
    """What cargo prints. It knows which features the program has; the graph in its metadata has
    those of the tests too."""
    command = ["cargo", args[0], "--quiet", "--locked", *args[1:]]
    done = subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE)
    return done.stdout


def label(package):
    return f"{package['name']} {package['version']}"


def texts(packages):
    """(text, names of the packages that carry it), in order of first appearance."""
    seen = {}
    for package in packages:
        for path in licence_files(os.path.dirname(package["manifest_path"])):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read().strip()
            key = hashlib.sha256(" ".join(text.split()).encode()).digest()
            owners = seen.setdefault(key, (text, []))[1]
            if label(package) not in owners:
                owners.append(label(package))
    return seen.values()


def licence_files(folder):
    """Also those of C sources that a package brings along."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if NAMES.match(name) and not name.endswith(SOURCES):
                yield os.path.join(place, name)


main()
