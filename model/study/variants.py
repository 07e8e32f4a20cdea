"""Variants of the online epoch that the hardware does not have: other errors, pulses on the pair, memories.  Model only.

They share the golden array and the controller's read path; pulses come at once, not D samples later.
"""

from math import exp

import numpy as np

from model.controller.activation import activation
from model.controller.between_layers import LAYER_ERROR_BITS, between_delta, between_layers, carry_back
from model.controller.dac_encode import dac_encode
from model.controller.margin_error import margin_error
from model.controller.upper_layer import upper_layer
from model.device.array import array_strobe, array_strobes_pair, macro_state
from model.jit import draw, event_key, kernel, saturate
from model.sample import read
from model.study.methods import TRIES, Candidates, Method, Settings, memory_bits, online, thresholds
from model.system import run as golden
from model.training.hybrid import code_step
from model.training.trial import Outcome, Trial
from spec.numerics import DOMAIN_WRITE
from spec.run_file import RunSpec

ERRORS = ("margin", "softmax", "squared")
"""margin: that of the hardware; softmax: cross-entropy; squared: of outputs clipped to 0..1 (hard sigmoid)."""
POLICIES = ("potentiate", "both", "either", "reference", "refresh")
"""How a pair goes up.  potentiate: a pulse on G+ (down: on G-); both: G+ up and G- down; either: one of these two by
chance; reference: G+ up, or down, and G- never; refresh: potentiate, and a pair of which a cell has had all pulses of
its nominal curve is erased and gets their difference, all open-loop."""
MEMORIES = ("sum", "momentum", "pulses")
"""sum: one pulse at the threshold, as `accumulate`; momentum: the same, 1/16 of it is lost in each update; pulses: as
many pulses as thresholds, the mixed precision of S. Nandakumar et al., Front. Neurosci. 14:406, 2020."""

ERROR_BITS = 7
"""Fraction bits of an output's error, 1.0 of cross-entropy."""
MOMENTUM_SHIFT = 4
MOST_PULSES = 8
"""Pulses on one pair in one update."""
_SOFTMAX, _SQUARED = 1, 2
_BOTH, _EITHER, _REFERENCE, _REFRESH = 1, 2, 3, 4
_MOMENTUM, _PULSES = 1, 2


@kernel
def output_error(logits, label, unit, kind, error):
    """Errors of all outputs, -128..128, int32 in place; unit: output code that stands for 1."""
    n, top = logits.shape[0], logits.max()
    total = 0.0
    for c in range(n):
        total += exp((logits[c] - top) / unit)
    for c in range(n):
        wanted = 1.0 if c == label else 0.0
        if kind == _SOFTMAX:
            e = wanted - exp((logits[c] - top) / unit) / total
        else:
            e = wanted - min(max(logits[c] / unit, 0.0), 1.0)
        error[c] = int(np.floor(e * (1 << ERROR_BITS) + 0.5))


@kernel
def wanted_pulses(memory, code, delta, threshold, kind, limit, pulses):
    """Update one row's memory, in place; the pulses of each pair with their sign, int32 in place.  Returns how many."""
    total = 0
    for j in range(memory.shape[0]):
        pulses[j] = 0
        if delta[j] != 0:
            value = memory[j] + code * delta[j]
            if kind == _MOMENTUM:
                value -= value >> MOMENTUM_SHIFT
            n = 1 if abs(value) >= threshold else 0
            if kind == _PULSES and n:
                n = min(abs(value) // threshold, MOST_PULSES)
            total += n
            if value < 0:
                n = -n
            pulses[j] = n
            memory[j] = saturate(value - n * threshold, -limit, limit)
    return total


@kernel
def pulse_row(array, macro, row, pulses, policy, events, key):
    """Give one row its pulses; macro: the state of macro 0.  Returns the strobes."""
    columns, strobes = pulses.shape[0], 0
    masks = np.zeros((2, 2, columns), np.uint8)
    for k in range(np.abs(pulses).max()):
        masks[:] = 0
        for j in range(columns):
            if abs(pulses[j]) > k:
                rises = 1 if pulses[j] > 0 else 0
                down_too = draw(key, (row * columns + j) * MOST_PULSES + k) & 1
                if policy == _REFERENCE:
                    masks[1 - rises, 0, j] = 1
                else:
                    if policy != _EITHER or down_too == 0:
                        masks[0, 1 - rises, j] = 1
                    if policy == _BOTH or (policy == _EITHER and down_too == 1):
                        masks[1, rises, j] = 1
        for polarity in range(2):
            if masks[polarity].any():
                array_strobe(array, macro, row, masks[polarity, 0], masks[polarity, 1], polarity, events)
                strobes += 1
    return strobes


@kernel
def refresh_row(array, macro, row, given, curve, events):
    """Erase the pairs of a row of which a cell has had all pulses of its curve, and give them their difference.

    given: potentiating pulses since the last erase, int64[rows, columns, 2]; curve: pulses (up, down) of the nominal
    curve.  Returns the strobes.
    """
    columns, strobes = given.shape[1], 0
    for j in range(columns):
        if max(given[row, j, 0], given[row, j, 1]) >= curve[0]:
            array_strobes_pair(array, macro, row, j, 1, 1, 1, curve[1], events)
            difference = given[row, j, 0] - given[row, j, 1]
            up, down = int(difference > 0), int(difference < 0)
            array_strobes_pair(array, macro, row, j, up, down, 0, abs(difference), events)
            strobes += curve[1] + abs(difference)
            given[row, j, 0], given[row, j, 1] = max(difference, 0), max(-difference, 0)
    return strobes


@kernel
def epoch(s, state, between, array, pixels, labels, kinds, unit, curve, events, given):
    """One online epoch.  kinds: indices into ERRORS, POLICIES, MEMORIES; s: Settings; between: as of `run_samples`;
    others as named in `train`.

    Returns strobes, updating samples, and words of the memory that were used.
    """
    error_kind, policy, memory_kind = kinds
    macro, places = macro_state(array, 0), array.places
    rows, columns = state.memory.shape
    sums = np.empty((places[:, 0].max() + 1, columns), np.int32)
    unseen = np.empty((0, sums.size), np.int32), np.empty((0, columns), np.int32)
    error, pulses = np.zeros(state.weights.shape[1], np.int32), np.zeros(columns, np.int32)
    limit = (1 << (s.accumulator_bits - 1)) - 1
    strobes, updates, words = 0, 0, 0
    for n in range(pixels.shape[0]):
        codes = dac_encode(pixels[n], s.dac_bits)
        adc, _, _ = read(s, state.channels, array, macro, codes, events, sums, unseen[0], unseen[1])
        hidden = activation(adc)
        top = hidden
        if between is not None:
            top = between_layers(between, hidden, s.adc_bits)
        logits = upper_layer(top, state.weights, s.adc_bits, s.logit_shift, s.logit_bits)
        if error_kind == 0:
            update, target, rival, _ = margin_error(logits, labels[n], s.margin, 1, 0)
            error[:] = 0
            error[target], error[rival] = 1 << ERROR_BITS, -(1 << ERROR_BITS)
        else:
            output_error(logits, labels[n], unit, error_kind, error)
            update = 1 if np.abs(error).max() > 0 else 0
        if update == 0:
            continue
        updates += 1
        bits = s.delta_bits if between is None else LAYER_ERROR_BITS
        delta = carry_back(state.weights, top, error, ERROR_BITS, s.adc_bits, bits)
        if between is not None:
            delta = between_delta(between, hidden, delta, s.adc_bits, s.delta_bits)
        doubled = (1 if n >= s.double_first else 0) + (1 if n >= s.double_second else 0)
        key = event_key(s.update_seed, DOMAIN_WRITE, n)
        for i in range(rows):
            if codes[i] != 0:
                words += columns
                if (
                    wanted_pulses(
                        state.memory[i], codes[i], delta, s.threshold << doubled, memory_kind, limit, pulses
                    )
                    > 0
                ):
                    strobes += pulse_row(array, macro, i, pulses, policy, events, key)
                    if policy == _REFRESH:
                        for j in range(columns):
                            given[i, j, 0 if pulses[j] > 0 else 1] += abs(pulses[j])
                        strobes += refresh_row(array, macro, i, given, curve, events)
    return strobes, updates, words


def variant(error: str, policy: str, memory: str):
    """The method's measure with one of each."""
    kinds = ERRORS.index(error), POLICIES.index(policy), MEMORIES.index(memory)

    def measure(trial: Trial, settings: Settings) -> Outcome:
        start, ctl = trial.transferred(), trial.ctl
        job = trial.job_with("accumulate", settings["threshold"], settings.get("margin", 1.0))
        step = code_step(ctl.registers)
        upper = job.upper(step)
        registers = job.settings(upper) | {"UPDATE_SEED": trial.seed}
        golden(ctl.configure(**registers))
        device, events = trial.run.device, ctl.array.events
        curve = np.array([device.states_up, device.states_down], np.int64)
        unit = settings.get("unit", 0.25) * upper.logit_range
        strobes, updates, words = epoch(
            ctl.settings, ctl.state, ctl.between, ctl.array.state, job.train_pixels, job.train_labels, kinds, unit, curve,
            events, start.pulses.astype(np.int64),
        )  # fmt: skip
        ctl.array.reset(events)
        pulses = ctl.array.pulses()
        up, down = (pulses - start.pulses).sum(axis=(0, 1), dtype=np.int64).tolist()
        samples = len(job.train_labels)
        online = {"SAMPLES_DONE": samples, "INTEGRATES": samples, "STROBES": strobes, "UPDATES": updates}
        online |= {"PULSES_UP": up, "PULSES_DOWN": down, "VERIFY_READS": 0}
        worst = int(pulses.max())
        return Outcome(trial.accuracy(), start.phases | {"online": online}, worst, words)

    return measure


def _dense(units: tuple[float, ...]) -> Candidates:
    """Thresholds, and output codes that stand for 1 as shares of the outputs' range."""

    def candidates(run: RunSpec, samples: int) -> list[Settings]:
        picked = thresholds(run, "accumulate", TRIES // len(units), samples)
        return [{"threshold": t, "unit": unit} for t in picked for unit in units]

    return candidates


def _line(name: str, about: str, kinds: tuple[str, str, str], candidates: Candidates) -> Method:
    bits = memory_bits("accumulate")
    return Method(name, about, variant(*kinds), candidates, bits=bits, model_only=True)


_MARGIN = online("accumulate")
_CROSS_ENTROPY, _SQUARED_ERROR = _dense((1 / 8, 1 / 24)), _dense((1 / 2, 1.0))

VARIANTS = (
    _line("error softmax", "every sample, cross-entropy", ("softmax", "potentiate", "sum"), _CROSS_ENTROPY),
    _line("error squared", "every sample, squared error", ("squared", "potentiate", "sum"), _SQUARED_ERROR),
    _line(
        "pair both", "both devices of the pair, in opposite directions", ("margin", "both", "sum"), _MARGIN
    ),
    _line("pair either", "one of both, by chance", ("margin", "either", "sum"), _MARGIN),
    _line("pair reference", "G+ in both directions, G- never", ("margin", "reference", "sum"), _MARGIN),
    _line(
        "pair refresh",
        "saturated pairs erased and rewritten, open-loop",
        ("margin", "refresh", "sum"),
        _MARGIN,
    ),
    _line("momentum", "a memory that forgets", ("margin", "potentiate", "momentum"), _MARGIN),
    _line(
        "mixed precision",
        "every sample, as many pulses as steps",
        ("softmax", "potentiate", "pulses"),
        _CROSS_ENTROPY,
    ),
)
"""Methods that only the golden model has."""
