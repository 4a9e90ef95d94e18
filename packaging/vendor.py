#!/usr/bin/env python3
"""Lays the sources of all dependencies in a directory, for a build without a network.

Usage: packaging/vendor.py DIRECTORY

DIRECTORY/config.toml is what cargo has to be told to build from them. Compiled objects, which some
packages bring for Windows, are left out. Packages that no Linux needs keep only their manifests,
which cargo reads to resolve Cargo.lock.
"""
import json
import os
import re
import shutil
import subprocess
import sys

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
COMPILED = (".a", ".dll", ".exe", ".lib", ".o", ".obj")
# What cargo itself reads of a package that it does not build.
MANIFEST = "Cargo.toml"
CHECKSUM = ".cargo-checksum.json"


def main(directory):
    shutil.rmtree(directory, ignore_errors=True)
    config = printed("cargo", "vendor", "--locked", "--versioned-dirs", directory)
    # The build has the directory in its own tree.
    config, count = re.subn(r'^directory = .*$', 'directory = "vendor"', config, flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"packaging/vendor.py: cargo vendor printed an unexpected configuration:\n{config}")
    used = set().union(*map(needed, TARGETS))
    for name in os.listdir(directory):
        if name in used:
            keep(os.path.join(directory, name), lambda file: not file.endswith(COMPILED))
        else:
            keep(os.path.join(directory, name), lambda file: file == MANIFEST)
            # cargo takes no manifest without a target.
            os.makedirs(os.path.join(directory, name, "src"))
            open(os.path.join(directory, name, "src", "lib.rs"), "w").close()
    with open(os.path.join(directory, "config.toml"), "w", encoding="utf-8") as file:
        file.write(config)


def needed(target):
    """The directories of what is built on this target, tests and build scripts included."""
    metadata = json.loads(printed(
        "cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target))
    resolved = {node["id"] for node in metadata["resolve"]["nodes"]}
    return {f"{package['name']}-{package['version']}" for package in metadata["packages"]
            if package["id"] in resolved}


def printed(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def keep(package, wanted):
    """Removes the files of a package that are not wanted, from its list of checksums too."""
    checksum = os.path.join(package, CHECKSUM)
    with open(checksum, encoding="utf-8") as file:
        sums = json.load(file)
    for place, _, files in os.walk(package, topdown=False):
        for path in (os.path.join(place, name) for name in files):
            name = os.path.relpath(path, package)
            if name != CHECKSUM and not wanted(name):
                os.remove(path)
                sums["files"].pop(name, None)
        if not os.listdir(place):
            os.rmdir(place)
    with open(checksum, "w", encoding="utf-8") as file:
        json.dump(sums, file, sort_keys=True)


main(*sys.argv[1:])
