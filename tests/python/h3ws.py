"""One WebSocket over HTTP/3 (RFC 9220): its job is the argument, JSON.

Job: port, messages (how many are sent and awaited as echoes, then a Close frame), optional
steps (instead: opcode, payload in hexadecimal, and how many frames are awaited before the next one),
protocol (websocket), stay (no Close frame is sent; waits for the server's), many (so many sockets stay open, and a GET follows), idle (the client's
max_idle_timeout in seconds), silence (seconds without a packet of ours before the messages), alone
(asks for nothing and waits until the connection has ended).
Result: {allowed: the server's SETTINGS_ENABLE_CONNECT_PROTOCOL, status, echoed: messages that came
back as they were, got: all that came, opcode and payload in hexadecimal, closed: the code of the Close frame or null, ended: the stream has ended}.
"""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamReset

ENABLE_CONNECT_PROTOCOL = 0x8
TEXT, CLOSE = 0x1, 0x8


def frame(opcode, payload):
    """A client's frame, masked with nothing."""
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | opcode, 0x80 | length])
    else:
        head = bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2, "big")
    return head + bytes(4) + payload


def message(index):
    return b"%d " % index + b"x" * (index % 300)


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.settled = asyncio.get_running_loop().create_future()
        self.status, self.echoed, self.closed = None, 0, None
        self.statuses, self.got = {}, []
        self.buffer, self.ended, self.changed = b"", False, asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, StreamReset):
            self.ended = "reset"
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived):
                self.status = dict(happened.headers)[b":status"].decode()
                self.statuses[happened.stream_id] = self.status
            elif isinstance(happened, DataReceived):
                self.buffer += happened.data
                self.frames()
            if getattr(happened, "stream_ended", False):
                self.ended = True
        if self.http.received_settings and not self.settled.done():
            self.settled.set_result(None)
        self.changed.set()

    def frames(self):
        at = 0
        while len(self.buffer) - at >= 2:
            length, head = self.buffer[at + 1], 2
            if length == 126:
                if len(self.buffer) - at < 4:
                    break
                length, head = int.from_bytes(self.buffer[at + 2 : at + 4], "big"), 4
            if len(self.buffer) - at < head + length:
                break
            payload = self.buffer[at + head : at + head + length]
            opcode = self.buffer[at] & 0xF
            self.got.append([opcode, payload.hex()])
            if opcode == CLOSE:
                self.closed = int.from_bytes(payload[:2], "big")
            elif payload == message(self.echoed):
                self.echoed += 1
            at += head + length
        self.buffer = self.buffer[at:]

    async def until(self, done):
        while not done():
            self.changed.clear()
            await self.changed.wait()


def ask(client, job):
    stream = client._quic.get_next_available_stream_id()
    client.http.send_headers(stream, [
        (b":method", b"CONNECT"), (b":scheme", b"https"),
        (b":authority", b"localhost:%d" % job["port"]), (b":path", b"/chat"),
        (b":protocol", job.get("protocol", "websocket").encode()),
        (b"sec-websocket-version", b"13"),
    ])
    client.transmit()
    return stream


async def many(client, job):
    """Sockets that stay open, one after the other, and a GET beside them."""
    for count in range(1, job["many"] + 1):
        ask(client, job)
        await client.until(lambda: len(client.statuses) == count or client.ended)
    stream = client._quic.get_next_available_stream_id()
    client.http.send_headers(stream, [
        (b":method", b"GET"), (b":scheme", b"https"),
        (b":authority", b"localhost:%d" % job["port"]), (b":path", b"/page"),
    ], end_stream=True)
    client.transmit()
    await client.until(lambda: stream in client.statuses)
    last = client.statuses.pop(stream)
    print(json.dumps({"open": list(client.statuses.values()).count("200"), "get": last}))


async def main():
    job = json.loads(sys.argv[1])
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", verify_mode=ssl.CERT_NONE,
        idle_timeout=job.get("idle", 60),
    )
    async with connect(
        "127.0.0.1", job["port"], configuration=configuration, create_protocol=Client
    ) as client:
        await client.settled
        if job.get("alone"):
            await client.wait_closed()
            print(json.dumps({"ended": "closed"}))
            return
        if job.get("many"):
            return await many(client, job)
        stream = ask(client, job)
        await client.until(lambda: client.status or client.ended)
        if client.status == "200":
            await asyncio.sleep(job.get("silence", 0))
            for first in range(0, job["messages"], 100):
                batch = range(first, min(first + 100, job["messages"]))
                data = b"".join(frame(TEXT, message(index)) for index in batch)
                client.http.send_data(stream, data, end_stream=False)
                client.transmit()
                await client.until(lambda: client.echoed > first - 1000 or client.ended)
            await client.until(lambda: client.echoed == job["messages"] or client.ended)
            awaited = 0
            for opcode, payload, frames in job.get("steps", []):
                awaited += frames
                client.http.send_data(stream, frame(opcode, bytes.fromhex(payload)), False)
                client.transmit()
                await client.until(lambda: len(client.got) >= awaited or client.ended)
            if not job.get("stay"):
                goodbye = frame(CLOSE, (1000).to_bytes(2, "big"))
                client.http.send_data(stream, goodbye, end_stream=True)
                client.transmit()
            await client.until(lambda: client.ended)
        print(json.dumps({
            "allowed": client.http.received_settings.get(ENABLE_CONNECT_PROTOCOL),
            "status": client.status, "echoed": client.echoed, "closed": client.closed,
            "ended": client.ended, "got": client.got,
        }))


asyncio.run(asyncio.wait_for(main(), 60))
