"""A real Prometheus, with the scrape configuration and the alert rules of examples/observability, and the
expressions of its dashboard."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

from .paths import REPO, TOOLS
from .process import Process, free_ports, wait_until

OBSERVABILITY = REPO / "examples/observability"
DASHBOARD = OBSERVABILITY / "dashboard.json"
PROGRAMS = TOOLS / "prometheus/usr/bin"
"""As tests/tools/install.sh prometheus leaves them, where this machine is a Debian."""
PROMTOOL = PROGRAMS / "promtool"
MISSING = "no Prometheus here: tests/tools/install.sh takes it from Debian's packages"
METRIC = re.compile(r"\b(?:kafka_remapper|envoy)_\w+|\bALERTS\b|\bup\b")


class Prometheus:
    """Scrapes Envoys each second, and evaluates the alert rules as often, until `stop` or as long as a `with`.
    `targets`: by the name that each has in the label `instance`, at which port of this machine its statistics
    are. `seconds`: how often."""

    def __init__(self, directory: Path, targets: dict[str, int], seconds: int = 1):
        directory.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"}
        config["rule_files"] = [str(OBSERVABILITY / file) for file in config["rule_files"]]
        (job,) = config["scrape_configs"]
        job["static_configs"] = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in targets.items()
        ]
        file, port = directory / "prometheus.json", free_ports(1)
        file.write_text(json.dumps(config))
        self.url = f"http://127.0.0.1:{port}"
        argv = [PROGRAMS / "prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
        self._process = Process([*argv, f"--web.listen-address=127.0.0.1:{port}"], directory / "prometheus.log")
        try:
            wait_until("Prometheus", self._ready, 30)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> None:
        self._process.stop()

    def query(self, expression: str) -> list[dict]:
        """The series that an expression gives now, each with `metric` (its labels) and `value`. AssertionError
        with Prometheus' words where it is not an expression, or cannot be evaluated."""
        return self.ask("query", query=expression)["result"]

    def value(self, expression: str) -> float:
        """The sum of the values of an expression."""
        return sum(float(series["value"][1]) for series in self.query(expression))

    def firing(self) -> dict[str, list[dict]]:
        """The alerts that fire now: by name, their labels and annotations."""
        found: dict[str, list[dict]] = {}
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def ask(self, what: str, **parameters: str):
        """What the HTTP API says (https://prometheus.io/docs/prometheus/latest/querying/api/)."""
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters or what}: {error.read().decode()}") from None

    def _ready(self) -> bool:
        assert self._process.alive(), self._process.log_tail()
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).status == 200
        except OSError:
            return False


def promtool(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def dashboard() -> dict:
    return json.loads(DASHBOARD.read_text())


def panels() -> list[dict]:
    """The dashboard's panels, without its rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def targets() -> Iterator[tuple[str, str, str]]:
    """Each query of the dashboard: the panel's title, the expression, and the pattern of the legend."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def rules() -> list[dict]:
    """The alert rules."""
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def filled_in(expression: str, window: str) -> str:
    """A query of the dashboard as Grafana sends it, with all of everything chosen: rates are taken over
    `window`."""
    expression = expression.replace("$__rate_interval", window)
    return re.sub(r"\$(job|instance|remapper)\b", ".*", expression)


def metrics(expression: str) -> set[str]:
    """The names of metrics in an expression; not those that are given by a pattern."""
    return set(METRIC.findall(re.sub(r'"[^"]*"|\b(?:by|on) \([^)]*\)', '', expression)))
