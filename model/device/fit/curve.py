"""Measured curves: the mean conductance after each pulse, monotone, with as many points as the noise allows."""

import numpy as np

from model.device.fit.data import DOWN, Floats
from model.device.fit.joint import Fit, Layout
from model.device.fit.shapes import Shape
from spec.device_law import CURVE_LIMIT

FULL = 0.25
"""A sweep counts that starts within this share of the range from its end."""
CLEARLY = 2.0
"""A curve's next point is one that differs from the last by so many standard errors."""


def monotone(pulses: Floats, values: Floats, weights: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Means of neighbouring points, as few together as make every mean differ clearly from the one before it.

    `values` rise but for noise of `sigma` / sqrt(weight).  The ends are extrapolated from their means to the first
    and last pulse.  Returns pulse numbers and values, strictly rising, two or more.
    """
    n, v, w = (list(map(float, a)) for a in (pulses, values, weights))

    def clear(k: int) -> float:
        return (v[k + 1] - v[k]) / (sigma * np.sqrt(1 / w[k] + 1 / w[k + 1]) + 1e-12)

    gaps = [clear(k) for k in range(len(v) - 1)]
    while len(v) > 2 and (min(gaps) < CLEARLY or len(v) > CURVE_LIMIT):
        k = int(np.argmin(gaps))
        total = w[k] + w[k + 1]
        n[k], v[k] = ((w[k] * a[k] + w[k + 1] * a[k + 1]) / total for a in (n, v))
        w[k] = total
        del n[k + 1], v[k + 1], w[k + 1], gaps[k]
        for j in (k - 1, k):
            if 0 <= j < len(gaps):
                gaps[j] = clear(j)
    v[-1] = max(v[-1], v[-2] + 1e-6)  # what noise did to the last two means of a flat curve
    # as steep before the first mean and beyond the last as between their neighbours
    head = v[0] + (v[1] - v[0]) / (n[1] - n[0]) * (float(pulses[0]) - n[0])
    tail = v[-1] + (v[-1] - v[-2]) / (n[-1] - n[-2]) * (float(pulses[-1]) - n[-1])
    if n[0] != pulses[0]:
        n, v = [float(pulses[0]), *n], [head, *v]
    if n[-1] != pulses[-1]:
        n, v = [*n, float(pulses[-1])], [*v, tail]
    return np.array(n), np.array(v)


def _direction(data: Layout, fit: Fit, polarity: int) -> tuple[Floats, Floats]:
    """Pulse numbers and relative states, rising with the pulses, 0 at the start of the direction."""
    points: list[tuple[Floats, Floats]] = []
    for k in np.flatnonzero(data.polarity == polarity):
        if abs(fit.starts[k] - polarity) <= FULL or len(data.polarity) == 1:
            part = slice(data.first[k], data.first[k + 1])
            cell = fit.cells[data.cell[k] if len(fit.cells) > 1 else 0]
            x = (data.y[part] - fit.low - cell[0]) / (fit.range * np.exp(cell[1]))
            off = np.abs(fit.residuals[part]) > 5 * 1.4826 * np.median(np.abs(fit.residuals))
            # a cell of large steps is as far after fewer pulses
            pulses = np.rint(data.pulses[part] * np.exp(cell[3 if polarity == DOWN else 2]))
            keep = ~off & (pulses <= data.longest[polarity])
            points.append((pulses[keep], (1 - x if polarity == DOWN else x)[keep]))
    n, x = (np.concatenate(a) for a in zip(*points, strict=True))
    pulses, back, count = np.unique(n, return_inverse=True, return_counts=True)
    mean = np.bincount(back, x) / count
    sigma = float(np.sqrt(np.sum((x - mean[back]) ** 2) / max(len(x) - len(pulses), 1)))
    sigma = sigma or float(np.median(np.abs(fit.residuals))) / fit.range
    curve_n, curve = monotone(pulses, mean, count.astype(float), sigma)
    return curve_n - curve_n[0], curve


def measured_shape(data: Layout, fit: Fit) -> Shape:
    """The `measured` law of the mean cell, in relative states of the fit."""
    found = {p: _direction(data, fit, p) for p in data.directions}
    for polarity in (0, 1):
        if polarity not in found:  # the mirror image, between the same ends
            pulses, states = found[1 - polarity]
            found[polarity] = pulses, states + (1 - states[0] - states[-1])
    (up_n, up), (down_n, down) = found[0], found[1]
    low = min(up[0], 1 - down[-1])
    high = max(up[-1], 1 - down[0])
    span = high - low
    curves = {
        "up_uS": (up - low) / span,
        "down_uS": (1 - down - low) / span,
        "up_pulses": up_n,
        "down_pulses": down_n,
    }
    return Shape("measured", curves=tuple((k, tuple(map(float, v))) for k, v in curves.items()))
