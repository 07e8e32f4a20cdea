"""The hybrid method as one job: what is decided in software beforehand, and the coroutine that trains an array.

`prepare` works in floats and knows the nominal device.  `hybrid` talks to a controller only: the golden one and
the host driver of the RTL have the same coroutines, so the same job runs on both and is compared field by field.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from model.controller.settings import BIT_SERIAL, RULE_CODE, encoding_code, teacher_register
from model.controller.teacher_delta import Teacher
from model.record import RunRecord
from model.training.analog_upper import AnalogUpper, erase_and_transfer, search_upper_lsb
from model.training.calibrate import calibrate, channel_targets
from model.training.range_search import search_lsb, search_serial
from model.training.teacher import teacher_of
from model.training.transfer import Upper, hidden_codes, quantise_layers
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.numerics import THIN_BITS
from spec.params import HwParams
from spec.registers import Mode

Progress = Callable[[str, int, int], None]
"""Called with a phase's name, what is done of it and its total."""

PHASES = ("transfer", "open loop", "online", "hybrid")
"""Phases of a job that leave a record, in order."""


UPPER_TRANSFER = "upper transfer"
"""One more, between the first two, where the upper layer is analog."""


def counting(progress: Progress | None, name: str, total: int) -> Callable[[int], None]:
    """Takes what has been done of a phase since the last call, and reports all of it."""
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(name, done, total)

    return step


def largest_threshold(params: HwParams, rule: str) -> int:
    """The largest threshold that still acts after both doublings: the rule's memory reaches it, or a draw does."""
    memory = {"accumulate": params.accumulator_bits, "counter": params.counter_bits}
    reach = memory[rule] - 1 if rule in memory else THIN_BITS
    return max(1, 1 << (reach - 2))


@dataclass(frozen=True, eq=False)
class HybridJob:
    """Everything that `hybrid` needs; arrays are not written to."""

    params: HwParams
    image: DeviceImage
    counts: np.ndarray
    """Open-loop pulses, int32[rows, columns]."""
    upper_weights: np.ndarray
    """Float weights of the upper layer, float[units below + 1, classes], bias last."""
    sum_value: float
    """Hidden value that one unit of a column sum stands for, on the nominal device."""
    calibration: np.ndarray
    """Unlabelled samples for the ranges, uint8[n, inputs]."""
    calibration_hidden: np.ndarray
    """Their hidden values in software before the activation, float[n, grid_rows, columns], a part from each row of macros."""
    calibration_planes: np.ndarray
    """The same of each bit plane of their codes, the lowest first, float[n * dac_bits, grid_rows, columns]."""
    train_pixels: np.ndarray
    """The online epoch in its order, uint8[n, inputs]."""
    train_labels: np.ndarray
    test_pixels: np.ndarray
    test_labels: np.ndarray
    rule: str
    threshold: int
    margin_127: float
    """Margin of the update in 1/127 of the output range."""
    x_threshold: int = 128
    delta_threshold: int = 16
    registers: Mapping[str, int] = field(default_factory=dict)
    """Further registers, such as the pulse timing."""
    analog_upper: AnalogUpper | None = None
    """Where the upper layer is analog."""
    hidden_weights: np.ndarray | None = None
    """Float weights of the first layer, float[rows, columns], whose codes the online epoch follows; None: labels."""
    dead: int = 0
    """Codes by which a column may be off from those without an error."""
    between: tuple[np.ndarray, ...] = ()
    """Float weights of digital layers between the columns and the upper layer, float[units below + 1, units]."""

    def __post_init__(self):
        if self.rule not in self.params.rules:
            raise InputError(f"{self.rule!r} is not built in: {', '.join(self.params.rules)}", key="rule")
        most = largest_threshold(self.params, self.rule)
        if not 1 <= self.threshold <= most:
            text = f"{self.threshold} is outside 1..{most}, what the rule can act on once it doubled twice"
            raise InputError(text, key="threshold")
        if self.hidden_weights is not None and not self.params.teacher:
            raise InputError("the hardware follows labels only: its parameter teacher is 0", key="errors")

    @property
    def encoding(self) -> int:
        """Code of the input encoding."""
        return encoding_code(self.params, self.registers.get("ENCODING", 0))

    def full_scale(self, step: int) -> float:
        """Hidden value that column code Q stands for; step: column sum of one code, `code_step`."""
        return self.params.adc_limit * step * self.sum_value

    def upper(self, step: int) -> Upper:
        """The integers of the upper layer, and of those between, for column codes of this step."""
        full_scale = self.full_scale(step)
        codes = hidden_codes(self.calibration_hidden.sum(axis=1), full_scale, self.params)
        upper = quantise_layers((*self.between, self.upper_weights), full_scale, codes, self.params)
        if self.analog_upper:  # its converters make the output codes
            upper = upper._replace(logit_shift=0, logit_range=float(self.params.logit_limit))
        return upper

    def settings(self, upper: Upper) -> dict[str, int]:
        """All registers of the inference and the online epoch but those of the range."""
        n = len(self.train_pixels)
        taught = 0 if self.hidden_weights is None else teacher_register(self.dead)
        return {
            "RULE": RULE_CODE[self.rule],
            "LOGIT_SHIFT": upper.logit_shift,
            "MARGIN": upper.margin(self.margin_127),
            "THRESHOLD": self.threshold,
            "DOUBLE_FIRST": n // 2,
            "DOUBLE_SECOND": n - n // 4,
            "X_THRESHOLD": self.x_threshold,
            "DELTA_THRESHOLD": self.delta_threshold,
            "WRITE": 0,
            **({"TEACHER": taught} if self.params.teacher else {}),
        } | dict(self.registers)

    def upper_settings(self, step: int) -> dict[str, int]:
        """Registers of an analog upper layer's training; step: column sum of one code of the first layer."""
        if not self.analog_upper:
            return {}
        return self.analog_upper.registers(self.upper_weights, self.full_scale(step), self.params)


@dataclass(eq=False)
class HybridResult:
    """What a job leaves, the same from model and RTL but for counters of time."""

    lsb: int
    registers: dict[str, int]
    upper_weights: np.ndarray
    """int32[units below + 1, classes]."""
    records: dict[str, RunRecord]
    """One per name in `PHASES`."""
    counters: dict[str, dict[str, int]]
    """One per name in `PHASES`, of that phase alone."""
    open_loop_accuracy: float
    hybrid_accuracy: float
    train_correct: np.ndarray
    """bool[n]: the prediction of each online sample, made before its update, was right."""
    conductances: np.ndarray | None
    """States at the end, uint16[rows, columns, 2]; None if they were not read out."""
    upper_conductances: np.ndarray | None = None
    """Those of an analog upper layer, uint16[columns + 1, classes, 2]."""

    @property
    def online_pulses(self) -> tuple[int, int]:
        """Pulses of the online epoch on G+ and on G-, of both layers where the upper one is analog."""
        counters = self.counters["online"]
        up, down = (counters[name] + counters[f"UPPER_{name}"] for name in ("PULSES_UP", "PULSES_DOWN"))
        return up, down

    @property
    def transfer_pulses(self) -> int:
        """Pulses of the transfers."""
        names = ("PULSES_UP", "PULSES_DOWN", "UPPER_PULSES_UP", "UPPER_PULSES_DOWN")
        phases = [self.counters[phase] for phase in ("transfer", UPPER_TRANSFER) if phase in self.counters]
        return sum(counters[name] for counters in phases for name in names)

    def learning_curve(self, window: int = 1000) -> np.ndarray:
        """Moving average of the online predictions over `window` samples, float[n]; fewer at the start."""
        total = np.concatenate([[0], np.cumsum(self.train_correct)])
        end = np.arange(1, len(total))
        start = np.maximum(end - window, 0)
        return (total[end] - total[start]) / (end - start)


def code_step(registers: Mapping[str, int]) -> int:
    """Column sum that one column code stands for; registers: by name, LSB and for bit-serial reads SERIAL_SHIFT."""
    return registers["LSB"] << registers.get("SERIAL_SHIFT", 0)


async def search_range(ctl, job: HybridJob) -> dict[str, int]:
    """Registers of the converters' range on the array as it is, found from unlabelled reads; they are loaded."""
    if job.params.choose_encoding:
        await ctl.configure(ENCODING=job.encoding)
    if job.encoding == BIT_SERIAL:
        lsb, shift = await search_serial(ctl, job.params, job.calibration)
        found = {"ENCODING": BIT_SERIAL, "LSB": lsb, "SERIAL_SHIFT": shift}
    else:
        found = {"LSB": await search_lsb(ctl, job.params, job.calibration)}
    await ctl.configure(**found)
    return found


def expected_codes(job: HybridJob, registers: Mapping[str, int]) -> np.ndarray:
    """Codes that the converters would give for the calibration samples on the nominal device, int64[n, grid_rows, columns].

    Of a bit-serial read, those of one plane after the other: [n * dac_bits, ...].
    """
    full = job.params.adc_limit * registers["LSB"] * job.sum_value
    hidden = job.calibration_planes if job.encoding == BIT_SERIAL else job.calibration_hidden
    q = job.params.adc_limit
    return np.clip(np.floor(hidden / full * q + 0.5), -q, q).astype(np.int64)


async def load_layers(ctl, upper: Upper) -> None:
    """Load the digital layers; only the golden controller takes those between the columns and the upper layer."""
    if upper.between is not None:
        await ctl.load_between(upper.between)
    await ctl.load_weights(upper.weights)


async def set_ranges(
    ctl, job: HybridJob, fill: Callable = erase_and_transfer
) -> tuple[int, dict[str, int], np.ndarray]:
    """Find the converters' range on the array as it is and load what follows from it: registers, upper layer.

    Where calibration is built in, the converters are calibrated at that range.  An analog upper layer is filled by
    `fill(ctl, counts)`, and its range is found in turn.

    Returns the lsb, the registers and the upper layer's weights.
    """
    if job.params.calibration:
        await ctl.configure(CALIBRATION=0)
    found = await search_range(ctl, job)
    if job.params.calibration:
        targets = channel_targets(expected_codes(job, found), job.params)
        await calibrate(ctl, job.calibration, targets)
    step = code_step(found)
    if job.analog_upper:
        await fill(ctl, job.analog_upper.counts(job.upper_weights, job.full_scale(step)))
        found["UPPER_LSB"] = await search_upper_lsb(ctl, job.params, job.calibration)
    upper = job.upper(step)
    registers = found | job.settings(upper) | job.upper_settings(step)
    await load_layers(ctl, upper)
    await ctl.configure(**registers)
    return registers["LSB"], registers, upper.weights


async def hybrid(
    ctl, job: HybridJob, *, trace: bool = False, read_out: bool = True, progress: Progress | None = None
) -> HybridResult:
    """Erase, transfer, find the ranges, test, train one online epoch of batch 1, test again.

    ctl: `GoldenController` or the host driver.  trace: keep every stage of the three runs.  read_out: read the
    states at the end (in mode DEBUG, after all counters).  Same job, same image: same result to the bit.
    """
    await ctl.configure(WRITE=0)
    await ctl.erase()
    return await _phases(ctl, job, True, trace, read_out, progress)


async def train_as_is(
    ctl, job: HybridJob, *, read_out: bool = True, progress: Progress | None = None
) -> HybridResult:
    """`hybrid` on an array that was programmed in another way: no erase, no transfer; "open loop" is its test."""
    return await _phases(ctl, job, False, False, read_out, progress)


async def _phases(
    ctl, job: HybridJob, transfer: bool, trace: bool, read_out: bool, progress: Progress | None
) -> HybridResult:
    records: dict[str, RunRecord] = {}
    counters: dict[str, dict[str, int]] = {}

    async def phase(name: str, total: int, start: Callable) -> None:
        await ctl.clear_counters()
        records[name] = await start(counting(progress, name, total))
        counters[name] = await ctl.counters()

    def samples(
        mode: Mode, pixels: np.ndarray, labels: np.ndarray, teacher: Teacher | None = None
    ) -> Callable:
        return lambda step: ctl.run(mode, pixels, labels, trace=trace, teacher=teacher, progress=step)

    if transfer:
        await phase("transfer", job.params.rows, lambda step: ctl.transfer(job.counts, progress=step))

    async def fill(ctl, counts: np.ndarray) -> None:
        await phase(UPPER_TRANSFER, len(counts), lambda step: erase_and_transfer(ctl, counts, step))

    lsb, registers, weights = await set_ranges(ctl, job, fill)
    test = samples(Mode.INFER, job.test_pixels, job.test_labels)
    await phase("open loop", len(job.test_pixels), test)
    await ctl.clear_memory()
    teacher = teacher_of(job, code_step(registers), registers)
    epoch = samples(Mode.TRAIN, job.train_pixels, job.train_labels, teacher)
    await phase("online", len(job.train_pixels), epoch)
    await phase("hybrid", len(job.test_pixels), test)
    return HybridResult(
        lsb=lsb,
        registers=registers,
        upper_weights=weights,
        records=records,
        counters=counters,
        open_loop_accuracy=records["open loop"].accuracy(job.test_labels),
        hybrid_accuracy=records["hybrid"].accuracy(job.test_labels),
        train_correct=records["online"].predictions == job.train_labels,
        conductances=await ctl.conductances() if read_out else None,
        upper_conductances=await _upper_conductances(ctl) if read_out and job.analog_upper else None,
    )


async def _upper_conductances(ctl) -> np.ndarray:
    await ctl.configure(LAYER=1)
    states = await ctl.conductances()
    await ctl.configure(LAYER=0)
    return states
