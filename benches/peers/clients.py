"""TLS clients for what load generators do not do: many handshakes, and connections held idle.

Runs as a process of its own, pinned like a load generator:
clients.py handshakes PORT COUNT full|resumed, or clients.py idle PORT COUNT h1|h2.
What it saw is one line on standard output; `idle` then holds the connections until its standard
input ends.
"""

import functools
import socket
import ssl
import sys
import time

BODY = 1024
ALPN = {"h1": "http/1.1", "h2": "h2"}
HEADERS, SETTINGS, DATA = 1, 4, 0
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def main(kind, port, count, how):
    port, count = int(port), int(count)
    if kind == "handshakes":
        handshakes(port, count, how == "resumed")
    else:
        idle(port, count, how)


def handshakes(port, count, resume):
    """One request on each of `count` connections; prints latencies from connect to last byte."""
    context = client_context("http/1.1")
    session = None
    times = []
    for number in range(count + (1 if resume else 0)):
        since = time.perf_counter()
        with connect(context, port, session) as stream:
            get_h1(stream, "close")
            spent = time.perf_counter() - since
            counts = not resume or number > 0
            if counts and stream.session_reused != resume:
                raise SystemExit(f"connection {number}: resumed is {stream.session_reused}")
            if counts:
                times.append(spent * 1e6)
            if resume:
                session = stream.session
    times.sort()
    print(f"ok={len(times)} secs={sum(times) / 1e6:.6f} p50us={times[len(times) // 2]:.0f} "
          f"p99us={times[len(times) * 99 // 100]:.0f}")


def idle(port, count, protocol):
    context = client_context(ALPN[protocol])
    get = {"h1": lambda stream: get_h1(stream, "keep-alive"), "h2": get_h2}[protocol]
    held = []
    for _ in range(count):
        stream = connect(context, port)
        get(stream)
        held.append(stream)
    print("READY", flush=True)
    sys.stdin.read()


@functools.cache
def client_context(alpn):
    """A context without the system's CAs, which take 20 ms to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


def connect(context, port, session=None, host="localhost"):
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname=host, session=session)


def get_h1(stream, connection):
    port = stream.getpeername()[1]
    request = f"GET /1k HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: {connection}\r\n\r\n"
    stream.sendall(request.encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += more(stream)
    head, _, body = received.partition(b"\r\n\r\n")
    while len(body) < BODY:
        body += more(stream)
    if b" 200 " not in head.partition(b"\r\n")[0] or len(body) != BODY:
        raise SystemExit(f"not the expected response: {head[:200]!r}, {len(body)} bytes")


def get_h2(stream):
    """One request on stream 1, read to its end; frames by RFC 9113, fields without compression."""
    if stream.selected_alpn_protocol() != "h2":
        raise SystemExit("the server does not speak HTTP/2")
    authority = f"localhost:{stream.getpeername()[1]}".encode()
    # Indexed :method GET and :scheme https; :path and :authority as literals with indexed names.
    block = b"\x82\x87\x04" + text(b"/1k") + b"\x01" + text(authority)
    stream.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(SETTINGS, 0, 0, b"")
        + frame(HEADERS, END_STREAM | END_HEADERS, 1, block)
    )
    buffer, body, status = b"", 0, None
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3]):
            buffer += more(stream)
        length, kind, flags = int.from_bytes(buffer[:3]), buffer[3], buffer[4]
        number, payload = int.from_bytes(buffer[5:9]), buffer[9 : 9 + length]
        buffer = buffer[9 + length :]
        if kind == SETTINGS and not flags & ACK:
            stream.sendall(frame(SETTINGS, ACK, 0, b""))
        if kind == HEADERS:
            # Table-size updates may come before the status, which is index 8 when it is 200.
            status = payload.lstrip(b"\x20\x3f\xe1\x1f")[:1] == b"\x88"
        if kind == DATA:
            body += length
        if number == 1 and kind in (HEADERS, DATA) and flags & END_STREAM:
            if not status or body != BODY:
                raise SystemExit(f"not the expected response: 200 {status}, {body} bytes")
            return
        if kind in (3, 7):
            raise SystemExit(f"the server ended the stream or the connection: {payload!r}")


def frame(kind, flags, stream, payload):
    head = len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4)
    return head + payload


def text(value):
    return bytes([len(value)]) + value


def more(stream):
    part = stream.recv(1 << 16)
    if not part:
        raise SystemExit("the server closed the connection")
    return part


if __name__ == "__main__":
    main(*sys.argv[1:])
