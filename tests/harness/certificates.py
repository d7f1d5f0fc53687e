"""Certificates for a test: an authority, and the certificates that it issues to brokers, Envoy and clients.
All are valid for two days."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: the certificate, its key (PKCS #8), and both in one, as
    Kafka's PEM key stores want them."""

    certificate: Path
    key: Path
    store: Path


class Authority:
    """A certificate authority that keeps all its files in `directory`."""

    def __init__(self, directory: Path, name: str = "authority"):
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name = name
        self.certificate, self._key = directory / f"{name}.pem", directory / f"{name}-key.pem"
        openssl("req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def issue(self, subject: str, names: tuple[str, ...] = (), days: int = 2) -> Certificate:
        """`subject` as openssl takes it, say `/O=Example/CN=alice`, or `/` for none; `names` are DNS names,
        where `*.` stands for any, IPv4 addresses, and URIs. `days`: how long the certificate is valid;
        below 0 it has expired already."""
        stem = "".join(c if c.isalnum() else "-" for c in "".join((self._name, subject, *names)))
        stem += f"-{days}" if days < 0 else ""
        issued = Certificate(*(self._directory / f"{stem}{end}.pem" for end in ("", "-key", "-store")))
        sign = ("-CA", self.certificate, "-CAkey", self._key)
        critical = "critical," if subject == "/" else ""  # else Java takes no certificate that has no subject
        alternatives = ("-addext", "subjectAltName=" + critical + ",".join(f"{_kind(n)}:{n}" for n in names)) if names else ()
        made = ("-keyout", issued.key, "-out", issued.certificate)
        if days < 0:  # `req -x509` takes no negative number of days
            openssl("req", *NEW_KEY[:-2], "-subj", subject, *made)
            openssl("x509", "-req", "-in", issued.certificate, *sign, "-CAcreateserial", "-days", days, "-out", issued.certificate)
        else:
            leaf = ("-addext", "basicConstraints=critical,CA:FALSE")
            openssl("req", "-x509", *NEW_KEY, "-subj", subject, *sign, *alternatives, *leaf, *made)
        issued.store.write_text(issued.key.read_text() + issued.certificate.read_text() + self.certificate.read_text())
        return issued

    def self_signed(self, subject: str) -> Certificate:
        """A certificate that is signed with its own key; its files lie beside this authority's."""
        issued = Certificate(*(self._directory / f"self-signed{end}.pem" for end in ("", "-key", "-store")))
        openssl("req", "-x509", *NEW_KEY, "-subj", subject, "-keyout", issued.key, "-out", issued.certificate)
        issued.store.write_text(issued.key.read_text() + issued.certificate.read_text())
        return issued


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def openssl(*arguments: object, data: bytes = b"") -> bytes:
    """What the `openssl` program writes to its standard output; `data` is its input."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _kind(name: str) -> str:
    if "://" in name:
        return "URI"
    return "IP" if name[0].isdigit() else "DNS"
