"""Long streams to grpc_service.py through `localhost:PORT` with TLS, side by side. Arguments: port,
certificate, messages of each stream, seconds between them. Result, JSON: {watch, collect, chat}:
how many messages each had, or the code of its failure.
"""
import json
import sys
import threading
import time

import grpc

port, cert, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
credentials = grpc.ssl_channel_credentials(open(cert, "rb").read())
channel = grpc.secure_channel(f"localhost:{port}", credentials)
result = {}


def slowly():
    for number in range(count):
        yield b"%d" % number
        time.sleep(pause)


def watch():
    return len(list(channel.unary_stream("/test.Service/Watch")(b"%d" % (count * pause))))


def collect():
    return int(channel.stream_unary("/test.Service/Collect")(slowly()))


def chat():
    return len(list(channel.stream_stream("/test.Service/Chat")(slowly())))


def run(call):
    try:
        result[call.__name__] = call()
    except grpc.RpcError as error:
        result[call.__name__] = error.code().name


threads = [threading.Thread(target=run, args=(call,)) for call in (watch, collect, chat)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(result))
