"""Tokens by PyJWT. `tokens.py make FOLDER` writes a key for each algorithm as ALG.pem (or a secret),
and prints {"ALG": token}. `tokens.py serve` is a server with a set of keys at `/keys`: `/token` is
a token by its current key, `/rotate` replaces that key, `/break` has it answer 500 from then on.
`tokens.py read TOKEN FILE ALG` prints the claims of a token. A server prints its port and runs until stdin ends.
"""
import json
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
CLAIMS = {"sub": "kim", "role": ["dev", "ops"], "exp": int(time.time()) + 3600}
SECRET = "a secret that is long enough for HMAC with SHA-512, which needs sixty-four bytes"


def private(algorithm):
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make(folder):
    tokens, key = {}, private("RS256")
    for algorithm in ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                      "ES256", "ES384", "ES512", "EdDSA"]:
        if algorithm.startswith("HS"):
            text, signs = SECRET.encode(), SECRET
        else:
            signs = key if algorithm[1:2] == "S" and algorithm[0] in "RP" else private(algorithm)
            text = signs.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with open(f"{folder}/{algorithm}.pem", "wb") as file:
            file.write(text)
        tokens[algorithm] = jwt.encode(CLAIMS, signs, algorithm=algorithm)
    print(json.dumps(tokens))


class Keys(BaseHTTPRequestHandler):
    protocol_version, server_version, sys_version = "HTTP/1.1", "keys", ""
    number, key, broken = 0, private("ES256"), False

    def log_message(self, *_):
        pass

    def do_GET(self):
        status, text = 200, ""
        if self.path == "/rotate":
            Keys.number, Keys.key = Keys.number + 1, private("ES256")
        elif self.path == "/break":
            Keys.broken = True
        elif self.path == "/token":
            text = jwt.encode(CLAIMS, Keys.key, algorithm="ES256", headers={"kid": f"k{Keys.number}"})
        elif Keys.broken:
            status = 500
        else:
            key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(Keys.key.public_key()))
            text = json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "secret"},
                                        {**key, "kid": f"k{Keys.number}", "use": "sig"}]})
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


if sys.argv[1] == "make":
    make(sys.argv[2])
elif sys.argv[1] == "read":
    token, file, algorithm = sys.argv[2:]
    print(json.dumps(jwt.decode(token, open(file).read(), algorithms=[algorithm])))
else:
    server = Server(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
