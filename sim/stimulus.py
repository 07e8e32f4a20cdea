"""A short job for any legal hardware: random weights, pulses and samples, all of it from one seed.

It is not meant to learn; it is meant to reach every path.  Ranges and thresholds are chosen on the golden model so
that column codes clip and pulses come in both directions, where the hardware is able to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.controller.column_adc import column_adc
from model.controller.settings import teacher_register
from model.controller.teacher_delta import Teacher
from model.device.compile import compile_device
from model.device.laws import pulses_to_reach
from model.record import RunRecord
from model.system import GoldenController, run
from model.training.calibrate import calibration_register
from spec.choices import CHANCE_RULES, ENCODINGS, RULES
from spec.device_file import ConverterSpread, DeviceSpec
from spec.device_image import DeviceImage
from spec.numerics import MASK32, signed_limit
from spec.params import HwParams
from spec.registers import VERIFY_WAYS, Mode, fields_of, reset_value

ENOUGH_PULSES = 20
"""A run with fewer online pulses in either direction, on an array that it trains, proves little: it is vacuous."""

_NOMINAL_READ_POWER = 0.3
_CLIPPED_QUANTILE = 0.97
_INFERENCES = 4
_THINNED_BITS = 8
"""Most bits of a rule without memory that thin its pulses: a short run has few of them."""
_FOLLOWED = {Mode.TRAIN: 12, Mode.TUNE: 3}
"""Samples of a run that follows codes, by its mode."""
_DEAD_PART = 8
"""Full scale over the dead zone of errors against codes."""
_OFFSET_SHIFT = 1
_CONVERTER = ConverterSpread(offset_spread=0.02, gain_spread=0.1)
"""Errors of the converters where the hardware has them and the device file does not say."""
_VERIFY_PULSES = 2400
"""Most pulses of a cell in program-verify, times pairs: of many cells each has few, or a run would take long."""
_TRANSFER_STROBES = 500
"""A transfer of more would take longer than the samples; real transfers are the main job's."""
_LONG_ROWS, _SHORTENED = 8, 3
"""One row in so many has as many pulses as that allows, the others a third, which leaves a transfer half as long."""


@dataclass(frozen=True, eq=False)
class Stimulus:
    """What one short run is fed with; register values by name."""

    params: HwParams
    image: DeviceImage
    counts: np.ndarray  # int32[rows, columns]
    weights: np.ndarray  # int32[columns + 1, classes]
    registers: dict[str, int]
    pixels: np.ndarray  # uint8[samples, inputs]
    labels: np.ndarray  # int64[samples]
    targets: dict[str, np.ndarray]  # by way of program-verify: int64[rows, columns, 2]
    teacher: Teacher | None = None
    """Codes for the samples, of hardware with a teacher."""
    upper_counts: np.ndarray | None = None
    """int32[columns + 1, classes], of an analog upper layer."""
    faults: bool = False
    """Provoke faults on the RTL when all else is done (sim/provoke.py)."""


async def exercise(ctl: Any, stimulus: Stimulus, *, progress=None) -> RunRecord:
    """Transfer, infer, train, infer, read out; returns the record of the training run.

    Hardware that can does tuned training and program-verify in both ways, too.
    """
    s = stimulus
    few = slice(0, _INFERENCES)
    await ctl.clear_counters()
    await ctl.configure(**s.registers)
    await ctl.load_weights(s.weights)
    await ctl.erase()
    await ctl.transfer(s.counts)
    if s.params.analog_upper:
        await _fill_upper(ctl, s)
    if s.params.calibration:
        await _calibrate(ctl, s, few)
    await ctl.run(Mode.INFER, s.pixels[few], s.labels[few])
    await ctl.clear_memory()
    record = await ctl.run(Mode.TRAIN, s.pixels, s.labels, trace=True, progress=progress)
    await ctl.run(Mode.INFER, s.pixels[few], s.labels[few])
    if s.params.analog_upper:
        await _train_single(ctl, s)
    if s.teacher:
        await _follow(ctl, s)
    if s.params.verify:
        await ctl.clear_memory()
        await ctl.run(Mode.TUNE, s.pixels, s.labels)
        for way in VERIFY_WAYS:
            await ctl.verify(s.targets[way], way)
        await ctl.run(Mode.INFER, s.pixels[few], s.labels[few])
    await ctl.counters()
    await ctl.conductances()
    if s.params.analog_upper:
        await ctl.configure(LAYER=1)
        await ctl.conductances()
        await ctl.configure(LAYER=0)
    return record


async def _fill_upper(ctl: Any, stimulus: Stimulus) -> None:
    """The upper array's transfer."""
    await ctl.configure(LAYER=1)
    await ctl.erase()
    await ctl.transfer(stimulus.upper_counts)
    await ctl.configure(LAYER=0)


async def _train_single(ctl: Any, s: Stimulus) -> None:
    """Training of each layer alone, the first with errors from the digital copy of the weights."""
    both = s.registers["TRAINED"]
    for field, low in fields_of("TRAINED"):
        await ctl.configure(TRAINED=1 << low)
        if field.name == "first" and s.params.transposed_upper:
            await ctl.configure(BACKWARD=0)
        await ctl.run(Mode.TRAIN, s.pixels, s.labels)
    await ctl.configure(TRAINED=both)
    if s.params.transposed_upper:
        await ctl.configure(BACKWARD=1)


async def _follow(ctl: Any, s: Stimulus) -> None:
    """Training towards codes, on the first samples: each of them updates."""
    await ctl.configure(TEACHER=teacher_register(s.params.adc_limit // _DEAD_PART))
    for mode, samples in _FOLLOWED.items() if s.params.verify else [(Mode.TRAIN, _FOLLOWED[Mode.TRAIN])]:
        part = slice(samples)
        await ctl.run(mode, s.pixels[part], s.labels[part], teacher=s.teacher.of(part))  # type: ignore[union-attr]
    await ctl.configure(TEACHER=0)


async def _calibrate(ctl: Any, stimulus: Stimulus, few: slice) -> None:
    """Both runs of a calibration, with targets for gains of about 1; then corrected codes."""
    pixels, p = stimulus.pixels[few], stimulus.params
    labels = np.zeros(len(pixels), np.int64)
    await ctl.configure(CALIBRATION=calibration_register(shift=_OFFSET_SHIFT))
    await ctl.run(Mode.CALIBRATE, pixels, labels)
    planes = p.dac_bits if stimulus.registers.get("SERIAL_SHIFT") is not None else 1
    eighth = len(pixels) * planes * p.adc_groups * p.adc_limit // 8 + 1
    await ctl.load_targets(eighth * (np.arange(p.converters) % 4 + 2))
    await ctl.configure(CALIBRATION=calibration_register(gains=1))
    await ctl.run(Mode.CALIBRATE, pixels, labels)
    found = await ctl.calibration()
    await ctl.restore_calibration(found[::-1])
    await ctl.calibration()
    await ctl.configure(CALIBRATION=calibration_register(apply=1))


def make_stimulus(
    params: HwParams, device: DeviceSpec, rule: str, samples: int, seed: int, encoding: str = ""
) -> Stimulus:
    """The stimulus of one seed.  Deterministic; tries thresholds from large to small until pulses are enough.

    encoding: one that is built in; without one, the seed chooses.
    """
    encoding = encoding or params.encodings[seed % len(params.encodings)]
    rng = np.random.default_rng(seed)
    if params.converter_errors and device.converter == ConverterSpread():
        device = replace(device, converter=_CONVERTER)
    image = compile_device(
        device, device.nonideal, params.state_bits, seed, _NOMINAL_READ_POWER, params.read_bits
    )
    pixels = rng.integers(0, 256, (samples, params.inputs)) * (rng.random((samples, params.inputs)) < 0.4)
    stimulus = Stimulus(
        params=params,
        image=image,
        counts=_counts(rng, params, device),
        weights=_weights(rng, params),
        registers={},
        pixels=pixels.astype(np.uint8),
        labels=rng.integers(0, params.classes, samples),
        targets={},
    )
    if params.verify:
        stimulus = replace(stimulus, targets=_targets(rng, params))
    if params.teacher:
        stimulus = replace(stimulus, teacher=_teacher(np.random.default_rng((seed, 2)), params, samples))
    if params.analog_upper:
        counts = _counts(np.random.default_rng((seed, 1)), params.upper, device)
        stimulus = replace(stimulus, upper_counts=counts)
    stimulus = _positive(stimulus)
    best, most = stimulus, -1
    for registers in _settings(rng, stimulus, rule, encoding):
        candidate = replace(stimulus, registers=registers)
        pulses = _fewer(run(exercise(GoldenController(params, image), candidate)), registers)
        if pulses > most:
            best, most = candidate, pulses
        if most >= ENOUGH_PULSES:
            break
    return best


def enough(record: RunRecord, registers: Mapping[str, int]) -> bool:
    """Whether a training run with these registers, by name, had enough pulses in each direction on each array it trained."""
    return _fewer(record, registers) >= ENOUGH_PULSES


def _fewer(record: RunRecord, registers: Mapping[str, int]) -> int:
    """Pulses in the direction that had fewer, on the array that had fewer."""
    trained = registers.get("TRAINED", reset_value("TRAINED"))
    first, last = (trained >> low & 1 for _, low in fields_of("TRAINED"))
    arrays = [s for s, trains in ((record.strobes, first), (record.upper, last)) if trains and s is not None]
    return min((min(s.pulses_up, s.pulses_down) for s in arrays), default=0)


def _positive(stimulus: Stimulus) -> Stimulus:
    """Swap the devices of most columns that would never be active, so that there is an error to carry back."""
    dead = np.median(_sums(stimulus), axis=0) <= 0
    dead[3::4] = False  # some stay: their hidden codes are 0
    return replace(stimulus, counts=np.where(dead, -stimulus.counts, stimulus.counts))


def _counts(rng: np.random.Generator, params: HwParams, device: DeviceSpec) -> np.ndarray:
    """Random pulse counts, G+ twice as often as G-, so that most columns have a positive sum."""
    share = rng.random((params.rows, params.columns))
    sign = np.where(rng.random(share.shape) < 2 / 3, 1, -1)
    limit = min(signed_limit(params.count_bits), max(2, _TRANSFER_STROBES // params.rows))
    pulses = np.minimum(pulses_to_reach(device, share), rng.integers(0, limit + 1, share.shape))
    pulses[np.arange(params.rows) % _LONG_ROWS > 0] //= _SHORTENED
    return (sign * pulses).astype(np.int32)


def _teacher(rng: np.random.Generator, params: HwParams, samples: int) -> Teacher:
    """Any codes, often those at the ends."""
    codes = rng.integers(-1, params.adc_limit + 2, (samples, params.columns)).clip(0, params.adc_limit)
    return Teacher(codes.astype(np.int16), np.zeros((0, params.classes), np.int16))


def _weights(rng: np.random.Generator, params: HwParams) -> np.ndarray:
    limit = signed_limit(params.weight_bits)
    return rng.integers(-limit, limit + 1, (params.upper_rows, params.classes)).astype(np.int32)


def _sums(stimulus: Stimulus, planes: int = 0) -> np.ndarray:
    """Column sums of a few samples on a scratch array, int[samples, columns], or of their planes [planes, ...]."""
    golden = GoldenController(stimulus.params, stimulus.image)
    run(golden.transfer(stimulus.counts))
    full = stimulus.params.dac_full_scale
    codes = [np.append(pixels.astype(np.int64) * full // 255, full) for pixels in stimulus.pixels[:8]]

    def total(driven: np.ndarray, full: int) -> np.ndarray:
        return golden.array.integrate(driven, full).sum(axis=0)

    if planes:
        return np.array([[total((c >> k) & 1, 1) for c in codes] for k in range(planes)])
    return np.array([total(c, full) for c in codes])


def _top(values: np.ndarray) -> float:
    positive = values[values > 0]
    return float(np.quantile(positive, _CLIPPED_QUANTILE)) if len(positive) else 1.0


def _ranges(stimulus: Stimulus, encoding: str) -> dict[str, int]:
    """Registers of a range in which some column codes clip."""
    p = stimulus.params
    if encoding != "bit_serial":
        return {"LSB": max(1, int(_top(_sums(stimulus)) / p.adc_limit))}
    sums = _sums(stimulus, p.dac_bits)
    lsb = max(1, int(_top(sums) / p.adc_limit))
    codes = column_adc(sums.reshape(-1), lsb, p.adc_bits).reshape(sums.shape).astype(np.int64)
    totals = (codes << np.arange(p.dac_bits)[:, None, None]).sum(axis=0)
    return {"LSB": lsb, "SERIAL_SHIFT": max(0, int(_top(totals) / p.adc_limit).bit_length() - 1)}


def _targets(rng: np.random.Generator, params: HwParams) -> dict[str, np.ndarray]:
    """Any states for program-verify in each way."""
    shape = (params.rows, params.columns, 2)
    return {way: rng.integers(0, 1 << params.state_bits, shape) for way in VERIFY_WAYS}


def _verify_settings(rng: np.random.Generator, stimulus: Stimulus) -> dict[str, int]:
    """Loops that end in each of their ways: most near the target, some after too many pulses or without movement."""
    full = 1 << stimulus.params.state_bits
    most = max(2, _VERIFY_PULSES // stimulus.counts.size)
    return {
        "VERIFY_TOLERANCE": int(rng.integers(full >> 7, full >> 5)),
        "VERIFY_MOVEMENT": full >> 8,
        "VERIFY_PULSES": min(most, int(rng.integers(6, 13))),
        "VERIFY_AVERAGES": int(rng.integers(0, 3)),
        "VERIFY_GIVE_UP": int(rng.integers(2, 5)),
        "TUNE_UP": int(rng.integers(full >> 6, full >> 4)),
        "TUNE_DOWN": int(rng.integers(full >> 6, full >> 4)),
    }


def _upper_settings(stimulus: Stimulus) -> dict[str, int]:
    """Both layers trained; ranges of the upper array in which output codes and errors spread, some clipped."""
    p = stimulus.params.upper
    golden = GoldenController(stimulus.params, stimulus.image)
    run(_fill_upper(golden, stimulus))
    array = golden.upper.array  # type: ignore[union-attr]  # the hardware has one
    sums = np.abs(array.integrate(np.full(p.rows, p.dac_full_scale // 3)))
    errors = np.abs(np.diff(array.conductances().astype(np.int64), axis=-1)) >> (p.state_bits - p.read_bits)
    found = {
        "TRAINED": 3,
        "UPPER_LSB": max(1, int(sums.max()) // (p.adc_limit + 1)),
        "UPPER_X_THRESHOLD": p.dac_full_scale // 3,
    }
    if stimulus.params.transposed_upper:
        lsb = int(errors.max()) * p.dac_full_scale // (p.adc_limit + 1)
        largest = min(stimulus.params.delta_limit, p.adc_limit)  # of an error: it comes out of a converter
        found |= {"BACKWARD": 1, "BACKWARD_LSB": max(1, lsb), "DELTA_THRESHOLD": max(1, largest // 8)}
    return found


def _settings(rng: np.random.Generator, stimulus: Stimulus, rule: str, encoding: str):
    """Register values to try, in order: first a margin that not all samples fall below, then one that all do."""
    p = stimulus.params
    bits = {"accumulate": p.accumulator_bits, "counter": p.counter_bits}.get(rule, _THINNED_BITS)
    common = {
        "RULE": RULES.index(rule),
        **_ranges(stimulus, encoding),
        "LOGIT_SHIFT": max(0, p.logit_acc_bits - p.logit_bits - 3),
        "DOUBLE_FIRST": len(stimulus.pixels) // 2,
        "DOUBLE_SECOND": len(stimulus.pixels) * 3 // 4,
        "X_THRESHOLD": p.dac_full_scale // 3,
        "DELTA_THRESHOLD": max(1, min(p.delta_limit, 2 * signed_limit(p.weight_bits)) // 8),
        "PULSE": int(rng.integers(1, min(6, p.pulse_max_cycles) + 1)),
        "GUARD": int(rng.integers(1, 4)),
        "INTEGRATE": int(rng.integers(1, 20)),
        "WRITE": int(rng.integers(0, 1 << 8)) << 1,
    }
    if p.choose_encoding:
        common["ENCODING"] = ENCODINGS.index(encoding)
    if encoding == "pulse_width":
        common["INTEGRATE"] = 1 + common["INTEGRATE"] % 2  # it counts times full scale
    if p.verify:
        common |= _verify_settings(rng, stimulus)
    if p.analog_upper:
        common |= _upper_settings(stimulus)
    if rule in CHANCE_RULES:
        common["UPDATE_SEED"] = int(rng.integers(0, MASK32 + 1))
    all_below = 2 * p.logit_limit + 1
    for margin in (all_below // 4 + 1, all_below):
        for exponent in (*range(min(bits, 30) - 1, 0, -2), 0):
            upper = {"UPPER_THRESHOLD": 1 << max(0, exponent - 2)} if p.analog_upper else {}
            yield common | upper | {"MARGIN": margin, "THRESHOLD": 1 << exponent}
