"""`make example NAME=tls-scram` does what it says."""

from tests.harness.examples import run


def test_the_example_ends_well():
    said = run("tls-scram")
    assert "ok     an unknown user is refused" in said
