"""What it costs to write the first layer: open loop and online, tuned online, or program-verify, on any controller.

Pulses, readings, cells given up and, on hardware, cycles are the controller's own counters.
"""

from dataclasses import dataclass

import numpy as np

from model.controller.settings import verify_registers
from model.controller.verify import VerifySettings
from model.training.hybrid import HybridJob, Progress, counting, set_ranges
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.params import HwParams
from spec.registers import VERIFY_WAYS, Mode, reset_value

WAYS = ("hybrid", "tuned", *(f"verify {way}" for way in VERIFY_WAYS))
"""Open-loop transfer and online epoch; the same, the epoch's pulses tuned; program-verify alone."""


@dataclass(frozen=True, eq=False)
class WriteJob:
    """One of `WAYS`, for `write`."""

    way: str
    hybrid: HybridJob
    targets: np.ndarray
    """Of program-verify: state codes, int64[rows, columns, 2]."""
    verify: VerifySettings
    """Loops of program-verify."""
    tune: VerifySettings
    """Loops of tuned updates."""
    step: int
    """Nominal step of a device in state codes."""

    def __post_init__(self):
        if self.way not in WAYS:
            raise InputError(f"{self.way!r} is not one of {', '.join(WAYS)}", key="way")

    @property
    def params(self) -> HwParams:
        return self.hybrid.params

    @property
    def image(self) -> DeviceImage:
        return self.hybrid.image


@dataclass(frozen=True)
class WriteResult:
    """Counters of each phase, and the accuracy on the test samples at the end."""

    transfer: dict[str, int]
    online: dict[str, int]
    """Empty without an online epoch."""
    accuracy: float


async def verified(
    ctl, targets: np.ndarray, way: str, settings: VerifySettings, *, progress=None
) -> dict[str, int]:
    """Erase and program-verify; returns the counters.  targets: state codes, int[rows, columns, 2]."""
    await load_loops(ctl, settings)
    await ctl.configure(WRITE=0)
    await ctl.erase()
    await ctl.clear_counters()
    await ctl.verify(targets, way, progress=progress)
    return await ctl.counters()


async def write(ctl, job: WriteJob, *, progress: Progress | None = None) -> WriteResult:
    """Erase, write, and test.  ctl: `GoldenController` or the host driver."""
    h = job.hybrid
    rows = counting(progress, "transfer", job.params.rows)
    online: dict[str, int] = {}
    if job.way.startswith("verify "):
        way = job.way.removeprefix("verify ")
        transfer = await verified(ctl, job.targets, way, job.verify, progress=rows)
        await set_ranges(ctl, h)
    else:
        await ctl.configure(WRITE=0)
        await ctl.erase()
        await ctl.clear_counters()
        await ctl.transfer(h.counts, progress=rows)
        transfer = await ctl.counters()
        await set_ranges(ctl, h)
        mode = Mode.TRAIN
        if job.way == "tuned":
            mode = Mode.TUNE
            await load_loops(ctl, job.tune)
            await ctl.configure(TUNE_UP=job.step, TUNE_DOWN=job.step)
        await ctl.clear_memory()
        await ctl.clear_counters()
        steps = counting(progress, "online", len(h.train_pixels))
        await ctl.run(mode, h.train_pixels, h.train_labels, progress=steps)
        online = await ctl.counters()
    steps = counting(progress, "test", len(h.test_pixels))
    record = await ctl.run(Mode.INFER, h.test_pixels, h.test_labels, progress=steps)
    return WriteResult(transfer, online, record.accuracy(h.test_labels))


async def load_loops(ctl, settings: VerifySettings) -> None:
    """The registers of the loops, and a gate that lets them have their pulses."""
    cap = max(reset_value("COUNT_CAP"), settings.pulse_cap)
    await ctl.configure(**verify_registers(settings), COUNT_CAP=cap)
