"""A Kafka client that sends exactly what a test says, one connection to one port."""

import socket
import struct
import time

from . import apis, batch
from .wire import Reader, Writer

EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3


class Raw:
    """A connection. `call` sends a request and reads the answer; `send` and `receive` do
    one half each, for pipelining."""

    def __init__(self, port: int, timeout: float = 15, host: str = "127.0.0.1", source: str = ""):
        """`source`: the client's own address, where that matters."""
        self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send_frame(self, frame: bytes) -> None:
        self.socket.sendall(framed(frame))

    def receive_frame(self) -> bytes:
        """ConnectionError when the peer closes instead."""
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def send(self, api: apis.Api, version: int, body: dict, behind: bytes = b"", **header) -> int:
        """`behind`: bytes behind the last field. `header`: as for request_header."""
        return self.send_body(api, version, encode(api, version, body) + behind, **header)

    def send_body(self, api: apis.Api, version: int, body: bytes, **header) -> int:
        self._correlation += 1
        self.send_frame(request_header(api, version, self._correlation, **header) + body)
        return self._correlation

    def receive(self, api: apis.Api, version: int, correlation: int) -> dict:
        frame = self.receive_frame()
        (got,) = struct.unpack_from(">i", frame)
        assert got == correlation, f"answer to {got} instead of {correlation}"
        return decode(api, version, frame[4:])

    def call(self, api: apis.Api, version: int, body: dict, **odd) -> dict:
        return self.receive(api, version, self.send(api, version, body, **odd))

    def announce(self, software: str) -> None:
        """Tells the client's name (KIP-511), by which the filter knows what the client can handle."""
        body = {"client_software_name": software, "client_software_version": "1"}
        assert self.call(apis.API_VERSIONS, 3, body)["error_code"] == 0

    def produce(self, topic: str, batches: dict[int, bytes], acks: int = -1, version: int = 9) -> dict[int, dict]:
        """One request with one batch for each partition; partition → its part of the answer."""
        answer = self.call(apis.PRODUCE, version, produce_body(topic, batches, acks))
        return {p["index"]: p for t in answer["topics"] for p in t["partitions"]}

    def append(self, topic: str, partition: int, values: list[bytes], **header) -> int:
        """Stores one batch and returns its base offset."""
        answer = self.produce(topic, {partition: batch.build(values, **header)})[partition]
        assert answer["error_code"] == 0, answer
        return answer["base_offset"]

    def append_each(self, topic: str, batches: list[tuple[int, list[bytes]]], window: int = 32) -> list[int]:
        """Stores (partition, values) batches in this order, a request for each with `window` on
        their way; their base offsets."""
        offsets, sent = [], []

        def take() -> None:
            answer = partitions_of(self.receive(apis.PRODUCE, 9, sent.pop(0)))
            ((_, part),) = answer.items()
            assert part["error_code"] == 0, part
            offsets.append(part["base_offset"])

        for partition, values in batches:
            sent.append(self.send(apis.PRODUCE, 9, produce_body(topic, {partition: batch.build(values)})))
            if len(sent) == window:
                take()
        while sent:
            take()
        return offsets

    def fetch(self, topic: str, offsets: dict[int, int], version: int = 11, **options) -> dict:
        return self.call(apis.FETCH, version, fetch_body(topic, offsets, **options))

    def fetch_one(self, topic: str, partition: int, offset: int, **options) -> dict:
        """The answer for one partition."""
        return partitions_of(self.fetch(topic, {partition: offset}, **options))[partition]

    def read_all(self, topic: str, partition: int) -> list[tuple[int, bytes]]:
        """Every record of a partition, as (offset, value), stepping from its start
        to its end as a client would."""
        end = self.list_offset(topic, partition, LATEST)
        position, found, empty = self.list_offset(topic, partition, EARLIEST), [], 0
        # A client that gets nothing twice, although the end is not reached, has
        # only siblings' records before it.
        while position < end and empty < 2:
            answer = self.fetch_one(topic, partition, position, max_wait_ms=200)
            assert answer["error_code"] == 0, answer
            batches = batch.parse(answer["records"])
            for b in batches:
                if not b.is_control:
                    found += [r for r in b.records() if r[0] >= position]
                position = b.last_offset + 1
            empty = 0 if batches else empty + 1
        return found

    def list_offset(self, topic: str, partition: int, timestamp: int, version: int = 7) -> int:
        answer = self.list_offsets(topic, {partition: timestamp}, version)[partition]
        assert answer["error_code"] == 0, answer
        return answer["offset"]

    def list_offsets(self, topic: str, timestamps: dict[int, int], version: int = 7) -> dict[int, dict]:
        parts = [{"index": p, "current_leader_epoch": -1, "timestamp": t} for p, t in timestamps.items()]
        body = {"replica_id": -1, "topics": [{"name": topic, "partitions": parts}], "timeout_ms": 5000}
        return partitions_of(self.call(apis.LIST_OFFSETS, version, body))

    def metadata(self, topics: list[str] | None, version: int = 9) -> dict:
        everything = [] if version == 0 else None
        named = everything if topics is None else [{"name": t} for t in topics]
        return self.call(apis.METADATA, version, {"topics": named})

    def init_producer_id(self) -> tuple[int, int]:
        """(producer id, epoch) for idempotent batches."""
        body = {"transactional_id": None, "transaction_timeout_ms": 60000}
        coordinator_load_in_progress = 14  # the answer of a broker that has no block of ids yet
        while (answer := self.call(apis.INIT_PRODUCER_ID, 1, body))["error_code"] == coordinator_load_in_progress:
            time.sleep(0.1)
        assert answer["error_code"] == 0, answer
        return answer["producer_id"], answer["producer_epoch"]

    def is_closed_by_peer(self, seconds: float = 5) -> bool:
        """Whether the other side closes (or resets) the connection within `seconds`; bytes that
        come before are thrown away."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def _exactly(self, n: int) -> bytes:
        data = bytearray()
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise ConnectionError("the peer closed the connection")
            data += piece
        return bytes(data)


def request_header(api: apis.Api, version: int, correlation: int, client_id: bytes = b"raw", tags: bytes = b"\0") -> bytes:
    """`tags`: the bytes of the tagged fields, in versions that have such fields."""
    header = struct.pack(">hhih", api.key, version, correlation, len(client_id)) + client_id
    return header + (tags if version >= api.flexible_from else b"")


def framed(data: bytes) -> bytes:
    """`data` with its length before it, as every request and answer goes over a connection."""
    return struct.pack(">i", len(data)) + data


def request_frame(api: apis.Api, version: int, body: dict, correlation: int = 7) -> bytes:
    """A whole request, for tests that send several at once, or one in pieces."""
    return framed(request_header(api, version, correlation) + encode(api, version, body))


def encode(api: apis.Api, version: int, body: dict) -> bytes:
    writer = Writer(version, version >= api.flexible_from)
    writer.fields(api.request, body)
    return bytes(writer.out)


def decode(api: apis.Api, version: int, data: bytes) -> dict:
    """The body of an answer, after its correlation id; every byte must be used."""
    reader = Reader(data, version, version >= api.flexible_from)
    if reader.flexible and api is not apis.API_VERSIONS:  # the answer of ApiVersions keeps the old header (KIP-511)
        assert reader.take(1) == b"\0"
    values = reader.fields(api.response, api.response_tags)
    assert reader.at == len(data), f"{len(data) - reader.at} bytes too many"
    return values


def produce_body(topic: str, batches: dict[int, bytes], acks: int = -1) -> dict:
    parts = [{"index": p, "records": b} for p, b in batches.items()]
    return {"acks": acks, "timeout_ms": 10000, "topics": [{"name": topic, "partitions": parts}]}


def fetch_body(
    topic: str,
    offsets: dict[int, int],
    max_wait_ms: int = 500,
    min_bytes: int = 1,
    max_bytes: int = 1 << 24,
    partition_max_bytes: int = 1 << 20,
    read_committed: bool = False,
    session: tuple[int, int] = (0, -1),
) -> dict:
    parts = [
        {
            "index": p,
            "current_leader_epoch": -1,
            "fetch_offset": offset,
            "last_fetched_epoch": -1,
            "log_start_offset": -1,
            "partition_max_bytes": partition_max_bytes,
        }
        for p, offset in offsets.items()
    ]
    return {
        "replica_id": -1,
        "max_wait_ms": max_wait_ms,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "isolation_level": int(read_committed),
        "session_id": session[0],
        "session_epoch": session[1],
        "topics": [{"name": topic, "partitions": parts}],
    }


def partitions_of(answer: dict) -> dict[int, dict]:
    return {p["index"]: p for t in answer["topics"] for p in t["partitions"]}
