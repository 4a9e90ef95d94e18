"""HTTP/3 by hand: streams of bytes as a job gives them, each case on a connection of its own.

argv[1]: {"port", "cases": [{...}]}. A case has
  streams: [{uni: hex} or {bi: hex} or {fields: [[n, v]], data, trailers: [[n, v]]}], in order, each
           with end: true (FIN), reset: code, stop: code; huffman: true for the names and values of
           fields; later: true waits until the server has answered what went before; or
           {break: id} to reset a stream that is there, {refuse: id} to stop one of the server's;
  control: hex of the control stream's frames ("0400", empty SETTINGS); null opens no stream of the
           connection's own, neither this nor those of QPACK;
  wait: seconds until the case is given up (20);
  until: "closed" or "stopped" goes on until the server has ended the connection, or stopped the
           streams; else a case ends with its answers; or
  flood: {path, seconds, kind: "stop" or "reset"}: GETs, each cancelled at once.
Prints a list with, for each case, {closed: code of CONNECTION_CLOSE or null, seconds,
streams: {id: {status, ended, reset, stop}}}; of a flood {closed, sent, seconds}.
"""
import asyncio
import json
import ssl
import sys
import time

import pylsqpack
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer, BufferReadError, encode_uint_var
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated, StopSendingReceived, StreamDataReceived, StreamReset,
)

HEADERS, DATA = 1, 0


def integer(flags, bits, value):
    most = (1 << bits) - 1
    if value < most:
        return bytes([flags | value])
    out, value = [flags | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def section(fields):
    """Literals only, so that nothing is refused here."""
    out = b"\0\0"
    for name, value in fields:
        name, value = name.encode("latin-1"), value.encode("latin-1")
        out += integer(0x20, 3, len(name)) + name + integer(0, 7, len(value)) + value
    return out


def frame(kind, payload):
    return encode_uint_var(kind) + encode_uint_var(len(payload)) + payload


def encoded(stream):
    # This encoder takes no empty names.
    if stream.get("huffman") and all(n for n, _ in stream["fields"]):
        fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in stream["fields"]]
        head = pylsqpack.Encoder().encode(0, fields)[1]
    else:
        head = section(stream["fields"])
    out = frame(HEADERS, head)
    if "data" in stream:
        out += frame(DATA, stream["data"].encode())
    if "trailers" in stream:
        out += frame(HEADERS, section(stream["trailers"]))
    return out


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.closed = None
        self.came = {}
        self.seen = {}
        self.news = asyncio.Event()

    def quic_event_received(self, event):
        stream = getattr(event, "stream_id", None)
        seen = self.seen.get(stream, {})
        if isinstance(event, ConnectionTerminated):
            self.closed = event.error_code
        elif isinstance(event, StreamReset):
            seen["reset"] = event.error_code
        elif isinstance(event, StopSendingReceived):
            seen["stop"] = event.error_code
        elif isinstance(event, StreamDataReceived) and stream in self.seen:
            self.came[stream] = self.came.get(stream, b"") + event.data
            seen["ended"] |= event.end_stream
            seen["status"] = seen["status"] or self.status(stream)
        self.news.set()

    def status(self, stream):
        buffer = Buffer(data=self.came[stream])
        try:
            while True:
                kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
                payload = buffer.pull_bytes(length)
                if kind == HEADERS:
                    fields = pylsqpack.Decoder(0, 0).feed_header(stream, payload)[1]
                    return int(dict(fields)[b":status"])
        except BufferReadError:
            return 0

    def open(self, stream):
        is_uni = "uni" in stream
        number = self._quic.get_next_available_stream_id(is_unidirectional=is_uni)
        if not is_uni:
            self.seen[number] = {"status": 0, "ended": False, "reset": None, "stop": None}
        data = encoded(stream) if "fields" in stream else bytes.fromhex(
            stream["uni"] if is_uni else stream["bi"]
        )
        self._quic.send_stream_data(number, data, end_stream=stream.get("end", False))
        if "stop" in stream:
            self._quic.stop_stream(number, stream["stop"])
        if "reset" in stream:
            self.transmit()
            self._quic.reset_stream(number, stream["reset"])
        self.transmit()

    def is_settled(self, until):
        if until == "closed" or self.closed is not None:
            return self.closed is not None
        if until == "stopped":
            return all(s["stop"] is not None for s in self.seen.values())
        done = (s["ended"] or s["reset"] is not None for s in self.seen.values())
        return bool(self.seen) and all(done)

    async def settle(self, end, until=None):
        while not self.is_settled(until) and time.time() < end:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), end - time.time())
            except asyncio.TimeoutError:
                return

    async def closing(self, end):
        while self.closed is None and time.time() < end:
            await asyncio.sleep(0.01)

    async def flood(self, authority, job):
        fields = [[":method", "GET"], [":scheme", "https"], [":authority", authority],
                  [":path", job["path"]]]
        head, end, sent = frame(HEADERS, section(fields)), time.time() + job["seconds"], 0
        while self.closed is None and time.time() < end:
            number = self._quic.get_next_available_stream_id()
            while number // 4 >= self._quic._remote_max_streams_bidi and self.closed is None:
                if time.time() > end:
                    return sent
                await asyncio.sleep(0.001)
            is_reset = job["kind"] == "reset"
            self._quic.send_stream_data(number, head, end_stream=not is_reset)
            self.transmit()
            if is_reset:
                self._quic.reset_stream(number, 0x10C)
            else:
                self._quic.stop_stream(number, 0x10C)
            sent += 1
            self.transmit()
            await asyncio.sleep(0)
        return sent


async def one(port, case):
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", verify_mode=ssl.CERT_NONE,
    )
    async with connect(
        "127.0.0.1", port, configuration=configuration, create_protocol=Client
    ) as client:
        began, control = time.time(), case.get("control", "0400")
        if control is not None:
            for data in ("00" + control, "02", "03"):
                client.open({"uni": data})
        if "flood" in case:
            sent = await client.flood(f"localhost:{port}", case["flood"])
            return {"closed": client.closed, "sent": sent, "seconds": time.time() - began}
        end = began + case.get("wait", 20)
        for stream in case.get("streams", []):
            if stream.get("later"):
                await client.settle(end)
            if client.closed is None and "break" in stream:
                client._quic.reset_stream(stream["break"], 0x10C)
                client.transmit()
                await client.closing(end)
            elif client.closed is None and "refuse" in stream:
                client._quic.stop_stream(stream["refuse"], 0x10C)
                client.transmit()
                await client.closing(end)
            elif client.closed is None:
                client.open(stream)
        await client.settle(end, case.get("until"))
        # What follows the end of a stream at once, as STOP_SENDING does.
        await asyncio.sleep(0.05)
        return {
            "closed": client.closed, "seconds": time.time() - began, "streams": client.seen,
        }


async def main():
    job = json.loads(sys.argv[1])
    print(json.dumps([await one(job["port"], case) for case in job["cases"]]))


asyncio.run(main())
