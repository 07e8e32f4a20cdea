"""Co-simulation: a job on the RTL in a simulator, each operation compared with the golden model as it goes."""

import fcntl
import os
import pickle
import re
import tempfile
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from amaranth.lib import wiring
from cocotb_test.simulator import Icarus, Verilator

from hw.emit import to_systemverilog
from hw.top import ObservedTop
from model.record import RunRecord
from model.training.hybrid import HybridJob, HybridResult, Progress, counting, hybrid
from model.training.write_costs import WriteJob, write
from sim.coverage import save
from sim.paired import PairedController
from sim.runner import PortsOnly, ports_config
from sim.scoreboard import Suspect
from sim.stimulus import Stimulus, enough, exercise, make_stimulus
from sim.toolchain import UNOPTIMISED, UNSPLIT, prepare
from sim.waves import keep_waveform
from spec.device_file import DeviceSpec
from spec.params import HwParams
from spec.run_file import refuse_deeper

BUILD = Path("build") / "cosim"
WAVES = Path("build") / "waves"
TOP = "crosstrain"
POLL_SECONDS = 0.1
QUICK_SAMPLES = 200
"""Up to here Verilator's C++ is compiled without optimisation, which takes longer than it saves."""

RUN_FOLDER = "CROSSTRAIN_COSIM"
"""Environment variable that tells a bench the folder of its run."""


def registers_of(job: HybridJob | WriteJob | Stimulus, result: Any) -> dict[str, int]:
    """The registers of a job's training run, as far as it sets them."""
    if isinstance(job, Stimulus):
        return dict(job.registers)
    return dict(getattr(result, "registers", {}))


async def play(ctl: Any, job: HybridJob | WriteJob | Stimulus, progress: Progress | None) -> Any:
    """A job on a controller; returns what the job returns."""
    if isinstance(job, HybridJob):
        return await hybrid(ctl, job, progress=progress)
    if isinstance(job, WriteJob):
        return await write(ctl, job, progress=progress)
    return await exercise(ctl, job, progress=counting(progress, "samples", len(job.pixels)))


def refuse_golden(job: HybridJob | WriteJob | Stimulus, what: str) -> None:
    """Raise `InputError` for a job with something that only the golden model has; `what` is what has it not."""
    job.image.refuse_effects(what)
    if not isinstance(job, Stimulus):
        refuse_deeper((job.hybrid if isinstance(job, WriteJob) else job).between, what)


def file_name(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("_").lower()


class SimulationError(RuntimeError):
    """The simulator could not be built, or the bench died; the message has its last lines."""


@dataclass(frozen=True)
class Phase:
    """One operation on both sides."""

    name: str
    samples: int
    cycles: int
    """Clock cycles simulated."""
    golden_s: float
    rtl_s: float
    """Wall time of the RTL side: the simulation, and the host driver in Python."""


@dataclass
class CosimResult:
    """What a co-simulation found.  `result`: what the job returned on the RTL."""

    result: Any
    mismatches: int
    differences: list[str]
    counters: dict[str, int]
    """All of the hardware's counters at the end, those of time too."""
    seconds: float
    """Time in the simulation, without building."""
    cycles: int
    """Clock cycles simulated."""
    waveform: Path | None = None
    coverage: dict[str, int] = field(default_factory=dict)
    """How often a path was taken that a run without it would say nothing about."""
    bins: dict[str, int] = field(default_factory=dict)
    """Bins of functional coverage (sim/coverage.py) that were hit, with how often."""
    params: HwParams | None = None
    registers: dict[str, int] = field(default_factory=dict)
    """Of the training run, by name, as far as the job sets them."""
    phases: list[Phase] = field(default_factory=list)
    """Where the time went, of a bench that works in bulk."""
    suspect: Suspect | None = None
    """The first difference, of a bench that works in bulk; `differences` has it as the replay saw it."""
    replayed: Path | None = None
    """Waveform of that first difference."""

    @property
    def record(self) -> RunRecord | None:
        """Of the training run; None when the job broke off."""
        return self.result.records["online"] if isinstance(self.result, HybridResult) else self.result

    @property
    def vacuous(self) -> bool:
        """True when the training run had too few pulses in either direction to prove anything."""
        return self.record is None or not enough(self.record, self.registers)


def outcome(
    job: HybridJob | WriteJob | Stimulus,
    pair: PairedController,
    result: Any,
    counters: dict[str, int],
    started: float,
    **more: Any,
) -> CosimResult:
    """What a bench has found.  started: `time.perf_counter()` then; more: fields that only some benches know."""
    return CosimResult(
        result=result,
        mismatches=pair.comparison.mismatches,
        differences=pair.comparison.lines,
        counters=counters,
        params=job.params,
        registers=registers_of(job, result),
        seconds=time.perf_counter() - started,
        coverage=pair.coverage,
        **more,
    )


def cosim_random(
    params: HwParams,
    device: DeviceSpec,
    rule: str,
    simulator: str,
    samples: int,
    seed: int,
    *,
    waves: bool = False,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> CosimResult:
    """A random short job (sim/stimulus.py) on any legal hardware; waves go to `folder`.  Raises `SimulationError`."""
    stimulus = make_stimulus(params, device, rule, samples, seed)
    name = f"{params.name}-{file_name(device.name)}-{rule}-seed{seed}-{simulator}"
    waveform = (folder or WAVES) / name if waves else None
    return run_cosim(stimulus, simulator, waveform=waveform, progress=progress)


def run_cosim(
    job: HybridJob | WriteJob | Stimulus,
    simulator: str,
    *,
    waveform: Path | None = None,
    progress: Progress | None = None,
    top: Callable[[HwParams], wiring.Component] = ObservedTop,
    variant: str = "",
    bench: str = "sim.tb_cosim",
    sources: Sequence[Path] = (),
) -> CosimResult:
    """Run a job in a simulator beside the golden model.

    top, variant: another design in place of the emulated top, and a name that keeps its build apart.
    bench: the module that plays it.  sources: Verilog of what that design only instantiates.
    waveform: keep one under this name, which gets the simulator's suffix.  The simulator's build is kept under
    build/cosim per hardware, simulator, how it is compiled and whether there is a waveform.  Raises `SimulationError`, `InputError` as
    `simulate`.
    """
    prepare()
    quick = isinstance(job, Stimulus) and len(job.pixels) <= QUICK_SAMPLES and simulator == "verilator"
    manner = ("quick" if quick else "", "waves" if waveform else "", variant)
    parts = (job.params.name, f"{job.params.hash32:08x}", simulator, *manner)
    build = BUILD / "-".join(filter(None, parts))
    build.mkdir(parents=True, exist_ok=True)

    def start(folder: Path) -> Callable[[], None]:
        source = to_systemverilog(top(job.params), TOP, build / f"{TOP}.sv")
        arguments = _arguments(simulator, [*sources, source], build, folder, waveform is not None, quick)
        kind = Icarus if simulator == "icarus" else Verilator if waveform else PortsOnly
        return lambda: kind(module=bench, **arguments).run()

    def finish(found: CosimResult, folder: Path) -> None:
        if found.bins and not (variant or found.mismatches):
            digest = sha256((folder / "job.pickle").read_bytes()).hexdigest()[:12]
            save(found.bins, f"{build.name}-{digest}")
        if waveform:
            found.waveform = keep_waveform(build, folder, simulator, waveform, job.params)

    return simulate(job, build, f"{simulator} on {job.params.name}", start, progress, finish)


def simulate(
    job: HybridJob | WriteJob | Stimulus,
    build: Path,
    what: str,
    start: Callable[[Path], Callable[[], None]],
    progress: Progress | None,
    finish: Callable[[CosimResult, Path], None] = lambda found, folder: None,
) -> CosimResult:
    """Play a job in the process of a simulator that is built in `build`.  Raises `SimulationError`.

    Raises `InputError` for a job with something that only the golden model has.

    start: given the folder of the run, where job.pickle is and result.pickle and the lines of progress are to go,
    writes the sources and returns what builds and runs the simulator.  finish: called before that folder is removed.
    """
    refuse_golden(job, "the RTL")
    with tempfile.TemporaryDirectory(dir=build, prefix="run-") as name, open(build / "lock", "w") as lock:
        folder = Path(name).resolve()
        (folder / "job.pickle").write_bytes(pickle.dumps(job))
        (folder / "progress").touch()
        fcntl.flock(lock, fcntl.LOCK_EX)  # one build at a time, until the bench is running
        thread = _Simulator(start(folder))
        thread.start()
        _follow(thread, folder / "progress", lambda: fcntl.flock(lock, fcntl.LOCK_UN), progress)
        found = _result(folder / "result.pickle", what, thread.failure)
        finish(found, folder)
        return found


async def leave_result(playing: Callable[[Any, Callable], Awaitable[CosimResult]]) -> None:
    """In the simulator: play the run's job, and leave what comes of it, or the text of an exception."""
    folder = Path(os.environ[RUN_FOLDER])
    job = pickle.loads((folder / "job.pickle").read_bytes())
    outcome: CosimResult | str
    try:
        with (folder / "progress").open("a", buffering=1) as lines:
            outcome = await playing(job, lambda *step: lines.write("\t".join(map(str, step)) + "\n"))
    except Exception:
        outcome = traceback.format_exc()
    partial = folder / "result.partial"
    partial.write_bytes(pickle.dumps(outcome))
    partial.rename(folder / "result.pickle")


def _result(file: Path, what: str, failure: str) -> CosimResult:
    if not file.exists():
        raise SimulationError(f"{what}: {failure or 'the bench ended early'}")
    found = pickle.loads(file.read_bytes())
    if isinstance(found, str):
        raise SimulationError(f"{what}: {found}")
    return found


class _Simulator(threading.Thread):
    """Builds and runs the bench; cocotb-test ends with SystemExit where a tool fails."""

    def __init__(self, work: Callable[[], None]):
        super().__init__(daemon=True)
        self.failure = ""
        self._work = work

    def run(self) -> None:
        try:
            self._work()
        except (Exception, SystemExit) as error:
            self.failure = str(error)


def _arguments(
    simulator: str, sources: Sequence[Path], build: Path, folder: Path, waves: bool, quick: bool
) -> dict[str, Any]:
    """Of cocotb-test's class of that simulator."""
    common: dict[str, Any] = {
        "toplevel": TOP,
        "sim_build": str(build.resolve()),
        "timescale": "1ns/1ps",
        "extra_env": {RUN_FOLDER: str(folder)},
    }
    texts = [str(source.resolve()) for source in sources]
    if simulator == "icarus":
        return common | {"verilog_sources": texts, "waves": waves}
    return common | {
        "verilog_sources": [str(ports_config(TOP, build).resolve()), *texts],
        "plus_args": ["--trace", "--trace-file", str(folder / "waves.vcd")] if waves else [],
        "make_args": UNOPTIMISED if quick else [],
        "extra_args": _verilator_arguments(waves) + (UNSPLIT if quick else []),
    }


def _verilator_arguments(waves: bool) -> list[str]:
    return ["-Wno-fatal", "-O3", *(["--trace", "--trace-structs"] if waves else [])]


def _follow(
    thread: threading.Thread, file: Path, started: Callable[[], None], progress: Progress | None
) -> None:
    """Pass the bench's progress lines on until it ends; `started` is called at the first."""
    running = False
    with file.open() as lines:
        while True:
            alive = thread.is_alive()
            for line in lines:
                if not running:
                    running = True
                    started()
                if progress:
                    phase, done, total = line.rstrip("\n").split("\t")
                    progress(phase, int(done), int(total))
            if not alive:
                return
            time.sleep(POLL_SECONDS)
