"""Fits a law to a table of steps: how far one pulse moves a cell, against the conductance that it starts from."""

from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares

from model.device.fit.data import DOWN, UP, Floats, Jumps
from model.device.fit.joint import BOUNDS_PRIOR, Filter, Fit, grid
from model.device.fit.shapes import COVERED, NODES, Parameter, Shape, states_over, walk
from model.device.fit.spread import CellSpread, PulseSpread, most_likely_sigma, spread_of_steps, usual

BINS = 32
"""Most points of a measured step function."""
PER_BIN = 5
CURVE_POINTS = 200
_COUNT = Parameter("states", 2.0, 65535.0, True, (64.0,))
_X = np.linspace(0.0, 1.0, NODES)


def directions_of(jumps: Jumps) -> tuple[int, ...]:
    return tuple(p for p in (UP, DOWN) if (jumps.polarity == p).any())


def fit_steps(jumps: Jumps, shape: Shape) -> Fit:
    """Least squares of all steps at once; the residuals are in shares of the table's range.

    Laws that go by the pulses over the range have their number as a parameter; the range is the table's, but for
    the laws whose steps end at its bounds.
    """
    ways = directions_of(jumps)
    low, span = float(jumps.g.min()), float(np.ptp(jumps.g))
    y, target = (jumps.g - low) / span, jumps.step / span
    sets = {p: shape.parameters(p) + ((_COUNT,) if shape.by_states else ()) for p in ways}
    sizes = [len(sets.get(p, ())) for p in (UP, DOWN)]
    bounds = np.array([[q.inner(q.low), q.inner(q.high)] for p in ways for q in sets[p]]).reshape(-1, 2)
    if shape.bounded:
        bounds = np.vstack([bounds, [[-np.inf, np.inf]] * 2])

    def split(v: Floats):
        own = {UP: v[: sizes[0]], DOWN: v[sizes[0] : sizes[0] + sizes[1]]}
        parts = {p: own[p][: len(shape.parameters(p))] for p in ways}
        counts = {p: float(np.exp(own[p][-1])) if shape.by_states else 2.0 for p in ways}
        for p in (UP, DOWN):
            parts.setdefault(p, shape.mirrored(1 - p, parts.get(1 - p, np.empty(0))))
            counts.setdefault(p, counts.get(1 - p, 2.0))
        below, wide = v[-2:] if shape.bounded else (0.0, 0.0)
        return parts, (counts[UP], counts[DOWN]), float(below), float(np.exp(wide))

    def model(v: Floats) -> Floats:
        parts, counts, below, wide = split(v)
        tables = shape.tables(parts[UP], parts[DOWN], counts)
        x = np.clip((y - below) / wide, 0.0, 1.0)
        return wide * np.where(
            jumps.polarity == DOWN, np.interp(x, _X, tables[DOWN]), np.interp(x, _X, tables[UP])
        )

    scale = max(1.4826 * float(np.median(np.abs(target - np.median(target)))), 1e-6)

    def off(v: Floats) -> Floats:
        prior = v[-2:] / BOUNDS_PRIOR if shape.bounded else np.empty(0)
        return np.append((model(v) - target) / scale, prior)

    guesses = grid(tuple(q for p in ways for q in sets[p]))
    if shape.bounded:
        guesses = np.hstack([guesses, np.zeros((len(guesses), 2))])
    starts = [np.clip(guess, bounds[:, 0] + 1e-6, bounds[:, 1] - 1e-6) for guess in guesses]
    starts.sort(key=lambda start: float(np.abs(off(start)).sum()))
    found = [
        least_squares(off, start, bounds=tuple(bounds.T), loss="soft_l1", f_scale=0.5, max_nfev=60)
        for start in starts[:3]
    ]
    best = min(found, key=lambda each: each.cost)
    parts, counts, below, wide = split(best.x)
    missing = [p for p in (UP, DOWN) if p not in ways]
    return Fit(
        shape, parts[UP], parts[DOWN], below, wide, np.zeros((1, 4)), np.zeros(0), model(best.x) - target,
        len(best.x) + 2 * (not shape.bounded), counts, Filter(1.0), missing[0] if missing else None,
    )  # fmt: skip


def spreads_of(jumps: Jumps, fit: Fit) -> tuple[PulseSpread | None, CellSpread | None]:
    """Spread of the steps of one state, and of the cells' mean steps; None where every state was seen once."""
    span = float(np.ptp(jumps.g))
    target = jumps.step / span
    mean = target + fit.residuals
    cells, of = np.unique(jumps.cell, return_inverse=True)
    ratio, error = np.ones((len(cells), 2)), np.zeros((len(cells), 2))
    left = -fit.residuals.copy()
    for c in range(len(cells)):
        for p in directions_of(jumps):
            at = (of == c) & (jumps.polarity == p)
            if at.sum() >= 2 and len(cells) >= 3:
                power = float((mean[at] ** 2).sum()) or 1.0
                ratio[c, p] = float((target[at] * mean[at]).sum()) / power
                left[at] = target[at] - ratio[c, p] * mean[at]
                error[c, p] = np.sqrt((left[at] ** 2 * mean[at] ** 2).sum()) / power
    seen = len(target) / len({*zip(jumps.polarity, jumps.g, strict=True)})
    pulse = None
    if seen >= 2:
        keep = usual(left, mean)
        found = {
            kind: most_likely_sigma(left[keep] / fit.range, unit[keep] / fit.range, np.zeros(int(keep.sum())))
            for kind, unit in (("additive", np.full(len(left), fit.range)), ("relative", mean))
        }
        kind = min(found, key=lambda k: found[k][1])
        pulse = PulseSpread(kind, found[kind][0])
    if len(cells) < 3:
        return pulse, None
    ways = list(directions_of(jumps))
    sigma, lognormal = spread_of_steps(np.maximum(ratio[:, ways], 1e-3), error[:, ways] ** 2)
    return pulse, CellSpread(sigma, None, None, lognormal)


def measured_steps(jumps: Jumps) -> Shape:
    """The `measured` law of a table of steps: means over neighbouring states, and the curve that they make."""
    low, span = float(jumps.g.min()), float(np.ptp(jumps.g))
    curves: dict[int, tuple[Floats, Floats]] = {}
    for p in directions_of(jumps):
        at = np.flatnonzero(jumps.polarity == p)
        at = at[np.argsort(jumps.g[at])]
        bins = max(2, min(BINS, len(np.unique(jumps.g[at])), len(at) // PER_BIN or len(at)))
        groups = np.array_split(at, bins) if len(at) >= 2 * bins else [np.array([k]) for k in at]
        x = np.array([jumps.g[g].mean() for g in groups])
        step = np.array(
            [np.median(jumps.step[g]) if len(g) < PER_BIN else jumps.step[g].mean() for g in groups]
        )
        table = np.maximum(np.interp(_X, (x - low) / span, step / span), 1e-5)
        last = states_over(table, p, COVERED)
        pulses = np.unique(np.rint(np.linspace(0, last, min(last, CURVE_POINTS) + 1))).astype(int)
        states = np.empty(len(pulses))
        walk(table, p == DOWN, float(p), 1.0, pulses, states, 0.0, 0.0, 0.0, states)
        curves[p] = (pulses.astype(float), states)
    for p in (UP, DOWN):
        if p not in curves:
            pulses, states = curves[1 - p]
            curves[p] = (pulses, 1.0 - states)
    keys = {
        "up_uS": curves[UP][1],
        "down_uS": curves[DOWN][1],
        "up_pulses": curves[UP][0],
        "down_pulses": curves[DOWN][0],
    }
    return Shape("measured", curves=tuple((k, tuple(map(float, v))) for k, v in keys.items()))


def fit_measured(jumps: Jumps) -> Fit:
    """`measured_steps` and what it leaves over."""
    shape = measured_steps(jumps)
    empty = np.empty(0)
    tables = shape.tables(empty, empty, (2.0, 2.0))
    low, span = float(jumps.g.min()), float(np.ptp(jumps.g))
    x = (jumps.g - low) / span
    step = np.where(jumps.polarity == DOWN, np.interp(x, _X, tables[DOWN]), np.interp(x, _X, tables[UP]))
    points = sum(len(curve) for key, curve in shape.curves if key.endswith("uS"))
    missing = [p for p in (UP, DOWN) if p not in directions_of(jumps)]
    return Fit(
        shape, empty, empty, 0.0, 1.0, np.zeros((1, 4)), np.zeros(0), step - jumps.step / span, points, (2.0, 2.0),
        Filter(1.0), missing[0] if missing else None,
    )  # fmt: skip


def jumps_without_outliers(jumps: Jumps, fit: Fit) -> Jumps:
    """Without the steps that are far off a fit."""
    off = np.abs(fit.residuals)
    keep = off <= 6 * 1.4826 * np.median(off) + 1e-9
    if keep.all():
        return jumps
    note = f"{int((~keep).sum())} of {len(keep)} steps are outliers and left out of the fit"
    return replace(
        jumps,
        cell=jumps.cell[keep],
        polarity=jumps.polarity[keep],
        g=jumps.g[keep],
        step=jumps.step[keep],
        notes=(*jumps.notes, note),
    )
