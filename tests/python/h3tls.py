"""GETs over HTTP/3 to look at their handshakes: JSON as the first argument, JSON on stdout.

Job: port, sni; optional authority (SNI:PORT), ca (PEM file: the server must satisfy it), cert and
key (PEM files: shown to the server), times (1: connections one after another that resume), ports
(in place of port: they take turns).
Result: [{status, resumed, early, error}], one for each connection; early is how much data the
tickets so far allow before the handshake is over.
"""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answer = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated) and not self.answer.done():
            self.answer.set_exception(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        for one in self.http.handle_event(event):
            if isinstance(one, HeadersReceived) and not self.answer.done():
                self.answer.set_result(int(dict(one.headers)[b":status"]))

    async def get(self, authority):
        stream = self._quic.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/")]
        head.append((b":authority", authority.encode()))
        self.http.send_headers(stream, head, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(self.answer, 20)


async def main():
    job = json.loads(sys.argv[1])
    tickets, results = [], []
    ports = job.get("ports") or [job["port"]]
    for number in range(job.get("times", 1)):
        port = ports[number % len(ports)]
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=H3_ALPN, server_name=job["sni"], cafile=job.get("ca"),
            verify_mode=ssl.CERT_REQUIRED if "ca" in job else ssl.CERT_NONE,
            session_ticket=tickets[-1] if tickets else None,
        )
        if "cert" in job:
            configuration.load_cert_chain(job["cert"], job["key"])
        result = {"status": 0, "resumed": False, "early": 0, "error": ""}
        try:
            async with connect(
                "127.0.0.1", port, configuration=configuration, create_protocol=Client,
                session_ticket_handler=tickets.append,
            ) as client:
                result["status"] = await client.get(
                    job.get("authority", f"{job['sni']}:{port}"))
                result["resumed"] = client._quic.tls.session_resumed
                await asyncio.sleep(0.1)
                result["early"] = max([t.max_early_data_size or 0 for t in tickets], default=0)
        except (ConnectionError, asyncio.TimeoutError) as error:
            result["error"] = str(error) or type(error).__name__
        results.append(result)
    print(json.dumps(results))


asyncio.run(main())
