"""The golden controller and a bench, each operation on both, compared when it is done: every stage by its digests."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields
from typing import Any

import numpy as np

from model.controller.teacher_delta import Teacher
from model.record import RunRecord, Strobes
from model.system import NONE, GoldenController
from model.training.hybrid import HybridJob, Progress
from model.training.write_costs import WriteJob
from sim.cosim import CosimResult, Phase, outcome, play
from sim.fast.bus import HarnessBus
from sim.fast.digest import Expected, GoldenDigests, first_suspect
from sim.fast.library import Harness
from sim.host import HardwareFault, Host, HostError
from sim.paired import Comparison, PairedController
from sim.scoreboard import Suspect
from sim.stimulus import Stimulus
from spec.registers import Mode

Perform = Callable[[], Awaitable[None]]
"""Lets the clock run until the harness has done what it was asked for."""


def nothing(mode: Mode | None) -> None:
    """Look at nothing in particular."""


class FastController:
    """The coroutines of `GoldenController` on a bench; records without traces.

    look: called when an operation begins, with the mode of a run on samples: tells the harness what to keep or trace.
    """

    def __init__(self, harness: Harness, perform: Perform, look: Callable[[Mode | None], None] = nothing):
        self.harness, self.look = harness, look
        self.host = Host(HarnessBus(harness, perform), harness.params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    def _begin(self, mode: Mode | None) -> None:
        self.harness.restart()
        self.look(mode)

    def _record(self, predictions: np.ndarray, updates: np.ndarray) -> RunRecord:
        """With the strobes on each array."""
        upper = self.harness.strobes("upper_strobe") if self.harness.params.analog_upper else None
        return RunRecord(predictions, updates, self.harness.strobes(), upper=upper)

    async def transfer(
        self, counts: np.ndarray, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.transfer`; the record has the strobes."""
        self._begin(None)
        await self.host.transfer(counts, progress=progress)
        return self._record(NONE, NONE)

    async def verify(
        self, targets: np.ndarray, way: str, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.verify`; the record has the strobes."""
        self._begin(None)
        await self.host.verify(targets, way, progress=progress)
        return self._record(NONE, NONE)

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        teacher: Teacher | None = None,
        progress: Callable | None = None,
    ) -> RunRecord:
        """As `Host.run`; the record has predictions, updates and strobes."""
        self._begin(mode)
        outcome = await self.host.run(mode, pixels, labels, teacher=teacher, progress=progress)
        return self._record(outcome.predictions, outcome.updates)


class BulkPair(PairedController):
    """`PairedController` without traces: of each stage, digests of its items are compared when an operation is done.

    `suspect`: the first item of the job that differs; `replay` of sim/fast/replay.py looks into it.
    """

    def __init__(self, golden: GoldenController, rtl: FastController, comparison: Comparison):
        super().__init__(golden, rtl, comparison)
        self.phases: list[Phase] = []
        self.suspect: Suspect | None = None
        self._operations = 0
        self._running: tuple[str, Expected] | None = None

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
        golden = self._golden("transfer", self.golden.transfer(counts, trace=True))
        return await self._operate("transfer", 0, golden, self.rtl.transfer(counts, **kwargs))

    async def verify(self, targets: np.ndarray, way: str, **kwargs: Any) -> RunRecord:
        name = f"verify {way}"
        golden = self._golden(name, self.golden.verify(targets, way, trace=True))
        got = await self._operate(name, 0, golden, self.rtl.verify(targets, way, **kwargs))
        self.coverage |= self.golden.given_up
        return got

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        trace: bool = False,
        teacher: Teacher | None = None,
        **kwargs: Any,
    ) -> RunRecord:
        """`trace` is for callers of the others; there is none to keep."""
        self._runs += 1
        name = f"run {self._runs} ({mode.name.lower()})"
        clipped = (await self.golden.counters())["CLIPPED"]
        digests = self._new_digests()
        of_run = mode, pixels, labels
        golden = self._golden(name, self.golden.run(*of_run, watch=digests, teacher=teacher), digests)
        rtl = self.rtl.run(*of_run, teacher=teacher, **kwargs)
        got = await self._operate(name, len(labels), golden, rtl)
        self.coverage["clipped codes"] += (await self.golden.counters())["CLIPPED"] - clipped
        self.coverage["saturated weights"] = self._saturated()
        return got

    async def _golden(
        self, name: str, operation: Coroutine, digests: GoldenDigests | None = None
    ) -> RunRecord:
        """The golden side of an operation; what it expects is kept until the operation is over."""
        record = await operation
        digests = digests or self._new_digests()
        self._running = name, digests.finish(record)
        return record

    def _new_digests(self) -> GoldenDigests:
        return GoldenDigests(self.golden.params)

    async def _operate(self, name: str, samples: int, golden: Coroutine, rtl: Coroutine) -> RunRecord:
        self._operations += 1
        expected, got = await self._each(name, samples, golden, rtl)
        self._digests()
        self._bulk(name, expected, got)
        return got

    def _digests(self) -> None:
        """Compare what the taps have shown of the operation so far."""
        if self._running is None:
            return
        (name, expected), self._running = self._running, None
        found = first_suspect(self._operations, name, expected, self.rtl.harness.digests())
        if found:
            self.comparison.add(name, found.items, str(found))
            self.suspect = self.suspect or found

    def interrupted(self, why: str) -> None:
        name = self._running[0] if self._running else "run"
        self._digests()
        self.comparison.add(name, 1, why)

    def _bulk(self, operation: str, expected: RunRecord, got: RunRecord) -> None:
        """What the host was told, and every strobe, bit by bit."""
        pairs = {
            "sample": (("prediction", expected.predictions, got.predictions),
                       ("update", expected.updates, got.updates)),
            "strobe": _strobe_arrays(expected.strobes, got.strobes),
        }  # fmt: skip
        if got.upper is not None:  # the golden model has none of what only concerns the other array
            pairs["upper strobe"] = _strobe_arrays(
                expected.upper or Strobes.empty(self.golden.params.classes), got.upper
            )
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


def _strobe_arrays(expected: Strobes, got: Strobes) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
    """Each field of two runs' strobes, with its name."""
    return tuple((f.name, getattr(expected, f.name), getattr(got, f.name)) for f in fields(Strobes))


async def compare(
    job: HybridJob | WriteJob | Stimulus,
    harness: Harness,
    perform: Perform,
    progress: Progress | None,
    window: range = range(0),
) -> CosimResult:
    """A job on a bench beside the golden model; the samples `window` of its training runs are traced."""

    def look(mode: Mode | None) -> None:
        if mode is Mode.TRAIN and window:
            harness.window("codes", window.start, window.start, "verdict", window.stop - 1)

    rtl, comparison = FastController(harness, perform, look), Comparison()
    pair = BulkPair(GoldenController(job.params, job.image), rtl, comparison)
    started = time.perf_counter()
    await rtl.host.check_identity()
    result, counters = None, {}
    try:
        result = await play(pair, job, progress)
        counters = await rtl.host.counters()
    except (HardwareFault, HostError) as error:
        pair.interrupted(str(error))
    seen = {"cycles": harness.cycles, "phases": pair.phases, "suspect": pair.suspect}
    return outcome(job, pair, result, counters, started, **seen)
