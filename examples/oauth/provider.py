"""A small OpenID provider: a token endpoint for client credentials (RFC 6749, 4.4), and the public keys (RFC
7517). It stands in for a real one, and shows what the filter and the clients ask of it. Not for production.
"""

import base64
import http.server
import json
import threading
import time
import urllib.parse
from pathlib import Path

from tests.harness.tokens import Key, jwk_set

CLIENTS = {"orders-web": "web-secret", "orders-batch": "batch-secret", "reports": "reports-secret"}
"""Programs, with their secrets."""
SCOPES = {"orders-web": "kafka", "orders-batch": "kafka", "reports": "reports"}
"""What each may ask for: `reports` is not for Kafka."""
AUDIENCE = "kafka"


class Provider:
    """Serves at `port` until the end of a `with` statement. `/token` gives tokens, `/keys` the keys, and
    `/.well-known/openid-configuration` says so."""

    def __init__(self, directory: Path, lifetime_s: int = 300):
        self._directory, self._lifetime_s = directory, lifetime_s
        self._keys = [Key(directory, "RS256", "key-1")]
        self.keys_asked = 0
        """How often the keys were fetched."""
        handler = type("ProviderHandler", (Handler,), {"provider": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_port
        self.issuer = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> str:
        """From now on a new key signs; the former ones are published beside it, since their tokens are still
        good. Gives the new key's name."""
        self._keys.append(Key(self._directory, "RS256", f"key-{len(self._keys) + 1}"))
        return self._keys[-1].kid

    def withdraw(self) -> None:
        """Only the newest key is published from now on."""
        del self._keys[:-1]

    def token(self, client: str, **claims) -> str:
        """A token for a client."""
        now = int(time.time())
        said = {"iss": self.issuer, "sub": client, "aud": AUDIENCE, "scope": SCOPES[client], "iat": now, "exp": now + self._lifetime_s}
        return self._keys[-1].token(**{**said, **claims})

    def grant(self, authorization: str, form: dict[str, str]) -> tuple[int, dict]:
        """The token endpoint's answer: status and body."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            client, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if CLIENTS.get(urllib.parse.unquote(client)) != urllib.parse.unquote(secret):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if form.get("scope", SCOPES[client]) != SCOPES[client]:
            return 400, {"error": "invalid_scope"}
        return 200, {"access_token": self.token(client), "token_type": "Bearer", "expires_in": self._lifetime_s}

    def published(self) -> dict:
        self.keys_asked += 1
        return jwk_set(*self._keys)


class Handler(http.server.BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        if self.path == "/keys":
            self._answer(200, self.provider.published())
        elif self.path == "/.well-known/openid-configuration":
            issuer = self.provider.issuer
            self._answer(200, {"issuer": issuer, "token_endpoint": f"{issuer}/token", "jwks_uri": f"{issuer}/keys"})
        else:
            self._answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if self.path == "/token":
            self._answer(*self.provider.grant(self.headers.get("authorization", ""), dict(urllib.parse.parse_qsl(body))))
        else:
            self._answer(404, {"error": "not_found"})

    def _answer(self, status: int, document: dict) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        pass
