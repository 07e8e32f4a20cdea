"""What the documents say exists and works: commands, links, files."""

import ast
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from crosstrain.cli import app, main

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IN_TREE = {**os.environ, "PYTHONPATH": str(ROOT)}
PROGRAM = ".venv/bin/crosstrain"
QUICK = ("devices", "params")


def commands(start: str, document: str = "README.md") -> list[list[str]]:
    """Indented lines of a document that begin so, without their comments."""
    lines = re.findall(rf"^    ({re.escape(start)} .*)$", (ROOT / document).read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


ON_FPGAS = "docs/fpga.md"
HOST_LINK = "docs/host_link.md"


def test_there_are_commands():
    assert len(commands("make")) >= 2 and len(commands(PROGRAM)) >= 5
    assert len(commands("make", ON_FPGAS)) >= 2 and len(commands(PROGRAM, ON_FPGAS)) >= 1


@pytest.mark.parametrize("command", commands("make") + commands("make", ON_FPGAS), ids=" ".join)
def test_make_target_exists(command):
    found = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "command",
    commands(PROGRAM) + commands(PROGRAM, ON_FPGAS) + commands(PROGRAM, HOST_LINK),
    ids=" ".join,
)
def test_command_line_parses(command):
    group = typer.main.get_command(app)
    name, *arguments = command[1:]
    with group.make_context("crosstrain", [name, *arguments]) as context:
        group.commands[name].make_context(name, arguments, parent=context)


def run(monkeypatch, arguments: list[str]) -> int:
    monkeypatch.setattr("sys.argv", ["crosstrain", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("command", [c for c in commands(PROGRAM) if c[1] in QUICK], ids=" ".join)
def test_quick_command_runs(command, monkeypatch):
    assert run(monkeypatch, command[1:]) == 0


@pytest.mark.slow
def test_commands_without_simulation_run_one_after_the_other(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chain = [c[1:] for c in commands(PROGRAM) if "--no-rtl" in c or c[1] == "report"]
    assert [run(monkeypatch, arguments) for arguments in chain] == [0] * len(chain) and len(chain) >= 3


def test_a_board_is_simulated_and_driven_as_the_document_says(tmp_path):
    """Its two commands in two processes; only the port is another one."""
    simulate, drive = (
        [sys.executable, "-m", "crosstrain", *c[1:]]
        for c in commands(PROGRAM, ON_FPGAS)
        if c[1] == "simulate-board" or (c[1] == "run-on" and "/dev/pts/5" in c)
    )
    with subprocess.Popen(simulate, cwd=tmp_path, env=IN_TREE, stdout=subprocess.PIPE, text=True) as board:
        try:
            port = board.stdout.readline().split()[-1]
            drive[drive.index("/dev/pts/5")] = port
            driven = subprocess.run(drive, cwd=tmp_path, env=IN_TREE, capture_output=True, text=True)
        finally:
            board.send_signal(signal.SIGINT)
        said = board.stdout.read()
    assert driven.returncode == 0, driven.stderr
    assert "mismatches        0" in driven.stdout
    assert board.returncode == 0 and "cycles" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [c for c in commands("make", ON_FPGAS) + commands(PROGRAM, ON_FPGAS) if "make" in c or "build" in c],
    ids=" ".join,
)
def test_boards_are_built_as_the_document_says(command):
    """From minutes to an hour a board; an unchanged design is not built again."""
    made = [*command, f"VENV={sys.prefix}"]
    built = [sys.executable, "-m", "crosstrain", *command[1:]]
    assert subprocess.run(made if "make" in command else built, cwd=ROOT, env=IN_TREE).returncode == 0


def test_the_document_of_the_link_has_the_same_commands():
    """So that those are run, too."""
    on_boards = [c for c in commands(PROGRAM, HOST_LINK) if c[1] in ("simulate-board", "run-on")]
    assert len(on_boards) == 2 and all(c in commands(PROGRAM, ON_FPGAS) for c in on_boards)


def checklist(program: str) -> list[list[str]]:
    """Commands of a program in the tables of docs/debugging.md."""
    text = (ROOT / "docs" / "debugging.md").read_text()
    lines = re.findall(rf"\| `({program} [^`]*)` \|$", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_every_problem_has_a_command():
    rows = re.findall(r"^\| (?!seen|---).*$", (ROOT / "docs" / "debugging.md").read_text(), re.MULTILINE)
    found = [c for program in ("crosstrain", "pytest", "make") for c in checklist(program)]
    assert len(found) == len(rows) >= 10


@pytest.mark.parametrize("command", checklist("crosstrain"), ids=" ".join)
def test_command_of_the_checklist_parses(command):
    test_command_line_parses(command)


@pytest.mark.parametrize("command", [c for c in checklist("crosstrain") if c[1] in QUICK], ids=" ".join)
def test_quick_command_of_the_checklist_runs(command, monkeypatch):
    assert run(monkeypatch, command[1:]) == 0


@pytest.mark.slow
def test_simulations_of_the_checklist_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chain = [c[1:] for c in checklist("crosstrain") if c[1] in ("cosim", "coverage")]
    chain.sort(key=lambda arguments: arguments[0] == "coverage")  # it reads what the others leave
    assert [run(monkeypatch, arguments) for arguments in chain] == [0] * len(chain) and len(chain) >= 3


@pytest.mark.parametrize("command", checklist("make"), ids=" ".join)
def test_make_target_of_the_checklist_exists(command):
    test_make_target_exists(command)


@pytest.mark.parametrize("command", checklist("pytest"), ids=" ".join)
def test_tests_of_the_checklist_exist(command):
    assert all((ROOT / path).is_file() for path in command[1:] if path.endswith(".py"))


def test_tests_of_the_verification_table_exist():
    """Each row of the first table of docs/verification.md ends with node ids, and each names a function of its file."""
    features = (ROOT / "docs" / "verification.md").read_text().split("\n## ")[0]
    rows = re.findall(r"^\| (?!feature|---).*$", features, re.MULTILINE)
    assert len(rows) >= 15
    for row in rows:
        ids = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.split(" | ")[-1])
        assert ids, row
        for path, name in ids:
            functions = [n.name for n in ast.parse((ROOT / path).read_text()).body if hasattr(n, "name")]
            assert name in functions, f"{path}::{name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_files_exist(path):
    text = path.read_text()
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), link
    for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|toml)|(?:\w+/)+)`", text):
        placeholder = "NAME" in name
        assert placeholder or list(ROOT.glob(f"{name}")) or list(ROOT.glob(f"*/**/{name}")), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_anchors_exist(path):
    for link, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", path.read_text()):
        target = path.parent / link if link else path
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
