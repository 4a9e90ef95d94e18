#!/usr/bin/env python3
"""Prints the licences of everything that is compiled into the program, with their full texts.

Reads `cargo metadata` for the machine it runs on. Equal texts are printed once, with all the
packages that they come from. Fails when a package names no licence.
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
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", platform()],
        check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    root = metadata["resolve"]["root"]
    used = sorted((packages[i] for i in linked(metadata["resolve"], root) if i != root),
                  key=lambda package: (package["name"], package["version"]))
    without = [label(package) for package in used if not package["license"]]
    if without:
        sys.exit(f"no licence is named by: {', '.join(without)}")
    own = packages[root]
    print(f"caddy {own['version']} is under the licence {own['license']}; see LICENSE.\n\n"
          "It contains the packages below, each under its own licence, and the standard library\n"
          "of Rust (MIT OR Apache-2.0). The texts follow the list.\n")
    for package in used:
        print(f"{label(package):40} {package['license']}")
    for text, owners in texts(used):
        print(f"\n{RULE}\n{', '.join(owners)}\n{RULE}\n\n{text}")


def platform():
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True)
    return re.search(r"^host: (.*)$", version.stdout, re.MULTILINE)[1]


def linked(resolve, root):
    """What the root needs at run time, itself included: no build and no test dependencies."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found, todo = set(), [root]
    while todo:
        node = todo.pop()
        if node in found:
            continue
        found.add(node)
        todo += [need["pkg"] for need in nodes[node]["deps"]
                 if any(kind["kind"] is None for kind in need["dep_kinds"])]
    return found


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
