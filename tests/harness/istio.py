"""Does to listeners what Istio's control plane does with an EnvoyFilter and a WasmPlugin, as far as
examples/istio uses them, after Istio 1.32's sources (pilot/pkg/networking/core:
envoyfilter/listener_patch.go, networkfilter.go, extension/wasmplugin.go; pilot/pkg/model/extensions.go). And
validates by Istio's own schemas.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import yaml

from .envoy import TYPE
from .paths import TOOLS

CRDS = TOOLS / "istio/customresourcedefinitions.gen.yaml"
"""Istio's resource definitions, as its API's module has them."""
STATS = "istio.stats"
"""A network filter that only Istio's build of Envoy has: it stands before tcp_proxy, and counts."""
FAILURE_POLICIES = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN", "FAIL_RELOAD": "FAIL_RELOAD"}


def validate(resource: dict) -> None:
    """ValidationError if the resource is not what its definition says; fields that it does not know are
    none."""
    group, version = resource["apiVersion"].split("/")
    for definition in yaml.load_all(CRDS.read_text(), yaml.CSafeLoader):
        if definition and (definition["spec"]["group"], definition["spec"]["names"]["kind"]) == (group, resource["kind"]):
            (found,) = (v for v in definition["spec"]["versions"] if v["name"] == version and v["served"])
            schema = found["schema"]["openAPIV3Schema"]
            known = {**schema["properties"], "apiVersion": {}, "kind": {}, "metadata": {}}
            jsonschema.Draft202012Validator(_strict({**schema, "properties": known})).validate(resource)
            return
    raise LookupError(f"Istio has no {resource['kind']} of {resource['apiVersion']}")


def _strict(schema: object) -> object:
    if isinstance(schema, list):
        return [_strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed["additionalProperties"] = False
    return closed


def apply_envoy_filter(envoy_filter: dict, context: str, listeners: list[dict]) -> list[dict]:
    """The listeners with the patches of applyTo NETWORK_FILTER in them, by INSERT_BEFORE."""
    patched = copy.deepcopy(listeners)
    for patch in envoy_filter["spec"]["configPatches"]:
        operation = (patch["applyTo"], patch["patch"]["operation"])
        assert operation == ("NETWORK_FILTER", "INSERT_BEFORE"), f"{operation} is not written here"
        match = patch["match"]
        assert set(match) == {"context", "listener"} and set(match["listener"]) == {"portNumber", "filterChain"}
        for listener in patched:
            port = listener["address"]["socket_address"]["port_value"]
            if context == match["context"] and port == match["listener"]["portNumber"]:
                for chain in listener["filter_chains"]:
                    _insert_before(chain["filters"], match["listener"]["filterChain"]["filter"]["name"], patch["patch"]["value"])
    return patched


def _insert_before(filters: list[dict], name: str, new: dict) -> None:
    for at, present in enumerate(filters):
        if present["name"] == name:
            filters.insert(at, copy.deepcopy(new))
            return


def apply_wasm_plugin(plugin: dict, mode: str, listeners: list[dict], wasm: Path, directory: Path) -> list[dict]:
    """The listeners with the plugin of type NETWORK in them. `mode` is that of the listeners: CLIENT for
    those on the way out of a workload, a gateway's among them. Istio sends the extension's configuration
    apart (ECDS), in which its agent has put a file, `wasm` here, in the place of the URL: here a file in
    `directory` brings it."""
    spec = plugin["spec"]
    assert spec["type"] == "NETWORK" and "phase" not in spec
    name = f"{plugin['metadata']['namespace']}.{plugin['metadata']['name']}"
    type_urls = [f"{TYPE}filters.network.wasm.v3.Wasm", f"{TYPE}filters.network.rbac.v3.RBAC"]
    file = directory / f"{name}.yaml"
    file.write_text(json.dumps({"resources": [_extension(name, spec, wasm, type_urls[0])]}))
    # Istio: {"ads": {}, "resource_api_version": "V3"}, and the proxy waits for it without end (0s).
    source = {"path_config_source": {"path": str(file)}, "initial_fetch_timeout": "0s"}
    discovered = {"name": name, "config_discovery": {"config_source": source, "type_urls": type_urls}}
    patched = copy.deepcopy(listeners)
    for listener in patched:
        if any(_selects(m, mode, listener["address"]["socket_address"]["port_value"]) for m in spec["match"]):
            for chain in listener["filter_chains"]:
                # Plugins without a phase stand before Istio's own counting, which is before tcp_proxy.
                _insert_before(chain["filters"], STATS, discovered)
    return patched


def _selects(match: dict, mode: str, port: int) -> bool:
    return match.get("mode", mode) in (mode, "CLIENT_AND_SERVER") and port in [p["number"] for p in match["ports"]]


def _extension(name: str, spec: dict, wasm: Path, type_url: str) -> dict:
    return {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": {
            "@type": type_url,
            "config": {
                "name": name,
                "root_id": spec.get("pluginName", ""),
                # Numbers of a Struct are floating-point; Istio writes whole ones without a fraction.
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(spec["pluginConfig"])},
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": str(wasm)}},
                    "environment_variables": {"key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"}},
                },
                "failure_policy": FAILURE_POLICIES[spec["failStrategy"]],
            },
        },
    }


def without_istios_own(listeners: list[dict]) -> list[dict]:
    """The listeners as plain Envoy can load them."""
    for chain in (chain for listener in listeners for chain in listener["filter_chains"]):
        chain["filters"] = [f for f in chain["filters"] if f["name"] != STATS]
    return listeners


def documents(*directories: Path) -> Iterator[dict]:
    """All resources in the YAML files of these directories."""
    for file in sorted(file for directory in directories for file in directory.glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())
