"""The filter as an OCI image, in a directory (an OCI image layout): made without a daemon, and without a date, so
that the same filter is the same image.

It is the compat form of WebAssembly images, which Istio and Envoy Gateway take and every registry stores: an image
of one layer, a tar.gz with the file plugin.wasm.
"""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FILE = "plugin.wasm"


def write(directory: Path, module: bytes, tag: str, annotations: dict[str, str]) -> str:
    """Writes the layout, and returns the digest of the image's manifest."""
    (directory / "blobs/sha256").mkdir(parents=True)
    layer = _tar(module)
    # Whoever pulls asks for linux/amd64 where nothing else is said, whatever the machine: what is in the
    # image runs on all.
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": annotations},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
        "history": [{"created_by": "make release"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _blob(directory, CONFIG, to_json(config)),
        "layers": [_blob(directory, LAYER, gzip.compress(layer, 9, mtime=0))],
        "annotations": {**annotations, "module.wasm.image/variant": "compat"},
    }
    described = _blob(directory, MANIFEST, to_json(manifest))
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{**described, "annotations": {"org.opencontainers.image.ref.name": tag}}],
    }
    (directory / "index.json").write_bytes(to_json(index))
    (directory / "oci-layout").write_bytes(to_json({"imageLayoutVersion": "1.0.0"}))
    return described["digest"]


def _tar(module: bytes) -> bytes:
    entry = tarfile.TarInfo(FILE)
    entry.size, entry.mode = len(module), 0o644
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(module))
    return out.getvalue()


def _blob(directory: Path, media_type: str, content: bytes) -> dict:
    digest = _sha256(content)
    (directory / "blobs/sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def to_json(value: dict) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
