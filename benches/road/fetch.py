"""The client on curl (curl_cffi of PyPI: ngtcp2 and nghttp2), which shares no code with a server.

A line of standard input is one piece of work, as `run` in runs.py writes it.
"""

import socket
import struct
import threading
import time
import zlib

from curl_cffi import Curl, CurlError, CurlInfo, CurlOpt

import inside

HTTP_2_TLS, HTTP_3, HTTP_3_ONLY = 4, 30, 31
NAMES = {3: "h2", 4: "h2", 30: "h3"}
ICMP_ECHO, PING_EVERY, PING_PATIENCE = 8, 0.1, 2.0


class Fetch:
    """One request on a connection of its own."""

    def __init__(self, work):
        self.work, self.curl = work, Curl()
        self.length = self.crc = self.first = 0

    def perform(self, path):
        self.length = self.crc = 0
        work, curl = self.work, self.curl
        host, port = work["host"], work["port"]
        curl.setopt(CurlOpt.URL, f"https://{host}:{port}{path}".encode())
        curl.setopt(CurlOpt.RESOLVE, [f"{host}:{port}:{work['server']}"])
        curl.setopt(CurlOpt.SSL_VERIFYPEER, 0)
        curl.setopt(CurlOpt.SSL_VERIFYHOST, 0)
        over_udp = HTTP_3 if work["fallback"] else HTTP_3_ONLY
        curl.setopt(CurlOpt.HTTP_VERSION, over_udp if work["h3"] else HTTP_2_TLS)
        # Another perform on this handle resumes the session and opens a new connection.
        curl.setopt(CurlOpt.FRESH_CONNECT, 1)
        curl.setopt(CurlOpt.FORBID_REUSE, 1)
        curl.setopt(CurlOpt.WRITEFUNCTION, self.take)
        curl.setopt(CurlOpt.TIMEOUT_MS, int(work["timeout"] * 1000))
        if work.get("from"):
            curl.setopt(CurlOpt.INTERFACE, f"host!{work['from']}".encode())
        if work.get("upload"):
            curl.setopt(CurlOpt.POSTFIELDS, b"u" * work["upload"])
            curl.setopt(CurlOpt.POSTFIELDSIZE, work["upload"])
        curl.perform()

    def take(self, part):
        self.length += len(part)
        self.crc = zlib.crc32(part, self.crc)
        return len(part)

    def found(self):
        def ms(info):
            return round(self.curl.getinfo(info) * 1e3, 1)

        return {
            "ms": ms(CurlInfo.TOTAL_TIME),
            "first": ms(CurlInfo.STARTTRANSFER_TIME),
            "tls": ms(CurlInfo.APPCONNECT_TIME),
            "status": self.curl.getinfo(CurlInfo.RESPONSE_CODE),
            "protocol": NAMES.get(self.curl.getinfo(CurlInfo.HTTP_VERSION), "other"),
            "length": self.length,
            "crc": self.crc,
        }


def fetch(work):
    """What one user sees, or what went wrong."""
    one = Fetch(work)
    try:
        if work.get("resumed"):
            one.perform(work["first_path"])
        one.perform(work["path"])
        return one.found()
    except CurlError as error:
        status = one.curl.getinfo(CurlInfo.RESPONSE_CODE)
        return {"problem": str(error)[:120], "length": one.length, "status": status}
    finally:
        one.curl.close()


def together(works):
    results = [None] * len(works)

    def one(at):
        results[at] = fetch(works[at])

    threads = [threading.Thread(target=one, args=(at,)) for at in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Ping(threading.Thread):
    """Round-trip times of ICMP echoes while the block runs, in ms; lost ones have none."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.times, self.ended = server, [], threading.Event()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.settimeout(PING_PATIENCE)
            number = 0
            while not self.ended.wait(PING_EVERY):
                number += 1
                start = time.monotonic()
                raw.sendto(echo(number), (self.server, 0))
                try:
                    while not is_reply(raw.recv(2048), number):
                        pass
                except TimeoutError:
                    continue
                self.times.append(round((time.monotonic() - start) * 1e3, 1))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def echo(number):
    words = (ICMP_ECHO << 8, 0, 0, number)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!4H", words[0], ~total & 0xFFFF, 0, number)


def is_reply(packet, number):
    kind, _, _, _, found = struct.unpack("!BBHHH", packet[20:28])
    return kind == 0 and found == number


def handle(work):
    inside.refuse_elsewhere()
    if not work.get("ping"):
        return {"users": together(work["users"])}
    with Ping(work["ping"]) as ping:
        users = together(work["users"])
    return {"users": users, "ping": ping.times}


if __name__ == "__main__":
    inside.refuse_elsewhere()
    inside.answer(handle)
