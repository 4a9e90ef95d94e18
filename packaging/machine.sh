#!/bin/sh
# Prints the machine that a binary is built for, as uname -m and RPM name it.
# Usage: packaging/machine.sh BINARY
set -eu
case $(readelf -hW "$1" | sed -n 's/^ *Machine: *//p') in
*X86-64) echo x86_64 ;;
AArch64) echo aarch64 ;;
*)
    echo "$1: not a program for x86_64 or aarch64" >&2
    exit 1
    ;;
esac
