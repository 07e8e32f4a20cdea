"""What the hybrid method is held against, each on the golden model with the same network and the same device.

Every function takes a run, its data, the software network and a seed, and returns a `Measurement` on the test split.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from model.controller.verify import VerifySettings
from model.data import Dataset, Split
from model.device.compile import nominal_codes
from model.system import GoldenController
from model.system import run as golden
from model.training.hybrid import HybridJob, code_step, hybrid, set_ranges, train_as_is
from model.training.offline import Adam, OfflineNet, softmax_error, train_offline, with_bias
from model.training.prepare import prepare, state_targets
from model.training.transfer import quantise_upper
from model.training.write_costs import WriteJob, verified
from spec.registers import Mode
from spec.run_file import RunSpec

VERIFY_TOLERANCE = 0.02
"""Tolerance of program-verify as a share of the nominal range."""

VERIFY_MOVEMENT = 2.0
"""Movement below which a cell is unresponsive, in mean steps, if that is less than the tolerance."""
VERIFY_PULSES = 4
"""Pulses allowed on one cell or pair, over the device's pulses from end to end."""
TUNE_PULSES = 16
"""Pulses allowed on a pair for one nominal step."""

_LAST_LAYER_BATCH = 20
_LAST_LAYER_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
"""Learning rates of which the last layer takes the best on the validation split."""


class Measurement(NamedTuple):
    """One method on one seed."""

    accuracy: float
    transfer_pulses: int = 0
    online_pulses: int = 0
    verify_reads: int = 0
    given_up: int = 0
    """Cells or pairs that program-verify left outside the tolerance."""


Method = Callable[[RunSpec, Dataset, OfflineNet, int], Measurement]


def software(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
    """The float network."""
    return Measurement(net.test_accuracy)


def software_of_kind(kind: str) -> Method:
    """A float network of this kind, whatever the run's own is."""

    def method(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
        if run.offline.kind != kind:
            net = train_offline(data, run.params, replace(run.offline, kind=kind), seed)
        return Measurement(net.test_accuracy)

    return method


def open_loop(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
    """Open-loop transfer, no online epoch."""
    job = prepare(run, data, net, seed)
    ctl = GoldenController(job.params, job.image)
    return _measured(ctl, job, golden(transferred(ctl, job)))


def hybrid_with(rule: str, threshold: int, margin: float) -> Method:
    """The hybrid method with one rule."""

    def method(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
        return _trained(replace(run, rule=rule, threshold=threshold, margin=margin), data, net, seed)

    return method


def _trained(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
    job = prepare(run, data, net, seed)
    result = golden(hybrid(GoldenController(job.params, job.image), job, read_out=False))
    return Measurement(result.hybrid_accuracy, result.transfer_pulses, result.online_pulses)


def last_layer(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
    """Open-loop transfer, then one epoch of software training of the digital upper layer on the array's codes.

    An analog upper layer is trained by the hardware, and alone.
    """
    if run.params.analog_upper:
        return _trained(replace(run, trained="last", backward="copy"), data, net, seed)
    job = prepare(run, data, net, seed)
    ctl = GoldenController(job.params, job.image)
    pulses = golden(transferred(ctl, job))
    full_scale = job.full_scale(code_step(ctl.registers))
    train = Split(job.train_pixels, job.train_labels)
    train_codes, validation_codes = (_hidden_codes(ctl, split) for split in (train, data.validation))
    values, check = (with_bias(_values(c, full_scale, job)) for c in (train_codes, validation_codes))
    candidates = [_retrain(net.upper, values, job.train_labels, rate, seed) for rate in _LAST_LAYER_RATES]
    scores = [((check @ upper).argmax(axis=1) == data.validation.labels).mean() for upper in candidates]
    upper = quantise_upper(candidates[int(np.argmax(scores))], full_scale, train_codes, job.params)
    golden(ctl.load_weights(upper.weights))
    golden(ctl.configure(LOGIT_SHIFT=upper.logit_shift))
    return _measured(ctl, job, pulses)


def program_verify(way: str, then: Method | None = None) -> Method:
    """Program-verify transfer from the erased state, no online epoch."""

    def method(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
        job = prepare(run, data, net, seed)
        ctl = GoldenController(job.params, job.image)
        cost = golden(verified(ctl, state_targets(run, net), way, verify_settings(run)))
        golden(set_ranges(ctl, job))
        return _measured(ctl, job, cost["STROBES"])._replace(
            verify_reads=cost["VERIFY_READS"], given_up=cost["GIVEN_UP"]
        )

    return method


def verify_then_hybrid(way: str, rule: str, threshold: int, margin: float) -> Method:
    """Program-verify transfer, then the online epoch."""

    def method(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> Measurement:
        job = prepare(replace(run, rule=rule, threshold=threshold, margin=margin), data, net, seed)
        ctl = GoldenController(job.params, job.image)
        cost = golden(verified(ctl, state_targets(run, net), way, verify_settings(run)))
        result = golden(train_as_is(ctl, job, read_out=False))
        pulses = cost["STROBES"], sum(result.online_pulses)
        return Measurement(result.hybrid_accuracy, *pulses, cost["VERIFY_READS"], cost["GIVEN_UP"])

    return method


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
    """One way of writing the first layer, to be measured on any controller.  Raises `InputError`."""
    tune, step = tune_settings(run)
    job = prepare(run, data, net, seed)
    return WriteJob(way, job, state_targets(run, net), verify_settings(run), tune, step)


async def transferred(ctl: GoldenController, job: HybridJob) -> int:
    """Erase, transfer, set the ranges; returns the pulses."""
    await ctl.configure(WRITE=0)
    await ctl.erase()
    await ctl.transfer(job.counts)
    await set_ranges(ctl, job)
    return int(np.abs(job.counts).sum())


def _measured(ctl: GoldenController, job: HybridJob, pulses: int) -> Measurement:
    record = golden(ctl.run(Mode.INFER, job.test_pixels, job.test_labels))
    return Measurement(record.accuracy(job.test_labels), pulses)


def _hidden_codes(ctl: GoldenController, split: Split) -> np.ndarray:
    """Codes of the hidden units, int64[n, columns]."""
    record = golden(ctl.run(Mode.INFER, split.pixels, split.labels, trace=True))
    return np.stack(record.trace["hidden"]).astype(np.int64)


def _values(codes: np.ndarray, full_scale: float, job: HybridJob) -> np.ndarray:
    return (codes * (full_scale / job.params.adc_limit)).astype(np.float32)


def _retrain(start: np.ndarray, values: np.ndarray, labels: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """One epoch of Adam on softmax cross-entropy.  values: float32[n, columns + 1], bias last."""
    upper = start.copy()
    adam = Adam(upper)
    targets = np.eye(upper.shape[1], dtype=np.float32)[labels]
    order = np.random.default_rng(seed).permutation(len(values))
    for first in range(0, len(order), _LAST_LAYER_BATCH):
        batch = order[first : first + _LAST_LAYER_BATCH]
        adam.step(values[batch].T @ softmax_error(values[batch] @ upper, targets[batch]), rate)
    return upper
