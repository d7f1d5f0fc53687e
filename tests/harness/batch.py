"""Record batches of magic 2: built with any header, and taken apart to offsets and values."""

import gzip
import struct
import time
import zlib
from dataclasses import dataclass

from crc32c import crc32c

from .wire import uvarint, uvarint_at

HEADER = struct.Struct(">qiibIhiqqqhii")
CRC_FROM = 21
TRANSACTIONAL, CONTROL, LOG_APPEND_TIME = 0x10, 0x20, 0x08


@dataclass
class Batch:
    """A batch; `raw` holds all of its bytes, as they are on the wire."""

    base_offset: int
    attributes: int
    last_offset_delta: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int
    crc_ok: bool
    raw: bytes

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    def records(self) -> list[tuple[int, bytes]]:
        """(offset, value) of each record; only for no compression and gzip."""
        body = self.raw[HEADER.size :]
        if self.attributes & 7 == 1:
            body = gzip.decompress(body)
        assert self.attributes & 7 <= 1, "only none and gzip are read here"
        at, found = 0, []
        for _ in range(self.count):
            _, at = varint_at(body, at)
            at += 1
            _, at = varint_at(body, at)
            delta, at = varint_at(body, at)
            size, at = varint_at(body, at)
            at += max(size, 0)
            size, at = varint_at(body, at)
            found.append((self.base_offset + delta, body[at : at + max(size, 0)]))
            at += max(size, 0)
            _, at = varint_at(body, at)
        return found


def build(
    values: list[bytes],
    keys: list[bytes] | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    attributes: int = 0,
    timestamp: int | None = None,
) -> bytes:
    """A batch of these values; `producer` is (id, epoch, base sequence);
    attributes' lowest bit makes it gzip."""
    timestamp = int(time.time() * 1000) if timestamp is None else timestamp
    body = b"".join(_record(i, keys[i] if keys else v, v) for i, v in enumerate(values))
    if attributes & 7 == 1:
        body = gzip.compress(body, mtime=0)
    n = len(values)
    covered = struct.pack(">hiqqqhii", attributes, n - 1, timestamp, timestamp, *producer, n) + body
    return struct.pack(">qiibI", 0, len(covered) + 9, -1, 2, crc32c(covered)) + covered


def build_magic_1(value: bytes) -> bytes:
    """A message set of the format before 0.11, with one message."""
    message = struct.pack(">bbq", 1, 0, 0) + struct.pack(">i", -1) + struct.pack(">i", len(value)) + value
    message = struct.pack(">I", zlib.crc32(message)) + message
    return struct.pack(">qi", 0, len(message)) + message


def parse(data: bytes | None) -> list[Batch]:
    """The whole batches in a Fetch answer's records; a cut-off one at the end is left out."""
    found, at = [], 0
    data = data or b""
    while at + HEADER.size <= len(data):
        base, size, _, magic, crc, attributes, delta, _, _, pid, epoch, seq, count = HEADER.unpack_from(data, at)
        raw = data[at : at + 12 + size]
        if len(raw) < 12 + size:
            break
        assert magic == 2, f"magic {magic}"
        found.append(Batch(base, attributes, delta, pid, epoch, seq, count, crc32c(raw[CRC_FROM:]) == crc, raw))
        at += 12 + size
    return found


def _record(index: int, key: bytes, value: bytes) -> bytes:
    body = b"\0" + varint(0) + varint(index) + varint(len(key)) + key + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def varint(n: int) -> bytes:
    """A signed varint: zigzag, so that small negative numbers are short too."""
    return uvarint((n << 1) ^ (n >> 63))


def varint_at(data: bytes, at: int) -> tuple[int, int]:
    """The signed varint at `at`, and where it ends."""
    value, at = uvarint_at(data, at)
    return (value >> 1) ^ -(value & 1), at
