"""What it costs to write the first layer: open loop and online, tuned online, or program-verify, on any controller.

Pulses, readings, cells given up and, on hardware, cycles are the controller's own counters.
"""

from dataclasses import dataclass

import numpy as np

from model.controller.settings import verify_registers
from model.controller.verify import VerifySettings
from model.data import Dataset
from model.device.compile import nominal_codes
from model.training.hybrid import HybridJob, Progress, counting, set_ranges
from model.training.offline import OfflineNet
from model.training.prepare import prepare, state_targets
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.params import HwParams
from spec.registers import VERIFY_WAYS, Mode, reset_value
from spec.run_file import RunSpec

VERIFY_TOLERANCE = 0.02
"""Tolerance of program-verify as a share of the nominal range."""

VERIFY_MOVEMENT = 2.0
"""Movement below which a cell is unresponsive, in mean steps, if that is less than the tolerance."""
VERIFY_PULSES = 4
"""Pulses allowed on one cell or pair, over the device's pulses from end to end."""
TUNE_PULSES = 16
"""Pulses allowed on a pair for one nominal step."""

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


def verify_settings(run: RunSpec, tolerance: float = VERIFY_TOLERANCE) -> VerifySettings:
    """The verify loop's settings for the run's device; tolerance: as a share of the nominal range."""
    gmin, gmax = nominal_codes(run.device, run.nonideal, run.params.state_bits)
    states = max(run.device.states_up, run.device.states_down)
    movement = min(tolerance, VERIFY_MOVEMENT / states)
    return VerifySettings(
        tolerance=max(1, round(tolerance * (gmax - gmin))),
        movement=max(1, round(movement * (gmax - gmin))),
        pulse_cap=VERIFY_PULSES * states,
    )


def tune_settings(run: RunSpec) -> tuple[VerifySettings, int]:
    """The loops of tuned updates for the run's device, and its nominal step in state codes.

    A pair is good enough within half a step; one that moves by less has not moved.
    """
    gmin, gmax = nominal_codes(run.device, run.nonideal, run.params.state_bits)
    step = max(1, round((gmax - gmin) / run.device.states_up))
    near = step // 2
    return VerifySettings(tolerance=near, movement=near, pulse_cap=TUNE_PULSES), step


def write_job(run: RunSpec, data: Dataset, net: OfflineNet, seed: int, way: str) -> WriteJob:
    """One way of writing the first layer, of a run and its network.  Raises `InputError`."""
    tune, step = tune_settings(run)
    job = prepare(run, data, net, seed)
    return WriteJob(way, job, state_targets(run, net), verify_settings(run), tune, step)


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
