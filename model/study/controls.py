"""Controls: what a table needs beside the method to show where its gain comes from; and all methods, by name."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.data import Split
from model.study.aihwkit import OPTIONAL, PREFIX, preset_method
from model.study.coarse import COARSE
from model.study.methods import HARDWARE, Method, Settings, analog, hybrid, memory_bits, online, transferred
from model.study.sparse import SPARSE
from model.study.teacher import TEACHER
from model.study.variants import VARIANTS
from model.system import run as golden
from model.training.hybrid import code_step, load_layers
from model.training.offline import Adam, accuracy, gradients, untrained
from model.training.transfer import quantise_layers
from model.training.trial import Outcome, Trial
from spec.errors import InputError
from spec.registers import Mode
from spec.run_file import RunSpec

_BATCH = 20
RATES = tuple(float(f"{rate:.2g}") for rate in np.geomspace(1e-4, 0.1, 12))
"""Learning rates of the last layer."""


def software(trial: Trial, settings: Settings) -> Outcome:
    """The float network on the trial's split."""
    split = Split(trial.job.test_pixels, trial.job.test_labels)
    return Outcome(accuracy(trial.net.layers, split))


def last_layer(trial: Trial, settings: Settings) -> Outcome:
    """Open-loop transfer, then one epoch of software training of the digital layers on the array's codes."""
    start = trial.transferred()
    online = _retrain_upper(trial, settings["rate"])
    return Outcome(trial.accuracy(), start.phases | {"online": online}, int(start.pulses.max()))


def hybrid_last_layer(trial: Trial, settings: Settings) -> Outcome:
    """The online epoch of the array, then that of the digital layers."""
    outcome = hybrid("accumulate")(trial, settings)
    reads = _retrain_upper(trial, settings["rate"])
    online = {name: count + reads[name] for name, count in outcome.phases["online"].items()}
    return replace(outcome, accuracy=trial.accuracy(), phases=outcome.phases | {"online": online})


def _retrain_upper(trial: Trial, rate: float) -> dict[str, int]:
    """One epoch of the digital layers on the codes that the array gives now; returns the counters."""
    job, ctl = trial.job, trial.ctl
    full_scale = job.full_scale(code_step(ctl.registers))
    codes = _hidden_codes(trial, Split(job.train_pixels, job.train_labels))
    counters = golden(ctl.counters())
    values = np.ones((len(codes), codes.shape[1] + 1), np.float32)
    np.multiply(
        codes, full_scale / job.params.adc_limit, out=values[:, :-1], dtype=np.float64, casting="same_kind"
    )
    trained = _retrain(trial.net.layers[1:], values, job.train_labels, rate, trial.seed)
    upper = quantise_layers(trained, full_scale, codes, job.params)
    golden(load_layers(ctl, upper))
    golden(ctl.configure(LOGIT_SHIFT=upper.logit_shift))
    return counters


def _hidden_codes(trial: Trial, split: Split) -> np.ndarray:
    """Codes of the hidden units, int16[n, columns]."""
    codes, done = np.empty((len(split), trial.job.params.columns), np.int16), 0

    def keep(stages: dict[str, list[np.ndarray]]) -> None:
        nonlocal done
        more = stages["hidden"]
        codes[done : done + len(more)] = more
        done += len(more)

    golden(trial.ctl.clear_counters())
    golden(trial.ctl.run(Mode.INFER, split.pixels, split.labels, watch=keep))
    return codes


def _retrain(
    start: Sequence[np.ndarray], values: np.ndarray, labels: np.ndarray, rate: float, seed: int
) -> list[np.ndarray]:
    """One epoch of Adam on softmax cross-entropy.  values: float32[n, columns + 1], bias last."""
    layers = [weights.copy() for weights in start]
    adams = [Adam(weights) for weights in layers]
    targets = np.eye(layers[-1].shape[1], dtype=np.float32)[labels]
    order = np.random.default_rng(seed).permutation(len(values))
    for first in range(0, len(order), _BATCH):
        batch = order[first : first + _BATCH]
        for adam, gradient in zip(adams, gradients(layers, values[batch], targets[batch]), strict=True):
            adam.step(gradient, rate)
    return layers


def bias_row(trial: Trial, settings: Settings) -> Outcome:
    """Hybrid with the bias row alone: every other cell holds still, and its pulses, which nobody would give, do not count."""
    start = trial.transferred()
    state, row = trial.ctl.array.state, trial.job.params.rows - 1
    moving = state.stuck.copy()
    still = _cells_outside(trial, row)
    state.stuck[still] = 1
    try:
        job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
        return trial.train(start, job, first_row=row)
    finally:
        state.stuck[:] = moving


def _cells_outside(trial: Trial, row: int) -> np.ndarray:
    """Indices into the array's flat cells that are not of this row of the layer, bool[cells]."""
    array, outside = trial.ctl.array, []
    for tile in array.tiles:
        cells = np.ones((tile.params.rows, tile.params.columns, 2), bool)
        if 0 <= row - tile.first_row < tile.params.rows:
            cells[row - tile.first_row] = False
        outside.append(cells.ravel())
    return np.concatenate(outside)


def shuffled(trial: Trial, settings: Settings) -> Outcome:
    """Hybrid with the labels of the online samples shuffled: nothing can be learnt from them."""
    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    labels = np.random.default_rng(trial.seed).permutation(job.train_labels)
    return trial.train(trial.transferred(), replace(job, train_labels=labels))


def both_layers(trial: Trial, settings: Settings) -> Outcome:
    """Hybrid where the upper layer is analog; its own threshold is a share of the first layer's."""
    job = trial.job_with("accumulate", settings["threshold"], settings["margin"])
    threshold = max(1, settings["threshold"] >> settings.get("finer", 0))
    upper = replace(job.analog_upper, threshold=threshold)  # type: ignore[type-var]  # there is one
    return trial.train(trial.transferred(), replace(job, analog_upper=upper))


def _finer(run: RunSpec, samples: int) -> list[Settings]:
    every = online("accumulate")(run, samples)
    return [s | {"finer": 3} for s in every]


_BITS = memory_bits("accumulate")

CONTROLS = (
    Method("software", "the float network that all others start from", software),
    Method("software plain", "a float network trained without noise", software, offline="plain"),
    Method("software noise-aware", "one trained with noise", software, offline="noise-aware"),
    Method("last layer", "digital layers retrained on the array's codes", last_layer,
           lambda run, samples: [{"rate": rate} for rate in RATES]),
    Method("hybrid + last layer", "the online epoch, and then that", hybrid_last_layer,
           lambda run, samples: [{"rate": rate} for rate in RATES], settings_of="hybrid accumulate", bits=_BITS),
    Method("bias row", "hybrid, but only the bias row gets pulses", bias_row, online("accumulate"), bits=_BITS,
           model_only=True),
    Method("shuffled labels", "hybrid, the labels shuffled", shuffled, settings_of="hybrid accumulate", bits=_BITS),
    Method("analog open loop", "upper layer analog too, nothing trained", transferred, hardware=analog("first"), deep=False),
    Method("analog first", "upper layer analog, first layer trained", both_layers, _finer, analog("first"), bits=_BITS, deep=False),
    Method("analog last", "upper layer analog, only it trained", both_layers, _finer, analog("last"), bits=_BITS, deep=False),
    Method("analog both", "upper layer analog, both trained", both_layers, _finer, analog("both"), bits=_BITS, deep=False),
    Method("from scratch", "untrained network, both layers analog, one epoch", both_layers, _finer, analog("both"),
           lambda run, seed: untrained(run.params, run.offline, seed), bits=_BITS, deep=False),
)  # fmt: skip

METHODS: dict[str, Method] = {
    m.name: m for m in (*HARDWARE, *TEACHER, *SPARSE, *COARSE, *CONTROLS, *VARIANTS)
}
"""All methods by name, but those that need another package."""
LISTED: dict[str, Method] = METHODS | {m.name: m for m in OPTIONAL}
"""Those too; only presets of aihwkit are not listed."""


def method_named(name: str) -> Method:
    """Raises `InputError` with the names that there are."""
    if name.startswith(PREFIX):
        return preset_method(name)
    if name not in LISTED:
        raise InputError(f"{name!r} is none of {', '.join(LISTED)}, {PREFIX}PRESET", key="method")
    return LISTED[name]
