"""QUIC handshakes that are begun and left alone, then one proper client.

argv[1]: {"port", "count"}. Prints {"answered": handshakes answered with Initial packets,
"retried": with Retry, "sent" and "received": bytes of the first one alone, before it confirms its
address, "client_retried": the proper client went through a Retry, "status": what it got}.
"""
import asyncio
import json
import socket
import ssl
import sys
import time

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection


def configuration():
    return QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", verify_mode=ssl.CERT_NONE
    )


def initial(port):
    quic = QuicConnection(configuration=configuration())
    quic.connect(("127.0.0.1", port), now=time.time())
    return [data for data, _ in quic.datagrams_to_send(now=time.time())]


def kinds(sock, wait, most=10):
    """Datagrams that come until there is silence: their first packet's type and size."""
    sock.settimeout(wait)
    found, end = [], time.monotonic() + most
    try:
        while time.monotonic() < end:
            data = sock.recv(65536)
            if data[0] & 0x80:
                found.append((data[0] >> 4 & 3, len(data)))
            else:
                found.append((None, len(data)))
    except socket.timeout:
        pass
    return found


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.status = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived) and not self.status.done():
                self.status.set_result(int(dict(happened.headers)[b":status"]))


async def proper(port):
    async with connect(
        "127.0.0.1", port, configuration=configuration(), create_protocol=Client
    ) as client:
        stream = client._quic.get_next_available_stream_id()
        authority = f"localhost:{port}".encode()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", authority)]
        client.http.send_headers(stream, head + [(b":path", b"/")], end_stream=True)
        client.transmit()
        status = await asyncio.wait_for(client.status, 10)
        return client._quic._retry_count > 0, status


def crowd(port, count):
    """Begins so many handshakes; the kinds of what comes."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.connect(("127.0.0.1", port))
    ready = [initial(port) for _ in range(count)]
    found = []
    for at, datagrams in enumerate(ready):
        for data in datagrams:
            sock.send(data)
        last = at == count - 1
        if at % 20 == 19 or last:
            # A loaded server answers late, and what it repeats is no silence.
            found += kinds(sock, 1 if last else 0.05, 1 if last else 0.2)
    return [kind for kind, _ in found]


def main():
    job = json.loads(sys.argv[1])
    target = ("127.0.0.1", job["port"])
    alone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    alone.connect(target)
    first = initial(job["port"])
    for data in first:
        alone.send(data)
    received = sum(size for _, size in kinds(alone, 3))
    retried = answered = 0
    # The first of a crowd have given up before a client that comes late.
    for _ in range(3 if job["count"] > 1 else 1):
        for kind in crowd(job["port"], job["count"]):
            retried += kind == 3
            answered += kind == 0
        client_retried, status = asyncio.run(proper(job["port"]))
        if client_retried:
            break
    print(json.dumps({
        "answered": answered, "retried": retried, "sent": sum(map(len, first)),
        "received": received, "client_retried": client_retried, "status": status,
    }))


main()
