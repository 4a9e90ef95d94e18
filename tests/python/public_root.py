"""Certificates that Chromium takes for those of a public CA.

Chromium uses QUIC only with a certificate from its own root store, unless a flag forces QUIC on for a
host. The store is a component that the browser updates by itself, and which it reads from its
profile: `profile()` makes a profile whose store has the test's CA and no other.
"""

import os
import subprocess

AUTHORITY = """
cd "$1" && exec 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj /O=Test/CN=Test -keyout ca.key -out ca.pem \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign &&
openssl x509 -in ca.pem -outform der -out ca.der
"""
CERTIFICATE = """
cd "$1" && exec 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
    -keyout "$2.key" -out leaf.csr &&
printf '%s\\n' "subjectAltName=DNS:$2" basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >ext &&
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 80 -extfile ext \
    -out "$2.pem"
"""
# Above any that a browser is delivered with.
STORE_VERSION = 1_000_000


def certificates(home, *hosts):
    """The CA in a directory, and `HOST.pem` and `HOST.key` for each host."""
    subprocess.run(["sh", "-c", AUTHORITY, "sh", home], check=True)
    for host in hosts:
        subprocess.run(["sh", "-c", CERTIFICATE, "sh", home, host], check=True)


def profile(home, path):
    """A new profile at a path."""
    component = os.path.join(path, "PKIMetadata", "9999")
    os.makedirs(component)
    with open(os.path.join(home, "ca.der"), "rb") as file:
        anchor = _field(1, file.read())
    with open(os.path.join(component, "crs.pb"), "wb") as file:
        file.write(_field(1, anchor) + _varint(2 << 3) + _varint(STORE_VERSION))
    with open(os.path.join(component, "manifest.json"), "w") as file:
        file.write('{"manifest_version": 2, "name": "pki", "version": "9999"}')
    return path


def _field(number, data):
    """A field of a protocol buffer with a length."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
