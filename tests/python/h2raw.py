"""One HTTP/2 request, its header block encoded by hand so that nothing is checked before it leaves.

argv[1]: {"port", "fields": [[name, value], ...], "body", "open": true for a body that goes on,
"held": true for one that does not come, "cut": true for a head that does not come to its end, whose
connection is held until the server closes it}.
Prints {"status", "error"}: status 0 where the stream was reset or the connection closed.
"""
import json
import socket
import ssl
import struct
import sys


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, prefix):
    most = (1 << prefix) - 1
    if value < most:
        return bytes([value])
    out = [most]
    value -= most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + [value])


def literal(text):
    raw = text.encode("latin-1")
    return integer(len(raw), 7) + raw


def field(name, value):
    return b"\x00" + literal(name) + literal(value)


def exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError("closed")
        data += more
    return data


STATIC = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}


def status(block):
    """The status from the first field of a block: indexed, or a literal on name 8."""
    while block and block[0] & 0xE0 == 0x20:  # table size updates
        block = block[1:]
    if block[0] & 0x80:
        return STATIC.get(block[0] & 0x7F, 0)
    raw = block[2 : 2 + (block[1] & 0x7F)]
    if block[1] & 0x80:  # Huffman; digits are 5 or 6 bits
        bits = "".join(f"{byte:08b}" for byte in raw)
        short = {"00000": "0", "00001": "1", "00010": "2"}
        long = {f"{25 + n - 3:06b}": str(n) for n in range(3, 10)}
        digits = ""
        while len(digits) < 3:
            size = 5 if bits[:5] in short else 6
            digits += short.get(bits[:5]) or long[bits[:6]]
            bits = bits[size:]
        return int(digits)
    return int(raw)


def run(job):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection(("127.0.0.1", job["port"]), timeout=30)
    stream = context.wrap_socket(plain, server_hostname="localhost")
    block = b"".join(field(name, value) for name, value in job["fields"])
    body = job["body"].encode()
    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
    if job.get("cut"):
        # Nothing else may follow, an acknowledgement of SETTINGS neither.
        stream.sendall(frame(1, 1, 1, block))
        while stream.recv(4096):
            pass
        return {"status": 0, "error": "closed"}
    stream.sendall(frame(1, 4 if body or job.get("held") else 5, 1, block))
    if body:
        stream.sendall(frame(0, 0 if job.get("open") else 1, 1, body))
    while True:
        head = exactly(stream, 9)
        kind, flags = head[3], head[4]
        payload = exactly(stream, int.from_bytes(head[:3], "big"))
        if kind == 4 and not flags & 1:
            stream.sendall(frame(4, 1, 0, b""))
        elif kind == 1:
            return {"status": status(payload), "error": ""}
        elif kind == 3:
            return {"status": 0, "error": f"reset {int.from_bytes(payload, 'big')}"}
        elif kind == 7:
            return {"status": 0, "error": f"goaway {int.from_bytes(payload[4:8], 'big')}"}


def main():
    try:
        result = run(json.loads(sys.argv[1]))
    except (EOFError, OSError) as error:
        result = {"status": 0, "error": str(error) or type(error).__name__}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
