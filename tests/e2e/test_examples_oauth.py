"""`make example NAME=oauth` does what it says; its provider answers as a real one does."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from examples.oauth.provider import Provider
from tests.harness.examples import run


def test_the_example_ends_well():
    said = run("oauth")
    assert "ok     a token of the old key is refused" in said


@pytest.fixture
def provider(tmp_path):
    with Provider(tmp_path) as provider:
        yield provider


def test_the_provider_tells_where_its_endpoints_are(provider):
    with urllib.request.urlopen(f"{provider.issuer}/.well-known/openid-configuration", timeout=5) as answer:
        found = json.load(answer)
    assert found["issuer"] == provider.issuer
    with urllib.request.urlopen(found["jwks_uri"], timeout=5) as answer:
        assert [key["kid"] for key in json.load(answer)["keys"]] == ["key-1"]


@pytest.mark.parametrize(
    ("client", "secret", "form", "error"),
    [
        ("orders-web", "web-secret", {}, None),
        ("orders-web", "guessed", {}, "invalid_client"),
        ("nobody", "web-secret", {}, "invalid_client"),
        ("reports", "reports-secret", {"scope": "kafka"}, "invalid_scope"),
        ("orders-web", "web-secret", {"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_the_provider_gives_tokens_to_those_who_know_their_secret(provider, client, secret, form, error):
    data = urllib.parse.urlencode({"grant_type": "client_credentials", **form}).encode()
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    request = urllib.request.Request(f"{provider.issuer}/token", data, {"authorization": f"Basic {basic}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as refusal:
        found = json.load(refusal)
    assert found.get("error") == error
    assert ("access_token" in found) == (error is None)
