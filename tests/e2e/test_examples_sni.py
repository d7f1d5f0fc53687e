"""`make example NAME=sni` does what it says."""

from tests.harness.examples import run


def test_the_example_ends_well():
    said = run("sni")
    assert "server name b2.kafka.example.com led to" in said
