"""Draws docs/images/dashboard.png: the dashboard of examples/observability with what a real Prometheus has seen
of two real Envoys, under traffic and while things go wrong.

    target/tools/venv/bin/python -m tests.dashboard.picture [--minutes 15] [--keep DIRECTORY]

Grafana itself is in none of the registries that this repository builds from, so page.html draws the panels, by
the dashboard's JSON: with uPlot, which Grafana draws with, in a headless Chromium. (Debian's
packages chromium, and pngquant, which makes the picture a third as large.)
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.harness.paths import REPO
from tests.harness.prometheus import Prometheus, dashboard, filled_in
from tests.harness.schemas import SCHEMAS, node_packages

from .scene import SCRAPE_S, Scene

PICTURE = REPO / "docs/images/dashboard.png"
POINTS = 240
"""In each line."""


def results(prometheus: Prometheus, started: float, ended: float) -> dict:
    """By panel and query, what Grafana would get: series with their labels and points."""
    step, window = max((ended - started) / POINTS, SCRAPE_S), f"{4 * SCRAPE_S}s"
    found: dict = {}
    for panel in (panel for panel in dashboard()["panels"] if panel["type"] != "row"):
        for target in panel["targets"]:
            expression = filled_in(target["expr"], window)
            if target.get("instant"):
                series = [{"metric": s["metric"], "values": [s["value"]]} for s in prometheus.query(expression)]
            else:
                asked = {"query": expression, "start": str(started), "end": str(ended), "step": str(step)}
                series = prometheus.ask("query_range", **asked)["result"]
            found.setdefault(panel["id"], {})[target["refId"]] = [
                {"metric": s["metric"], "points": [[float(t), float(v)] for t, v in s["values"] if v != "NaN"]} for s in series
            ]
    return found


def page(data: dict) -> str:
    uplot = SCHEMAS / "node_modules/uplot/dist"
    text = (SCHEMAS / "page.html").read_text()
    text = text.replace("/*UPLOT_CSS*/", (uplot / "uPlot.min.css").read_text())
    text = text.replace("/*UPLOT*/", (uplot / "uPlot.iife.min.js").read_text())
    return text.replace("/*DATA*/null", json.dumps(data).replace("</", "<\\/"))


def draw(file: Path, picture: Path) -> None:
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard()["panels"]) * 38 + 54
    chromium = shutil.which("chromium") or sys.exit("chromium is missing (Debian: chromium)")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size=1600,{height}"]
    picture.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([chromium, *options, f"--screenshot={picture}", file.as_uri()], check=True, capture_output=True, timeout=120)
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--ext", ".png", "--strip", "64", picture], check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--keep", type=Path, help="where servers keep their files, and the page is left")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    arguments = parser.parse_args()
    node_packages()
    directory = arguments.keep or Path(tempfile.mkdtemp())
    directory.mkdir(parents=True, exist_ok=True)
    with Scene(directory) as scene:
        started = time.time()
        scene.play(arguments.minutes * 60)
        ended = time.time()
        data = {"dashboard": dashboard(), "results": results(scene.prometheus, started, ended), "from": started, "to": ended}
    (directory / "page.html").write_text(page(data))
    (directory / "data.json").write_text(json.dumps(data))
    draw(directory / "page.html", arguments.picture)
    print(f"{arguments.picture}: {arguments.picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
