"""Digital layers between the array's columns and the upper layer: hidden codes up, errors down.  Model only.

Layer k = 1..n takes the hidden codes h_0 of the array's columns, or those of the layer below it, to its own:

    h_k,m = saturate(round_shift(sum_j h_(k-1),j w_k,jm + Q w_k,bias,m, forward_k), 0, Q)

The upper layer takes h_n.  Back from it come e_n = `backprop_delta` of h_n in LAYER_ERROR_BITS, and below it

    e_(k-1),j = saturate(round_shift(sum_m w_k,jm e_k,m, backward_k), +-limit) where 0 < h_(k-1),j < Q, else 0

with the limit of LAYER_ERROR_BITS, and of delta_bits for e_0, the errors of the columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.controller.activation import activation
from model.controller.upper_layer import upper_layer
from model.jit import kernel, round_shift, saturate

LAYER_ERROR_BITS = 16
"""Bits of an error of a unit of these layers: the difference of two weights, of 8 bits at most, is exact."""


class Between(NamedTuple):
    """The layers, for kernels of any depth.  Build one with `between_of`."""

    weights: np.ndarray  # int32[..]: of all layers, one after the other, rows first, the bias last of each
    units: np.ndarray  # int64[n + 1]: columns of the array, then the units of each layer
    forward: np.ndarray  # int64[n]: shifts of the codes
    backward: np.ndarray  # int64[n]: shifts of the errors
    codes: np.ndarray  # int32[n, most units]: h_1.. of the sample at hand


def between_of(layers: Sequence[np.ndarray], forward: Sequence[int], backward: Sequence[int]) -> Between:
    """layers: int[units below + 1, units] each, the bias last; a shift of each kind for every layer."""
    units = [len(layers[0]) - 1, *(layer.shape[1] for layer in layers)]
    return Between(
        weights=np.concatenate([np.asarray(layer, np.int32).ravel() for layer in layers]),
        units=np.array(units, np.int64),
        forward=np.array(forward, np.int64),
        backward=np.array(backward, np.int64),
        codes=np.zeros((len(layers), max(units[1:])), np.int32),
    )


@kernel
def layer_weights(between, k):
    """Weights of layer k (from 0), int32[units below + 1, units]."""
    units, first = between.units, 0
    for below in range(k):
        first += (units[below] + 1) * units[below + 1]
    rows, columns = units[k] + 1, units[k + 1]
    return between.weights[first : first + rows * columns].reshape((rows, columns))


@kernel
def between_layer(hidden, weights, shift, adc_bits):
    """Hidden codes of one layer from those below it, int32[units], 0..Q."""
    return activation(upper_layer(hidden, weights, adc_bits, shift, adc_bits))


@kernel
def between_layers(between, hidden, adc_bits):
    """Hidden codes h_n that the upper layer takes, int32[units]; those of every layer are left in `between.codes`.

    hidden: h_0, int32[columns], 0..Q.
    """
    for k in range(between.forward.shape[0]):
        hidden = between_layer(hidden, layer_weights(between, k), between.forward[k], adc_bits)
        between.codes[k, : hidden.shape[0]] = hidden
    return hidden


@kernel
def carry_back(weights, hidden, error, shift, adc_bits, bits):
    """saturate(round_shift(sum_m w_jm error_m, shift)) to `bits` where 0 < hidden_j < Q, else 0: int32[units].

    weights: int32[units or more, units above]; hidden: int32[units]; error: int32[units above].
    """
    full, limit = (1 << (adc_bits - 1)) - 1, (1 << (bits - 1)) - 1
    below = np.zeros(hidden.shape[0], np.int32)
    for j in range(hidden.shape[0]):
        if 0 < hidden[j] < full:
            total = np.int64(0)
            for m in range(error.shape[0]):
                total += np.int64(weights[j, m]) * error[m]
            below[j] = saturate(round_shift(total, shift), -limit, limit)
    return below


@kernel
def between_delta(between, hidden, error, adc_bits, delta_bits):
    """Errors e_0 of the array's columns, int32[columns], for the sample of which `between_layers` left the codes.

    hidden: h_0, int32[columns]; error: e_n, int32[units of the last layer].
    """
    for k in range(between.forward.shape[0] - 1, -1, -1):
        below, bits = hidden, delta_bits
        if k > 0:
            below, bits = between.codes[k - 1][: between.units[k]], LAYER_ERROR_BITS
        error = carry_back(layer_weights(between, k), below, error, between.backward[k], adc_bits, bits)
    return error
