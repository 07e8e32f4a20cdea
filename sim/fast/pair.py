"""The golden controller and the library, each operation on both: predictions, updates, strobes, states, counters."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from model.record import RunRecord
from model.system import NONE, GoldenController
from model.system import run as finish
from model.training.hybrid import HybridJob
from model.training.write_costs import WriteJob
from sim.cosim import CosimResult, Progress, play
from sim.fast.bus import LibraryBus
from sim.fast.library import Library
from sim.host import HardwareFault, Host, HostError
from sim.paired import Comparison, PairedController
from sim.stimulus import Stimulus
from spec.registers import Mode


class FastController:
    """The coroutines of `GoldenController` on a library; records without traces."""

    def __init__(self, library: Library):
        self.library = library
        self.host = Host(LibraryBus(library), library.params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    async def transfer(
        self, counts: np.ndarray, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.transfer`; the record has the strobes."""
        await self.host.transfer(counts, progress=progress)
        return RunRecord(NONE, NONE, self.library.strobes())

    async def verify(
        self, targets: np.ndarray, way: str, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.verify`; the record has the strobes."""
        await self.host.verify(targets, way, progress=progress)
        return RunRecord(NONE, NONE, self.library.strobes())

    async def run(
        self, mode: Mode, pixels: np.ndarray, labels: np.ndarray, *, progress: Callable | None = None
    ) -> RunRecord:
        """As `Host.run`; the record has predictions, updates and strobes."""
        outcome = await self.host.run(mode, pixels, labels, progress=progress)
        return RunRecord(outcome.predictions, outcome.updates, self.library.strobes())


class BulkPair(PairedController):
    """`PairedController` without traces: what differs is found in whole arrays and named by its first item."""

    async def transfer(self, counts: np.ndarray, **kwargs: Any) -> RunRecord:
        expected = await self.golden.transfer(counts, trace=True)
        got = await self.rtl.transfer(counts, **kwargs)
        self._bulk("transfer", expected, got)
        return got

    async def verify(self, targets: np.ndarray, way: str, **kwargs: Any) -> RunRecord:
        expected = await self.golden.verify(targets, way, trace=True)
        got = await self.rtl.verify(targets, way, **kwargs)
        self._bulk(f"verify {way}", expected, got)
        self.coverage |= self.golden.given_up
        return got

    async def run(
        self, mode: Mode, pixels: np.ndarray, labels: np.ndarray, *, trace: bool = False, **kwargs: Any
    ) -> RunRecord:
        """`trace` is for callers of the others; there is none to keep."""
        self._runs += 1
        clipped = (await self.golden.counters())["CLIPPED"]
        expected = await self.golden.run(mode, pixels, labels)
        self.coverage["clipped codes"] += (await self.golden.counters())["CLIPPED"] - clipped
        self.coverage["saturated weights"] = self._saturated()
        got = await self.rtl.run(mode, pixels, labels, **kwargs)
        self._bulk(f"run {self._runs} ({mode.name.lower()})", expected, got)
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


def run_fast(job: HybridJob | WriteJob | Stimulus, *, progress: Progress | None = None) -> CosimResult:
    """Run a job on the library beside the golden model, as `sim.cosim.run_cosim` does in a simulator.

    Stages between the samples and the strobes are not looked at; where something differs, `run_cosim` names the stage.
    Raises BuildError.
    """
    if progress:
        progress("build", 0, 1)
    with Library(job.params, job.image) as library:
        rtl, comparison = FastController(library), Comparison()
        pair = BulkPair(GoldenController(job.params, job.image), rtl, comparison)
        started = time.perf_counter()
        finish(rtl.host.check_identity())
        result, counters = None, {}
        try:
            result = finish(play(pair, job, progress))
            counters = finish(rtl.host.counters())
        except (HardwareFault, HostError) as error:
            pair.interrupted(str(error))
        return CosimResult(
            result=result,
            mismatches=comparison.mismatches,
            differences=comparison.lines,
            counters=counters,
            seconds=time.perf_counter() - started,
            cycles=library.cycles,
            coverage=pair.coverage,
        )
