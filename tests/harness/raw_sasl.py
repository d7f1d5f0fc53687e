"""The raw client's SASL: PLAIN, SCRAM and OAUTHBEARER, framed by SaslAuthenticate or
bare as after SaslHandshake v0."""

import base64
import hashlib
import hmac
import os
from collections.abc import Generator

from .apis import Api
from .raw import Raw

HANDSHAKE = Api(17, 99, [("mechanism", "string")], [("error_code", "int16"), ("mechanisms", ["string"])])
AUTHENTICATE = Api(
    36, 2,
    [("auth_bytes", "bytes")],
    [("error_code", "int16"), ("error_message", "string?"), ("auth_bytes", "bytes"), ("session_lifetime_ms", "int64", 1)],
)  # fmt: skip


class Refused(Exception):
    """The answer that refused the login, with its error_code."""

    def __init__(self, answer: dict):
        super().__init__(answer)
        self.answer = answer


def log_in(raw: Raw, mechanism: str, username: str, password: str, version: int = 2) -> dict:
    """Handshake v1 and all tokens, also to authenticate again; gives the last answer.
    `version` is SaslAuthenticate's."""
    offer(raw, mechanism, 1)
    dialogue = tokens(mechanism, username, password)
    token, answer = next(dialogue), {}
    while token is not None:
        answer = authenticate(raw, token, version)
        if answer["error_code"]:
            raise Refused(answer)
        token = follow(dialogue, answer["auth_bytes"])
    return answer


def log_in_bare(raw: Raw, mechanism: str, username: str, password: str) -> None:
    """Handshake v0, then tokens with nothing but their length around them. A refusal ends the connection."""
    offer(raw, mechanism, 0)
    dialogue = tokens(mechanism, username, password)
    token = next(dialogue)
    while token is not None:
        raw.send_frame(token)
        token = follow(dialogue, raw.receive_frame())


def offer(raw: Raw, mechanism: str, version: int) -> None:
    answer = raw.call(HANDSHAKE, version, {"mechanism": mechanism})
    if answer["error_code"]:
        raise Refused(answer)


def tokens(mechanism: str, username: str, password: str) -> Generator[bytes, bytes, None]:
    """Yields the client's tokens, and is sent the server's. For OAUTHBEARER the password is the JWT."""
    if mechanism == "PLAIN":
        yield plain(username, password)
        return
    if mechanism == "OAUTHBEARER":
        if (yield bearer(password)):  # what is wrong (RFC 7628): the client has to say that it understood
            yield b"\1"
        return
    # RFC 5802
    name = mechanism.removeprefix("SCRAM-").replace("-", "").lower()
    first = f"n={username},r={base64.b64encode(os.urandom(18)).decode()}"
    challenge = (yield f"n,,{first}".encode()).decode()
    nonce, salt, iterations = (part[2:] for part in challenge.split(",")[:3])
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(salt), int(iterations))
    without_proof = f"c=biws,r={nonce}"
    signed = ",".join([first, challenge, without_proof]).encode()
    client_key = hmac.digest(salted, b"Client Key", name)
    signature = hmac.digest(hashlib.new(name, client_key).digest(), signed, name)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    last = yield f"{without_proof},p={base64.b64encode(proof).decode()}".encode()
    expected = hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)
    assert last == b"v=" + base64.b64encode(expected), "the server does not know the password"


def plain(username: str, password: str) -> bytes:
    return f"\0{username}\0{password}".encode()


def bearer(jwt: str) -> bytes:
    return f"n,,\1auth=Bearer {jwt}\1\1".encode()


def authenticate(raw: Raw, token: bytes, version: int = 2) -> dict:
    return raw.call(AUTHENTICATE, version, {"auth_bytes": token})


def follow(dialogue: Generator[bytes, bytes, None], token: bytes) -> bytes | None:
    try:
        return dialogue.send(token)
    except StopIteration:
        return None
