"""The RTL behind the coroutines of the golden controller: host driver and tap monitor together."""

from collections.abc import Callable
from typing import Any

import numpy as np

from model.controller.teacher_delta import Teacher
from model.record import RunRecord, Strobes
from model.system import NONE
from sim.host import Host
from sim.monitor import TapMonitor
from spec.registers import Mode


class RtlController:
    """`Host` for what goes in, `TapMonitor` for what came out; records as `GoldenController` gives them."""

    def __init__(self, host: Host, monitor: TapMonitor):
        self.host, self.monitor = host, monitor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)  # configure, load_weights, erase, ...: nothing to observe

    @property
    def unknown(self) -> set[str]:
        """Stages that showed X or Z in the last operation."""
        return self.monitor.unknown

    async def transfer(
        self, counts: np.ndarray, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.transfer`; the record has the strobes."""
        self.monitor.restart()
        await self.host.transfer(counts, progress=progress)
        seen = {name: rows for name, rows in self.monitor.trace.items() if name in ("strobe", "upper_strobe")}
        return RunRecord(NONE, NONE, self.monitor.strobes(), seen, self._upper())

    def _upper(self) -> Strobes | None:
        return self.monitor.strobes(upper=True) if self.host.params.analog_upper else None

    async def verify(
        self, targets: np.ndarray, way: str, *, progress: Callable[[int], None] | None = None
    ) -> RunRecord:
        """As `Host.verify`; the record has the strobes."""
        self.monitor.restart()
        await self.host.verify(targets, way, progress=progress)
        return RunRecord(NONE, NONE, self.monitor.strobes(), {"strobe": self.monitor.trace["strobe"]})

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        trace: bool = False,
        teacher: Teacher | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> RunRecord:
        """As `Host.run`; the record has predictions, updates and strobes, and every stage if `trace`."""
        self.monitor.restart()
        await self.host.run(mode, pixels, labels, teacher=teacher, progress=progress)
        seen = self.monitor.trace
        verdicts = np.array(seen["verdict"]).reshape(-1, 4)
        return RunRecord(
            verdicts[:, 3], verdicts[:, 0], self.monitor.strobes(), seen if trace else {}, self._upper()
        )
