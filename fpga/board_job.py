"""A job on a board beside the golden model: what a host can see of both is compared."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpga.host_link import LinkError, UartBus
from model.controller.teacher_delta import Teacher
from model.record import RunRecord, Strobes
from model.system import GoldenController
from model.training.hybrid import HybridJob, HybridResult, Progress, hybrid
from sim.cosim import play, refuse_golden
from sim.host import HardwareFault, Host, HostError
from sim.paired import Comparison, PairedController
from sim.stimulus import Stimulus
from spec.link import Statistics
from spec.registers import Mode

SPOTS = 256
"""Pairs that are looked at when not all of them are."""


class BoardPair(PairedController):
    """The golden controller and the host of a board, whose taps nobody sees: strobes are those of the golden model.

    Compared are predictions, updates, counters (pulses of each polarity among them), and conductances.
    """

    async def transfer(self, counts: np.ndarray, **kwargs: Any) -> RunRecord:
        expected = await self.golden.transfer(counts)
        await self.rtl.transfer(counts, **kwargs)
        return expected

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
        self._runs += 1
        operation = f"run {self._runs} ({mode.name.lower()})"
        expected = await self.golden.run(mode, pixels, labels, teacher=teacher)
        got = await self.rtl.run(mode, pixels, labels, teacher=teacher, **kwargs)
        for name, left, right in zip(got._fields, (expected.predictions, expected.updates), got, strict=True):
            wrong = np.flatnonzero(left != right)
            if len(wrong):
                first = wrong[0]
                values = f"expected {left[first]}, got {right[first]}"
                self.comparison.add(operation, len(wrong), f"{name} of sample {first}: {values}")
        return RunRecord(got.predictions, got.updates, expected.strobes, upper=expected.upper)

    async def verify(self, targets: np.ndarray, way: str, **kwargs: Any) -> RunRecord:
        expected = await self.golden.verify(targets, way)
        await self.rtl.verify(targets, way, **kwargs)
        return expected

    async def spot_check(self, strobes: Strobes) -> None:
        """Compare the conductances of the first SPOTS pairs that were pulsed."""
        strobe, column = np.nonzero(strobes.up | strobes.down)
        places = np.unique(np.stack([strobes.row[strobe], column], axis=1), axis=0)[:SPOTS]
        expected = (await self.golden.conductances())[places[:, 0], places[:, 1]]
        got = await self.rtl.pairs(places.tolist())
        wrong = np.flatnonzero((expected != got).any(axis=1))
        if len(wrong):
            (row, column), first = places[wrong[0]], wrong[0]
            values = f"expected {expected[first]}, got {got[first]}"
            self.comparison.add("conductances", len(wrong), f"row {row}, column {column}: {values}")

    def interrupted(self, why: str) -> None:
        self.comparison.add(f"after {self._runs} runs", 1, why)


@dataclass(frozen=True, eq=False)
class BoardRun:
    """What a job on a board found.  result: what the job returned; None when it broke off."""

    result: Any
    mismatches: int
    differences: list[str]
    counters: dict[str, int]
    """At the end, those of time too."""
    seconds: float
    retries: int
    """Requests that were sent again."""
    statistics: dict[str, int]
    """What the board counted of frames, by the names of `Statistics`; nothing in compact hardware."""

    @property
    def record(self) -> RunRecord | None:
        """Of the training run."""
        return self.result.records["online"] if isinstance(self.result, HybridResult) else self.result


async def run_on(
    bus: UartBus, job: HybridJob | Stimulus, *, read_out: bool = True, progress: Progress | None = None
) -> BoardRun:
    """A job on the board at a bus, and on the golden model.

    read_out: compare all conductances of a `HybridJob` at the end, a register access each; else some of those that were
    pulsed.  A fault, a board that does
    not keep to its protocol, or a link that is lost in the job is a difference; raises LinkError when nothing answers
    at the beginning, InputError for a board of other parameters.
    """
    refuse_golden(job, "the board")
    await bus.connect()
    host = Host(bus, job.params)
    await host.check_identity()
    if await host.faults():
        await host.clear_fault()
    before = await bus.statistics()
    await host.load_image(job.image)
    pair = BoardPair(GoldenController(job.params, job.image), host, Comparison())
    started, result, counters = time.perf_counter(), None, {}
    try:
        if isinstance(job, HybridJob):
            result = await hybrid(pair, job, read_out=read_out, progress=progress)
            if not read_out:
                await pair.spot_check(result.records["online"].strobes)
        else:
            result = await play(pair, job, progress)
        counters = await host.counters()
    except (HardwareFault, HostError, LinkError) as error:
        pair.interrupted(str(error))
    seconds = time.perf_counter() - started
    statistics = await _statistics(bus, before)
    found = pair.comparison
    return BoardRun(result, found.mismatches, found.lines, counters, seconds, bus.retries, statistics)


async def _statistics(bus: UartBus, before: dict[Statistics, int]) -> dict[str, int]:
    """Since `before`; nothing from a board that does not answer any more."""
    try:
        now = await bus.statistics()
    except LinkError:
        return {}
    return {name.name.lower(): now[name] - before[name] for name in now}
