"""Kafka's own message schemas, as they lie in its jar of clients, and the program that codes messages by the
classes that are generated from them."""

import functools
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple

from .kafka import JAVA, jars_of
from .paths import BUILD

NO_UUID = "AAAAAAAAAAAAAAAAAAAAAA"


@functools.cache
def schemas(kind: str, version: str | None = None) -> dict[str, dict]:
    """Name of the API → schema; `kind` is Request or Response, `version` Kafka's."""
    (jar,) = jars_of(version).glob("kafka-clients-*.jar")
    with zipfile.ZipFile(jar) as archive:
        names = [n for n in archive.namelist() if re.fullmatch(rf"common/message/\w+{kind}\.json", n)]
        found = [json.loads(re.sub(r"^\s*//.*$", "", archive.read(n).decode(), flags=re.M)) for n in names]
    return {schema["name"].removesuffix(kind): schema for schema in found}


def in_range(version: int, versions: str) -> bool:
    """Whether a schema's `versions`, as "3+", "0-12", "7" or "none", have this one."""
    first, _, last = versions.partition("-")
    return first != "none" and int(first.rstrip("+")) <= version <= (int(last) if last else 999 if "+" in first else int(first))


def complete(schema: dict, version: int, values: dict) -> dict:
    """A message in Kafka's JSON form: `values` by the names of fields, and defaults where there are none. Values
    of fields that other versions have are left out."""
    structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def message(fields: list, given: dict) -> dict:
        names = {json_name(field) for field in fields}
        assert given.keys() <= names, f"{schema['name']} has no field {given.keys() - names}"
        return {
            json_name(field): value(field, given)
            for field in fields
            if in_range(version, field["versions"]) and not ("tag" in field and json_name(field) not in given)
        }

    def value(field: dict, given: dict):
        kind = field["type"]
        inner = field.get("fields") or structs.get(kind.removeprefix("[]"))
        if json_name(field) not in given:
            return message(inner, {}) if inner and not kind.startswith("[]") else default(field)
        said = given[json_name(field)]
        if not inner or said is None:
            return said
        return [message(inner, element) for element in said] if kind.startswith("[]") else message(inner, said)

    return message(schema["fields"], values)


def json_name(field: dict) -> str:
    return field["name"][0].lower() + field["name"][1:]


def default(field: dict):
    """What Kafka's classes have in a field that nobody has set."""
    kind, said = field["type"], field.get("default")
    if said == "null" or kind == "records":
        return None
    if kind.startswith("[]"):
        return []
    if kind.startswith(("int", "uint")):
        return int(str(said or 0), 0)
    return {"string": said or "", "bool": str(said).lower() == "true", "float64": 0.0, "uuid": NO_UUID, "bytes": ""}[kind]


class Key(NamedTuple):
    """An API as the Java library knows it."""

    key: int
    name: str
    lowest: int
    highest: int


class EveryApi:
    """The program EveryApi, with Kafka's library of `version`. As long as a `with` statement."""

    def __init__(self, version: str, log: Path):
        self._version = version
        self._requests = schemas("Request", version)
        command = [*self._command(), "EveryApi"]
        with log.open("a") as errors:
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def keys(self) -> list[Key]:
        done = subprocess.run([*self._command(), "EveryApi", "keys"], capture_output=True, text=True, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        return [Key(int(key), name, int(lowest), int(highest)) for key, name, lowest, highest in lines]

    def call(self, connection: str, port: int, key: int, name: str, version: int, values: dict, shift: int = 0) -> dict:
        """Sends a request on the connection of this name. Gives `errors` (name → how often) and `answer`, or
        `closed`. AssertionError where Kafka's classes do not take request or answer."""
        body = json.dumps(complete(self._requests[name], version, values))
        self._child.stdin.write(f"{connection} {port} {key} {version} {shift} {body}\n")
        self._child.stdin.flush()
        said = json.loads(self._child.stdout.readline())
        assert "failed" not in said, f"{name} {version}: {said['failed']}"
        return said

    def close(self, connection: str) -> None:
        self._child.stdin.write(f"{connection} 0\n")
        self._child.stdin.flush()
        self._child.stdout.readline()

    def _command(self) -> list[str]:
        return [*JAVA, "-cp", f"{jars_of(self._version)}/*:{BUILD}/java"]
