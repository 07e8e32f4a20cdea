"""Spread: of a pulse's step, of readings, and over cells, from what a fitted law leaves over."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.optimize import minimize_scalar

from model.device.fit.data import DOWN, Floats
from model.device.fit.joint import Fit, Layout, refit
from model.device.fit.shapes import NODES

LEAST_STEPS = 20
"""Steps that an estimate of their spread needs."""
RAILS = 0.03
"""Steps that start nearer to an end of the range are cut off there: they are left out if enough others remain."""
CLEARLY = 2.0
"""Log-likelihood by which a spread relative to the step must be better than one of the range."""
CLIP = 4.0
"""Steps further off than this many sigmas are outliers."""
CELLS_FOR_SPREAD = 3
LEAST_LOW = 0.03
"""Below this share of the range, what cells' lowest states differ by is lost in the fit of the rest."""
LOGNORMAL = 0.25
"""Below this spread of the steps the two distributions are not told apart: normal."""


@dataclass(frozen=True)
class PulseSpread:
    """Of one pulse's step."""

    kind: str
    sigma: float
    """A share of the cell's range (additive) or of the mean step (relative)."""


@dataclass(frozen=True)
class CellSpread:
    """Over cells; relative to the mean cell's step, range, and lowest conductance."""

    step: float
    range: float | None
    low: float | None
    lognormal: bool


@dataclass(frozen=True)
class _Steps:
    """Single steps of single pulses between (averaged) readings, in shares of the cell's range."""

    error: Floats
    mean: Floats
    """Step of the mean cell there."""
    power: Floats
    """Of read noise per its relative variance."""
    following: np.ndarray
    """The next entry starts where this one ended."""
    between: Floats
    """Squared conductance of the reading between an entry and the next, in squared ranges."""


def _uS_of(data: Layout, y: Floats) -> Floats:
    return data.low_uS + data.range_uS * y


def read_noise(data: Layout) -> float | None:
    """Relative sigma of repeated readings of one state; None where nothing was read twice."""
    squares, freedom = 0.0, 0
    for k in range(len(data.polarity)):
        part = slice(data.first[k], data.first[k + 1])
        g = _uS_of(data, data.y[part])
        _, back, count = np.unique(data.pulses[part], return_inverse=True, return_counts=True)
        mean = (np.bincount(back, g) / count)[back]
        several = (count > 1)[back] & (mean > 0)
        squares += float(np.sum(((g - mean)[several] / mean[several]) ** 2))
        freedom += int((count[count > 1] - 1).sum())
    return float(np.sqrt(squares / freedom)) if freedom >= LEAST_STEPS else None


def _steps(data: Layout, fit: Fit) -> _Steps:
    tables = fit.tables
    nodes = np.linspace(0.0, 1.0, NODES)
    parts: list[tuple] = []
    for k, polarity in enumerate(data.polarity):
        part = slice(data.first[k], data.first[k + 1])
        cell = fit.cells[data.cell[k] if len(fit.cells) > 1 else 0]
        low, span = fit.low + cell[0], fit.range * np.exp(cell[1])
        pulses, back, count = np.unique(data.pulses[part], return_inverse=True, return_counts=True)
        y = np.bincount(back, data.y[part]) / count
        squared = (_uS_of(data, y) / (data.range_uS * span)) ** 2
        x = (y - low) / span
        mean = np.interp(np.clip(x[:-1], 0, 1), nodes, tables[polarity])
        sign = -1.0 if polarity == DOWN else 1.0
        single = np.diff(pulses) == 1
        inside = (x[:-1] > RAILS) & (x[:-1] < 1 - RAILS)
        error = sign * np.diff(x) - np.exp(cell[3 if polarity == DOWN else 2]) * mean
        power = squared[:-1] / count[:-1] + squared[1:] / count[1:]
        following = np.append(single[1:] & single[:-1], False)
        parts.append((error, mean, power, following, squared[1:] / count[1:], single, inside))
    error, mean, power, following, between, single, inside = map(np.concatenate, zip(*parts, strict=True))
    use = single & inside if (single & inside).sum() >= LEAST_STEPS else single
    following = following & use & np.append(use[1:], False)
    keep = np.flatnonzero(use)
    return _Steps(error[keep], mean[keep], power[keep], following[keep], between[keep])


def read_noise_of_steps(data: Layout, fit: Fit) -> float:
    """Relative sigma of readings by the steps alone: a reading that is too high makes the step before it too large

    and the one after it too small.  0 where that is not seen clearly (two standard errors).
    """
    s = _steps(data, fit)
    at = np.flatnonzero(s.following)
    if len(at) < LEAST_STEPS:
        return 0.0
    product, power = -_clip(s.error)[at] * _clip(s.error)[at + 1], s.between[at]
    value = float((product * power).sum() / (power**2).sum())
    error = float(np.sqrt(((product - value * power) ** 2 * power**2).sum()) / (power**2).sum())
    return float(np.sqrt(value)) if value > 2 * error else 0.0


def _clip(values: Floats) -> Floats:
    limit = CLIP * 1.4826 * np.median(np.abs(values - np.median(values)))
    return np.clip(values, -limit, limit)


def pulse_spread(data: Layout, fit: Fit, read_sigma: float) -> PulseSpread | None:
    """The kind and sigma that make the steps most likely, read noise given; None with too few single steps."""
    s = _steps(data, fit)
    if len(s.error) < LEAST_STEPS:
        return None
    keep = usual(s.error, s.mean)
    error, mean, other = s.error[keep], s.mean[keep], read_sigma**2 * s.power[keep]
    found = {
        "additive": most_likely_sigma(error, np.ones_like(mean), other),
        "relative": most_likely_sigma(error, mean, other),
    }
    kind = "relative" if found["relative"][1] < found["additive"][1] - CLEARLY else "additive"
    return PulseSpread(kind, found[kind][0])


def usual(error: Floats, mean: Floats) -> NDArray[np.bool_]:
    """Which errors are no outliers, by the scatter of those of similar mean steps."""
    order = np.argsort(mean, kind="stable")
    window = min(len(mean), max(31, len(mean) // 10))
    scatter = np.empty_like(error)
    scatter[order] = 1.4826 * median_filter(np.abs(error[order]), window, mode="nearest")
    return np.abs(error) <= CLIP * scatter + 1e-12


def most_likely_sigma(error: Floats, unit: Floats, other: Floats) -> tuple[float, float]:
    """Sigma of Gaussian errors of variance (sigma unit)^2 + other, and the negative log-likelihood."""
    unit = np.maximum(unit, 1e-9)

    def cost(log_sigma: float) -> float:
        variance = np.exp(2 * log_sigma) * unit**2 + other + 1e-14
        return 0.5 * float(np.sum(np.log(variance) + error**2 / variance))

    best = minimize_scalar(cost, bounds=(np.log(1e-6), np.log(15.0)), method="bounded")
    sigma = float(np.exp(best.x))
    return (0.0 if sigma < 1e-5 else sigma), float(best.fun)


def _simulated(data: Layout, fit: Fit, pulse: PulseSpread, read_sigma: float, seed: int) -> Layout:
    """What was measured, of equal cells with this spread of pulses and readings."""
    rng = np.random.default_rng(seed)
    tables = fit.tables
    nodes = np.linspace(0.0, 1.0, NODES)
    y = np.empty(len(data.y))
    for k, polarity in enumerate(data.polarity):
        part = slice(data.first[k], data.first[k + 1])
        pulses = data.pulses[part]
        walk = np.empty(int(pulses[-1]) + 1)
        walk[0], sign = fit.starts[k], -1.0 if polarity == DOWN else 1.0
        noise = pulse.sigma * rng.standard_normal(len(walk))
        for n in range(len(walk) - 1):
            step = np.interp(walk[n], nodes, tables[polarity])
            step += noise[n] * (step if pulse.kind == "relative" else 1.0)
            walk[n + 1] = min(max(walk[n] + sign * step, 0.0), 1.0)
        y[part] = fit.low + fit.range * walk[pulses]
    y += read_sigma * _uS_of(data, y) / data.range_uS * rng.standard_normal(len(y))
    return replace(data, y=y)


def cell_spread(data: Layout, fit: Fit, pulse: PulseSpread, read_sigma: float) -> CellSpread | None:
    """Spread over cells; what equal cells would seem to differ by, for noise, is taken off.  None with few cells."""
    if len(data.cells) < CELLS_FOR_SPREAD:
        return None
    sigma = max(1.4826 * float(np.median(np.abs(fit.residuals))), 1e-4)
    apparent = refit(_simulated(data, fit, pulse, read_sigma, 1), fit, sigma).cells

    def own(values: Floats, noise: Floats) -> float:
        return float(np.sqrt(max(values.var(ddof=1) - noise.var(ddof=1), 0.0)))

    ways = [2 + p for p in data.directions]
    logs = fit.cells[:, ways]
    step = np.exp(logs - logs.mean(0))
    noise = np.exp(apparent[:, ways] - apparent[:, ways].mean(0))
    low_uS = data.low_uS + data.range_uS * fit.low
    low = None
    if low_uS > LEAST_LOW * data.range_uS:
        low = own(fit.cells[:, 0], apparent[:, 0]) * data.range_uS / low_uS
    spans, off = np.exp(fit.cells[:, 1]), np.exp(apparent[:, 1])
    sigma, lognormal = spread_of_steps(step, noise.var(axis=0, ddof=1))
    return CellSpread(sigma, own(spans / spans.mean(), off), low, lognormal)


def spread_of_steps(step: Floats, noise: Floats) -> tuple[float, bool]:
    """Relative spread of step factors, float[cells, directions], less what is noise; whether they are log-normal."""
    relative = step / step.mean(axis=0)
    sigma = float(np.sqrt(np.mean(np.maximum(relative.var(axis=0, ddof=1) - np.mean(noise, axis=0), 0.0))))
    flat = relative.ravel()
    logs = np.log(flat)  # whichever distribution makes these factors more likely
    lognormal = len(flat) * np.log(max(logs.std(), 1e-9)) + logs.sum() < len(flat) * np.log(
        max(flat.std(), 1e-9)
    )
    return sigma, bool(lognormal and sigma > LOGNORMAL)
