"""A server that decides for `forward_auth`, by the documented conventions of Authelia
(`/api/authz/forward-auth`) and of oauth2-proxy (`/oauth2/auth`). It answers 500 to a question that
lacks a field, has one twice, or has content. Users are named by the cookies `authelia_session` and
`_oauth2_proxy`. `/slow` answers after 30 s. Prints its port and runs until stdin ends.
"""
import json
import socketserver
import sys
import threading
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote

DESCRIPTION = ["Method", "Proto", "Host", "Uri", "For"]


class Handler(BaseHTTPRequestHandler):
    protocol_version, server_version, sys_version = "HTTP/1.1", "decides", ""

    def log_message(self, *_):
        pass

    def answer(self, status, fields=(), text=""):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def wrong(self):
        """What the question lacks."""
        for part in DESCRIPTION:
            values = self.headers.get_all(f"X-Forwarded-{part}", [])
            if len(values) != 1 or not values[0]:
                return f"X-Forwarded-{part}: {values}"
        for name in ("Content-Length", "Transfer-Encoding", "Content-Type", "Expect", "Range"):
            if name in self.headers:
                return f"{name} in a question"
        if "," in self.headers["X-Forwarded-For"]:
            return "more than one client"
        return None

    def user(self, cookie):
        morsel = SimpleCookie(self.headers.get("Cookie", "")).get(cookie)
        return morsel.value if morsel else None

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/slow":
            time.sleep(30)
        wrong = self.wrong()
        if wrong:
            return self.answer(500, text=wrong)
        asked = json.dumps({name.lower(): value for name, value in self.headers.items()})
        if path == "/api/authz/forward-auth":
            return self.authelia(asked)
        if path == "/oauth2/auth":
            return self.oauth2_proxy(asked)
        self.answer(404)

    def authelia(self, asked):
        told = {part: self.headers[f"X-Forwarded-{part}"] for part in DESCRIPTION}
        user = self.user("authelia_session")
        if user:
            return self.answer(200, [
                ("Remote-User", user),
                ("Remote-Groups", "admins,dev"),
                ("Remote-Email", f"{user}@example.com"),
                ("Set-Cookie", f"authelia_session={user}; Path=/; HttpOnly; Secure"),
                ("X-Asked", asked),
            ])
        if "Authorization" in self.headers:
            challenge = 'Basic realm="Authorization Required"'
            return self.answer(401, [("WWW-Authenticate", challenge)], "401 Unauthorized")
        if self.headers.get("X-Requested-With") == "XMLHttpRequest":
            return self.answer(401, text="401 Unauthorized")
        target = f"{told['Proto']}://{told['Host']}{told['Uri']}"
        portal = f"https://auth.example.com/?rd={quote(target, safe='')}&rm={told['Method']}"
        status = 302 if told["Method"] in ("GET", "HEAD", "OPTIONS") else 303
        self.answer(status, [("Location", portal), ("Set-Cookie", "seen=1; Path=/")], "log in")

    def oauth2_proxy(self, asked):
        user = self.user("_oauth2_proxy")
        if not user or "X-Real-Ip" not in self.headers:
            return self.answer(401, text="Unauthorized\n")
        self.answer(202, [
            ("X-Auth-Request-User", user),
            ("X-Auth-Request-Email", f"{user}@example.com"),
            ("Set-Cookie", "_oauth2_proxy_0=a; Path=/"),
            ("Set-Cookie", "_oauth2_proxy_1=b; Path=/"),
            ("X-Asked", asked),
        ], "Accepted")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
