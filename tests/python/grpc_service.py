"""A gRPC service whose messages are bytes: Unary (reversed), Count (a stream of numbers), Chat (an
echo for each message), Watch (one request, N letters, one every second), Collect (a stream, and then
how many messages it had), Fail (NOT_FOUND). Arguments: certificate and key for TLS, or none for
plain HTTP/2. Prints its port and runs until stdin ends.
"""
import sys
import time
from concurrent import futures

import grpc


def unary(request, context):
    context.set_trailing_metadata((("x-sum", str(len(request))),))
    return request[::-1]


def count(request, context):
    yield from (b"%d" % number for number in range(int(request)))


def chat(requests, context):
    for request in requests:
        yield b"echo " + request


def watch(request, context):
    for number in range(int(request)):
        time.sleep(1)
        yield b"%d" % number


def collect(requests, context):
    return b"%d" % sum(1 for _ in requests)


def fail(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Watch": grpc.unary_stream_rpc_method_handler(watch),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
})])
if len(sys.argv) == 3:
    chain, key = (open(name, "rb").read() for name in sys.argv[1:])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
