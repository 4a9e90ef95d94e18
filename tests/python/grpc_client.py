"""Calls every method of grpc_service.py through `localhost:PORT` with TLS. Arguments: port,
certificate. Result, JSON: {unary, sum (trailing metadata), big (length of 3 MB sent and returned),
count: [...], chat: [...], fail: [code, details]}; or {code, details} where the first call fails.
"""
import json
import queue
import sys

import grpc

port, cert = sys.argv[1:]
credentials = grpc.ssl_channel_credentials(open(cert, "rb").read())
channel = grpc.secure_channel(f"localhost:{port}", credentials)


def method(kind, name):
    return getattr(channel, kind)(f"/test.Service/{name}")


def chat(count):
    """Sends each message only when the echo of the one before is here."""
    waiting = queue.Queue()
    waiting.put(b"0")
    answers = []
    for answer in method("stream_stream", "Chat")(iter(waiting.get, None), timeout=30):
        answers.append(answer.decode())
        waiting.put(b"%d" % len(answers) if len(answers) < count else None)
    return answers


try:
    unary, call = method("unary_unary", "Unary").with_call(b"hello", timeout=30)
except grpc.RpcError as error:
    print(json.dumps({"code": error.code().name, "details": error.details()}))
    sys.exit()
result = {
    "unary": unary.decode(), "sum": dict(call.trailing_metadata()).get("x-sum"),
    "big": len(method("unary_unary", "Unary")(b"x" * 3_000_000, timeout=30)),
    "count": [one.decode() for one in method("unary_stream", "Count")(b"5", timeout=30)],
    "chat": chat(4),
}
try:
    method("unary_unary", "Fail")(b"", timeout=30)
except grpc.RpcError as error:
    result["fail"] = [error.code().name, error.details()]
print(json.dumps(result))
