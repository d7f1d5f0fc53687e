"""Envoy whose filter asks clients who they are, with secrets from the environment, keys over HTTP and a
configuration that may change."""

import base64
import hashlib
import hmac
import os
from pathlib import Path

from . import topics
from .certificates import Authority
from .client_security import MECHANISMS, PASSWORD_MECHANISMS
from .envoy import static_cluster, tls_socket
from .live_envoy import LiveEnvoy
from .tokens import AUDIENCE, ISSUER, SCOPE

PASSWORDS = {"alice": "alice's secret", "bob": "only=in,SCRAM", "carol": "stands inline"}
"""Alice's password is in Envoy's environment; of Bob the filter has SCRAM credentials only."""
ODD = ("a=b,c", 'p="w,\\ d')
"""A name and password that SCRAM, and configurations of clients, have to escape."""
COMPOSED = ("j\u00fcrgen", "secret")
"""A name that can be written in two ways (SASLprep, RFC 4013)."""
ENVIRONMENT = {"ALICE_PASSWORD": PASSWORDS["alice"]}


def scram_credentials(mechanism: str, password: str, iterations: int = 4096) -> dict:
    """What a server keeps in a password's place (RFC 5802), as the filter's configuration has it."""
    name, salt = mechanism.removeprefix("SCRAM-").replace("-", "").lower(), os.urandom(16)
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    stored_key = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
    server_key = hmac.digest(salted, b"Server Key", name)
    texts = {"salt": salt, "stored_key": stored_key, "server_key": server_key}
    return {"iterations": iterations, **{field: base64.b64encode(value).decode() for field, value in texts.items()}}


def users() -> list[dict]:
    names = {"scram_sha_256": "SCRAM-SHA-256", "scram_sha_512": "SCRAM-SHA-512"}
    bob = {field: scram_credentials(mechanism, PASSWORDS["bob"]) for field, mechanism in names.items()}
    return [
        {"username": "alice", "password": "${ALICE_PASSWORD}"},
        {"username": "bob", **bob},
        {"username": "carol", "password": PASSWORDS["carol"]},
        *({"username": name, "password": password} for name, password in (ODD, COMPOSED)),
    ]


def section(oauthbearer: dict | None = None, **more) -> dict:
    """The section `sasl` of the filter: these users, and tokens as well, where `oauthbearer`
    tells where their keys are."""
    tokens = {}
    if oauthbearer:
        tokens = {"oauthbearer": {"issuer": ISSUER, "audience": AUDIENCE, "required_scopes": [SCOPE], "clock_skew_s": 2, **oauthbearer}}
    return {"mechanisms": list(MECHANISMS if tokens else PASSWORD_MECHANISMS), "users": users(), **tokens, **more}


class GuardedEnvoy(LiveEnvoy):
    """`jwks_port`: where the cluster `jwks` leads. `live`: the configuration may change. `tls`: clients speak
    TLS, and have certificates of this authority."""

    def __init__(
        self,
        directory: Path,
        cluster,
        sasl_section: dict,
        mode: str = "dynamic",
        jwks_port: int | None = None,
        live: bool = False,
        tls: Authority | None = None,
    ):
        self._tls = tls
        self._jwks_port = jwks_port
        super().__init__(directory, cluster, {**topics.MAPPING, "sasl": sasl_section}, mode, ENVIRONMENT, live)

    def _filter(self) -> dict:
        wasm = super()._filter()
        wasm["typed_config"]["config"]["vm_config"]["environment_variables"] = {"host_env_keys": sorted(ENVIRONMENT)}
        return wasm

    def _dynamic(self) -> dict:
        resources = super()._dynamic()
        if self._tls:
            own = self._tls.issue("/CN=127.0.0.1", ("127.0.0.1",))
            resources["listeners"][0]["filter_chains"][0]["transport_socket"] = tls_socket(own, self._tls.certificate)
        return resources

    def _bootstrap_config(self) -> dict:
        config = super()._bootstrap_config()
        if self._jwks_port:
            config["static_resources"]["clusters"].append(static_cluster("jwks", self._jwks_port))
        return config
