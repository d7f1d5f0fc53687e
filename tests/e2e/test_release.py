"""What `make release` leaves in dist/: each document says what is so, and the image holds the filter."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from release import build, dependencies, documents, oci, wasm
from tests.harness import checker
from tests.harness.paths import ENVOY_BINARY, REPO, WASM

pytestmark = pytest.mark.remap


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """A release of the filter and the checker that the tests run."""
    directory = tmp_path_factory.mktemp("release") / "dist"
    build.assemble(directory, WASM, checker.program())
    return directory


def test_sums_are_those_of_all_files(dist: Path):
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", build.SUMS], cwd=dist, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    named = {line.split("  ")[1] for line in (dist / build.SUMS).read_text().splitlines()}
    assert named == {str(file.relative_to(dist)) for file in dist.rglob("*") if file.is_file()} - {build.SUMS}
    assert {"kafka_partition_remapper.wasm", "kafka-remapper-check", "sbom.cdx.json", "THIRD_PARTY_LICENSES.txt"} <= named
    assert {"LICENSE", "CHANGELOG.md", "SECURITY.md"} <= named


def test_the_filter_says_its_version_and_nothing_of_the_machine_that_built_it(dist: Path):
    module, built = (dist / build.FILTER).read_bytes(), WASM.read_bytes()
    said = wasm.custom_sections(module)
    assert said["version"].decode() == dependencies.version()
    assert re.fullmatch(rb"[0-9a-f]{40}(-dirty)?|unknown", said["revision"])
    assert said["licenses"] == b"Apache-2.0"
    # All that runs is as it was built.
    runs = [section for number, _, section in wasm.sections(module) if number != wasm.CUSTOM]
    assert runs == [section for number, _, section in wasm.sections(built) if number != wasm.CUSTOM]
    assert wasm.with_custom_sections(module, {"version": "x"}) == wasm.with_custom_sections(module, {"version": "x"})
    assert wasm.custom_sections(wasm.with_custom_sections(module, {"version": "x"}))["version"] == b"x"
    assert build.private_paths(module) == []
    assert build.private_paths(b"at /home/me/.cargo/registry/src/x.rs") == ["/home/me/.cargo/registry/src/x.rs"]


def test_the_image_is_whole_and_holds_the_filter(dist: Path):
    """Read as a client of registries reads it: each digest and size, down to plugin.wasm."""
    layout = dist / "oci"
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}

    def blob(described: dict, media_type: str) -> bytes:
        assert described["mediaType"] == media_type
        algorithm, digest = described["digest"].split(":")
        content = (layout / "blobs" / algorithm / digest).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (digest, described["size"])
        return content

    index = json.loads((layout / "index.json").read_text())
    assert (index["schemaVersion"], index["mediaType"]) == (2, oci.INDEX)
    (described,) = index["manifests"]
    assert described["annotations"] == {"org.opencontainers.image.ref.name": dependencies.version()}
    manifest = json.loads(blob(described, oci.MANIFEST))
    assert manifest["annotations"]["module.wasm.image/variant"] == "compat"
    assert manifest["annotations"]["org.opencontainers.image.version"] == dependencies.version()
    # Istio and Envoy Gateway take one layer of this type with one file of this name.
    (layer,) = manifest["layers"]
    unpacked = gzip.decompress(blob(layer, "application/vnd.oci.image.layer.v1.tar+gzip"))
    config = json.loads(blob(manifest["config"], oci.CONFIG))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mtime, entry.uid, entry.mode) == ("plugin.wasm", 0, 0, 0o644)
        assert archive.extractfile(entry).read() == (dist / build.FILTER).read_bytes()
    assert len(list((layout / "blobs/sha256").iterdir())) == 3


def test_the_same_filter_is_the_same_release(dist: Path, tmp_path):
    sums = build.assemble(tmp_path / "dist", WASM, checker.program())
    assert sums == {name: build.sha256(dist / name) for name in sums}


def test_envoy_runs_the_released_filter(dist: Path, tmp_path):
    shipped = (REPO / "envoy/dynamic.yaml").read_text()
    (file := tmp_path / "envoy.yaml").write_text(shipped.replace("/etc/envoy/kafka_partition_remapper.wasm", str(dist / build.FILTER)))
    done = subprocess.run([ENVOY_BINARY, "--mode", "validate", "-c", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256(configuration(file).encode()).hexdigest()[:12]
    told = f"kafka partition remapper {dependencies.version()}, configuration {digest}: orders 100 on 10, any other"
    assert done.stderr.count(told) == 1, done.stderr


def configuration(file: Path) -> str:
    """The filter's own, in a file of Envoy's."""
    import yaml

    filters = yaml.safe_load(file.read_text())["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    return next(f["typed_config"]["config"]["configuration"]["value"] for f in filters if "config" in f["typed_config"])


def test_the_sbom_names_all_that_is_compiled_in(dist: Path):
    sbom = json.loads((dist / "sbom.cdx.json").read_text())
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
    components = sbom["components"]
    names = {component["name"] for component in components}
    assert {"kafka-protocol", "proxy-wasm", "rustls", "saphyr-parser", "serde_json", "rust-std"} <= names
    # Of tests only, or of the compiler's own work.
    assert not names & {"proptest", "syn", "rsa", "kafka-partition-remapper-core"}
    references = [component["bom-ref"] for component in components]
    assert len(set(references)) == len(references)
    (depends,) = sbom["dependencies"]
    assert depends["dependsOn"] == references
    used_by = {c["name"]: [p["value"] for p in c.get("properties", [])] for c in components}
    assert used_by["rustls"] == ["kafka-remapper-check"] and len(used_by["bytes"]) == 2
    # The filter has no schema generator in it.
    assert "kafka-partition-remapper" not in used_by["schemars"]
    for component in components:
        assert component["type"] == "library" and component["version"] and component["licenses"][0]["expression"]
        assert all(re.fullmatch("[0-9a-f]{64}", entry["content"]) for entry in component.get("hashes", []))
    files = sbom["metadata"]["component"]["components"]
    assert {f["name"]: f["hashes"][0]["content"] for f in files} == {n: build.sha256(dist / n) for n in (build.FILTER, build.CHECKER)}


def test_licences_are_allowed_and_handed_on(dist: Path):
    found = dependencies.crates()
    assert dependencies.refused(found) == []
    text = (dist / "THIRD_PARTY_LICENSES.txt").read_text()
    for crate in found:
        if crate.checksum:
            assert f"{crate.name} {crate.version}: {crate.license}" in text
            assert not crate.texts() or f"{crate.name} {crate.version} {next(iter(crate.texts()))}" in text
    without = [crate.name for crate in found if crate.checksum and not crate.texts()]
    assert set(without) <= documents.WITHOUT_TEXT, "crates without a licence's text: say whose they are in release/documents.py"
    for expression, allowed in {
        "MIT": True, "GPL-3.0-only": False, "GPL-2.0 OR MIT": True, "MIT AND GPL-2.0": False, "": False, "MIT OR": True,
        "(MIT OR GPL-2.0) AND Unicode-3.0": True, "(GPL-2.0 OR MIT) AND MPL-2.0": False, "Apache-2.0 WITH LLVM-exception": True,
        "(MIT": False, "MIT)": False,
    }.items():  # fmt: skip
        assert dependencies.is_allowed(expression) is allowed, expression
