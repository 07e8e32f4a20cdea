"""Spread of the nonlinearity label over cells: a bank of step tables, of which each cell has one per direction.

A cell's label is the device's plus sigma z, as in NeuroSim's device-to-device variation (P.-Y. Chen, X. Peng, S. Yu, IEEE
TCAD 37(12):3067, 2018), with its sign kept and its magnitude in 0.01..9; z is one of `LABELS` quantiles of the standard
normal.  A time constant or an exponent of another law is perturbed by way of the label that it has.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from model.device.laws import label_of, time_constant
from model.jit import kernel
from spec.device_file import DeviceSpec
from spec.device_law import Law
from spec.errors import InputError

LABELS = 16
SMALLEST, LARGEST = 0.01, 9.0
_QUANTILES = [NormalDist().inv_cdf((k + 0.5) / LABELS) for k in range(LABELS)]

# By law: its keys, and how to get from their magnitude to a label and back.
_Ways = tuple[tuple[str, str], Callable[[float], float], Callable[[float], float]]
_LAWS: dict[str, _Ways] = {
    "neurosim": (("nl_ltp", "nl_ltd"), float, float),
    "exponential": (("a_ltp", "a_ltd"), label_of, time_constant),
    "log": (("b_up", "b_down"), lambda b: label_of(1.0 / b), lambda label: 1.0 / time_constant(label)),
}


def with_label_shift(spec: DeviceSpec, shift: float) -> DeviceSpec:
    """The device with both labels `shift` further from linear.  Raises `InputError` for a law without a label."""
    if spec.law.kind not in _LAWS:
        text = f"the law {spec.law.kind} has no nonlinearity label; {', '.join(_LAWS)} have"
        raise InputError(text, key="nonideal.label_sigma")
    names, label, back = _LAWS[spec.law.kind]
    changed = {}
    for name in names:
        value = spec.law[name]
        size = min(max(label(max(abs(value), 1e-6)) + shift, SMALLEST), LARGEST)
        changed[name] = back(size) if value >= 0 else -back(size)
    values = tuple((name, changed.get(name, value)) for name, value in spec.law.values)
    return replace(spec, law=Law(spec.law.kind, values))


def label_bank(spec: DeviceSpec, sigma: float) -> list[DeviceSpec]:
    """The devices of the bank; none without a spread.  Raises `InputError`."""
    return [with_label_shift(spec, sigma * z) for z in _QUANTILES] if sigma > 0 else []


@kernel
def own_nodes(effects, row, column, minus, polarity, node, low, high):
    """The two nodes of a cell's own step table around its state, or those of the device."""
    if effects is None:
        return low, high
    labels = effects.tables.labels
    if labels.shape[1] == 0:
        return low, high
    nibble = (np.int64(effects.traits[row, column, minus]) >> (28 if polarity else 24)) & (LABELS - 1)
    return labels[polarity, nibble, node], labels[polarity, nibble, node + 1]
