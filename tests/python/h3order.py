"""GETs on one HTTP/3 connection over a slow road: in which order their content comes.

argv[1] and the output are those of h2order.py, without "credit"; "settings" of the output
is null, and "goaway" is the code that closed the connection. "raw": hexadecimal bytes of
PRIORITY_UPDATE frames, as a step, go as they are on the control stream, so many "times".
"""
import asyncio
import collections
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

PRIORITY_UPDATE = 0xF0700
LARGE = 16 * 1024 * 1024
# The road from the server: bytes a second, and bytes that wait for it.
RATE, QUEUE = 3_000_000, 150_000


class Road(asyncio.DatagramProtocol):
    """Passes the client's packets on at once, and the server's at the rate of the road."""

    def __init__(self, port):
        self.server, self.client = ("127.0.0.1", port), None
        self.waiting, self.bytes = collections.deque(), 0
        self.more = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.task = asyncio.ensure_future(self.run())

    def datagram_received(self, data, address):
        if address != self.server:
            self.client = address
            self.transport.sendto(data, self.server)
        elif self.bytes + len(data) <= QUEUE:
            self.waiting.append(data)
            self.bytes += len(data)
            self.more.set()

    async def run(self):
        loop = asyncio.get_running_loop()
        free = loop.time()
        while True:
            while not self.waiting:
                self.more.clear()
                await self.more.wait()
            data = self.waiting.popleft()
            free = max(free, loop.time() - 0.005) + len(data) / RATE
            if free > loop.time():
                await asyncio.sleep(free - loop.time())
            self.bytes -= len(data)
            self.transport.sendto(data, self.client)


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.job, self.steps, self.received = {}, [], 0
        self.requests, self.order, self.goaway, self.error = [], [], None, None
        self.over = asyncio.get_running_loop().create_future()

    def begin(self, job):
        self.job, self.steps = job, list(job["steps"])
        if "hold" in job:
            write, held = self._quic._write_stream_limits, job["hold"]

            def limits(builder, space, stream):
                if stream.stream_id // 4 not in held:
                    write(builder=builder, space=space, stream=stream)

            self._quic._write_stream_limits = limits
        self.go_on()

    def go_on(self):
        while self.steps and self.steps[0].get("after", 0) <= self.received:
            self.take(self.steps.pop(0))
        self.transmit()
        held = self.job.get("hold", [])
        left = [n for n, one in enumerate(self.requests) if one["ended"] is None and n not in held]
        if not self.steps and not left:
            self.finish(None)

    def finish(self, error):
        if not self.over.done():
            self.error = error
            self.over.set_result(None)

    def take(self, step):
        control = self.http._local_control_stream_id
        if "raw" in step:
            data = bytes.fromhex(step["raw"]) * step.get("times", 1)
            return self._quic.send_stream_data(control, data)
        if "update" in step:
            payload = encode_uint_var(4 * step["update"]) + step["priority"].encode()
            head = encode_uint_var(PRIORITY_UPDATE) + encode_uint_var(len(payload))
            return self._quic.send_stream_data(control, head + payload)
        self.requests.append({"began": self.received, "ended": None, "length": 0})
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", step["path"].encode())]
        fields.append((b":authority", f"localhost:{self.job['port']}".encode()))
        if step.get("priority") is not None:
            fields.append((b"priority", step["priority"].encode()))
        stream = self._quic.get_next_available_stream_id()
        self.http.send_headers(stream, fields, end_stream=True)

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.goaway = event.error_code
            return self.finish(f"closed: {event.reason_phrase}")
        if isinstance(event, StreamReset):
            return self.finish(f"stream {event.stream_id} was reset")
        for happened in self.http.handle_event(event):
            number = getattr(happened, "stream_id", 0) // 4
            if isinstance(happened, DataReceived):
                self.received += len(happened.data)
                self.requests[number]["length"] += len(happened.data)
            if getattr(happened, "stream_ended", False):
                self.requests[number]["ended"] = self.received
                self.order.append(number)
        if self.job:
            self.go_on()


async def main():
    job = json.loads(sys.argv[1])
    loop = asyncio.get_running_loop()
    road, _ = await loop.create_datagram_endpoint(lambda: Road(job["port"]), ("127.0.0.1", 0))
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", verify_mode=ssl.CERT_NONE,
        max_data=LARGE, max_stream_data=job.get("window", LARGE), idle_timeout=60,
    )
    port = road.get_extra_info("sockname")[1]
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Client,
    ) as client:
        client.begin(job)
        try:
            await asyncio.wait_for(client.over, 60)
        except asyncio.TimeoutError:
            client.error = "timed out"
        names = ("requests", "order", "goaway", "error")
        print(json.dumps({"settings": None, **{name: getattr(client, name) for name in names}}))


asyncio.run(main())
