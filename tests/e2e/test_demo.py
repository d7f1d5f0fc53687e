"""`make demo`, as a newcomer runs it, in less time: its verdict, its screens, and that it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.paths import REPO
from tests.harness.process import wait_until

pytestmark = pytest.mark.remap
DEMO = (sys.executable, "-u", "-m", "examples.quickstart.demo", "--fast")


def left() -> set[str]:
    """Directories and processes of demos."""
    directories = {str(d) for d in (REPO / "target").glob("quickstart-*")}
    commands = [f"{file.parent.name} {text_of(file)}" for file in Path("/proc").glob("[0-9]*/cmdline")]
    return directories | {command for command in commands if f"{REPO}/target/quickstart-" in command}


def text_of(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # the process has ended
        return ""


def test_the_demo(tmp_path):
    before, log = left(), tmp_path / "interrupted"
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    with log.open("wb") as out:
        interrupted = subprocess.Popen(DEMO, cwd=REPO, stdout=out, stderr=out, env=environment)
    try:
        wait_until("the first screen", lambda: "through Envoy, clients see 20" in log.read_text(), 90)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(40) == 130, log.read_text()
    finally:
        interrupted.kill()
    assert left() == before
    done = subprocess.run(DEMO, cwd=REPO, capture_output=True, text=True, timeout=180, env=environment)
    screens = done.stdout
    assert done.returncode == 0, screens + done.stderr
    assert "0 lost, 0 leaked, 0 repeated, in order" in screens
    assert "the group missed 0" in screens
    assert re.findall(r"member-\d: (\d+) of (\d+) virtual", screens) == [("10", "20")] * 2 + [("20", "40")] * 2
    assert "V grows from 20 to 40" in screens and "What to try next" in screens
    assert 'kafka_remapper_requests_total{remapper="quickstart",api="Produce"}' in screens and "_bucket" not in screens
    for path in re.findall(r"^  ((?:docs|envoy|examples)/\S+)", screens, re.M):
        assert (REPO / path).exists(), path
    assert left() == before
    assert not list((tmp_path / "tmp").iterdir())
