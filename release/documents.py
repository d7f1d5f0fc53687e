"""Documents of a release: the SBOM, and the licences of others."""

from .dependencies import SHIPPED, Crate

OURS = "Apache-2.0"

WITHOUT_TEXT = {"crc-catalog"}
"""Crates that come without the text of their licence: taken under Apache-2.0, whose text others bring."""


def sbom(found: list[Crate], version: str, files: dict[str, str], compiler: str) -> dict:
    """CycloneDX 1.5, without date and serial number: the same release has the same. `files`: names of what is shipped
    and their SHA-256; `compiler`: rustc's version, which is that of the standard library."""
    # A crate of the workspace that is no registry's has no checksum.
    others = [crate for crate in found if crate.checksum]
    library = {
        "type": "library",
        "bom-ref": f"rust-std@{compiler}",
        "name": "rust-std",
        "version": compiler,
        "description": "Rust's standard library",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "release",
                "name": "kafka-partition-remapper",
                "version": version,
                "licenses": [{"license": {"id": OURS}}],
                "components": [
                    {"type": "file", "bom-ref": name, "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
                    for name, digest in files.items()
                ],
            }
        },
        "components": [library, *map(component, others)],
        "dependencies": [{"ref": "release", "dependsOn": [library["bom-ref"], *map(reference, others)]}],
    }


def reference(crate: Crate) -> str:
    """The crate's package URL."""
    return f"pkg:cargo/{crate.name}@{crate.version}"


def component(crate: Crate) -> dict:
    links = [{"type": "vcs", "url": crate.repository}] if crate.repository else []
    return {
        "type": "library",
        "bom-ref": reference(crate),
        "name": crate.name,
        "version": crate.version,
        "purl": reference(crate),
        "hashes": [{"alg": "SHA-256", "content": crate.checksum}],
        "licenses": [{"expression": crate.license}],
        "externalReferences": links,
        "properties": [{"name": "used-by", "value": user} for user in crate.used_by],
    }


def licenses(found: list[Crate], compiler: str) -> str:
    """All that others ask to be handed on with what is made of their work."""
    others = [crate for crate in found if crate.checksum]
    texts: dict[str, list[str]] = {}
    lines = []
    for crate in others:
        chosen = "; taken under Apache-2.0" if crate.name in WITHOUT_TEXT else ""
        lines.append(f"{crate.name} {crate.version}: {crate.license}{chosen} ({', '.join(crate.used_by)})")
        for name, text in crate.texts().items():
            texts.setdefault(text, []).append(f"{crate.name} {crate.version} {name}")
    head = f"""What others wrote and is part of {" and of ".join(SHIPPED)}, with its licences. Below the list stands the text of
each licence, and of which crates' files it is the text.

rust-std {compiler} (Rust's standard library): MIT OR Apache-2.0, copyright The Rust Project Developers
"""
    rule = "=" * 100
    parts = [f"{rule}\n{chr(10).join(names)}\n{rule}\n\n{text}\n" for text, names in texts.items()]
    return "\n".join([head + "\n".join(lines) + "\n", *parts])
