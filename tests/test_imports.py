"""Who may import whom, read from the sources: the controller never sees a conductance, and data flow one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "spec": set(),
    "model": {"spec"},
    "hw": {"spec"},
    "sim": {"spec", "model", "hw"},
    "fpga": {"spec", "model", "hw", "sim"},
    "formal": {"spec", "model", "hw", "sim"},
    "crosstrain": {"spec", "model", "hw", "sim", "fpga", "formal"},
}
"""What each package may import beside itself: spec -> model and hw -> sim -> fpga, formal -> crosstrain."""

TOOL_FILES = {"hw/lint.py": {"sim"}}
"""Programs among the designs: the lint runs the simulator that `sim` finds."""

SEES_DEVICES = {
    "model/device/": "the device itself",
    "model/system.py": "puts the controller beside its array",
    "model/sample.py": "reads the array",
    "model/layer.py": "reads and pulses the array",
    "model/upper.py": "has the upper layer's array",
    "model/training/prepare.py": "experiment: compiles the nominal device",
    "model/training/write_costs.py": "experiment: settings of program-verify for the nominal device",
    "model/study/neurosim.py": "experiment: trains cells from scratch in another setting",
    "model/study/variants.py": "experiment: reads and pulses the array in other ways",
    "model/study/aihwkit_device.py": "experiment: says the nominal device in the terms of aihwkit",
    "sim/main_job.py": "experiment: reports the device",
    "crosstrain/commands/fit.py": "makes device files of measurements",
    "sim/stimulus.py": "test cases: compiles devices for the emulated array",
    "sim/pin_board.py": "puts the golden macro behind the worked adapter's pins",
    "sim/conformance.py": "holds every macro against the golden one",
    "sim/fast/library.py": "plays the array with the golden macro's kernels",
}
"""The only places that may import `model.device`."""

PACKAGES = sorted(MAY_IMPORT)
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "__pycache__" not in path.parts
)


def imports(text: str, package: str) -> set[str]:
    """Dotted names of all modules that a source imports, at any depth of the text; relative ones resolved."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(file: str) -> set[str]:
    package = ".".join(Path(file).parent.parts)
    return imports((ROOT / file).read_text(encoding="utf-8"), package)


def test_every_package_is_walked():
    assert {file.split("/")[0] for file in FILES} >= {"spec", "model", "hw", "sim", "crosstrain"}
    assert len(FILES) > 50


@pytest.mark.parametrize(
    "text, name",
    [
        ("import model.device.macro", "model.device.macro"),
        ("from model import device", "model.device"),
        ("def f():\n    from model.device.macro import GoldenMacro", "model.device.macro"),
        ("from ..device import macro", "model.device.macro"),
        ("from .. import device", "model.device"),
    ],
)
def test_no_way_of_importing_is_overlooked(text, name):
    assert name in imports(text, "model.controller")


@pytest.mark.parametrize("package", PACKAGES)
def test_data_flow_one_way(package):
    allowed = MAY_IMPORT[package] | {package}
    for file in FILES:
        if file.startswith(f"{package}/"):
            ours = {name.split(".")[0] for name in imports_of(file)} & (set(PACKAGES) | {"tests"})
            assert ours <= allowed | TOOL_FILES.get(file, set()), file


def test_only_experiments_and_arrays_see_devices():
    for file in FILES:
        if not file.startswith(tuple(SEES_DEVICES)):
            seen = {name for name in imports_of(file) if (name + ".").startswith("model.device.")}
            assert not seen, f"{file} imports {', '.join(sorted(seen))}"


def reached(file: str) -> set[str]:
    """Our files that importing this one loads, itself included."""
    todo, done = [file], set()
    while todo:
        current = todo.pop()
        if current not in done:
            done.add(current)
            paths = {name.replace(".", "/") for name in imports_of(current)}
            todo += [f for p in paths for f in (f"{p}.py", f"{p}/__init__.py") if f in FILES]
    return done


@pytest.mark.parametrize("part", ["model/controller/", "hw/", "model/training/hybrid.py"])
def test_the_controller_does_not_reach_a_device(part):
    for file in FILES:
        if file.startswith(part):
            assert not [f for f in reached(file) if f.startswith("model/device/")], file


def test_every_exception_is_used():
    for prefix in SEES_DEVICES:
        assert [f for f in FILES if f.startswith(prefix)], prefix
        if prefix != "model/device/":
            assert any(name.startswith("model.device") for name in imports_of(prefix)), prefix
    for file, packages in TOOL_FILES.items():
        assert packages <= {name.split(".")[0] for name in imports_of(file)}, file
