"""PyJWT, of Debian and Ubuntu as python3-jwt: ISSUER=… AUDIENCE=api python3 pyjwt.py"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ.get("AUDIENCE")
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300)


def verify(token):
    """The status to answer with, and what a good token says."""
    try:
        key = keys.get_signing_key_from_jwt(token).key
        return 200, jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE)
    except jwt.PyJWKClientError as error:
        # Keys that cannot be had say nothing about the token.
        return 401 if "Unable to find" in str(error) else 503, {}
    except jwt.PyJWTError:
        return 401, {}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, claims = verify(self.headers.get("Authorization", "").removeprefix("Bearer "))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(claims.get("sub", "").encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print(f"listens on port {server.server_port}", flush=True)
server.serve_forever()
