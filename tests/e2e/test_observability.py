"""The dashboard and the alert rules of examples/observability: a real Prometheus has scraped a real Envoy with
traffic. No expression is an error, and each name and label is there. When alerts fire is in alerts_test.yml;
that Grafana knows all of the dashboard, by Grafana's own types."""

import contextlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.harness import batch, topics
from tests.harness.envoy import Envoy
from tests.harness.guarded_envoy import PASSWORDS, GuardedEnvoy, section
from tests.harness.live_envoy import LiveEnvoy
from tests.harness.paths import REPO
from tests.harness.process import wait_until
from tests.harness.prometheus import (
    DASHBOARD, MISSING, OBSERVABILITY, PROMTOOL, Prometheus, dashboard, filled_in, metrics, panels, promtool, rules, targets
)
from tests.harness.raw import Raw
from tests.harness.raw_sasl import Refused, log_in
from tests.harness.schemas import SCHEMAS, node_packages

NOTHING_WRONG = {
    ("Reconnects, by reason", "{{reason}}"),
    ("Signs of a wrong configuration", "{{topic}}: unknown lane"),
    ("Requests and errors, by broker", "{{broker}}: errors"),
}
"""Queries of panels that are empty as long as all is well."""
EXPECTED = {"KafkaRemapperTopicMismatch", "KafkaRemapperConfigurationRejected"}
"""Alerts that fire at once for what the test does wrong. (Others wait for minutes before they fire.)"""
needs_prometheus = pytest.mark.skipif(not PROMTOOL.exists(), reason=MISSING)
WINDOW = "2m"
"""Over which rates are taken: all that the test does."""


@needs_prometheus
def test_alerts_fire_when_they_must_and_only_then():
    assert (said := promtool("test", "rules", OBSERVABILITY / "alerts_test.yml")).returncode == 0, said.stdout + said.stderr
    assert (said := promtool("check", "config", OBSERVABILITY / "prometheus.yml")).returncode == 0, said.stdout + said.stderr


def test_each_alert_has_a_test_in_which_it_fires():
    """Tests name all alerts that fire at a moment: a rule that fires always fails them all, one that is missing
    its own."""
    tested = (OBSERVABILITY / "alerts_test.yml").read_text()
    for rule in rules():
        assert f'alertname="{rule["alert"]}", alertstate="firing", severity="{rule["labels"]["severity"]}"' in tested, rule["alert"]


def test_each_alert_says_what_to_do():
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}, rule
        assert rule["alert"] in (OBSERVABILITY / "README.md").read_text(), "not in the list of README.md"
        assert (REPO / rule["annotations"]["runbook"].partition("#")[0]).exists(), rule


def test_panels_fill_the_width_and_say_what_to_do():
    taken = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, "there are holes"
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def complaints(directory: Path, text: str) -> str:
    """What Grafana's types say of a dashboard's JSON."""
    file = directory / "dashboard.ts"
    file.write_text(f'import {{ GrafanaDashboard }} from "{SCHEMAS}/schema";\nexport const dashboard: GrafanaDashboard = {text};\n')
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]
    program = [SCHEMAS / "node_modules/.bin/tsc", *options, "--target", "es2022", file]
    return subprocess.run(program, capture_output=True, text=True, timeout=120).stdout


def test_grafana_knows_all_of_the_dashboard(tmp_path):
    node_packages()
    text = DASHBOARD.read_text()
    assert complaints(tmp_path, text) == ""
    wrong = text.replace('"colorMode": "background"', '"colorMode": "backdrop"').replace('"showPoints"', '"showPoint"')
    found = complaints(tmp_path, wrong)
    assert "backdrop" in found and "'\"showPoint\"' does not exist" in found


class Guarded(GuardedEnvoy):
    """Clients log in, and then the filter does, at brokers that know no login: that fails."""

    def _complete(self, config: dict) -> dict:
        login = {"mechanism": "PLAIN", "username": "gateway", "password": "unused"}
        return {**super()._complete(config), "upstream": {"sasl": login}}


@pytest.fixture(scope="module")
def watched(tmp_path_factory, cluster):
    """A Prometheus that has seen traffic through two Envoys, some of it wrong."""
    directory = tmp_path_factory.mktemp("observability")
    good, bad = topics.unique("watched.good"), topics.unique("watched.bad")
    cluster.create_topic(good, 4)
    cluster.create_topic(bad, 3)
    entries = [{"name": name, "virtual_partitions": 20, "physical_partitions": 4} for name in (good, bad)]
    mapping = {"topics": [*entries, *topics.MAPPING["mapping"]["topics"]]}
    with contextlib.ExitStack() as stack:
        live = LiveEnvoy(directory / "live", cluster, {"stat_prefix": "watched", "mapping": mapping})
        stack.callback(live.stop, expected="failed to load")
        guarded = stack.enter_context(Guarded(directory / "guarded", cluster, section()))
        ports = {"live": live.admin_port, "guarded": guarded.admin_port}
        prometheus = stack.enter_context(Prometheus(directory / "prometheus", ports))
        wait_until("both to be scraped", lambda: prometheus.value("up") == 2, 20)
        # Twice: a series whose labels are known only then begins with its first count, and a rate needs two.
        for round_ in (1, 2):
            work(live, guarded, good, bad)
            errors = "kafka_remapper_response_errors_total{api=\"Metadata\"}"
            wait_until("the errors", lambda: prometheus.value(errors) >= round_, 20)
            seen = 'kafka_remapper_auth_total{outcome="failure"}'
            wait_until("the counts", lambda: prometheus.value(seen) == guarded.stat(seen.partition("{")[0], outcome="failure"), 20)
        # The rule looks at one moment in fifteen seconds: one of them has to be before.
        wait_until("such a moment", lambda: prometheus.query("count_over_time(sum(up)[1m:15s])"), 20)
        live.refuse("mapping", {"topics": [{"name": good, "virtual_partitions": 3, "physical_partitions": 2}]})
        wait_until("the alerts", lambda: EXPECTED <= prometheus.firing().keys(), 40)
        yield prometheus, good, bad


def work(live: Envoy, guarded: Envoy, good: str, bad: str) -> None:
    """Records and mistakes."""
    with Raw(live.port(1)) as raw:
        raw.announce("apache-kafka-java")
        for _ in range(20):
            raw.produce(good, {v: batch.build([b"x" * 1000]) for v in range(20)})
        raw.read_all(good, 5)
        raw.metadata([bad])
    for password in (PASSWORDS["carol"], "wrong"):
        with Raw(guarded.port(1)) as raw:
            with contextlib.suppress(ConnectionError, Refused):
                log_in(raw, "PLAIN", "carol", password)


@needs_prometheus
@pytest.mark.remap
def test_no_expression_is_an_error_and_each_name_is_there(watched):
    prometheus, *_ = watched
    known = set(prometheus.ask("label/__name__/values"))
    for title, expression, _ in targets():
        prometheus.query(filled_in(expression, WINDOW))
        assert metrics(expression) <= known, f"{title}: {metrics(expression) - known}"
    for rule in rules():
        prometheus.query(rule["expr"])
        assert metrics(rule["expr"]) <= known, f"{rule['alert']}: {metrics(rule['expr']) - known}"
    assert all(rule["health"] == "ok" for group in prometheus.ask("rules")["groups"] for rule in group["rules"])
    for pattern in set(re.findall(r'__name__=~"([^"]+)"', str([*targets(), *rules()]))):
        assert any(re.fullmatch(pattern, name) for name in known), pattern


@needs_prometheus
@pytest.mark.remap
def test_panels_show_the_traffic_with_their_labels(watched):
    prometheus, good, bad = watched
    empty = set()
    for title, expression, legend in targets():
        found = prometheus.query(filled_in(expression, WINDOW))
        for series in found:
            missing = set(re.findall(r"{{(\w+)}}", legend)) - series["metric"].keys()
            assert not missing, f"{title}: no {missing} in {series}"
        if not found:
            empty.add((title, legend))
    assert empty <= NOTHING_WRONG, empty - NOTHING_WRONG
    by_topic = {series["metric"]["topic"] for series in prometheus.query("kafka_remapper_topic_virtual_partitions")}
    assert {good, bad} <= by_topic


@needs_prometheus
@pytest.mark.remap
def test_variables_find_the_envoys(watched):
    """`label_values(METRIC, LABEL)`, as Grafana asks for it."""
    prometheus, *_ = watched
    for variable in dashboard()["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
        assert prometheus.ask(f"label/{label}/values", **{"match[]": filled_in(metric, WINDOW)}), variable["name"]


@needs_prometheus
@pytest.mark.remap
def test_what_went_wrong_fires_and_says_so(watched):
    prometheus, _, bad = watched
    fired = prometheus.firing()
    (mismatch,) = fired["KafkaRemapperTopicMismatch"]
    assert mismatch["annotations"]["summary"] == f"Topic {bad} does not have as many partitions as its mapping says"
    assert fired.keys() == EXPECTED
