"""One HTTP/3 job: JSON on stdin, JSON on stdout.

Job: port; optional host (127.0.0.1), sni (localhost), authority (SNI:PORT); and either
  requests: [{method, path, headers: [[n, v]], body: text | body_len: N | body_file: path,
            stop_after: bytes, leave: [bytes, code] (the connection is closed with the code when so
            much of the answer is here, in a packet without an acknowledgement),
            stop_at: seconds}],
            sent one after another on one connection (parallel: true: at once); a request may
            also say trickle: true (its body a byte each second), flood_head: bytes (a HEADERS
            frame that goes on so long), half_head: true (one that stops in the middle), held: true
            (a body that does not come), talk: [[piece, end of the answer so far], ...] (a body of
            pieces, each sent when the answer to the one before is here), body_to: a file that has
            the answer's body as it comes, or
  loop: {path, until_file, seconds, streams}: GETs on one connection until the file appears;
            wants: the status (200); with reconnects: true, on a new one whenever the server says GOAWAY;
            counts: a file that says how many connections have had an answer.
window: bytes of each stream's window; thaw: seconds after which freeze ends.
linger: seconds to stay when all is done; tell: a file to make then.
delay: seconds after which what the server sends is read, as over a long path.
moves: seconds between changes of the client's port, as a NAT makes them.
verify: true trusts no certificate that this machine does not.
freeze: true never opens a window again, with a PING every 5 s; patient: true only the PING; rebel: true ignores the stream limit.
Result: {offered: {idle, streams, window, stream_window} in the server's transport parameters,
largest: bytes of the largest datagram that came, room: bytes that the server lets the connection send
at the end, most_room: at any time, answers: [{status, headers, trailers, interim (fields of each 1xx), len, crc, body (first 64 KiB, latin-1),
error, seconds}],
lost: why the connection ended by itself or null}; for a loop {ok, failed, lost, first_error,
connections, refused (requests that the GOAWAY gave back)}.
"""
import asyncio
import json
import os
import socket
import ssl
import sys
import time
import zlib

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer, BufferReadError
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset

BLOCK = 64 * 1024
FILL = bytes(range(256)) * 256


def pattern(length):
    index = 0
    while length > 0:
        block = index.to_bytes(8, "big") + FILL[8:]
        yield block[: min(length, BLOCK)]
        length -= BLOCK
        index += 1

# aioquic compares Content-Length with the body of an answer to HEAD, 204 and 304 too, and closes
# the connection. `Exchange.finish` compares where there must be a body.
H3Connection._check_content_length = lambda self, stream: None


class Exchange:
    def __init__(self, method, stop_after, body_to=None, leave=None):
        self.method = method
        self.leave = leave
        self.done = asyncio.get_running_loop().create_future()
        self.status, self.headers, self.trailers, self.interim = 0, [], [], []
        self.body, self.length, self.crc, self.error = b"", 0, 0, ""
        self.stop_after = stop_after
        self.body_to = body_to and open(body_to, "wb", buffering=0)
        self.stream = None
        self.began = self.ended = time.time()

    def finish(self, error=""):
        said = next((int(v) for n, v in self.headers if n == "content-length"), None)
        bodiless = self.method == "HEAD" or self.status in (204, 304)
        if not error and said is not None and not bodiless and said != self.length:
            error = f"{said} bytes were promised, {self.length} came"
        self.error = self.error or error
        self.ended = time.time()
        if not self.done.done():
            self.done.set_result(None)

    def result(self):
        return {
            "status": self.status, "headers": self.headers, "trailers": self.trailers,
            "interim": self.interim, "len": self.length, "crc": self.crc,
            "body": self.body.decode("latin-1"), "error": self.error,
            "seconds": self.ended - self.began, "stream": self.stream,
        }


class Client(QuicConnectionProtocol):
    delay = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.exchanges = {}
        self.lost = None
        self.closing = False
        self.moved = 0
        self.goaway = None
        self.control = {}
        self.largest = self.most_room = 0

    def datagram_received(self, data, addr):
        self.largest = max(self.largest, len(data))
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.read, data, addr)
        else:
            self.read(data, addr)

    def read(self, data, addr):
        super().datagram_received(data, addr)
        self.most_room = max(self.most_room, self.room_left())

    def room_left(self):
        return self._quic._remote_max_data - self._quic._remote_max_data_used

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            if not self.closing:
                self.lost = f"{event.error_code:#x} {event.reason_phrase}"
            for exchange in self.exchanges.values():
                exchange.finish(f"connection closed: {event.error_code:#x} {event.reason_phrase}")
        if isinstance(event, StreamDataReceived) and event.stream_id % 4 == 3:
            self.control[event.stream_id] = self.control.get(event.stream_id, b"") + event.data
            self.look_for_goaway(self.control[event.stream_id])
        if isinstance(event, StreamReset) and event.stream_id in self.exchanges:
            self.exchanges[event.stream_id].finish(f"reset {event.error_code:#x}")
        for happened in self.http.handle_event(event):
            self.happened(happened)

    def look_for_goaway(self, data):
        """aioquic passes over GOAWAY, on the stream of type 0."""
        buffer = Buffer(data=data)
        try:
            if buffer.pull_uint_var() != 0:
                return
            while True:
                kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
                frame = Buffer(data=buffer.pull_bytes(length))
                if kind == 7:
                    self.goaway = frame.pull_uint_var()
        except BufferReadError:
            pass

    def happened(self, event):
        exchange = self.exchanges.get(getattr(event, "stream_id", None))
        if exchange is None:
            return
        if isinstance(event, HeadersReceived):
            self.head(exchange, event)
        elif isinstance(event, DataReceived):
            exchange.length += len(event.data)
            exchange.crc = zlib.crc32(event.data, exchange.crc)
            if exchange.body_to:
                exchange.body_to.write(event.data)
            if len(exchange.body) < BLOCK:
                exchange.body += event.data[: BLOCK - len(exchange.body)]
            if exchange.stop_after and exchange.length >= exchange.stop_after:
                self.stop(event.stream_id)
            if exchange.leave and exchange.length >= exchange.leave[0]:
                self._quic.close(error_code=exchange.leave[1])
        if getattr(event, "stream_ended", False):
            exchange.finish()

    def stop(self, stream):
        self._quic.stop_stream(stream, 0x10C)
        self.transmit()
        if stream in self.exchanges:
            self.exchanges[stream].finish("stopped")

    @staticmethod
    def head(exchange, event):
        fields = [[n.decode(), v.decode("latin-1")] for n, v in event.headers]
        status = next((int(v) for n, v in fields if n == ":status"), None)
        if status is None:
            exchange.trailers = fields
        elif status < 200:
            exchange.interim.append(fields)
        else:
            exchange.status = status
            exchange.headers = [f for f in fields if not f[0].startswith(":")]

    async def request(self, authority, job):
        stream = self._quic.get_next_available_stream_id()
        exchange = self.exchanges[stream] = Exchange(
            job.get("method", "GET"), job.get("stop_after"), job.get("body_to"), job.get("leave")
        )
        exchange.stream = stream
        body = job.get("body", "").encode()
        if "body_file" in job:
            with open(job["body_file"], "rb") as file:
                body = file.read()
        length = job.get("body_len", len(body))
        head = [
            (b":method", job.get("method", "GET").encode()), (b":scheme", b"https"),
            (b":authority", job.get("authority", authority).encode()),
            (b":path", job.get("path", "/").encode()),
        ]
        if length and not job.get("no_length"):
            head.append((b"content-length", str(length).encode()))
        head += [(n.encode(), v.encode()) for n, v in job.get("headers", [])]
        if "flood_head" in job or "half_head" in job:
            await self.broken_head(stream, exchange, job.get("flood_head", 0))
            return exchange.result()
        goes_on = length or job.get("held") or "talk" in job
        self.http.send_headers(stream, head, end_stream=not goes_on)
        self.transmit()
        if "talk" in job:
            await self.talk(stream, exchange, job["talk"])
        pieces = (body[at : at + BLOCK] for at in range(0, len(body), BLOCK))
        chunks = pattern(length) if "body_len" in job else pieces
        if job.get("trickle"):
            await self.trickle(stream, exchange, length)
            chunks = []
        sent = 0
        for chunk in chunks:
            sent += len(chunk)
            if exchange.done.done():
                break
            self.http.send_data(stream, chunk, end_stream=sent == length)
            self.transmit()
            await self.room(stream, exchange)
        if "stop_at" in job:
            asyncio.get_running_loop().call_later(job["stop_at"], self.stop, stream)
        try:
            await asyncio.wait_for(exchange.done, job.get("timeout", 170))
        except asyncio.TimeoutError:
            exchange.finish("timed out")
        del self.exchanges[stream]
        return exchange.result()

    async def trickle(self, stream, exchange, length):
        for _ in range(length):
            if exchange.done.done():
                return
            self.http.send_data(stream, b"a", end_stream=False)
            self.transmit()
            await asyncio.sleep(1)

    async def talk(self, stream, exchange, pieces):
        for piece, answer in pieces:
            self.http.send_data(stream, piece.encode("latin-1"), end_stream=False)
            self.transmit()
            end = time.time() + 30
            while not exchange.body.endswith(answer.encode("latin-1")):
                if exchange.done.done() or time.time() > end:
                    return exchange.finish(f"no answer to {piece!r}")
                await asyncio.sleep(0.001)
        self.http.send_data(stream, b"", end_stream=True)
        self.transmit()

    async def thaw(self, seconds, writers):
        await asyncio.sleep(seconds)
        self._quic._write_stream_limits, self._quic._write_connection_limits = writers
        self._quic.send_ping(0)
        self.transmit()

    async def stay(self, seconds):
        end = time.time() + seconds
        while time.time() < end and self.lost is None:
            await asyncio.sleep(0.02)

    async def move(self, pause):
        while True:
            await asyncio.sleep(pause)
            old = self._transport
            fresh = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            fresh.bind(("::", 0))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=fresh)
            old.close()
            # What was on its way to the old port is lost, and with it all that would make this side
            # speak: the server learns of the new one by a packet from it (RFC 9000 section 9.2).
            self._quic.send_ping(0)
            self.transmit()
            self.moved += 1

    async def keep_alive(self):
        while True:
            self._quic.send_ping(0)
            self.transmit()
            await asyncio.sleep(5)

    async def broken_head(self, stream, exchange, length):
        """HEADERS with a length of 2^30 - 1, of which `length` bytes follow; of 255 for none."""
        promised = b"\xbf\xff\xff\xff" if length else b"\x40\xff"
        self._quic.send_stream_data(stream, b"\x01" + promised)
        block = b"\x00" * BLOCK
        while length > 0 and not exchange.done.done():
            length -= len(block)
            self._quic.send_stream_data(stream, block)
            self.transmit()
            await self.room(stream, exchange)
        self.transmit()
        try:
            await asyncio.wait_for(exchange.done, 20)
        except asyncio.TimeoutError:
            exchange.finish("timed out")

    async def room(self, stream, exchange):
        """Waits until little of the stream's data is unsent."""
        while not exchange.done.done():
            state = self._quic._streams.get(stream)
            if state is None or len(state.sender._buffer) < 2 * 1024 * 1024:
                return
            await asyncio.sleep(0.001)


async def loop(client, authority, job, result):
    end = job.setdefault("end", time.time() + job.get("seconds", 60))

    def is_over():
        return time.time() >= end or os.path.exists(job.get("until_file", "/nonexistent"))

    async def one():
        while not is_over() and client.lost is None and client.goaway is None:
            answer = await client.request(authority, {"path": job["path"], "timeout": 15})
            if answer["status"] == job.get("wants", 200) and not answer["error"]:
                result["ok"] += 1
                if "counts" in job and job.get("counted") != result["connections"]:
                    job["counted"] = result["connections"]
                    with open(job["counts"], "w") as counts:
                        counts.write(str(job["counted"]))
            elif client.goaway is not None and answer["stream"] >= client.goaway:
                result["refused"] += 1
            else:
                result["failed"] += 1
                result["first_error"] = (
                    result["first_error"] or f"{answer['status']} {answer['error']}"
                )

    result["connections"] += 1
    await asyncio.gather(*(one() for _ in range(job.get("streams", 4))))
    return job.get("reconnects") and client.goaway is not None and not is_over()


async def main():
    job = json.load(sys.stdin)
    Client.delay = job.get("delay", 0)
    sni = job.get("sni", "localhost")
    authority = job.get("authority", f"{sni}:{job['port']}")
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=sni,
        verify_mode=ssl.CERT_REQUIRED if job.get("verify") else ssl.CERT_NONE,
        max_data=16 * 1024 * 1024, max_stream_data=job.get("window", 8 * 1024 * 1024),
        idle_timeout=60,
    )
    result = {}
    if "loop" in job:
        result = {"ok": 0, "failed": 0, "refused": 0, "connections": 0, "first_error": ""}
    try:
        while await once(job, authority, configuration, result):
            pass
    except ConnectionError as error:
        result.setdefault("answers", [])
        result.setdefault("lost", f"no connection: {error}")
    print(json.dumps(result))


async def once(job, authority, configuration, result):
    """Whether there is to be another connection."""
    async with connect(
        job.get("host", "127.0.0.1"), job["port"], configuration=configuration,
        create_protocol=Client, wait_connected=True,
    ) as client:
        quic = client._quic
        result["offered"] = {
            "idle": quic._remote_max_idle_timeout, "streams": quic._remote_max_streams_bidi,
            "window": quic._remote_max_data,
            "stream_window": quic._remote_max_stream_data_bidi_remote,
        }
        if job.get("freeze"):
            writers = quic._write_stream_limits, quic._write_connection_limits
            quic._write_stream_limits = lambda **_: None
            quic._write_connection_limits = lambda **_: None
        if job.get("freeze") or job.get("patient"):
            asyncio.ensure_future(client.keep_alive())
            if "thaw" in job:
                asyncio.ensure_future(client.thaw(job["thaw"], writers))
        if "moves" in job:
            asyncio.ensure_future(client.move(job["moves"]))
        if job.get("rebel"):
            quic._remote_max_streams_bidi = 1000
        again = False
        if "loop" in job:
            again = await loop(client, authority, job["loop"], result)
        elif job.get("parallel"):
            work = (client.request(authority, one) for one in job["requests"])
            result["answers"] = await asyncio.gather(*work)
        else:
            result["answers"] = [await client.request(authority, r) for r in job["requests"]]
        if "tell" in job:
            open(job["tell"], "w", encoding="ascii").close()
        await client.stay(job.get("linger", 0))
        result["lost"] = client.lost
        result["moved"] = client.moved
        result["largest"] = client.largest
        result["room"], result["most_room"] = client.room_left(), client.most_room
        client.closing = True
        return again


asyncio.run(main())
