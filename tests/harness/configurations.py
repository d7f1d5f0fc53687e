"""Finds out what the JSON and YAML of a document is, and lets those judge it who read it: the filter's own
configuration goes to `kafka-remapper-check`, Envoy's to Envoy with the filter, parts of either in a frame that
makes them whole. What others read is only parsed."""

import copy
import json
import re
import subprocess
from pathlib import Path

import yaml

from .certificates import Authority
from .checker import program
from .documents import Block
from .envoy import wasm_file
from .paths import ENVOY_BINARY, REPO, WASM

SECRET = "0123456789abcdef0123456789abcdef"
"""For each ${NAME} of a configuration, but for ${PUBLIC_KEY}."""
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDXIgVpu3kYJMMUcGItZra5v9m+ZV
1YBsTNI/dUA0VAcaguKeRQDJJXU6TIU8neYnlwPqKMdin9e1VD6UVs6FWA==
-----END PUBLIC KEY-----
"""
KEY_BYTES = '"' + "A" * 86 + '=="'
"""For each "…" in JSON: 64 bytes in Base64, as SCRAM-SHA-512 has its keys."""
PASSED_BY = {
    "Kubernetes": {"apiVersion", "kind"},
    "Prometheus": {"scrape_configs"},
    "Prometheus's rules": {"groups"},
    "a compose file": {"services"},
}
"""YAML that others than Envoy read, by keys that it has."""


def secrets(text: str) -> dict[str, str]:
    """A value for each ${NAME}."""
    return {name: PUBLIC_KEY if name == "PUBLIC_KEY" else SECRET for name in re.findall(r"\$\{(\w+)\}", text)}


# JSON: the filter's configuration, or a part of it.


def filter_configuration(block: Block) -> dict:
    """The configuration that a block shows: whole, some of its sections, or entries of mapping.topics."""
    schema = json.loads((REPO / "envoy/filter-config.schema.json").read_text())
    sections = schema["properties"].keys()
    for text in (block.text, f"{{{block.text}}}", f"[{block.text}]"):
        try:
            found = json.loads(text.replace('"…"', KEY_BYTES))
        except ValueError:
            continue
        entries = found if isinstance(found, list) else [found]
        if isinstance(found, dict) and found.keys() <= sections:
            return found
        if all(isinstance(entry, dict) and entry.keys() & {"name", "regex"} for entry in entries):
            return {"mapping": {"topics": entries}}
    raise AssertionError(f"{block} is no configuration of the filter, no sections and no topics of one: {block.text}")


def check_json(block: Block) -> None:
    if "other" in block.notes:
        json.loads(block.text)
        return
    config = filter_configuration(block)
    principals = config.get("upstream", {}).get("sasl", {}).get("per_principal", {})
    if principals and "principal" not in config:  # it must be possible that a client is one of them
        users = [{"username": name, "password": SECRET} for name in principals]
        config.setdefault("sasl", {"mechanisms": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "users": users})
    text = json.dumps(config)
    done = subprocess.run([program(), "check", "-"], input=text, capture_output=True, text=True, env=secrets(text))
    assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"


# YAML: Envoy's configuration, or a part of it.


def whole_bootstrap(part: object) -> dict | None:
    """Envoy's bootstrap with this part of it; what is missing is from envoy/dynamic.yaml. None: no part of one."""
    frame = yaml.safe_load((REPO / "envoy/dynamic.yaml").read_text())
    listener = frame["static_resources"]["listeners"][0]
    chain = listener["filter_chains"][0]
    if isinstance(part, list) and all("filters" in item for item in part):
        listener["filter_chains"] = [completed_chain(item, chain) for item in part] + [chain]
    elif isinstance(part, list) and all("typed_config" in item or "name" in item for item in part):
        listener["filter_chains"] = [completed_chain({"filters": part}, chain)]
    elif not isinstance(part, dict):
        return None
    elif "static_resources" in part:
        return part
    elif "resources" in part:  # a file for extension config discovery
        filters = [{"name": item["name"], "typed_config": item["typed_config"]} for item in part["resources"]]
        listener["filter_chains"] = [completed_chain({"filters": filters}, chain)]
    elif "filters" in part:
        listener["filter_chains"] = [completed_chain(part, chain)]
    elif "filter_chains" in part or "additional_addresses" in part or "listener_filters" in part:
        listener.update(part)
    elif "name" in part and "typed_config" in part:
        listener["filter_chains"] = [completed_chain({"filters": [part]}, chain)]
    elif part.keys() <= {"admin", "stats_config", "stats_flush_interval", "overload_manager", "layered_runtime", "node"}:
        frame.update(part)
    else:
        return None
    return frame


def completed_chain(part: dict, chain: dict) -> dict:
    """A filter chain that ends as `chain` does. A filter that is only named is the one of that name in `chain`."""
    known = {item["name"]: item for item in chain["filters"]}
    filters = [item if "typed_config" in item else known[item["name"]] for item in part["filters"]]
    if not filters[-1]["name"].endswith((".tcp_proxy", ".direct_response")):
        have = {item["name"] for item in filters}
        filters += [item for item in chain["filters"] if item["name"] not in have]
    return {**part, "filters": copy.deepcopy(filters)}


def kind_of(part: object) -> str | None:
    """Who reads this YAML, if not Envoy."""
    has = part.keys() if isinstance(part, dict) else set()
    return next((kind for kind, keys in PASSED_BY.items() if keys <= has), None)


def check_yaml(block: Block, directory: Path) -> None:
    for part in yaml.safe_load_all(block.text):
        if "other" in block.notes or kind_of(part):
            continue
        whole = whole_bootstrap(part)
        assert whole, f"{block}: whose YAML is this? tests/harness/configurations.py does not know"
        validate(whole, directory, str(block))


def validate(bootstrap: dict, directory: Path, what: str) -> None:
    """Lets Envoy load a bootstrap, and the filter in it its configuration, with files that are there."""
    text = local_files(json.dumps(bootstrap), directory)
    install_filter(directory)
    file = directory / "bootstrap.json"
    file.write_text(text)
    done = subprocess.run(
        [ENVOY_BINARY, "--mode", "validate", "--config-path", file, "--log-level", "warning"],
        capture_output=True,
        text=True,
        env=secrets(text),
        timeout=60,
    )
    assert done.returncode == 0, f"Envoy refuses {what}:\n{done.stdout}{done.stderr}"


def local_files(text: str, directory: Path) -> str:
    """The text with `directory` for /etc/envoy, where the certificates are that the text names: one serves all
    purposes."""
    names = set(re.findall(r"/etc/envoy/([\w.-]+\.pem)", text))
    if names:
        pair = Authority(directory, "documents").issue("/CN=documents", ("localhost",))
        for name in names:
            (directory / name).write_bytes((pair.key if "key" in name else pair.certificate).read_bytes())
    return text.replace("/etc/envoy/", f"{directory}/")


def install_filter(directory: Path) -> None:
    """The filter of this build, under its name in the directory, if there is none."""
    file = directory / WASM.name
    if not file.exists():
        file.symlink_to(wasm_file())
