"""A test issuer of JSON Web Tokens (RFC 7515, 7519): its keys, good tokens and any kind of bad ones, and
an HTTP server of its JWK Set.

Keys and signatures are the `openssl` program's, so that what the filter's host computes is
checked against another maker.
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from pathlib import Path

from .certificates import openssl

CURVES = {"ES256": ("P-256", 32), "ES384": ("P-384", 48), "ES512": ("P-521", 66)}
"""Algorithm → its curve (RFC 7518), and the bytes of a coordinate."""
ALGORITHMS = ("RS256", "RS384", "RS512", *CURVES)
ISSUER, AUDIENCE, SCOPE = "https://issuer.test", "kafka", "kafka"


class Key:
    """A private key for `algorithm`, in the file `<directory>/<file>.pem`. `kid`
    is its name in the JWK Set."""

    def __init__(self, directory: Path, algorithm: str, kid: str, file: str | None = None):
        self.algorithm, self.kid = algorithm, kid
        self.path = directory / f"{file or kid}.pem"
        kind = ["EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[algorithm][0]}"] if algorithm in CURVES else ["RSA"]
        openssl("genpkey", "-out", self.path, "-algorithm", *kind)

    def public_pem(self) -> str:
        return openssl("pkey", "-pubout", "-in", self.path).decode()

    def public_der(self) -> bytes:
        return openssl("pkey", "-pubout", "-outform", "DER", "-in", self.path)

    def jwk(self) -> dict:
        common = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm in CURVES:
            curve, size = CURVES[self.algorithm]
            point = self.public_der()[-2 * size :]  # the structure ends with the point's coordinates
            return {"kty": "EC", "crv": curve, "x": _text(point[:size]), "y": _text(point[size:]), **common}
        shown = openssl("rsa", "-modulus", "-noout", "-in", self.path).decode()
        return {"kty": "RSA", "n": _text(bytes.fromhex(shown.strip().split("=")[1])), "e": "AQAB", **common}

    def sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        """The signature as a token carries it: for ES* two numbers of fixed size, not DER."""
        algorithm = algorithm or self.algorithm
        made = openssl("dgst", f"-sha{algorithm[2:]}", "-sign", self.path, data=data)
        return _raw_ecdsa(made, CURVES[algorithm][1]) if algorithm in CURVES else made

    def token(self, header: dict | None = None, algorithm: str | None = None, **claims) -> str:
        """A good token, but for what `header` and `claims` say otherwise; None leaves a member out."""
        now = int(time.time())
        head = {"alg": algorithm or self.algorithm, "kid": self.kid, "typ": "JWT", **(header or {})}
        body = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "scope": f"openid {SCOPE}", "iat": now, "exp": now + 600, **claims}
        signed = signing_input(_present(head), _present(body))
        return join(signed, self.sign(signed, algorithm))


def signing_input(header: dict, claims: dict) -> bytes:
    return ".".join(_text(json.dumps(part).encode()) for part in (header, claims)).encode()


def join(signed: bytes, signature: bytes) -> str:
    """The token that shows `signature` for this signing input."""
    return f"{signed.decode()}.{_text(signature)}"


def unsigned(key: Key, header: dict | None = None) -> str:
    """A good token's claims with an empty signature and `alg: none`."""
    signed = key.token({"alg": "none", **(header or {})}).rpartition(".")[0]
    return signed + "."


def signed_with_public_key(key: Key, secret: bytes) -> str:
    """A token for whoever takes the public key for the secret of an HMAC: "key confusion"."""
    signed = key.token({"alg": "HS256"}).rpartition(".")[0].encode()
    return join(signed, hmac.digest(secret, signed, hashlib.sha256))


def tampered(token: str, **claims) -> str:
    """The token with other claims under its old signature."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    return f"{header}.{_text(json.dumps(changed).encode())}.{signature}"


def jwk_set(*keys: Key) -> dict:
    return {"keys": [key.jwk() for key in keys]}


class Issuer:
    """A key for each algorithm, under the algorithm's name."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.keys = {algorithm: Key(directory, algorithm, algorithm) for algorithm in ALGORITHMS}

    def jwk_set(self) -> dict:
        return jwk_set(*self.keys.values())

    def token(self, header: dict | None = None, algorithm: str = "RS256", **claims) -> str:
        """As `Key.token`."""
        return self.keys[algorithm].token(header, **claims)


class JwksServer:
    """Serves a JWK Set over HTTP at `port`, and counts the requests for it. `failing`: the
    server answers 503 instead."""

    def __init__(self, *keys: Key):
        self.requests = 0
        self.failing = False
        self.publish(*keys)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                self.send_response(503 if outer.failing else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(outer._document)))
                self.end_headers()
                self.wfile.write(outer._document)

            def log_message(self, *_) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, *keys: Key) -> None:
        """From now on these keys, and no others, are in the set."""
        self.serve(json.dumps(jwk_set(*keys)).encode())

    def serve(self, document: bytes) -> None:
        """From now on these bytes are the answer."""
        self._document = document

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _present(members: dict) -> dict:
    return {name: value for name, value in members.items() if value is not None}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _raw_ecdsa(der: bytes, size: int) -> bytes:
    """r and s of an ECDSA signature that is SEQUENCE {INTEGER r, INTEGER s} in DER."""
    at = 3 if der[1] & 0x80 else 2  # the sequence's length takes one byte more on P-521
    numbers = b""
    for _ in range(2):
        length = der[at + 1]
        numbers += int.from_bytes(der[at + 2 : at + 2 + length], "big").to_bytes(size, "big")
        at += 2 + length
    return numbers
