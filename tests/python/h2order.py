"""GETs on one HTTP/2 connection that is read slowly: in which order their content comes.

argv[1]: {"port", "steps": [...], "window": of each stream at first (64 KiB), "credit": of the
connection at a time (unlimited), "hold": requests, by number, whose streams get no credit}.
A step is {"path", "priority" or none} for a request, or {"update": number of the request,
"priority"} for a PRIORITY_UPDATE; with "after": it waits until so many bytes of content have come.
Prints {"requests": [{"began", "ended": bytes of content of all when it was sent and when its last
byte came, or null, "length"}], "order": requests as they ended,
"settings": {id: value} of the server's first SETTINGS, "goaway"}.
"""
import json
import socket
import ssl
import sys
import time

from h2raw import field, frame

DATA, HEADERS, RST, SETTINGS, GOAWAY, WINDOW, PRIORITY_UPDATE = 0, 1, 3, 4, 7, 8, 16
LARGE = 16 * 1024 * 1024
# Of a read, after which the client sleeps: with a small buffer in the kernel, content waits in the
# server.
PIECE, PAUSE, BUFFER = 16 * 1024, 0.003, 32 * 1024


class Client:
    def __init__(self, job):
        self.job, self.received = job, 0
        self.requests, self.order, self.settings, self.goaway = [], [], None, None
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2"])
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", job["port"]))
        self.tls = context.wrap_socket(plain, server_hostname="localhost")
        self.buffer, self.unpaid = b"", 0
        window = b"\x00\x04" + job.get("window", 65535).to_bytes(4, "big")
        self.tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, window))
        if "credit" not in job:
            self.pay(0, 2**31 - 1 - 65535)

    def pay(self, stream, count):
        self.tls.sendall(frame(WINDOW, 0, stream, count.to_bytes(4, "big")))

    def take(self, step):
        if "update" in step:
            stream = (2 * step["update"] + 1).to_bytes(4, "big")
            payload = stream + step["priority"].encode()
            return self.tls.sendall(frame(PRIORITY_UPDATE, 0, 0, payload))
        stream = 2 * len(self.requests) + 1
        self.requests.append({"began": self.received, "ended": None, "length": 0})
        lines = [(":method", "GET"), (":scheme", "https"), (":path", step["path"])]
        lines.append((":authority", f"localhost:{self.job['port']}"))
        if step.get("priority") is not None:
            lines.append(("priority", step["priority"]))
        block = b"".join(field(name, value) for name, value in lines)
        self.tls.sendall(frame(HEADERS, 5, stream, block))
        if len(self.requests) - 1 not in self.job.get("hold", []):
            self.pay(stream, LARGE)

    def read(self):
        data = self.tls.recv(PIECE)
        if not data:
            raise EOFError("closed")
        self.buffer += data
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            head, payload = self.buffer[:9], self.buffer[9 : 9 + length]
            self.buffer = self.buffer[9 + length :]
            self.frame(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)

    def frame(self, kind, flags, stream, payload):
        at = stream // 2
        if kind == SETTINGS and not flags & 1:
            if self.settings is None:
                pairs = (payload[at : at + 6] for at in range(0, len(payload), 6))
                number = int.from_bytes
                self.settings = {number(p[:2], "big"): number(p[2:], "big") for p in pairs}
            self.tls.sendall(frame(SETTINGS, 1, 0, b""))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == DATA:
            self.received += len(payload)
            self.requests[at]["length"] += len(payload)
            self.unpaid += len(payload)
            if self.job.get("credit") and self.unpaid >= self.job["credit"]:
                self.pay(0, self.unpaid)
                self.unpaid = 0
        elif kind == RST:
            raise EOFError(f"stream {stream} was reset")
        if kind in (DATA, HEADERS) and flags & 1:
            self.requests[at]["ended"] = self.received
            self.order.append(at)

    def run(self):
        steps, held = list(self.job["steps"]), self.job.get("hold", [])
        while True:
            while steps and steps[0].get("after", 0) <= self.received:
                self.take(steps.pop(0))
            left = [n for n, one in enumerate(self.requests) if one["ended"] is None]
            if not steps and not [n for n in left if n not in held]:
                return
            self.read()
            time.sleep(PAUSE)


def main():
    client = Client(json.loads(sys.argv[1]))
    error = None
    try:
        client.run()
    except (EOFError, OSError) as trouble:
        error = str(trouble)
    out = {name: getattr(client, name) for name in ("requests", "order", "settings", "goaway")}
    print(json.dumps({**out, "error": error}))


if __name__ == "__main__":
    main()
