"""The golden controller and the library, each operation on both: predictions, updates, strobes, states, counters."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.record import RunRecord
from model.system import NONE, GoldenController
from model.system import run as finish
from model.training.hybrid import HybridJob, Progress
from model.training.write_costs import WriteJob
from sim.cosim import CosimResult, Phase, outcome, play
from sim.fast.bus import HarnessBus
from sim.fast.library import Harness, Library
from sim.host import HardwareFault, Host, HostError
from sim.paired import Comparison, PairedController
from sim.stimulus import Stimulus
from spec.registers import Mode

Perform = Callable[[], Awaitable[None]]
"""Lets the clock run until the harness has done what it was asked for."""


class FastController:
    """The coroutines of `GoldenController` on a bench; records without traces.

    window: samples of training runs of which the bench keeps a waveform.
    """

    def __init__(self, harness: Harness, perform: Perform, window: range = range(0)):
        self.harness, self.window = harness, window
        self.host = Host(HarnessBus(harness, perform), harness.params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    async def transfer(
        self, counts: np.ndarray, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.transfer`; the record has the strobes."""
        await self.host.transfer(counts, progress=progress)
        return RunRecord(NONE, NONE, self.harness.strobes())

    async def verify(
        self, targets: np.ndarray, way: str, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.verify`; the record has the strobes."""
        await self.host.verify(targets, way, progress=progress)
        return RunRecord(NONE, NONE, self.harness.strobes())

    async def run(
        self, mode: Mode, pixels: np.ndarray, labels: np.ndarray, *, progress: Callable | None = None
    ) -> RunRecord:
        """As `Host.run`; the record has predictions, updates and strobes."""
        if mode is Mode.TRAIN:
            self.harness.window(self.window)
        outcome = await self.host.run(mode, pixels, labels, progress=progress)
        return RunRecord(outcome.predictions, outcome.updates, self.harness.strobes())


class BulkPair(PairedController):
    """`PairedController` without traces: what differs is found in whole arrays and named by its first item."""

    def __init__(self, golden: GoldenController, rtl: FastController, comparison: Comparison):
        super().__init__(golden, rtl, comparison)
        self.phases: list[Phase] = []

    async def _each(self, name: str, samples: int, golden: Coroutine, rtl: Coroutine) -> tuple[Any, Any]:
        """The same on both sides, with the time that each took."""
        started, cycles = time.perf_counter(), self.rtl.harness.cycles
        expected = await golden
        between = time.perf_counter()
        got = await rtl
        cycles, times = self.rtl.harness.cycles - cycles, (between - started, time.perf_counter() - between)
        self.phases.append(Phase(name, samples, cycles, *times))
        return expected, got

    async def _both(self, method: str, *args: Any, **kwargs: Any) -> Any:
        golden, rtl = getattr(self.golden, method)(*args), getattr(self.rtl, method)(*args, **kwargs)
        return await self._each(method.replace("_", " "), 0, golden, rtl)

    async def transfer(self, counts: np.ndarray, **kwargs: Any) -> RunRecord:
        golden, rtl = self.golden.transfer(counts, trace=True), self.rtl.transfer(counts, **kwargs)
        expected, got = await self._each("transfer", 0, golden, rtl)
        self._bulk("transfer", expected, got)
        return got

    async def verify(self, targets: np.ndarray, way: str, **kwargs: Any) -> RunRecord:
        golden, rtl = self.golden.verify(targets, way, trace=True), self.rtl.verify(targets, way, **kwargs)
        expected, got = await self._each(f"verify {way}", 0, golden, rtl)
        self._bulk(f"verify {way}", expected, got)
        self.coverage |= self.golden.given_up
        return got

    async def run(
        self, mode: Mode, pixels: np.ndarray, labels: np.ndarray, *, trace: bool = False, **kwargs: Any
    ) -> RunRecord:
        """`trace` is for callers of the others; there is none to keep."""
        self._runs += 1
        name = f"run {self._runs} ({mode.name.lower()})"
        clipped = (await self.golden.counters())["CLIPPED"]
        golden, rtl = self.golden.run(mode, pixels, labels), self.rtl.run(mode, pixels, labels, **kwargs)
        expected, got = await self._each(name, len(labels), golden, rtl)
        self.coverage["clipped codes"] += (await self.golden.counters())["CLIPPED"] - clipped
        self.coverage["saturated weights"] = self._saturated()
        self._bulk(name, expected, got)
        return got

    def interrupted(self, why: str) -> None:
        self.comparison.add("run", 1, why)

    def _bulk(self, operation: str, expected: RunRecord, got: RunRecord) -> None:
        pairs = {
            "sample": (("prediction", expected.predictions, got.predictions),
                       ("update", expected.updates, got.updates)),
            "strobe": tuple((name, getattr(expected.strobes, name), getattr(got.strobes, name))
                            for name in ("row", "up", "down", "depress")),
        }  # fmt: skip
        for item, arrays in pairs.items():
            for name, want, have in arrays:
                if len(want) != len(have):
                    text = f"{len(want)} {item}s expected, got {len(have)}"
                    self.comparison.add(operation, abs(len(want) - len(have)), text)
                    break
                wrong = np.argwhere(np.asarray(want) != np.asarray(have))
                if len(wrong):
                    at = tuple(wrong[0])
                    place = "".join(f"[{k}]" for k in at[1:])
                    text = f"{item} {at[0]}, {name}{place}: expected {want[at]}, got {have[at]}"
                    self.comparison.add(operation, len(wrong), text)


async def compare(
    job: HybridJob | WriteJob | Stimulus,
    harness: Harness,
    perform: Perform,
    progress: Progress | None,
    window: range = range(0),
) -> CosimResult:
    """A job on a bench beside the golden model.

    Stages between the samples and the strobes are not looked at; where something differs, `run_cosim` names the stage.
    """
    rtl, comparison = FastController(harness, perform, window), Comparison()
    pair = BulkPair(GoldenController(job.params, job.image), rtl, comparison)
    started = time.perf_counter()
    await rtl.host.check_identity()
    result, counters = None, {}
    try:
        result = await play(pair, job, progress)
        counters = await rtl.host.counters()
    except (HardwareFault, HostError) as error:
        pair.interrupted(str(error))
    return outcome(job, pair, result, counters, started, cycles=harness.cycles, phases=pair.phases)


def run_fast(
    job: HybridJob | WriteJob | Stimulus,
    *,
    progress: Progress | None = None,
    waveform: Path | None = None,
    window: range = range(4),
) -> CosimResult:
    """Run a job on the library, in this process; `waveform` gets the samples `window` of its training run, as VCD.

    Raises BuildError.
    """
    if progress:
        progress("build", 0, 1)
    with Library(job.params, job.image, waves=waveform is not None) as library:
        if progress:
            progress("build", 1, 1)
        if waveform is None:
            return finish(compare(job, library.harness, library.perform, progress))
        file = waveform.with_suffix(".vcd")
        file.parent.mkdir(parents=True, exist_ok=True)
        with library.waves(file):
            found = finish(compare(job, library.harness, library.perform, progress, window))
        return replace(found, waveform=file)
