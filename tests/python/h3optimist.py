"""A download by a client that acknowledges more than it has received (RFC 9000 section 21.4).

Arguments: the port, the path, how many packets beyond the last one it acknowledges, and whether it
lies at all ("honest", "gaps", "ahead"): "gaps" acknowledges every number up to the last one that
came, "ahead" also the given count beyond it.
Prints {received, closed: error code of the server's CONNECTION_CLOSE, "silent" where it
acknowledges no PING frame for three seconds, or null}.
"""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.rangeset import RangeSet
from aioquic.tls import Epoch

PORT, PATH, AHEAD, WAY = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
honest = QuicConnection._write_ack_frame


def lie(self, builder, space, now):
    kept = space.ack_queue
    if space.is_application_data:
        beyond = AHEAD if WAY == "ahead" else 0
        space.ack_queue = RangeSet([range(0, space.largest_received_packet + 1 + beyond)])
    honest(self, builder, space, now)
    space.ack_queue = kept


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3, self.received, self.closed = H3Connection(self._quic), 0, None
        self.over = asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.closed = event.error_code
            self.over.set()
        for seen in self.h3.handle_event(event):
            if isinstance(seen, DataReceived):
                self.received += len(seen.data)
                if seen.stream_ended:
                    self.over.set()


async def main():
    if WAY != "honest":
        QuicConnection._write_ack_frame = lie
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE
    )
    async with connect(
        "localhost", PORT, configuration=configuration, create_protocol=Client
    ) as client:
        stream = client._quic.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "https"), (":authority", f"localhost:{PORT}"),
                (":path", PATH)]
        fields = [(name.encode(), value.encode()) for name, value in head]
        client.h3.send_headers(stream, fields, end_stream=True)
        client.transmit()
        # The packets that say the end may be lost, and a server repeats them only for a short while:
        # one that acknowledges nothing any more has ended the connection as well.
        space = client._quic._spaces[Epoch.ONE_RTT]
        acknowledged, unanswered = -1, 0
        while unanswered < (600 if WAY == "honest" else 60):
            try:
                await asyncio.wait_for(client.over.wait(), 0.05)
                break
            except asyncio.TimeoutError:
                unanswered = unanswered + 1 if space.largest_acked_packet == acknowledged else 0
                acknowledged = space.largest_acked_packet
                client._quic.send_ping(unanswered)
                client.transmit()
        else:
            client.closed = "silent"
        print(json.dumps({"received": client.received, "closed": client.closed}))


asyncio.run(main())
