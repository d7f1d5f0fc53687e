"""The examples of docs/migration.md: topics move in, are mapped in place, grow, and move out. Each example
follows every record, and judges itself.

Examples mostly wait, so two run at a time. KPR_ALL_EXAMPLES=1 also moves a topic in within its cluster.
"""

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.harness.checker import program
from tests.harness.paths import REPO

pytestmark = [pytest.mark.remap, pytest.mark.timeout(400)]
SMALL = ("--records", "3000")
FEW = ("--virtual", "20", "--physical", "4", *SMALL)
EXAMPLES = {
    "move-in": (FEW, "back on the old side"),
    "move-out": (SMALL, "topics: mapped.orders; groups: billing, reports"),
    "map-in-place": ((), "partitions 0 to 9 begin with the records from before"),
    "grow": ((), "the members have all 40 partitions"),
}
"""By name: options, and what the example must have come to."""
if os.environ.get("KPR_ALL_EXAMPLES"):
    EXAMPLES["move-in --same-cluster"] = (FEW, "old.orders is made through Envoy")


@pytest.fixture(scope="module")
def runs(request) -> dict[str, Future]:
    """The examples whose tests were chosen."""
    program()  # else each would build the checker
    chosen = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, name) for name in chosen}


def run(name: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.run", *name.split(), *EXAMPLES[name][0]]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(runs, name):
    done = runs[name].result()
    assert done.returncode == 0 and done.stdout.endswith(": all is well\n"), done.stdout + done.stderr
    assert EXAMPLES[name][1] in done.stdout
