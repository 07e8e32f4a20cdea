"""The offline part: a float network, trained in software.

The network is the hardware's: inputs 0..1 and a bias row at full scale, ReLU, a bias unit in the upper layer; or one
with further hidden layers between its hidden and its upper one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from model.data import Dataset, Split
from model.training.weights_file import load_weights
from spec.params import HwParams
from spec.run_file import NOISE_AWARE, OfflineSettings


class OfflineNet(NamedTuple):
    """Float weights, bias last, and the accuracies in software."""

    hidden: np.ndarray
    """float32[inputs + 1, columns]."""
    upper: np.ndarray
    """float32[columns + 1, classes]; of further hidden layers, units of the last one + 1."""
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    between: tuple[np.ndarray, ...] = ()
    """Of further hidden layers, from the array's columns up: float32[units below + 1, units]."""

    @property
    def layers(self) -> list[np.ndarray]:
        """All layers, from the inputs to the classes."""
        return [self.hidden, *self.between, self.upper]


_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_DENORMAL_GUARD = 1e-12  # gradients that are exactly 0 would decay the moments into denormals, 7 times slower
AT_ONCE = 4096
"""Samples that are worked on together where all of them would take hundreds of megabytes."""
_RATE_STEPS = ((0.6, 1.0), (0.85, 0.3), (1.0, 0.1))  # share of the epochs up to which the rate is times this


def train_offline(
    data: Dataset,
    params: HwParams,
    settings: OfflineSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> OfflineNet:
    """Train on the training split only, or take the weights of the settings' file (`weights_file`).

    The same settings and seed give the same weights on one machine.  Raises `InputError` for a file that does not fit.

    progress: called with (epochs done, epochs).  One thread: the matrices are small, and sums do not then depend
    on the number of cores.
    """
    with threadpool_limits(limits=1):
        if settings.weights:
            layers = load_weights(settings, params)
            if progress:
                progress(settings.epochs, settings.epochs)
        else:
            layers = _Trainer(data.train, params, settings, seed).run(progress)
        accuracies = [accuracy(layers, split) for split in (data.train, data.validation, data.test)]
    return net_of(layers, *accuracies)


def net_of(
    layers: Sequence[np.ndarray], train: float = 0.0, validation: float = 0.0, test: float = 0.0
) -> OfflineNet:
    """A network of these layers, from the inputs to the classes, and its accuracies, 0 if they are not measured."""
    hidden, *between, upper = layers
    return OfflineNet(hidden, upper, train, validation, test, tuple(between))


def accuracy(layers: Sequence[np.ndarray], split: Split) -> float:
    """Share of right predictions of the float network."""
    right = 0
    for first in range(0, len(split), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        _, logits = _forward(layers, _inputs(split.pixels[part]))
        right += int(np.count_nonzero(logits.argmax(axis=1) == split.labels[part]))
    return right / len(split)


def _forward(layers: Sequence[np.ndarray], x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """What each layer takes, with the ones of its bias, and the outputs; x: float32[n, inputs + 1]."""
    taken = [x]
    for weights in layers[:-1]:
        taken.append(with_bias(np.maximum(taken[-1] @ weights, 0)))
    return taken, taken[-1] @ layers[-1]


def gradients(layers: Sequence[np.ndarray], x: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Of the batch's mean cross-entropy, by layer; x: float32[n, inputs + 1], ones last; targets: one-hot."""
    taken, logits = _forward(layers, x)
    error = softmax_error(logits, targets)
    found = []
    for k in range(len(layers) - 1, -1, -1):
        found.append(taken[k].T @ error)
        if k > 0:
            error = (error @ layers[k][:-1].T) * (taken[k][:, :-1] > 0)
    return found[::-1]


def _inputs(pixels: np.ndarray) -> np.ndarray:
    """Inputs in 0..1 and the ones of the bias, float32[n, inputs + 1]; no copy is made on the way."""
    x = np.ones((len(pixels), pixels.shape[1] + 1), np.float32)
    np.divide(pixels, np.float32(255), out=x[:, :-1])
    return x


def with_bias(values: np.ndarray) -> np.ndarray:
    """A column of ones appended."""
    return np.concatenate([values, np.ones((len(values), 1), values.dtype)], axis=1)


def softmax_error(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Gradient of the batch's mean cross-entropy with respect to the logits; targets one-hot.  Both float[n, classes]."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return (p - targets) / np.float32(len(logits))


class Adam:
    """D. Kingma, J. Ba, ICLR 2015: moments of the gradients of one float32 array, which `step` changes in place."""

    def __init__(self, weights: np.ndarray):
        self.weights = weights
        self._first = np.zeros_like(weights)
        self._second = np.zeros_like(weights)
        self._steps = 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        self._steps += 1
        correction = np.sqrt(1 - _BETA2**self._steps) / (1 - _BETA1**self._steps)
        gradient = gradient + np.float32(_DENORMAL_GUARD)
        self._first += np.float32(1 - _BETA1) * (gradient - self._first)
        self._second += np.float32(1 - _BETA2) * (gradient * gradient - self._second)
        scale = np.sqrt(self._second) + np.float32(_EPSILON)
        self.weights -= np.float32(rate * correction) * self._first / scale


def _initial(rng: np.random.Generator, rows: int, columns: int, gain: float) -> np.ndarray:
    weights = rng.standard_normal((rows, columns), np.float32) * np.float32(np.sqrt(gain / rows))
    weights[-1] = 0
    return weights


def _initial_layers(
    rng: np.random.Generator, params: HwParams, settings: OfflineSettings
) -> list[np.ndarray]:
    """The layers before training: K. He et al., ICCV 2015, and half its variance in the last."""
    shapes = settings.shapes(params)
    gains = [2.0] * (len(shapes) - 1) + [1.0]
    return [_initial(rng, *shape, gain) for shape, gain in zip(shapes, gains, strict=True)]


def untrained(params: HwParams, settings: OfflineSettings, seed: int) -> OfflineNet:
    """A network as training would begin with it; its accuracies are not measured."""
    return net_of(_initial_layers(np.random.default_rng(seed), params, settings))


class _Trainer:
    def __init__(self, split: Split, params: HwParams, settings: OfflineSettings, seed: int):
        self.settings = settings
        self.rng = np.random.default_rng(seed)
        self.x = _inputs(split.pixels)
        self.y = np.eye(params.classes, dtype=np.float32)[split.labels]
        self.layers = [Adam(weights) for weights in _initial_layers(self.rng, params, settings)]

    def run(self, progress: Callable[[int, int], None] | None) -> list[np.ndarray]:
        s = self.settings
        for epoch in range(s.epochs):
            factor = next(f for share, f in _RATE_STEPS if epoch < share * s.epochs)
            order = self.rng.permutation(len(self.x))
            for start in range(0, len(order), s.batch):
                self._step(order[start : start + s.batch], s.learning_rate * factor)
            if progress:
                progress(epoch + 1, s.epochs)
        return [layer.weights for layer in self.layers]

    def _step(self, indices: np.ndarray, rate: float) -> None:
        noisy = [self._noisy(layer.weights) for layer in self.layers]
        found = gradients(noisy, self.x[indices], self.y[indices])
        for layer, gradient in zip(self.layers, found, strict=True):
            layer.step(gradient, rate)
            if self.settings.kind == NOISE_AWARE:
                limit = np.float32(self.settings.clip) * layer.weights.std()
                np.clip(layer.weights, -limit, limit, out=layer.weights)

    def _noisy(self, weights: np.ndarray) -> np.ndarray:
        if self.settings.kind == "plain" or self.settings.noise == 0:
            return weights
        sigma = np.float32(self.settings.noise) * weights.std()
        return weights + sigma * self.rng.standard_normal(weights.shape, np.float32)
