"""An upstream that speaks HTTP/2 by frames of its own, for what no proper server does. Arguments:
certificate and key for TLS, where ALPN chooses between h2 and HTTP/1.1; or none for plain HTTP/2, or
SETTINGS_MAX_CONCURRENT_STREAMS for plain HTTP/2.
Prints its port and runs until stdin ends.

The path says what becomes of a request; all others, and those that are left, are answered with
"METHOD VERSION BODY":
/refuse/N/ANY  the first N: REFUSED_STREAM, when all of the request is here
/goaway/N/ANY  the first N: GOAWAY that leaves this request out, and the end of the connection
/taken     GOAWAY that has this request in, and the end of the connection
/ping      a PING first, and the answer when it has come back
/http1     over HTTP/2: HTTP_1_1_REQUIRED
/hints     103 with </a> and a Server field first, then the answer
/rich      103 with Link and Referrer-Policy, and eleven more with Link
/storm     103 without end
/switch    101
/broken    some content, and RST_STREAM with NO_ERROR in place of the rest
/early     when the head is here: a whole answer, and RST_STREAM with NO_ERROR
/frozen    nothing, not even responses to PING, on this connection from then on
/size/N    N bytes, as the window of the stream allows
/hold/N    the same, without the end of the stream
/window    answered with the largest window of a stream so far, and what /hold has sent, JSON
/seen      answered with the requests before, JSON: [[connection, method, version, path], ...]
"""
import ctypes
import itertools
import json
import socket
import ssl
import struct
import sys
import threading

from h2raw import exactly, field, frame

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, PADDED, PRIORITY, ACK = 1, 4, 8, 32, 1
REFUSED_STREAM, HTTP_1_1_REQUIRED = 7, 13
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

seen, counts, lock = [], {}, threading.Lock()
largest, held = [0], [0]
numbers = itertools.count()


class Field(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.POINTER(ctypes.c_uint8)), ("value", ctypes.POINTER(ctypes.c_uint8)),
        ("name_len", ctypes.c_size_t), ("value_len", ctypes.c_size_t), ("flags", ctypes.c_uint8),
    ]


class Inflater:
    """HPACK by libnghttp2, which curl brings along."""

    def __init__(self):
        self.library = ctypes.CDLL("libnghttp2.so.14")
        self.library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
        self.state = ctypes.c_void_p()
        self.library.nghttp2_hd_inflate_new(ctypes.byref(self.state))

    def fields(self, block):
        field, flags, fields = Field(), ctypes.c_int(0), {}
        while True:
            used = self.library.nghttp2_hd_inflate_hd2(
                self.state, ctypes.byref(field), ctypes.byref(flags), block,
                ctypes.c_size_t(len(block)), 1,
            )
            assert used >= 0, "not HPACK"
            block = block[used:]
            if flags.value & 2:
                name = ctypes.string_at(field.name, field.name_len).decode()
                fields[name] = ctypes.string_at(field.value, field.value_len).decode()
            if flags.value & 1:
                self.library.nghttp2_hd_inflate_end_headers(self.state)
                return fields


def first(path, count):
    """Whether this is one of the first requests for a path."""
    with lock:
        counts[path] = counts.get(path, 0) + 1
        return counts[path] <= count


def answer(method, version, path, body):
    if path == "/window":
        return json.dumps([largest[0], held[0]]).encode()
    if path == "/seen":
        return json.dumps(seen[:-1]).encode()
    return f"{method} {version} ".encode() + body


class Long:
    """A response in progress that is as long as its window is not."""

    def __init__(self, name, left, room):
        self.name, self.left, self.room = name, left, room


class Connection:
    def __init__(self, stream):
        self.stream, self.number = stream, next(numbers)
        self.inflater, self.open, self.waiting = Inflater(), {}, {}
        self.first, self.connection, self.long = 65535, 65535, {}

    def send(self, kind, flags, stream, payload=b""):
        self.stream.sendall(frame(kind, flags, stream, payload))

    def serve(self):
        if exactly(self.stream, len(PREFACE)) != PREFACE:
            return
        self.send(SETTINGS, 0, 0, struct.pack(">HI", 3, int(sys.argv[1])) if len(sys.argv) == 2 else b"")
        while True:
            head = exactly(self.stream, 9)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            payload = exactly(self.stream, int.from_bytes(head[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                for at in range(0, len(payload), 6):
                    if payload[at : at + 2] == b"\0\x04":
                        self.first = int.from_bytes(payload[at + 2 : at + 6], "big")
                self.send(SETTINGS, ACK, 0)
            elif kind == WINDOW_UPDATE:
                step = int.from_bytes(payload, "big")
                if stream == 0:
                    self.connection += step
                elif stream in self.long:
                    self.long[stream].room += step
                self.fill()
            elif kind == PING and not flags & ACK:
                self.send(PING, ACK, 0, payload)
            elif kind == PING and payload in self.waiting:
                self.reply(*self.waiting.pop(payload))
            elif kind == HEADERS:
                assert flags & END_HEADERS and not flags & PADDED
                fields = self.inflater.fields(payload[5:] if flags & PRIORITY else payload)
                self.open.setdefault(stream, (fields, bytearray()))
                if fields[":path"] == "/early":
                    self.reply(stream, b"early")
                    self.send(RST_STREAM, 0, stream, struct.pack(">I", 0))
                    del self.open[stream]
                    continue
            elif kind == DATA and stream in self.open:
                self.open[stream][1].extend(payload)
            if kind in (HEADERS, DATA) and flags & END_STREAM and stream in self.open:
                fields, body = self.open.pop(stream)
                if not self.request(stream, fields[":method"], fields[":path"], bytes(body)):
                    return

    def request(self, stream, method, path, body):
        """Whether the connection goes on."""
        with lock:
            seen.append([self.number, method, "2", path])
        name, count = (path.split("/") + [""])[1:3]
        if name == "http1":
            self.send(RST_STREAM, 0, stream, struct.pack(">I", HTTP_1_1_REQUIRED))
        elif name == "refuse" and first(path, int(count)):
            self.send(RST_STREAM, 0, stream, struct.pack(">I", REFUSED_STREAM))
        elif name == "goaway" and first(path, int(count)):
            self.send(GOAWAY, 0, 0, struct.pack(">II", max(stream - 2, 0), 0))
            return False
        elif name == "taken":
            self.send(GOAWAY, 0, 0, struct.pack(">II", stream, 0))
            return False
        elif name in ("hints", "rich"):
            self.hint(stream, ("link", "</a>"), ("referrer-policy" if name == "rich" else "server", "origin"))
            for _ in range(11 if name == "rich" else 0):
                self.hint(stream, ("link", "</b>"))
            self.reply(stream, answer(method, "2", path, body))
        elif name == "storm":
            for _ in range(1000):
                self.hint(stream, ("link", "</a>"))
        elif name == "switch":
            self.send(HEADERS, END_HEADERS, stream, field(":status", "101"))
        elif name == "broken":
            self.send(HEADERS, END_HEADERS, stream, b"\x88")
            self.send(DATA, 0, stream, b"some")
            self.send(RST_STREAM, 0, stream, struct.pack(">I", 0))
        elif name == "frozen":
            while True:
                exactly(self.stream, 1)
        elif name in ("size", "hold"):
            self.send(HEADERS, END_HEADERS, stream, b"\x88")
            self.long[stream] = Long(name, int(count), self.first)
            self.fill()
        elif name == "ping":
            mark = struct.pack(">Q", stream)
            self.waiting[mark] = stream, answer(method, "2", path, body)
            self.send(PING, 0, 0, mark)
        else:
            self.reply(stream, answer(method, "2", path, body))
        return True

    def hint(self, stream, *fields):
        block = b"".join(field(*one) for one in ((":status", "103"), *fields))
        self.send(HEADERS, END_HEADERS, stream, block)

    def fill(self):
        """Sends what the windows allow."""
        for stream, long in list(self.long.items()):
            with lock:
                largest[0] = max(largest[0], long.room)
            while long.left and (part := min(long.left, long.room, self.connection, 16384)) > 0:
                long.left, long.room = long.left - part, long.room - part
                self.connection -= part
                ends = long.left == 0 and long.name == "size"
                self.send(DATA, END_STREAM if ends else 0, stream, bytes(part))
                if long.name == "hold":
                    held[0] += part
            if not long.left:
                del self.long[stream]

    def reply(self, stream, body):
        self.send(HEADERS, END_HEADERS, stream, b"\x88")
        self.send(DATA, END_STREAM, stream, body)


def over_http1(stream):
    number, lines = next(numbers), stream.makefile("rb")
    while line := lines.readline():
        method, path, _ = line.decode().split()
        fields = dict(iter(lambda: tuple(lines.readline().decode().lower().split(": ", 1)), ("\r\n",)))
        body = lines.read(int(fields.get("content-length", "0")))
        with lock:
            seen.append([number, method, "1.1", path])
        text = answer(method, "1.1", path, body)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


def serve(stream):
    try:
        if context:
            stream = context.wrap_socket(stream, server_side=True)
        if context and stream.selected_alpn_protocol() != "h2":
            over_http1(stream)
        else:
            Connection(stream).serve()
        # A close with unread bytes would reset what was just said.
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(65536):
            pass
    except (EOFError, OSError):
        pass
    finally:
        stream.close()


context = None
if len(sys.argv) == 3:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[1:])
    context.set_alpn_protocols(["h2", "http/1.1"])
listener = socket.create_server(("127.0.0.1", 0))


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
