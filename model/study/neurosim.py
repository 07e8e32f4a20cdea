"""An anchor: devices trained from scratch in the setting in which their published accuracies were found.  Model only.

P.-Y. Chen, X. Peng, S. Yu, IEEE TCAD 37(12):3067, 2018: a 400-100-10 network of sigmoids, one cell per weight beside a
reference, inputs and hidden activations of 1 bit, squared error, no accumulator: an update becomes the nearest number of
pulses at once.  8,000 random images of MNIST an epoch, 125 epochs.  A device model under which their poor devices
train well is too kind.  Written from the description; of their program nothing is used.
"""

from math import exp

import numpy as np

from model.data import Dataset
from model.device.compile import compile_device, nominal_codes
from model.device.macro import GoldenMacro, strobe
from model.jit import kernel
from spec.device_file import DeviceSpec, NonIdealities
from spec.errors import InputError
from spec.params import HwParams

SIDE, CROP = 28, 4
"""MNIST's images, and the margin that is cut off on each side: 20 x 20 pixels."""
HIDDEN, CLASSES = 100, 10
EPOCH, EPOCHS = 8_000, 125
RATES = (0.4, 0.2)
"""Learning rates of the layers."""
MOST_PULSES = 64
_STATE_BITS = 16


def inputs_of(pixels: np.ndarray) -> np.ndarray:
    """uint8[n, 400], 1 where a pixel is more than half bright; pixels: uint8[n, 784].  Raises `InputError`."""
    if pixels.shape[1] != SIDE * SIDE:
        raise InputError(f"images of {pixels.shape[1]} pixels, {SIDE * SIDE} needed", key="data")
    cut = pixels.reshape(-1, SIDE, SIDE)[:, CROP:-CROP, CROP:-CROP]
    return np.ascontiguousarray(cut.reshape(len(pixels), -1) > 127).astype(np.uint8)


def from_scratch(
    device: DeviceSpec,
    data: Dataset,
    seed: int = 0,
    epochs: int = EPOCHS,
    progress=None,
) -> float:
    """Test accuracy after the training; cells differ in nothing but their pulse-to-pulse noise.

    progress: called with (epochs done, epochs).  Raises `InputError`.
    """
    rng = np.random.default_rng(seed)
    ideal = NonIdealities.ideal()
    low, high = nominal_codes(device, ideal, _STATE_BITS)
    shapes = (((SIDE - 2 * CROP) ** 2, HIDDEN), (HIDDEN, CLASSES))
    layers = [_layer(device, ideal, shape, seed + k, rng, (low, high)) for k, shape in enumerate(shapes)]
    x, test = inputs_of(data.train.pixels), inputs_of(data.test.pixels)
    steps = np.array([(device.states_up / 2) * rate for rate in RATES])
    events = np.zeros(2, np.int64)
    for epoch in range(epochs):
        picked = rng.integers(0, len(x), EPOCH)
        _epoch(
            layers[0].state, layers[1].state, x[picked], data.train.labels[picked], low, high, steps, events
        )
        if progress:
            progress(epoch + 1, epochs)
    weights = [_weights(layer.state, low, high) for layer in layers]
    hidden = (test.astype(np.float64) @ weights[0]) > 0
    return float(((hidden @ weights[1]).argmax(axis=1) == data.test.labels).mean())


def _layer(
    device: DeviceSpec, ideal: NonIdealities, shape: tuple[int, int], seed: int, rng, codes: tuple[int, int]
) -> GoldenMacro:
    """A macro of whose pairs only G+ is used, at random states."""
    rows, columns = shape
    params = HwParams(name="NEUROSIM", rows=rows, columns=columns, state_bits=_STATE_BITS, adc_channels=1, macro_lanes=1,
                      update_columns=1, bank_columns=1)  # fmt: skip
    macro = GoldenMacro(params, compile_device(device, ideal, _STATE_BITS, seed, 0.0))
    states = np.zeros((rows, columns, 2), np.int64)
    states[..., 0] = rng.integers(codes[0], codes[1] + 1, shape)
    macro.load(states)
    return macro


@kernel
def _weights(state, low, high):
    """Weights -1..1, float64[rows, columns], of the cells G+ beside a reference in the middle of the range."""
    return 2.0 * (state.g[:, :, 0].astype(np.float64) - low) / (high - low) - 1.0


@kernel
def _write(state, weights, row, wanted, low, high, events, which):
    """Pulses that bring a row's weights by `wanted`, float64[columns] in pulses, rounded; weights kept up to date."""
    columns = wanted.shape[0]
    up, none = np.zeros(columns, np.uint8), np.zeros(columns, np.uint8)
    for polarity in range(2):
        for k in range(MOST_PULSES):
            any_left = False
            for j in range(columns):
                pulses = wanted[j] if polarity == 0 else -wanted[j]
                up[j] = 1 if pulses > k + 0.5 else 0
                any_left |= up[j] == 1
            if not any_left:
                break
            strobe(state, row, up, none, polarity, events[which])
            events[which] = (events[which] + 1) & 0xFFFFFFFF
    for j in range(columns):
        weights[row, j] = 2.0 * (np.float64(state.g[row, j, 0]) - low) / (high - low) - 1.0


@kernel
def _epoch(first, second, images, labels, low, high, steps, events):
    """Stochastic gradient descent over the images; steps: pulses for a gradient of 1, by layer."""
    w1, w2 = _weights(first, low, high), _weights(second, low, high)
    rows, hidden, classes = w1.shape[0], w1.shape[1], w2.shape[1]
    a1, s1, s2, wanted = np.zeros(hidden), np.zeros(hidden), np.zeros(classes), np.zeros(classes)
    for n in range(images.shape[0]):
        a1[:] = 0.0
        for i in range(rows):
            if images[n, i]:
                a1 += w1[i]
        for j in range(hidden):
            a1[j] = 1.0 / (1.0 + exp(-a1[j]))
        out = np.zeros(classes)
        for j in range(hidden):
            if a1[j] > 0.5:
                out += w2[j]
        for c in range(classes):
            out[c] = 1.0 / (1.0 + exp(-out[c]))
            target = 1.0 if c == labels[n] else 0.0
            s2[c] = 2.0 * out[c] * (1.0 - out[c]) * (target - out[c])
        for j in range(hidden):
            s1[j] = a1[j] * (1.0 - a1[j]) * (w2[j] * s2).sum()
        moved = steps[0] * s1
        if np.abs(moved).max() >= 0.5:
            for i in range(rows):
                if images[n, i]:
                    _write(first, w1, i, moved, low, high, events, 0)
        for j in range(hidden):
            wanted[:] = steps[1] * a1[j] * s2
            if np.abs(wanted).max() >= 0.5:
                _write(second, w2, j, wanted, low, high, events, 1)
