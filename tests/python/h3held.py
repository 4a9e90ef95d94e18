"""HTTP/3 connections that make the server hold content, all open at once.

argv[1]: {"port", "count", "upload": bytes of the body of each request, which is a POST to `path`; or
"after": bytes of a response to a GET of `path` after which the client is deaf: it reads no more
packets, and still sends a PING every second. Its windows are larger than the response.
"beside": a path that is requested on each connection too, once the upload has stopped, for at most
`patience` seconds (30)}.
Prints "ready" when all of it has gone as far as it can, holds the connections until stdin ends, and
prints {"received": bytes of each response, "sent": bytes of each upload that the server let have,
"beside": [status and seconds of each request beside], "lost": connections that ended}.
"""
import asyncio
import json
import ssl
import sys
import time

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated

# Nothing moves any more.
SETTLED = 1.5
# An upload moves no more.
STOPPED = 0.15
LARGE = 64 << 20


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.after = None
        self.received = 0
        self.deaf = self.lost = False
        self.statuses = {}

    def datagram_received(self, data, addr):
        if not self.deaf:
            super().datagram_received(data, addr)

    def quic_event_received(self, event):
        self.lost = self.lost or isinstance(event, ConnectionTerminated)
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived):
                status = int(dict(happened.headers)[b":status"])
                self.statuses[happened.stream_id] = status
            if isinstance(happened, DataReceived):
                self.received += len(happened.data)
                self.deaf = self.after is not None and self.received >= self.after

    def ask(self, job, method, path, length=0):
        stream = self._quic.get_next_available_stream_id()
        authority = f"localhost:{job['port']}".encode()
        head = [(b":method", method), (b":scheme", b"https"), (b":authority", authority),
                (b":path", path.encode())]
        if length:
            head.append((b"content-length", str(length).encode()))
        self.http.send_headers(stream, head, end_stream=not length)
        if length:
            self.http.send_data(stream, bytes(length), end_stream=True)
        self.transmit()
        return stream

    async def stopped(self):
        seen, since = self.sent(), time.time()
        while seen == 0 or time.time() < since + STOPPED:
            await asyncio.sleep(0.01)
            if self.sent() != seen:
                seen, since = self.sent(), time.time()

    def sent(self):
        return self._quic._remote_max_data_used


async def one(job, state, over):
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name="localhost",
        verify_mode=ssl.CERT_NONE, idle_timeout=300, max_data=LARGE, max_stream_data=LARGE,
    )
    async with connect(
        "127.0.0.1", job["port"], configuration=configuration, create_protocol=Client
    ) as client:
        state["clients"].append(client)
        if "upload" in job:
            client.ask(job, b"POST", job["path"], job["upload"])
        else:
            client.after = job["after"]
            client.ask(job, b"GET", job["path"])
        if "beside" in job:
            await client.stopped()
            began, patience = time.time(), job.get("patience", 30)
            stream = client.ask(job, b"GET", job["beside"])
            while stream not in client.statuses and time.time() < began + patience and not client.lost:
                await asyncio.sleep(0.01)
            state["beside"].append((client.statuses.get(stream, 0), time.time() - began))
        while not over.done():
            client._quic.send_ping(0)
            client.transmit()
            await asyncio.wait([over], timeout=1)


async def main():
    job = json.loads(sys.argv[1])
    loop = asyncio.get_running_loop()
    over = loop.run_in_executor(None, sys.stdin.read)
    state = {"clients": [], "beside": []}
    running = [asyncio.ensure_future(one(job, state, over)) for _ in range(job["count"])]

    def progress():
        return [(client.received, client.sent()) for client in state["clients"]], state["beside"][:]

    def has_begun():
        begun = [client.deaf or client.lost or "upload" in job for client in state["clients"]]
        beside = len(state["beside"]) if "beside" in job else job["count"]
        return sum(begun) == beside == job["count"]

    seen, since = progress(), time.time()
    while time.time() < since + SETTLED:
        await asyncio.sleep(0.1)
        if progress() != seen or not has_begun():
            seen, since = progress(), time.time()
    print("ready", flush=True)
    await over
    print(json.dumps({
        "received": [client.received for client in state["clients"]],
        "sent": [client.sent() for client in state["clients"]],
        "beside": state["beside"], "lost": sum(client.lost for client in state["clients"]),
    }), flush=True)
    for task in running:
        task.cancel()


asyncio.run(main())
