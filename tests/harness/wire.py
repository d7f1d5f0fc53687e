"""Kafka's binary message format: fields with version ranges, encoded and decoded
from a description of a message.

A message's fields are tuples of (name, type, first version, last version), the last two optional. A type
is the name of a primitive, a list of one primitive's name or of fields for an array; a trailing `?`
makes strings and bytes nullable. Flexible versions (KIP-482) use compact lengths and end each structure
with tagged fields, which are skipped here except those that TAGS names. What a test wants to be odd on
the wire it gives as `Verbatim`.
"""

import struct

PRIMITIVES = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q"}


class Verbatim(bytes):
    """The bytes of a field on the wire, whatever the field's type says."""


class Writer:
    def __init__(self, version: int, flexible: bool):
        self.version, self.flexible, self.out = version, flexible, bytearray()

    def length(self, n: int, form: str) -> None:
        """A length, −1 for null, as `form` in old versions and as unsigned
        varint of n + 1 in flexible ones."""
        self.out += uvarint(n + 1) if self.flexible else struct.pack(form, n)

    def value(self, kind, value) -> None:
        if isinstance(value, Verbatim):
            self.out += value
        elif isinstance(kind, list):
            self.length(-1 if value is None else len(value), ">i")
            for item in value or []:
                self.value(kind[0], item) if isinstance(kind[0], str) else self.fields(kind, item)
        elif kind in PRIMITIVES:
            self.out += struct.pack(PRIMITIVES[kind], value)
        elif kind == "uuid":
            self.out += value
        else:
            data = value.encode() if isinstance(value, str) else value
            self.length(-1 if data is None else len(data), ">h" if kind.startswith("string") else ">i")
            self.out += data or b""

    def fields(self, fields: list, values: dict) -> None:
        """`values["tags"]`, if there, has the bytes of the tagged fields."""
        for name, kind, *versions in fields:
            if in_range(self.version, versions):
                self.value(kind, values[name] if name in values else default(kind))
        if self.flexible:
            self.out += values.get("tags", b"\0")


class Reader:
    def __init__(self, data: bytes, version: int, flexible: bool, tags: dict | None = None):
        self.version, self.flexible, self.data, self.at = version, flexible, data, 0
        self.tags = tags or {}

    def take(self, n: int) -> bytes:
        assert 0 <= n <= len(self.data) - self.at, f"{n} bytes wanted, {len(self.data) - self.at} left"
        self.at += n
        return self.data[self.at - n : self.at]

    def uvarint(self) -> int:
        value, self.at = uvarint_at(self.data, self.at)
        return value

    def number(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def length(self, form: str) -> int:
        return self.uvarint() - 1 if self.flexible else self.number(form)

    def value(self, kind):
        if isinstance(kind, list):
            n = self.length(">i")
            return None if n < 0 else [self.value(kind[0]) if isinstance(kind[0], str) else self.fields(kind) for _ in range(n)]
        if kind in PRIMITIVES:
            return self.number(PRIMITIVES[kind])
        if kind == "uuid":
            return self.take(16)
        n = self.length(">h" if kind.startswith("string") else ">i")
        data = None if n < 0 else self.take(n)
        return data.decode() if data is not None and kind.startswith("string") else data

    def fields(self, fields: list, tags: dict | None = None) -> dict:
        values = {name: self.value(kind) for name, kind, *versions in fields if in_range(self.version, versions)}
        if self.flexible:
            for _ in range(self.uvarint()):
                tag, size = self.uvarint(), self.uvarint()
                data = self.take(size)
                if tags and tag in tags:
                    name, kind = tags[tag]
                    values[name] = Reader(data, self.version, True).value(kind)
        return values


def in_range(version: int, versions: list) -> bool:
    first = versions[0] if versions else 0
    last = versions[1] if len(versions) > 1 else 999
    return first <= version <= last


def default(kind):
    if isinstance(kind, list):
        return []
    if kind.endswith("?"):
        return None
    return {"string": "", "bytes": b"", "uuid": bytes(16), "bool": False}.get(kind, 0)


def uvarint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def uvarint_at(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned varint at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
