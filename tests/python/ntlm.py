"""An HTTP/1.1 origin that authenticates connections by NTLM, as IIS does: once a connection has
answered the challenge, all requests on it are that user's. Users: alice and bob of TEST, password
"secret". Answers "USER CONNECTION-NUMBER". Prints its port and runs until stdin ends.
"""
import base64
import itertools
import os
import socketserver
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler

import spnego

CONNECTIONS = itertools.count()

users = tempfile.NamedTemporaryFile("w", suffix=".ntlm")
users.write("TEST:alice:secret\nTEST:bob:secret\n")
users.flush()
os.environ["NTLM_USER_FILE"] = users.name


class Handler(BaseHTTPRequestHandler):
    protocol_version, server_version, sys_version = "HTTP/1.1", "ntlm", ""

    def setup(self):
        super().setup()
        self.number, self.context, self.user = next(CONNECTIONS), None, None

    def log_message(self, *_):
        pass

    def answer(self, status, challenge=None, text=""):
        self.send_response(status)
        if challenge is not None:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.user is None and scheme == "NTLM":
            if self.context is None:
                self.context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
            answer = self.context.step(base64.b64decode(token))
            if not self.context.complete:
                return self.answer(401, "NTLM " + base64.b64encode(answer).decode())
            self.user = self.context.client_principal.split("\\")[-1]
        if self.user is None:
            return self.answer(401, "NTLM")
        self.answer(200, text=f"{self.user} {self.number}")

    do_POST = do_GET


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
