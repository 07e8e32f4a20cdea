"""A second look: the job once more, up to the first item that differs, with the items of its sample and a waveform."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.record import RunRecord, Strobes
from model.system import GoldenController
from model.system import run as finish
from model.trace import strobe_rows
from model.training.hybrid import HybridJob, Progress
from model.training.write_costs import WriteJob
from sim.cosim import CosimResult, file_name, play
from sim.fast.bulk import BulkPair, FastController
from sim.fast.digest import Expected, GoldenDigests
from sim.fast.library import Library
from sim.host import HardwareFault, HostError
from sim.items import STROBES
from sim.paired import Comparison
from sim.scoreboard import Difference, Suspect, differences, samples_of
from sim.stimulus import Stimulus
from spec.params import HwParams
from spec.registers import Mode

AFTER = 2
"""Samples after the one that differs that a waveform shows at least."""
NOT_AGAIN = "when the job was played again, nothing was different"


class Seen(Exception):
    """What there was to look into is over."""


class GoldenItems(GoldenDigests):
    """Keeps the items of one sample, too."""

    def __init__(self, params: HwParams, sample: int | None):
        super().__init__(params)
        self._sample = sample
        self.items: dict[str, list[np.ndarray]] = {}

    def __call__(self, chunk: dict[str, Any]) -> None:
        sample = -1 if self._sample is None else self._sample - self.done
        super().__call__(chunk)
        if 0 <= sample < len(chunk["verdict"]):
            for stage, items in chunk.items():
                if stage not in STROBES and not stage.endswith("_sample"):
                    samples = samples_of(stage, chunk)
                    self.items[stage] = [items[k] for k in np.flatnonzero(np.asarray(samples) == sample)]


class ReplayPair(BulkPair):
    """A `BulkPair` that ends with `Seen` once it has looked into an item; `difference` is what it saw."""

    def __init__(self, golden: GoldenController, rtl: FastController, where: Suspect):
        super().__init__(golden, rtl, Comparison())
        self.where = where
        self.difference: Difference | None = None
        self._record: RunRecord | None = None
        self._samples = 0
        self._items: GoldenItems | None = None
        self._kept: dict[str, range] = {}
        rtl.look = self._look

    def _new_digests(self) -> GoldenDigests:
        self._items = GoldenItems(self.golden.params, self.where.sample)
        return self._items

    async def _golden(self, name: str, operation: Any, digests: GoldenDigests | None = None) -> RunRecord:
        self._record = await super()._golden(name, operation, digests)
        return self._record

    async def _operate(self, name: str, samples: int, golden: Any, rtl: Any) -> RunRecord:
        self._samples = samples
        if self._operations + 1 < self.where.number:
            return await super()._operate(name, samples, golden, rtl)
        with suppress(HardwareFault, HostError, Seen):
            await super()._operate(name, samples, golden, rtl)
        self._compare_items()
        raise Seen

    def _look(self, mode: Mode | None) -> None:
        """Have the items of the sample kept, and a waveform made of it, in the operation to look into."""
        if self._operations < self.where.number or self._running is None:
            return
        self._kept = self._numbers(self._running[1])
        self.rtl.harness.keep(self._kept)
        stage, item, sample = self.where.stage, self.where.item, self.where.sample
        if sample is None:
            self.rtl.harness.window(stage, max(0, item - 1), item + 1, stage, item)
            return
        if stage == "strobe":  # the pulses of a sample come D reads later
            sample = min(sample + self.golden.params.commit_depth - 1, self._samples)
        self.rtl.harness.window("codes", sample, sample + AFTER, stage, item)

    def _numbers(self, expected: Expected) -> dict[str, range]:
        """The numbers of the items to keep, by stage: those of the sample."""
        where, found = self.where, {}
        if where.sample is not None:
            for stage, samples in expected.samples.items():
                first, end = np.searchsorted(samples, (where.sample, where.sample + 1))
                found[stage] = range(int(first), int(end))
        own = found.get(where.stage, range(where.item, where.item + 1))
        found[where.stage] = range(min(own.start, where.item), max(own.stop, where.item + 1))
        return found

    def _compare_items(self) -> None:
        """The first difference among the items that were kept, with its place in the whole operation."""
        if self._record is None or self._items is None:
            return
        want = {name: self._items.items.get(name, []) for name in self._kept}
        for stage, strobes in zip(STROBES, (self._record.strobes, self._record.upper), strict=True):
            if strobes is not None and (numbers := self._kept.get(stage)):
                part = slice(numbers.start, numbers.stop)
                parts = (strobes.row, strobes.up, strobes.down, strobes.depress)
                want[stage] = strobe_rows(Strobes(*(values[part] for values in parts)))
        found = differences(want, self.rtl.harness.kept())
        if found:
            item = self._kept[found[0].stage].start + found[0].item
            self.difference = replace(found[0], item=item, sample=self.where.sample)


def replay(
    job: HybridJob | WriteJob | Stimulus, found: CosimResult, folder: Path, progress: Progress | None
) -> CosimResult:
    """What was found, its first difference told by element, with a waveform in `folder`; as it is if there is none.

    The job is played on the library, whatever bench has found the difference.  Raises BuildError.
    """
    where = found.suspect
    if where is None:
        return found
    file = folder / f"{file_name(f'{job.params.name} {where.operation}')}.vcd"
    file.parent.mkdir(parents=True, exist_ok=True)

    def step(phase: str, done: int, total: int) -> None:
        if progress:
            progress(f"replay: {phase}", done, total)

    step("build", 0, 1)
    with Library(job.params, job.image, waves=True) as library, library.waves(file):
        step("build", 1, 1)

        async def perform() -> None:
            await library.perform()
            if library.harness.passed:
                raise Seen

        rtl = FastController(library.harness, perform)
        pair = ReplayPair(GoldenController(job.params, job.image), rtl, where)
        with suppress(Seen):
            finish(play(pair, job, step))
    told = f"{where.operation}: {where}"
    seen = f"{where.operation}: {pair.difference}" if pair.difference else f"{told}; {NOT_AGAIN}"
    lines = [seen if line == told else line for line in found.differences]
    return replace(found, differences=lines, replayed=file)
