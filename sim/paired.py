"""Step and compare: one job drives the golden model and the RTL, and every result of the two is compared."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.controller.counters import COUNTERS
from model.controller.teacher_delta import Teacher
from model.controller.update_rule import ACCUMULATE, FIRST_BY_CHANCE
from model.record import RunRecord
from sim.coverage import of_run, of_upper
from sim.scoreboard import differences
from spec.numerics import signed_limit
from spec.registers import Mode
from spec.stages import STAGE_NAMES


@dataclass
class Comparison:
    """Differences so far: their number, and the first of each operation as a line of text."""

    mismatches: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, operation: str, count: int, line: str) -> None:
        self.mismatches += count
        self.lines.append(f"{operation}: {line}")


class PairedController:
    """The coroutines of the host driver, each executed on both sides; returns what the RTL gave.

    golden: `GoldenController`; rtl: `RtlController`.  Differences go to `comparison`, and the run goes on.
    """

    def __init__(self, golden: Any, rtl: Any, comparison: Comparison):
        self.golden, self.rtl, self.comparison = golden, rtl, comparison
        self.coverage = {"clipped codes": 0, "saturated weights": 0}
        self.bins: Counter[str] = Counter()
        """Bins of functional coverage (sim/coverage.py) that were hit, with how often."""
        self._runs = 0
        self._under_way: tuple[str, dict] | None = None

    async def _both(self, method: str, *args: Any, **kwargs: Any) -> Any:
        expected = await getattr(self.golden, method)(*args)
        return expected, await getattr(self.rtl, method)(*args, **kwargs)

    async def configure(self, **registers: int) -> None:
        await self.golden.configure(**registers)
        await self.rtl.configure(**registers)

    async def load_weights(self, weights: np.ndarray) -> None:
        await self._both("load_weights", weights)

    async def load_targets(self, targets: np.ndarray) -> None:
        await self._both("load_targets", targets)

    async def restore_calibration(self, found: np.ndarray) -> None:
        await self._both("restore_calibration", found)

    async def calibration(self) -> np.ndarray:
        expected, got = await self._both("calibration")
        wrong = np.argwhere(expected != got)
        if len(wrong):
            channel, which = wrong[0]
            where = f"{('offset', 'gain')[which]} of channel {channel}"
            values = f"expected {expected[channel, which]}, got {got[channel, which]}"
            self.comparison.add("calibration", len(wrong), f"{where}: {values}")
        return got

    async def erase(self) -> None:
        await self._both("erase")

    async def clear_memory(self) -> None:
        await self._both("clear_memory")

    async def clear_counters(self) -> None:
        await self._both("clear_counters")

    async def counters(self) -> dict[str, int]:
        expected, got = await self._both("counters")
        for name in COUNTERS:
            if expected[name] != got[name]:
                self.comparison.add("counters", 1, f"{name}: expected {expected[name]}, got {got[name]}")
        return got

    async def conductances(self, **kwargs: Any) -> np.ndarray:
        expected, got = await self._both("conductances", **kwargs)
        self.bins["mode DEBUG"] += 1
        wrong = np.argwhere(expected != got)
        if len(wrong):
            row, column, minus = wrong[0]
            where = f"row {row}, column {column}, G{'-' if minus else '+'}"
            values = f"expected {expected[*wrong[0]]}, got {got[*wrong[0]]}"
            self.comparison.add("conductances", len(wrong), f"{where}: {values}")
        return got

    async def transfer(self, counts: np.ndarray, **kwargs: Any) -> RunRecord:
        expected = await self.golden.transfer(counts, trace=True)
        self._under_way = "transfer", expected.trace
        got = await self.rtl.transfer(counts, **kwargs)
        self._compare(got.trace)
        self.bins["mode TRANSFER"] += 1
        return got

    async def verify(self, targets: np.ndarray, way: str, **kwargs: Any) -> RunRecord:
        expected = await self.golden.verify(targets, way, trace=True)
        self._under_way = f"verify {way}", expected.trace
        got = await self.rtl.verify(targets, way, **kwargs)
        self._compare(got.trace)
        self.coverage |= self.golden.given_up
        self.bins.update(("mode VERIFY", f"verify {way}"))
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
        """All stages are compared; the traces are kept if `trace`."""
        self._runs += 1
        expected = await self.golden.run(mode, pixels, labels, trace=True, teacher=teacher)
        self._under_way = f"run {self._runs} ({mode.name.lower()})", expected.trace
        got = await self.rtl.run(mode, pixels, labels, trace=True, teacher=teacher, **kwargs)
        self._compare(got.trace)
        self._cover(expected)
        self.bins += of_run(
            self.golden.params, self.golden.settings, mode, expected, self.golden.state.memory
        )
        self.bins += of_upper(self.golden.params, self.golden.registers, mode, expected)
        return got if trace else RunRecord(got.predictions, got.updates, got.strobes, upper=got.upper)

    def _cover(self, record: RunRecord) -> None:
        """Count what only some runs reach: codes at full scale, update memory at its limit."""
        at_full_scale = np.array(record.trace["adc"]) == signed_limit(self.golden.settings.adc_bits)
        self.coverage["clipped codes"] += int(at_full_scale.sum())
        self.coverage["saturated weights"] = self._saturated()

    def _saturated(self) -> int:
        s = self.golden.settings
        if s.rule >= FIRST_BY_CHANCE:
            return 0
        limit = signed_limit(s.accumulator_bits if s.rule == ACCUMULATE else s.counter_bits)
        return int((np.abs(self.golden.state.memory) == limit).sum())

    def interrupted(self, why: str) -> None:
        """The operation under way came to no end: what the RTL did of it is compared, and `why` is a difference."""
        operation = self._under_way[0] if self._under_way else "start"
        if self._under_way:
            self._compare(self.rtl.monitor.trace)
        self.comparison.add(operation, 1, why)

    def _compare(self, got: dict) -> None:
        if self._under_way is None:
            raise RuntimeError("no operation is under way")
        operation, expected = self._under_way
        self._under_way = None
        for stage in sorted(self.rtl.unknown, key=STAGE_NAMES.index):
            self.comparison.add(operation, 1, f"{stage}: X on its tap")
        found = differences(expected, got)
        if found:
            self.comparison.add(operation, len(found), str(found[0]))
