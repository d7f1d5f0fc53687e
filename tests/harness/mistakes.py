"""An Envoy with a listener for each mistake of a newcomer, and docs/first-contact.md, which says what each one
looks like."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Authority
from .envoy import DNS_CACHE, TYPE, Envoy, address, network_filter, static_cluster, tcp_proxy, tls_socket, wasm_filter
from .paths import REPO
from .process import free_ports

DOCUMENT = REPO / "docs/first-contact.md"
TLS_TO_BROKERS = {
    "name": "tls",
    "typed_config": {"@type": TYPE + "transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {}},
}
PORTS = 3
"""Of a listener: its bootstrap, and one for each of two brokers."""


@dataclass(frozen=True)
class Entry:
    """A mistake of the document, and what client and Envoy say: in each text a part of it, where `…` stands for
    anything."""

    name: str
    client: str | None
    envoy: str | None

    def assert_said(self, said: str) -> None:
        assert not self.client or _is_in(self.client, said), f"{self.name}\nclient: {self.client}\nnot in:\n{said}"

    def is_logged(self, log: str) -> bool:
        return not self.envoy or _is_in(self.envoy, log)

    def assert_logged(self, log: str) -> None:
        assert self.is_logged(log), f"{self.name}\nEnvoy: {self.envoy}\nnot in:\n{log}"


def _is_in(pattern: str, text: str) -> bool:
    return re.search(".*".join(re.escape(part.strip()) for part in pattern.split("…")), text) is not None


def _entries() -> dict[str, Entry]:
    found = {}
    for section in re.split(r"^### ", DOCUMENT.read_text(), flags=re.M)[1:]:
        name = section.split("\n", 1)[0]
        client, envoy = (
            m and m[1].strip() for m in (re.search(rf"^{who} says:\n+```text\n(.*?)```", section, re.M | re.S) for who in ("A client", "Envoy"))
        )
        found[name] = Entry(name, client, envoy)
    return found


ENTRIES = _entries()


@dataclass
class Spot:
    """A listener, whose filter is configured by `config` beside advertise and route.

    `advertise`, `route`: in the place of those that are right. `listens`: at which of its ports Envoy listens.
    `brokers`: the name of the brokers' listener to which `route` leads. `tls`: towards clients, and towards
    brokers.
    """

    name: str
    config: dict = field(default_factory=dict)
    advertise: dict | None = None
    route: dict | None = None
    listens: int = PORTS
    brokers: str | None = None
    tls: tuple[bool, bool] = (False, False)
    base: int = 0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.base}"


class MistakenEnvoy(Envoy):
    """Envoy with one worker and all these listeners."""

    workers = 1

    def __init__(self, directory: Path, cluster, spots: list[Spot], environment: dict | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.spots = {spot.name: spot for spot in spots}
        self.authority = Authority(directory)
        self._shown = self.authority.issue("/CN=envoy", ("localhost",))
        for spot in spots:
            spot.base = free_ports(PORTS)
        super().__init__(directory, cluster, {}, environment=environment)

    def lines(self, spot: str) -> list[str]:
        """What the filter of this listener has logged."""
        prefix = f"wasm log {spot} {spot} "
        return [line for line in self.log.read_text(errors="replace").splitlines() if prefix in line]

    def _dynamic(self) -> dict:
        cluster_type = {"@type": TYPE + "clusters.dynamic_forward_proxy.v3.ClusterConfig", "dns_cache_config": DNS_CACHE}
        clusters = [
            {
                "name": name,
                "lb_policy": "CLUSTER_PROVIDED",
                "connect_timeout": "2s",
                "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": cluster_type},
                **socket,
            }
            for name, socket in (("brokers", {}), ("tls-brokers", {"transport_socket": TLS_TO_BROKERS}))
        ]
        return {"listeners": [self._listener(spot) for spot in self.spots.values()], "clusters": clusters}

    def _listener(self, spot: Spot) -> dict:
        brokers = self.cluster.addresses(spot.brokers) if spot.brokers else self.cluster.bootstrap.split(",")
        config = {
            "stat_prefix": spot.name,
            **spot.config,
            "advertise": spot.advertise or {"ports": {"host": "127.0.0.1", "base": spot.base}},
            "route": spot.route or {"dynamic": {"bootstrap": brokers}},
        }
        wasm = wasm_filter(config)
        wasm["typed_config"]["config"].update(name=spot.name, root_id=spot.name)
        forward = network_filter("sni_dynamic_forward_proxy", "sni_dynamic_forward_proxy.v3.FilterConfig", dns_cache_config=DNS_CACHE)
        chain = {"filters": [wasm, forward, tcp_proxy("tls-brokers" if spot.tls[1] else "brokers")]}
        if spot.tls[0]:
            chain["transport_socket"] = tls_socket(self._shown)
        ports = [address(spot.base + i) for i in range(spot.listens)]
        others = {"additional_addresses": [{"address": a} for a in ports[1:]]} if ports[1:] else {}
        return {"name": spot.name, "address": ports[0], **others, "filter_chains": [chain]}
