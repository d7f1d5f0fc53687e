"""How a client proves who it is, as the environment variables that the client
programs read (clients/README.md)."""

import os
from dataclasses import dataclass
from pathlib import Path

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = (*PASSWORD_MECHANISMS, "OAUTHBEARER")


@dataclass(frozen=True)
class Security:
    """`mechanism`: none without SASL. `token`: a file that is read at each login. `ca`: the authority that is
    trusted, none without TLS. `certificate` and `key`: the client's own. All files are PEM."""

    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    token: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def protocol(self) -> str:
        """The name that Kafka has for this pair of transport and login."""
        transport = "SSL" if self.ca else "PLAINTEXT"
        return f"SASL_{transport}" if self.mechanism else transport

    def environment(self) -> dict[str, str]:
        variables = {
            "SECURITY_PROTOCOL": self.protocol,
            "SASL_MECHANISM": self.mechanism,
            "SASL_USERNAME": self.username,
            "SASL_PASSWORD": self.password,
            "SASL_TOKEN_FILE": self.token,
            "SSL_CA_FILE": self.ca,
            "SSL_CERTIFICATE_FILE": self.certificate,
            "SSL_KEY_FILE": self.key,
        }
        return {**os.environ, **{name: str(value) for name, value in variables.items() if value is not None}}


NONE = Security()
