"""What documents show is true: configurations are taken by those who read them, and a page's commands run in
order, against real brokers and a real Envoy. tests/README.md tells how a page gets its scenario."""

import importlib
import re
import time

import pytest

from tests.harness.configurations import check_json, check_yaml
from tests.harness.documents import LANGUAGES, Block, Page, pages
from tests.harness.paths import REPO
from tests.harness.sandbox import Sandbox

PAGES = pages()
NEVER_RUN = {
    "make": "builds or tests this very repository: only that there is such a target is looked at",
    "cargo": "builds this repository; tests/harness/checker.py builds the program in the same way",
    "git": "there is nothing to fetch from",
    "sudo": "changes the machine",
    "apt-get": "changes the machine",
    "kubectl": "there is no cluster; manifests have tests of their own",
    "helm": "there is no cluster",
    "docker": "there is no container engine",
    "systemctl": "changes the machine",
}
"""First words of commands that no scenario runs, and why."""
TABLES = ("NOT_RUN", "SAYS", "EVENTUALLY", "FAILS")
"""What a scenario may say of commands, each known by how it begins."""
EVENTUALLY_S = 20


def scenario_of(page: Page):
    """The module in tests/e2e/documents that runs the page's commands, or None."""
    if (REPO / f"tests/e2e/documents/{page.name}.py").exists():
        return importlib.import_module(f"tests.e2e.documents.{page.name}")
    return None


def commands(page: Page) -> list[str]:
    """Those that a scenario has to run, or to name as not run."""
    found = [command for block in page.of("sh") for command in block.commands]
    return [command for command in found if command.split()[0] not in NEVER_RUN]


def beginning_of(command: str, table: dict) -> str | None:
    """The key of `table` that the command begins with; the longest, if several do."""
    return max((key for key in table if command.startswith(key)), key=len, default=None)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_says_what_it_is(page):
    unknown = [f"{block}: ```{block.language}" for block in page.blocks if block.language not in LANGUAGES]
    assert not unknown, f"{unknown} are none of {sorted(LANGUAGES)}"


@pytest.mark.parametrize("page", [p for p in PAGES if p.of("json") or p.of("yaml")], ids=str)
def test_configurations_are_taken(page, tmp_path):
    for block in page.of("json"):
        check_json(block)
    for block in page.of("yaml"):
        check_yaml(block, tmp_path)


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPO / "Makefile").read_text(), re.M))
    for page in PAGES:
        named = [command.split() for block in page.of("sh") for command in block.commands]
        wanted = {words[1] for words in named if words[0] == "make" and len(words) > 1}
        assert wanted <= targets, f"{page}: the Makefile has no {wanted - targets}"


def anchor(heading: str) -> str:
    """What leads to a heading, as GitHub makes it of the text."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_headings(page):
    missing = []
    for path, wanted in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", page.text):
        file = (REPO / page.path).parent / path if path else REPO / page.path
        headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M) if file.suffix == ".md" else [wanted]
        if wanted not in map(anchor, headings):
            missing.append(f"{path}#{wanted}")
    assert not missing


def test_scenarios_have_pages():
    files = {file.stem for file in (REPO / "tests/e2e/documents").glob("*.py")} - {"__init__"}
    assert files <= {page.name for page in PAGES}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=str)
def test_commands_run(page, tmp_path):
    scenario = scenario_of(page)
    assert scenario, f"{page} has commands, and no scenario tests/e2e/documents/{page.name}.py: tests/README.md says how"
    tables = {name: getattr(scenario, name, {}) for name in TABLES}
    unused = {(name, key) for name, table in tables.items() for key in table}
    with Sandbox(tmp_path / "sandbox") as sandbox, scenario.setting(sandbox):
        sandbox.copy_repository()
        for block in page.blocks:
            if "file" in block.notes:
                sandbox.write(block.notes["file"], block.text)
            for command in block.commands if block.language == "sh" else ():
                found = {name: beginning_of(command, table) for name, table in tables.items()}
                unused -= set(found.items())
                if not found["NOT_RUN"] and command.split()[0] not in NEVER_RUN:
                    run(sandbox, block, command, {name: tables[name].get(key) for name, key in found.items()})
    assert not unused, f"tests/e2e/documents/{page.name}.py speaks of commands that {page} does not have: {sorted(unused)}"


def run(sandbox: Sandbox, block: Block, command: str, told: dict) -> None:
    """`told`: what the scenario's tables say of this command."""
    deadline = time.monotonic() + (EVENTUALLY_S if told["EVENTUALLY"] else 0)
    wanted = told["SAYS"] or told["EVENTUALLY"] or ""
    while True:
        code, said = sandbox.run(command)
        if wanted in said or time.monotonic() > deadline:
            break
        time.sleep(0.3)
    assert (code != 0) == bool(told["FAILS"]), f"{block}: {command}\nended with {code}:\n{said}"
    assert wanted in said, f"{block}: {command}\ndid not say {wanted!r}, but:\n{said}"
