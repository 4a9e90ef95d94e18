"""The names in the certificate that a server shows over QUIC to a client that goes to an address.

Arguments: the address and the port. Prints the addresses in the certificate.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509


async def main():
    host, port = sys.argv[1], int(sys.argv[2])
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE
    )
    async with connect(
        host, port, configuration=configuration, create_protocol=QuicConnectionProtocol
    ) as client:
        certificate = client._quic.tls._peer_certificate
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        print(",".join(str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)))


asyncio.run(main())
