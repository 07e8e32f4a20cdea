"""From a run's description to the job of one seed: the float part, which knows the nominal device only."""

from dataclasses import replace
from functools import partial

import numpy as np

from model.data import Dataset, Split
from model.device.compile import compile_device, nominal_codes, read_power
from model.device.laws import pulses_to_reach
from model.training.analog_upper import AnalogUpper
from model.training.hybrid import HybridJob, largest_threshold
from model.training.offline import OfflineNet
from model.training.range_search import SAMPLES
from model.training.transfer import (
    check_counts,
    open_loop_counts,
    plane_preactivations,
    preactivations,
    weight_limit,
)
from spec.choices import CHANCE_RULES
from spec.device_file import ConverterSpread
from spec.errors import InputError
from spec.numerics import round_shift, signed_limit
from spec.params import HwParams
from spec.run_file import AUTO, RunSpec

DEFAULT_MARGIN = 12.0


def check_fit(data: Dataset, params: HwParams) -> None:
    """Raise `InputError` when the data do not fit the hardware."""
    if data.inputs != params.inputs:
        raise InputError(
            f"{params.rows} rows take {params.inputs} inputs, {data.name} has {data.inputs}", key="rows"
        )
    if data.classes > params.classes:
        raise InputError(
            f"{params.classes} classes are fewer than the {data.classes} of {data.name}", key="classes"
        )


def prepare(run: RunSpec, data: Dataset, net: OfflineNet, seed: int) -> HybridJob:
    """The job of one seed of a run: the seed draws the device and the order of the online samples.

    What is still "auto" does for jobs that do not train: the rule's largest threshold, the default margin.
    `choose_thresholds` chooses them.
    Raises `InputError`.
    """
    params = run.params
    check_fit(data, params)
    if run.device.converter != ConverterSpread() and not params.converter_errors:
        raise InputError("the device's converters err, those of the hardware cannot", key="converter_errors")
    limit = weight_limit(net.hidden, run.clip)
    counts = open_loop_counts(net.hidden, limit, partial(pulses_to_reach, run.device))
    check_counts(counts, params)
    gmin, gmax = nominal_codes(run.device, run.nonideal, params.state_bits)
    full_sum = (gmax - gmin) / (1 << (params.state_bits - params.read_bits)) * params.dac_full_scale
    power = read_power(run.device, net.hidden, limit)
    image = compile_device(run.device, run.nonideal, params.state_bits, seed, power, params.read_bits)
    order = np.random.default_rng(seed).permutation(len(data.train))
    online, test = data.train.take(order[: run.train_samples or None]), _first(data.test, run.test_samples)
    calibration = np.ascontiguousarray(data.train.pixels[:SAMPLES])
    return HybridJob(
        params=params,
        image=image,
        counts=counts,
        upper_weights=net.upper,
        sum_value=limit / full_sum,
        calibration=calibration,
        calibration_hidden=preactivations(calibration, net.hidden, limit, params),
        calibration_planes=plane_preactivations(calibration, net.hidden, limit, params),
        train_pixels=online.pixels,
        train_labels=online.labels,
        test_pixels=test.pixels,
        test_labels=test.labels,
        rule=run.rule,
        x_threshold=round_shift(run.x_threshold, 8 - params.dac_bits),
        delta_threshold=max(
            1, round(run.delta_threshold * signed_limit(params.weight_bits) / signed_limit(8))
        ),
        threshold=largest_threshold(params, run.rule) if run.threshold == AUTO else int(run.threshold),
        margin_127=DEFAULT_MARGIN if run.margin == AUTO else float(run.margin),
        registers={"UPDATE_SEED": seed} if run.rule in CHANCE_RULES else {},
        analog_upper=_analog_upper(run) if params.analog_upper else None,
        hidden_weights=net.hidden if run.errors == "codes" else None,
        dead=run.dead,
        between=net.between,
    )


def _analog_upper(run: RunSpec) -> AnalogUpper:
    gmin, gmax = nominal_codes(run.device, run.nonideal, run.params.state_bits)
    return AnalogUpper(
        pulses_to_reach=partial(pulses_to_reach, run.device),
        clip_sigmas=run.clip,
        range_codes=(gmax - gmin) / (1 << (run.params.state_bits - run.params.read_bits)),
        trained=run.trained,
        transposed=run.backward == "transposed",
        threshold=largest_threshold(run.params, run.rule)
        if run.upper_threshold == AUTO
        else int(run.upper_threshold),
    )


def shares(run: RunSpec, net: OfflineNet) -> np.ndarray:
    """Weights of the first layer as shares of what a pair can be, -1..1, float64[rows, columns]."""
    return np.clip(net.hidden / weight_limit(net.hidden, run.clip), -1, 1).astype(np.float64)


def left_out(
    run: RunSpec, net: OfflineNet, pixels: np.ndarray, skip: float = 0.0, quiet: float = 0.0
) -> np.ndarray:
    """Weights that a sparse transfer does not write, bool[rows, columns]: those of little effect.

    skip: weights of a smaller share of what a pair can be; quiet: the rows that are driven least, as many as have
    together this share of the energy (codes squared) of `pixels`, uint8[samples, inputs], which need no labels.
    """
    left = np.abs(shares(run, net)) < skip
    if quiet:
        energy = np.einsum("sr,sr->r", pixels, pixels, dtype=np.int64)
        order = np.argsort(energy, kind="stable")
        # Never the bias row, which has no pixel.
        left[order[np.cumsum(energy[order]) <= quiet * energy.sum()]] = True
    return left


def state_targets(run: RunSpec, net: OfflineNet, left_out: np.ndarray | None = None) -> np.ndarray:
    """State codes that the nominal device has after an exact transfer, int64[rows, columns, 2].

    left_out: weights that stay an erased pair, bool[rows, columns].
    """
    gmin, gmax = nominal_codes(run.device, run.nonideal, run.params.state_bits)
    share = shares(run, net)
    if left_out is not None:
        share[left_out] = 0
    pair = np.stack([np.maximum(share, 0), np.maximum(-share, 0)], axis=2)
    return gmin + np.floor(pair * (gmax - gmin) + 0.5).astype(np.int64)


def on_split(job: HybridJob, split: Split) -> HybridJob:
    """The same job, tested on another split."""
    return replace(job, test_pixels=split.pixels, test_labels=split.labels)


def _first(split: Split, samples: int) -> Split:
    return split.take(np.arange(min(samples or len(split), len(split))))
