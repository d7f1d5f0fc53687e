"""Sections of a WebAssembly module: what it says of itself, without which it runs as well."""

MAGIC = b"\0asm\1\0\0\0"
CUSTOM = 0


def with_custom_sections(module: bytes, texts: dict[str, str]) -> bytes:
    """The module with a custom section at its end for each text; those of these names that it had are left out."""
    kept = [section for number, name, section in sections(module) if number != CUSTOM or name not in texts]
    added = [_section(name, text.encode()) for name, text in texts.items()]
    return b"".join([MAGIC, *kept, *added])


def custom_sections(module: bytes) -> dict[str, bytes]:
    """The contents of custom sections, by name."""
    found = {}
    for number, name, section in sections(module):
        if number == CUSTOM:
            _, start = _number(section, 1)
            length, start = _number(section, start)
            found[name] = section[start + length :]
    return found


def sections(module: bytes) -> list[tuple[int, str, bytes]]:
    """(number, name, bytes with the head) of each section; only custom ones have a name."""
    if not module.startswith(MAGIC):
        raise ValueError("this is no WebAssembly module of version 1")
    found, at = [], len(MAGIC)
    while at < len(module):
        size, start = _number(module, at + 1)
        name = ""
        if module[at] == CUSTOM:
            length, text = _number(module, start)
            name = module[text : text + length].decode()
        found.append((module[at], name, module[at : start + size]))
        at = start + size
    return found


def _section(name: str, content: bytes) -> bytes:
    body = _coded(len(name.encode())) + name.encode() + content
    return bytes([CUSTOM]) + _coded(len(body)) + body


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _coded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
