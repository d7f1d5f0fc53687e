"""docs/format.md: the program that names shadow groups gives the names that the filter gives."""

import contextlib

from tests.harness.sandbox import Sandbox

SAYS = {
    "python3 shadow.py orders 1": "orders~1~0ANCIBzZ\n",
    "python3 shadow.py payments 1": "payments~1~02zOLKJC\n",
}


@contextlib.contextmanager
def setting(sandbox: Sandbox):
    yield
