"""The examples of docs/migration.md: topics move in, are mapped in place, grow, and move out. Each example follows
every record, and judges itself."""

import subprocess
import sys

import pytest

from tests.harness.paths import REPO

pytestmark = [pytest.mark.remap, pytest.mark.timeout(300)]
SMALL = ("--records", "3000")
FEW = ("--virtual", "20", "--physical", "4", *SMALL)


def run(name: str, *options: str) -> str:
    """What the example prints; it must end well."""
    done = subprocess.run([sys.executable, "-m", "examples.run", name, *options], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith(f"{name}: all is well\n"), done.stdout + done.stderr
    return done.stdout


def test_a_topic_moves_to_another_cluster_and_back():
    said = run("move-in", *FEW)
    assert "back on the old side" in said


def test_a_topic_moves_within_its_cluster():
    said = run("move-in", "--same-cluster", *FEW)
    assert "old.orders is made through Envoy" in said


def test_a_topic_is_mapped_in_place():
    run("map-in-place")


def test_a_topic_grows():
    run("grow")


def test_a_topic_moves_out():
    said = run("move-out", *SMALL)
    assert "topics: mapped.orders; groups: billing, reports" in said
