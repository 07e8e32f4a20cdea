"""Running the tools of a build: several at once, with progress, and with a reason when they fail."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpga.families import Family
from sim.toolchain import environment
from spec.errors import InputError

POLL_SECONDS = 0.2
PHASES = (
    "Info: Packing constants",
    "Info: Creating initial",
    "Info: Routing",
    "Info: Program finished",
)
"""Beginnings of lines of nextpnr's log that begin a phase; the last ends the step."""

STALLED_PASSES = 200
"""Passes of the router without fewer wires in conflict after which it is ended: it has no limit of its own."""

Progress = Callable[[str, int, int], None]
"""Called with a step's name, what is done of it, and its total."""


class BuildError(RuntimeError):
    """A tool failed; the message has its reason."""


@dataclass(frozen=True)
class Job:
    """A run of a tool.  step: what progress calls it; command: with the tool's name as Amaranth writes it; log: of
    nextpnr, in the folder of the build."""

    step: str
    command: Sequence[str]
    log: str | None = None

    @property
    def tool(self) -> str:
        return self.command[0]


def run(jobs: Sequence[Job], folder: Path, parts: Family, progress: Progress) -> list[str | None]:
    """Run jobs of one step in `folder`, as many at once as there are processors; None or why it failed, for each.

    Raises InputError when a tool is not installed, BuildError when all of them fail.
    """
    programs = [_program(job.tool) for job in jobs]
    waiting, running = list(range(len(jobs))), {}
    reasons: list[str | None] = [None] * len(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                index = waiting.pop(0)
                running[index] = _start(jobs[index], programs[index], folder)
            time.sleep(POLL_SECONDS)
            for index, process in list(running.items()):
                stalled = conflicts_of_a_stalled_router(_log(jobs[index], folder))
                if stalled is not None and process.poll() is None:
                    process.kill()
                    process.wait()
                    reasons[index] = _unrouted(stalled)
                    del running[index]
                elif process.poll() is not None:
                    reasons[index] = _failure(jobs[index], running.pop(index).returncode, folder, parts)
            _tell(jobs, [*waiting], [*running], folder, progress)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    if all(reason is not None for reason in reasons):
        raise BuildError(reasons[0])
    return reasons


def _program(tool: str) -> str:
    """The program of a tool.  Raises InputError."""
    program = shutil.which(f"yowasp-{tool}", path=environment()["PATH"])
    if program is None:
        raise InputError(f"yowasp-{tool} is not installed: run `make fpga`", key="board")
    return program


def _start(job: Job, program: str, folder: Path) -> subprocess.Popen:
    if job.log:
        (folder / job.log).unlink(missing_ok=True)
    with _output(job, folder).open("w") as output:
        return subprocess.Popen(
            [program, *job.command[1:]],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
        )


def _output(job: Job, folder: Path) -> Path:
    """File of what a tool says beside its log."""
    return folder / f"{job.log or job.tool}.out"


def _log(job: Job, folder: Path) -> str:
    path = folder / (job.log or "")
    return path.read_text() if job.log and path.exists() else ""


def _tell(
    jobs: Sequence[Job], waiting: list[int], running: list[int], folder: Path, progress: Progress
) -> None:
    """Say how far the jobs are, in phases of their logs."""
    phases = len(PHASES) if jobs[0].log else 1
    done = phases * (len(jobs) - len(waiting) - len(running))
    for index in running:
        text = _log(jobs[index], folder)
        done += sum(phase in text for phase in PHASES[:-1])
    progress(jobs[0].step, done, phases * len(jobs))


def _failure(job: Job, code: int, folder: Path, parts: Family) -> str | None:
    """Why a job failed, and what to do where the part is too small; None when it did not."""
    if code == 0:
        return None
    if code < 0:
        return f"{job.tool} was ended by signal {-code}"
    lacking = [
        f"{cell}: {needed} needed, {have} there; shrink {parts.shrink.get(cell, 'the design')}"
        for cell, needed, have in overfull(_log(job, folder))
    ]
    if lacking:
        return "does not fit the part: " + "; ".join(lacking)
    said = _output(job, folder).read_text().splitlines()
    errors = [line for line in said if line.startswith("ERROR")] or said[-1:]
    return f"{job.tool} failed: {' '.join(errors) or 'it said nothing'}"


def _unrouted(conflicts: int) -> str:
    return (
        f"is not routed: {conflicts} wires keep two uses or more; try another --seed, or shrink the design as "
        "for a part that is too small"
    )


def conflicts_of_a_stalled_router(nextpnr_log: str) -> int | None:
    """Wires with more than one use at best, when that was `STALLED_PASSES` ago or longer; else None."""
    conflicts = [int(count) for count in re.findall(r"iter=\d+ wires=\d+ overused=(\d+)", nextpnr_log)]
    if not conflicts:
        return None
    least = min(conflicts)
    stalled = len(conflicts) - 1 - conflicts.index(least) >= STALLED_PASSES
    return least if stalled and least else None


def overfull(nextpnr_log: str) -> list[tuple[str, int, int]]:
    """Cells of which there are too few, as (cell, needed, available), from nextpnr's log."""
    lines = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", nextpnr_log, re.MULTILINE)
    return [(cell, int(used), int(have)) for cell, used, have in lines if int(used) > int(have)]
