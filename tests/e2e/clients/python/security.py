"""How the Python client programs prove who they are, from the environment variables of ../README.md."""

import base64
import json
import os
import ssl
from pathlib import Path

PROTOCOL = os.environ.get("SECURITY_PROTOCOL", "PLAINTEXT")
MECHANISM = os.environ.get("SASL_MECHANISM")
USERNAME = os.environ.get("SASL_USERNAME")
PASSWORD = os.environ.get("SASL_PASSWORD")
TOKEN_FILE = os.environ.get("SASL_TOKEN_FILE")
CA_FILE = os.environ.get("SSL_CA_FILE")
CERTIFICATE_FILE = os.environ.get("SSL_CERTIFICATE_FILE")
KEY_FILE = os.environ.get("SSL_KEY_FILE")


def token() -> str:
    """The present token: it may have changed since the last login."""
    return Path(TOKEN_FILE).read_text().strip()


def expiry(jwt: str) -> float:
    """When a token ends, in Unix time."""
    payload = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]


def librdkafka() -> dict:
    """Settings of librdkafka."""

    def refresh(_) -> tuple[str, float]:
        current = token()
        return current, expiry(current)

    settings = {
        "security.protocol": PROTOCOL,
        "sasl.mechanism": MECHANISM,
        "sasl.username": USERNAME,
        "sasl.password": PASSWORD,
        "oauth_cb": refresh if TOKEN_FILE else None,
        "ssl.ca.location": CA_FILE,
        "ssl.certificate.location": CERTIFICATE_FILE,
        "ssl.key.location": KEY_FILE,
    }
    return {name: value for name, value in settings.items() if value is not None}


def keywords(token_provider) -> dict:
    """Keyword arguments that kafka-python and aiokafka have in common. `token_provider`: an
    instance of the library's class."""
    settings = {
        "security_protocol": PROTOCOL,
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": USERNAME,
        "sasl_plain_password": PASSWORD,
        "sasl_oauth_token_provider": token_provider if TOKEN_FILE else None,
        "ssl_context": _context() if PROTOCOL.endswith("SSL") else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CA_FILE)
    if CERTIFICATE_FILE:
        context.load_cert_chain(CERTIFICATE_FILE, KEY_FILE)
    return context
