"""`make strangers`: what somebody without a password can cause, and what it costs.

Prints the rows of the table in docs/security.md. Brokers and Envoy are real, Envoy's file is
envoy/secured.yaml with one worker. Its limit of new connections is lifted, but for the last row: a row tells
what one event costs, and the limit how many there are. CPU is the worker's, for all of an event: also its TLS
handshake. Arguments, or ROWS of `make strangers`: words of the rows to measure.
"""

import concurrent.futures
import contextlib
import json
import secrets
import shutil
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.harness import apis, tokens
from tests.harness.guarded_envoy import scram_credentials
from tests.harness.process import cpu_s, wait_until
from tests.harness.raw_sasl import authenticate, bearer, log_in, offer, plain
from tests.harness.secured_brokers import ENVIRONMENT, USERS, TlsRaw, secured_cluster
from tests.harness.shipped_envoy import ShippedEnvoy, Trust

HELD = 200
"""Connections that a row holds at the same time."""
SECONDS = 4
"""For which a row goes on that does something again and again."""
THREADS = 8
ENDED = (ssl.SSLError, ConnectionError, TimeoutError)


@dataclass
class Row:
    """`act` brings the events about, and tells how many there were and what they held, if
    anything. `bound`: what bounds it."""

    name: str
    act: Callable[["Gate"], tuple[int, str]]
    bound: str


class OneWorker(ShippedEnvoy):
    workers = 1


class Gate:
    """Envoy, and what is measured of it."""

    def __init__(self, directory: Path, cluster, trust: Trust, issuer: tokens.Issuer, lifted: bool):
        self.trust = trust
        self.good_token = issuer.token()

        def more(config: dict) -> None:
            config["sasl"]["mechanisms"].append("OAUTHBEARER")
            config["sasl"]["users"].append({"username": "carol", "scram_sha_512": scram_credentials("SCRAM-SHA-512", "carol's")})
            config["sasl"]["oauthbearer"] = {"jwks": {"inline": issuer.jwk_set()}, "issuer": tokens.ISSUER, "audience": tokens.AUDIENCE}

        def lift(resources: dict) -> None:
            (chain,) = resources["listeners"][0]["filter_chains"]
            if lifted:
                chain["filters"] = [f for f in chain["filters"] if "local_ratelimit" not in f["name"]]

        self.envoy = OneWorker(directory, cluster, "secured.yaml", trust, "SASLTLS", more, lift, ENVIRONMENT)
        self.context = ssl.create_default_context(cafile=str(trust.clients.certificate))
        for _ in range(3):  # until the brokers' API versions are known
            with contextlib.suppress(*ENDED), self.tls() as raw:
                raw.announce("strangers")
                log_in(raw, "PLAIN", "alice", USERS["alice"])
                raw.metadata([])

    def tls(self) -> TlsRaw:
        return TlsRaw(self.envoy, self.trust)

    def cpu_s(self) -> float:
        """CPU seconds of the worker's thread."""
        tasks = Path(f"/proc/{self.envoy.process.child.pid}/task")
        return cpu_s(next(t for t in tasks.iterdir() if (t / "comm").read_text().startswith("wrk:worker_0")))

    def memory_kib(self) -> tuple[float, float]:
        """Resident memory, which counts memory that was freed before; and Envoy's allocations, which
        do not count the VM's memory."""
        allocated = json.loads(self.envoy._admin("/memory"))["allocated"]
        return self.envoy.memory_mib() * 1024, int(allocated) / 1024

    def log_lines(self) -> int:
        """Lines of the log but for those of the access log, which has a line for each connection."""
        with self.envoy.log.open(errors="replace") as log:
            return sum(not line.startswith("{") for line in log)

    def brokers(self) -> tuple[float, float]:
        """How many connections to brokers, and requests, there ever were."""
        stats = self.envoy.stats()
        kafka = ("envoy_cluster_name", "kafka")
        connections = sum(v for (n, labels), v in stats.items() if n == "envoy_cluster_upstream_cx_total" and kafka in labels)
        return connections, sum(v for (n, _), v in stats.items() if n == "kafka_remapper_upstream_requests_total")


class Neighbour:
    """A client that has logged in and asks a small question 50 times a second: how
    long each answer takes, in ms."""

    def __init__(self, gate: Gate):
        self._raw = gate.tls()
        log_in(self._raw, "PLAIN", "alice", USERS["alice"])
        self.ms: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            start = time.monotonic()
            self._raw.call(apis.API_VERSIONS, 0, {})
            self.ms.append(1000 * (time.monotonic() - start))

    def stop(self) -> None:
        self._over.set()
        self._thread.join(20)
        self._raw.close()


def again(gate: Gate, event: Callable[[Gate], object]) -> tuple[int, str]:
    """`event` by several threads at once, one after the other in each."""
    until = time.monotonic() + SECONDS

    def run() -> int:
        events = 0
        while time.monotonic() < until:
            with contextlib.suppress(*ENDED):
                event(gate)
            events += 1
        return events

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(run) for _ in range(THREADS)]
        return sum(r.result() for r in running), "-"


def held(gate: Gate, begin: Callable[[Gate], socket.socket], most_s: float) -> tuple[int, str]:
    """HELD connections at once, until Envoy closes them, or they are let go."""
    before = gate.memory_kib()
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        opened = list(pool.map(lambda _: begin(gate), range(HELD)))
    time.sleep(1)
    more = max(now - then for now, then in zip(gate.memory_kib(), before, strict=True))
    active = gate.envoy.stat("envoy_cluster_upstream_cx_active", envoy_cluster_name="kafka") - 1  # the neighbour's
    closed_s = []
    for sock in opened:
        sock.settimeout(max(start + most_s - time.monotonic(), 0.01))
        with contextlib.suppress(OSError):
            while sock.recv(65536):
                pass
            closed_s.append(time.monotonic() - start)
        sock.close()
    time_held = f"{min(closed_s):.0f} s" if len(closed_s) > HELD / 2 else f"over {most_s:.0f} s"
    return HELD, f"{HELD} for {time_held}; {active:.0f} to brokers; {more / HELD:.0f} KiB each"


def silent(gate: Gate) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gate.envoy.base))


def half_handshake(gate: Gate) -> socket.socket:
    """The client's first flight, and nothing after it."""
    sock, incoming, outgoing = silent(gate), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = gate.context.wrap_bio(incoming, outgoing, server_hostname=gate.envoy.server_name())
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    sock.sendall(outgoing.read())
    return sock


def handshake(gate: Gate) -> socket.socket:
    return gate.tls().socket


def one_question(gate: Gate) -> socket.socket:
    raw = gate.tls()
    raw.call(apis.API_VERSIONS, 0, {})
    return raw.socket


def long_frame(gate: Gate) -> socket.socket:
    """Nearly all of the longest frame that is read before a login."""
    sock = gate.tls().socket
    sock.settimeout(1)
    with contextlib.suppress(TimeoutError, ssl.SSLError, ConnectionError):
        sock.sendall(struct.pack(">ihhi", 512 << 10, 18, 3, 1) + bytes(500 << 10))
    return sock


def garbage(gate: Gate) -> None:
    with gate.tls() as raw:
        raw.socket.sendall(secrets.token_bytes(64))
        raw.is_closed_by_peer(5)


def questions(gate: Gate) -> tuple[int, str]:
    """ApiVersions on a few connections, as fast as they are answered."""
    until, count = time.monotonic() + SECONDS, []

    def run() -> None:
        with gate.tls() as raw:
            n = 0
            while time.monotonic() < until:
                sent = [raw.send(apis.API_VERSIONS, 0, {}) for _ in range(8)]
                for correlation in sent:
                    raw.receive(apis.API_VERSIONS, 0, correlation)
                n += len(sent)
            count.append(n)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for running in [pool.submit(run) for _ in range(THREADS)]:
            running.result()
    return sum(count), f"{THREADS}"


def offers(gate: Gate) -> None:
    with gate.tls() as raw:
        offer(raw, "SCRAM-SHA-512", 1)


def tries(mechanism: str, token: Callable[[Gate], bytes]) -> Callable[[Gate], None]:
    """A connection, and a token that is refused, or that no other token follows."""

    def event(gate: Gate) -> None:
        with gate.tls() as raw:
            offer(raw, mechanism, 1)
            authenticate(raw, token(gate))

    return event


def wrong(username: str) -> bytes:
    return plain(username, secrets.token_hex(8))


def client_first(gate: Gate) -> bytes:
    return f"n,,n=nobody-{secrets.token_hex(6)},r={secrets.token_hex(12)}".encode()


def unknown_key(gate: Gate) -> bytes:
    head, claims, signature = gate.good_token.split(".")
    return bearer(".".join([tokens._text(b'{"alg":"RS256","kid":"%s"}' % secrets.token_hex(4).encode()), claims, signature]))


def bad_signature(gate: Gate) -> bytes:
    head, claims, signature = gate.good_token.split(".")
    return bearer(f"{head}.{claims}.{tokens._text(secrets.token_bytes(256))}")


LIMIT = "3000 connections of all kinds"
HANDSHAKE = "1000 connections; `transport_socket_connect_timeout`"
BUFFERS = "16 MiB of all in the filter"
PROOF = "1000 connections; `limits.authentication_ms`"
GUESS = "one try a connection: 200 a second"
FLOOD = "new connections, the file's limits on"
ROWS = [
    Row("TCP and silence", lambda g: held(g, silent, 20), f"{LIMIT}; `listener_filters_timeout`"),
    Row("half a TLS handshake", lambda g: held(g, half_handshake, 20), HANDSHAKE),
    Row("a TLS handshake and silence", lambda g: held(g, handshake, 40), PROOF),
    Row("ApiVersions and silence", lambda g: held(g, one_question, 40), PROOF),
    Row("500 KiB of a frame, never its end", lambda g: held(g, long_frame, 5), f"as above; {BUFFERS}"),
    Row("garbage", lambda g: again(g, garbage), "the connection ends: 200 a second"),
    Row("ApiVersions again and again", questions, f"one broker request each; {PROOF}"),
    Row("SaslHandshake", lambda g: again(g, offers), GUESS),
    Row("PLAIN, a wrong password", lambda g: again(g, tries("PLAIN", lambda _: wrong("alice"))), GUESS),
    Row("PLAIN, a wrong password of a user with SCRAM credentials", lambda g: again(g, tries("PLAIN", lambda _: wrong("carol"))), GUESS),
    Row("SCRAM, the first message of a new name", lambda g: again(g, tries("SCRAM-SHA-512", client_first)), GUESS),
    Row("a token of an unknown key", lambda g: again(g, tries("OAUTHBEARER", unknown_key)), GUESS),
    Row("a token with a bad signature (RS256)", lambda g: again(g, tries("OAUTHBEARER", bad_signature)), GUESS),
]
HEAD = ["what", "events a second", "connections held", "CPU", "broker connections, requests", "log lines", "others wait", "bound by"]


def measure(gate: Gate, row: Row) -> list[str]:
    """The row's cells."""
    neighbour = Neighbour(gate)
    time.sleep(0.5)
    lines, (connections, requests), cpu, start = gate.log_lines(), gate.brokers(), gate.cpu_s(), time.monotonic()
    neighbour.ms.clear()
    events, what_was_held = row.act(gate)
    seconds, cpu = time.monotonic() - start, gate.cpu_s() - cpu
    own, ms = len(neighbour.ms), sorted(neighbour.ms)
    neighbour.stop()
    now = gate.brokers()
    connections, requests = now[0] - connections, max(now[1] - requests - own, 0)
    return [
        row.name,
        "-" if "for" in what_was_held else f"{events / seconds:.0f}",
        what_was_held,
        f"{1000 * cpu / events:.2f} ms each, {100 * cpu / seconds:.0f} %",
        f"{connections / events:.1f}, {requests / events:.1f} each",
        f"{gate.log_lines() - lines}",
        f"{ms[len(ms) // 2]:.1f} ms, at most {ms[-1]:.0f}" if ms else "-",
        row.bound,
    ]


def flood(gate: Gate) -> list[str]:
    """New connections that send garbage, as fast as they come, with the file's own limits."""
    neighbour = Neighbour(gate)
    lines, connections, cpu, start = gate.log_lines(), gate.brokers()[0], gate.cpu_s(), time.monotonic()

    def event(gate: Gate) -> None:
        with silent(gate) as sock:
            sock.sendall(b"GET / HTTP/1.1")
            sock.recv(1)

    events, _ = again(gate, event)
    seconds, cpu, ms = time.monotonic() - start, gate.cpu_s() - cpu, sorted(neighbour.ms)
    neighbour.stop()
    refused = gate.envoy.stat("envoy_local_rate_limit_rate_limited")
    return [
        FLOOD,
        f"{events / seconds:.0f}, of which {refused / seconds:.0f} are closed at once",
        "-",
        f"{1000 * cpu / events:.2f} ms each, {100 * cpu / seconds:.0f} %",
        f"{(gate.brokers()[0] - connections) / events:.1f}, 0.0 each",
        f"{gate.log_lines() - lines}",
        f"{ms[len(ms) // 2]:.1f} ms, at most {ms[-1]:.0f}" if ms else "-",
        "1000 at once, then 200 a second",
    ]


def show(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    only = sys.argv[1:]
    names = [row.name for row in ROWS] + [FLOOD]
    if strange := [word for word in only if not any(word in name for name in names)]:
        print(f"no row is called {', '.join(strange)}; there are: {'; '.join(names)}", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="kpr-strangers-"))
    try:
        (directory / "issuer").mkdir()
        trust = Trust.make(directory / "certificates", 2)
        issuer = tokens.Issuer(directory / "issuer")
        say("brokers start")
        with secured_cluster(directory / "kafka", trust) as cluster:
            show(HEAD)
            show(["---"] * len(HEAD))
            rows = [row for row in ROWS if not only or any(word in row.name for word in only)]
            gate = Gate(directory / "lifted", cluster, trust, issuer, lifted=True)
            with gate.envoy:
                for n, row in enumerate(rows, 1):
                    say(f"{n} of {len(rows)}: {row.name}")
                    show(measure(gate, row))
                    wait_until("Envoy is quiet", lambda: gate.envoy.stat("kafka_remapper_connections_active") == 0, 40)
            if not only or any(word in FLOOD for word in only):
                say("and with the file's own limits")
                gate = Gate(directory / "limited", cluster, trust, issuer, lifted=False)
                with gate.envoy:
                    show(flood(gate))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
