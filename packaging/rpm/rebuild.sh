#!/bin/bash
# Makes the RPMs of a source RPM by rpmbuild, without a network, as a build farm does. root only.
# Usage: packaging/rpm/rebuild.sh SRPM DIRECTORY
set -euo pipefail
srpm=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A toolchain of rustup's is in no RPM database: there --nodeps has to be.
dependencies=
rpm -q --quiet --whatprovides cargo 2>/dev/null || dependencies=--nodeps
unshare --net rpmbuild --rebuild ${dependencies:+"$dependencies"} --define "_topdir $work" \
    --define "_rpmdir $out" --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
    "$srpm"
