"""The way to start Envoy, for tests, demo and benchmark: `EnvoyProcess` runs any configuration, `Envoy` has
the filter in front of a KafkaCluster, on ports that survive a restart. And pieces of Envoy's configuration.
"""

import json
import re
import urllib.request
from pathlib import Path

import yaml

from .certificates import Certificate
from .kafka import KafkaCluster
from .paths import ENVOY_BINARY, ENVOY_STATS_BOOTSTRAP, WASM
from .process import Process, free_ports, wait_until

TRAPS = re.compile(r"panicked|wasm vm crashed|Function: \S+ failed|Uncaught RuntimeError|\[critical\]|assert failure|wasm log \S+: \w+ failed: ", re.I)
TYPE = "type.googleapis.com/envoy.extensions."
DNS_CACHE = {"name": "kafka", "dns_lookup_family": "V4_PREFERRED"}  # as the files of envoy/ have it
CONNECT = {"upstream_connect_mode": "ON_DOWNSTREAM_DATA", "max_early_data_bytes": 65536}  # as the files of envoy/ have it


class EnvoyProcess:
    """One Envoy process, which runs until `stop`, or as long as a `with` statement.

    `file` is its configuration, whose admin interface is at `admin_port`. `environment` is what Envoy finds
    besides the environment of the tests.
    """

    workers = 2
    log_level = "info"
    options: tuple[str, ...] = ()
    """More of Envoy's command line."""

    def __init__(self, file: Path, log: Path, admin_port: int, environment: dict | None = None):
        self.file = file
        self.log = log
        self.admin_port = admin_port
        self._environment = environment
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def admin(self) -> str:
        """The URL of the admin interface."""
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self) -> None:
        argv = [ENVOY_BINARY, "-c", self.file, "--disable-hot-restart", "--concurrency", self.workers, "--log-level", self.log_level]
        self.process = Process([*argv, *self.options], self.log, self._environment)
        try:
            wait_until("Envoy ready", self._ready, 30)
        except BaseException:
            self.process.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: connections end without a word, and nothing is drained."""
        self.process.kill()

    def restart(self) -> None:
        """Starts Envoy again, on the same ports and with the same configuration."""
        self.process.stop()
        self.start()

    def stop(self, expected: str | None = None) -> None:
        """Ends Envoy, and asserts that Envoy had not ended by itself and that no wasm call had
        trapped. `expected`: a pattern for lines of the log that would count as a trap, but that
        the test has brought about."""
        alive = self.process.alive()
        self.process.stop()
        assert alive, f"Envoy had ended:\n{self.process.log_tail()}"
        self.assert_no_traps(expected)

    def assert_well(self) -> None:
        """Envoy must run, and no wasm call may have trapped."""
        assert self.process.alive(), self.process.log_tail()
        self.assert_no_traps()

    def assert_no_traps(self, expected: str | None = None) -> None:
        lines = self.log.read_text(errors="replace").splitlines()
        bad = [line for line in lines if TRAPS.search(line) and not (expected and re.search(expected, line))]
        assert not bad, f"{len(bad)} bad lines in {self.log}:\n" + "\n".join(bad[:10])

    def memory_mib(self) -> float:
        return self.process.memory_mib()

    def prometheus(self) -> str:
        return self._admin("/stats?format=prometheus")

    def config_dump(self) -> str:
        return self._admin("/config_dump")

    def stats(self) -> dict[tuple[str, frozenset], float]:
        """(metric name, its labels as (key, value) pairs) → value."""
        line = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
        found = {}
        for text in self.prometheus().splitlines():
            if m := line.match(text):
                labels = frozenset(re.findall(r'(\w+)="([^"]*)"', m[2] or ""))
                found[m[1], labels] = float(m[3])
        return found

    def stat(self, name: str, **labels: str) -> float:
        """The sum of all series of `name` that have these labels; 0 when there is no such series yet."""
        return sum(v for (n, have), v in self.stats().items() if n == name and set(labels.items()) <= have)

    def _admin(self, path: str) -> str:
        with urllib.request.urlopen(self.admin + path, timeout=5) as answer:
            return answer.read().decode()

    def _ready(self) -> bool:
        assert self.process.alive(), f"Envoy does not start:\n{self.process.log_tail()}"
        try:
            return self._admin("/ready").strip() == "LIVE"
        except OSError:
            return False


class Envoy(EnvoyProcess):
    """Envoy in front of a cluster.

    mode `dynamic`: one listener on the ports base (bootstrap), base+1, …, base+brokers;
    the filter steers to the broker.
    mode `routed`: base+id has a listener of its own and a static cluster for broker `id`;
    base is one more for broker 1.
    mode `passthrough`: as `routed`, but without the filter, to try the harness itself.
    `config` is the filter's, without advertise and route, which follow from the mode.
    `listener` is where Envoy finds the brokers, if not at PLAINTEXT.
    """

    def __init__(
        self,
        directory: Path,
        cluster: KafkaCluster,
        config: dict,
        mode: str = "dynamic",
        environment: dict | None = None,
        listener: str | None = None,
    ):
        directory.mkdir(parents=True, exist_ok=True)
        self.cluster = cluster
        self.mode = mode
        self._brokers = cluster.addresses(listener) if listener else cluster.bootstrap.split(",")
        self.base = free_ports(max(cluster.ids) + 2)
        self.admin_port = self.base + max(cluster.ids) + 1
        self.file = directory / "envoy.json"
        self._configure(config)
        super().__init__(self.file, directory / "envoy.log", self.admin_port, environment)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.base}"

    def port(self, broker: int = 1) -> int:
        """Where broker `broker` is reached through Envoy."""
        return self.base + broker

    def restart_with(self, config: dict) -> None:
        """Starts Envoy again, on the same ports and with another configuration of the filter."""
        self.process.stop()
        self._configure(config)
        self.start()

    def _configure(self, config: dict) -> None:
        self.filter_config = self._complete(config)
        self.file.write_text(json.dumps(self._bootstrap_config(), indent=1))

    def _complete(self, config: dict) -> dict:
        route = {"envoy": {}}
        if self.mode == "dynamic":
            route = {"dynamic": {"bootstrap": self._brokers}}
        return {**config, "advertise": {"ports": {"host": "127.0.0.1", "base": self.base}}, "route": route}

    def _bootstrap_config(self) -> dict:
        config = {
            "admin": {"address": address(self.admin_port)},
            # Histograms show only values from before the last flush, and tests wait for a flush.
            "stats_flush_interval": "1s",
            "static_resources": self._dynamic() if self.mode == "dynamic" else self._routed(),
        }
        if ENVOY_STATS_BOOTSTRAP.exists():
            shipped = yaml.safe_load(ENVOY_STATS_BOOTSTRAP.read_text())
            config["stats_config"] = shipped["stats_config"]
        return config

    def _dynamic(self) -> dict:
        first, *others = [address(self.base + i) for i in range(max(self.cluster.ids) + 1)]
        forward = network_filter("sni_dynamic_forward_proxy", "sni_dynamic_forward_proxy.v3.FilterConfig", dns_cache_config=DNS_CACHE)
        listener = {
            "name": "kafka",
            "address": first,
            "additional_addresses": [{"address": a} for a in others],
            "filter_chains": [{"filters": [self._wasm(), forward, tcp_proxy("brokers")]}],
        }
        cluster_type = {
            "@type": TYPE + "clusters.dynamic_forward_proxy.v3.ClusterConfig",
            "dns_cache_config": DNS_CACHE,
        }
        cluster = {
            "name": "brokers",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": "2s",
            "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": cluster_type},
        }
        return {"listeners": [listener], "clusters": [cluster]}

    def _routed(self) -> dict:
        before = [] if self.mode == "passthrough" else [self._wasm()]
        targets = {0: 1, **{i: i for i in self.cluster.ids}}
        listeners = [
            {
                "name": f"kafka-{i}",
                "address": address(self.base + i),
                "filter_chains": [{"filters": [*before, tcp_proxy(f"broker-{broker}")]}],
            }
            for i, broker in targets.items()
        ]
        return {"listeners": listeners, "clusters": [static_cluster(f"broker-{i}", p) for i, p in self.cluster.ports.items()]}

    def _wasm(self) -> dict:
        return wasm_filter(self.filter_config)


class OneWorker(Envoy):
    """All connections are in one VM, and may share what they read."""

    workers = 1


def wasm_file() -> str:
    """Where the filter is: it must have been built."""
    assert WASM.exists(), f"no filter at {WASM}: run `make wasm` or set KPR_WASM"
    return str(WASM)


def wasm_filter(configuration: dict) -> dict:
    """The filter as a network filter of Envoy, with this configuration of the filter's own."""
    return network_filter(
        "wasm",
        "wasm.v3.Wasm",
        config={
            "name": "kafka",
            "root_id": "kafka",
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "vm_id": "kafka", "code": {"local": {"filename": wasm_file()}}},
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(configuration)},
        },
    )


def network_filter(name: str, proto: str, **fields) -> dict:
    return {"name": f"envoy.filters.network.{name}", "typed_config": {"@type": f"{TYPE}filters.network.{proto}", **fields}}


def network_filter_named(bootstrap: dict, name: str) -> dict:
    """The settings of a network filter of the first listener's first filter chain."""
    filters = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    (found,) = (f["typed_config"] for f in filters if f["name"] == name)
    return found


def tcp_proxy(cluster: str) -> dict:
    return network_filter("tcp_proxy", "tcp_proxy.v3.TcpProxy", stat_prefix="kafka", cluster=cluster, **CONNECT)


def static_cluster(name: str, port: int) -> dict:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address(port)}}]}
    return {"name": name, "connect_timeout": "2s", "load_assignment": {"cluster_name": name, "endpoints": [endpoint]}}


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def tls_socket(shown: Certificate, clients: Path | None = None) -> dict:
    """A filter chain's transport socket: Envoy shows this certificate, and wants one of the
    authority `clients`, if any."""
    pair = {"certificate_chain": {"filename": str(shown.certificate)}, "private_key": {"filename": str(shown.key)}}
    context: dict = {
        "@type": TYPE + "transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair]},
    }
    if clients:
        context["common_tls_context"]["validation_context"] = {"trusted_ca": {"filename": str(clients)}}
        context["require_client_certificate"] = True
    return {"name": "tls", "typed_config": context}
