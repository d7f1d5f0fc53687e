"""`make example NAME=…`: runs an example, or lists what there is.

An example is a directory with a run.py. It shows its progress, ends with a verdict in words, exits with 0 only
if all was well, and leaves nothing behind.
"""

import os
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent


def main() -> int:
    name, *options = sys.argv[1:] or [""]
    found = {file.parent.name: file for file in sorted(EXAMPLES.glob("*/run.py"))}
    if name not in found:
        print(f"There is no example {name}." if name else "Examples, each with its README.md:")
        width = max(map(len, found), default=0)
        for known, file in found.items():
            print(f"  make example NAME={known:<{width}}  {purpose(file)}")
        return 1 if name else 0
    # Ctrl-C and the exit code are the example's own.
    os.execv(sys.executable, [sys.executable, "-m", f"examples.{name}.run", *options])


def purpose(file: Path) -> str:
    """The first sentence of a program."""
    text = re.match(r'"""(.*?)(?:\.\s|\.?""")', file.read_text(), re.DOTALL)
    return " ".join(text[1].split()) if text else ""


if __name__ == "__main__":
    sys.exit(main())
