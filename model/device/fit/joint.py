"""Fits a law to sweeps: one shape for all cells, and for each cell its range, lowest state and steps, at once.

The residuals are those of all points, in units of their spread, and weak priors on what a cell may differ by, which
decide where the data cannot (equal steps of an unknown range: a smaller range or smaller steps?).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, least_squares
from scipy.sparse import coo_matrix
from threadpoolctl import threadpool_limits

from model.device.fit.data import DOWN, UP, Floats, Response
from model.device.fit.shapes import Parameter, Shape, walk_all
from spec.device_law import Law

PRIORS = {"low": 0.1, "range": 0.15, "up": 0.5, "down": 0.5}
"""What a cell may differ by from the mean: lowest state and range in units of the data's range, steps as logarithms."""
_PRIORS = np.array(list(PRIORS.values()))
CLOSE, LOOSE = 0.05, 0.3
"""What a sweep's first state may differ by from its end of the range: nothing came before it; a sweep did."""
RANGE_PRIOR, BOUNDS_PRIOR = 0.02, 0.5
"""What a law's range may differ by from the data's, as a logarithm: one that neither ends at its bounds nor counts its
pulses, and one whose bounds may lie beyond the data."""
FOLLOWED = 4.0
"""Sigmas of a difference that the prediction follows at most: outliers do not lead it away."""
STEP = 1e-6
"""Of finite differences."""
DENSE = 5e7
"""Multiplications of a dense decomposition up to which it is quicker than iterations with a sparse matrix."""
SOFT = 2.0
"""Residuals beyond this many sigmas count less and less (soft L1)."""


@dataclass(frozen=True)
class Layout:
    """All points in one row, and to which sweep and cell they belong."""

    cells: tuple[str, ...]
    cell: np.ndarray
    """Cell of each sweep."""
    polarity: np.ndarray
    first: np.ndarray
    """First point of each sweep, and the end."""
    sweep: np.ndarray
    """Sweep of each point."""
    pulses: np.ndarray
    y: Floats
    """Conductances in units of the data's range, 0 at its lowest."""
    low_uS: float
    range_uS: float
    longest: tuple[int, int]
    loose: np.ndarray
    """Sweeps that another one comes before."""

    @property
    def directions(self) -> tuple[int, ...]:
        return tuple(p for p in (UP, DOWN) if self.longest[p])


def _ends(response: Response) -> tuple[float, float]:
    """Lowest and highest mean conductance of the cells, uS, from monotone curves through the sweeps."""
    lows, highs = [], []
    for sweep in response.sweeps:
        curve = isotonic_regression(sweep.g, increasing=sweep.polarity == UP).x
        lows.append(min(curve[0], curve[-1]))
        highs.append(max(curve[0], curve[-1]))
    return float(np.mean(lows)), float(np.mean(highs))


def layout(response: Response) -> Layout:
    """The points of a response in one row."""
    sweeps, cells = response.sweeps, response.cells
    low, high = _ends(response)
    sizes = [len(s.g) for s in sweeps]
    g = np.concatenate([s.g for s in sweeps])
    seen: set[str] = set()
    loose = []
    for sweep in sweeps:
        loose.append(sweep.cell in seen)
        seen.add(sweep.cell)
    return Layout(
        cells,
        np.array([cells.index(s.cell) for s in sweeps]),
        np.array([s.polarity for s in sweeps]),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.repeat(np.arange(len(sweeps)), sizes),
        np.concatenate([s.pulses for s in sweeps]),
        (g - low) / max(high - low, 1e-12),
        low,
        max(high - low, 1e-12),
        (response.longest(UP), response.longest(DOWN)),
        np.array(loose),
    )


@dataclass(frozen=True)
class Filter:
    """How a prediction follows the points, and what is known of the noise of pulses."""

    gain: float = 0.0
    noise: float = 0.0
    """Sigma of additive noise of a pulse, in units of the data's range."""


@dataclass(frozen=True)
class Fit:
    """One law on all sweeps."""

    shape: Shape
    up: Floats
    down: Floats
    """Inner values of the shape's parameters."""
    low: float
    range: float
    """Of the mean cell, in units of the data's range."""
    cells: Floats
    """float[cells, 4]: what each cell differs by, as in `PRIORS`; its lowest state in units of the data's range."""
    starts: Floats
    """First relative state of each sweep."""
    residuals: Floats
    """Of all points, in units of the data's range."""
    parameters: int
    """Of the law and its range."""
    states: tuple[float, float]
    """Pulses over the range, up and down, of a shape that goes by them."""
    filter: Filter = Filter()
    """That the residuals are of."""
    mirrored: int | None = None
    """The direction of which nothing was measured."""

    @property
    def law(self) -> Law:
        return self.shape.law(self.up, self.down)

    @property
    def tables(self) -> Floats:
        """Steps of the cell with no differences, float[2, NODES]."""
        return self.shape.tables(self.up, self.down, self.states)


class _Problem:
    """Residuals of one shape over its parameter vector: shape, low, log range, cells, starts."""

    def __init__(self, data: Layout, shape: Shape, sigma: float, filter: Filter):
        self.data, self.shape, self.sigma, self.filter = data, shape, sigma, filter
        self.sizes = [len(shape.parameters(p)) if p in data.directions else 0 for p in (UP, DOWN)]
        self.shared = sum(self.sizes) + 2
        self.many = len(data.cells) > 1
        self.ways = np.array([True, True, *(p in data.directions for p in (UP, DOWN))])
        self.per_cell = len(data.cells) * 4 if self.many else 0
        own = RANGE_PRIOR if not shape.by_states else 0.0
        self.range_prior = BOUNDS_PRIOR if shape.bounded else own
        self.tight = np.where(
            data.loose, LOOSE, LOOSE if shape.bounded and len(data.directions) == 1 else CLOSE
        )
        self.states = (
            float(data.longest[UP] or data.longest[DOWN]),
            float(data.longest[DOWN] or data.longest[UP]),
        )

    def split(self, p: Floats) -> tuple[Floats, Floats, float, float, Floats, Floats]:
        a, b = self.sizes
        up, down = p[:a], p[a : a + b]
        if UP not in self.data.directions:
            up = self.shape.mirrored(DOWN, down)
        if DOWN not in self.data.directions:
            down = self.shape.mirrored(UP, up)
        cells = p[self.shared : self.shared + self.per_cell].reshape(-1, 4)
        cells = cells if self.many else np.zeros((1, 4))
        return up, down, p[a + b], np.exp(p[a + b + 1]), cells, p[self.shared + self.per_cell :]

    def model(self, p: Floats) -> Floats:
        """Conductances of all points, as predicted from the points before."""
        d = self.data
        up, down, low, span, cells, starts = self.split(p)
        tables = self.shape.tables(up, down, self.states)
        scale = np.exp(np.where(d.polarity == DOWN, cells[d.cell, 3], cells[d.cell, 2]))
        cell = d.cell[d.sweep]
        lows, spans = (low + cells[:, 0])[cell], (span * np.exp(cells[:, 1]))[cell]
        x, limit = np.empty(len(d.y)), FOLLOWED * self.sigma / span
        seen = (d.y - lows) / spans
        gain, noise = self.filter.gain, self.filter.noise / span
        walk_all(tables, d.polarity, d.first, starts, scale, d.pulses, seen, gain, limit, noise, x)
        return lows + spans * x

    def residuals(self, p: Floats) -> Floats:
        _, _, _, span, cells, starts = self.split(p)
        parts = [(self.model(p) - self.data.y) / self.sigma]
        parts.append((starts - self.data.polarity) / self.tight)
        if self.many:
            units = np.array([1.0, span, 1.0, 1.0])
            parts.append((cells * units / _PRIORS).ravel())
        if self.range_prior:
            parts.append(np.array([np.log(span) / self.range_prior]))
        return np.concatenate(parts)

    def jacobian(self, p: Floats):
        """Of the residuals, dense or, where that is large, sparse.

        Finite differences of the model: what cells and sweeps have of their own changes for all of them at once.
        """
        d, points, starts = self.data, len(self.data.y), len(self.data.polarity)
        base, row = self.model(p), np.arange(points)
        own = self.shared + self.per_cell
        _, high = self.bounds(len(p))
        rows, columns, values = [], [], []

        def differ(places, steps, column) -> None:
            q = p.copy()
            q[places] += steps
            sizes = np.broadcast_to(steps, (len(column),)) if np.ndim(steps) == 0 else steps[column - own]
            rows.append(row)
            columns.append(column)
            values.append((self.model(q) - base) / sizes / self.sigma)

        for k in range(self.shared):
            differ(k, -STEP if p[k] + STEP >= high[k] else STEP, np.full(points, k))
        for j in range(4 if self.many else 0):
            differ(np.arange(self.shared + j, own, 4), STEP, self.shared + j + 4 * d.cell[d.sweep])
        inward = np.where(d.polarity == DOWN, -STEP, STEP)
        differ(np.arange(own, own + starts), inward, own + d.sweep)
        rows.append(points + np.arange(starts))
        columns.append(own + np.arange(starts))
        values.append(1.0 / self.tight)
        at = points + starts
        if self.many:
            _, _, _, span, cells, _ = self.split(p)
            units = np.tile(np.array([1.0, span, 1.0, 1.0]) / _PRIORS, len(cells))
            rows += [at + np.arange(self.per_cell), at + np.arange(1, self.per_cell, 4)]
            columns += [self.shared + np.arange(self.per_cell), np.full(len(cells), self.shared - 1)]
            values += [units, cells[:, 1] * span / _PRIORS[1]]
            at += self.per_cell
        if self.range_prior:
            rows.append(np.array([at]))
            columns.append(np.array([self.shared - 1]))
            values.append(np.array([1.0 / self.range_prior]))
            at += 1
        parts = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        matrix = coo_matrix(parts, shape=(at, len(p))).tocsr()
        return matrix if at * len(p) ** 2 > DENSE else matrix.toarray()

    def bounds(self, size: int) -> tuple[Floats, Floats]:
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        keys = [q for p, n in zip((UP, DOWN), self.sizes, strict=True) for q in self.shape.parameters(p)[:n]]
        for k, q in enumerate(keys):
            low[k], high[k] = q.inner(q.low), q.inner(q.high)
        return low, high

    def start(self, up: Floats, down: Floats) -> Floats:
        inner = np.concatenate([v for v, n in zip((up, down), self.sizes, strict=True) if n] or [np.empty(0)])
        rest = np.zeros(2 + self.per_cell)
        return np.concatenate([inner, rest, np.where(self.data.polarity == DOWN, 0.95, 0.05)])


def _first_guess(data: Layout, shape: Shape, polarity: int) -> Floats:
    """Shape of one direction alone, all cells as one: range and lowest state by linear regression at each step."""
    parameters = shape.parameters(polarity)
    if not parameters or polarity not in data.directions:
        return np.array([p.inner(p.starts[0]) for p in parameters])
    at = np.flatnonzero(data.polarity[data.sweep] == polarity)
    pulses, back = np.unique(data.pulses[at], return_inverse=True)
    count = np.bincount(back)
    y = np.bincount(back, data.y[at]) / count
    weight = np.sqrt(count / count.max())
    states = float(data.longest[polarity])
    bounds = np.array([[p.inner(p.low), p.inner(p.high)] for p in parameters]).T
    anchor = float(polarity)

    def off(inner: Floats) -> Floats:
        both = (inner, inner)
        tables = shape.tables(*both, (states, states))
        x = np.empty(len(y))
        one = np.array([polarity])
        walk_all(
            tables, one, np.array([0, len(y)]), np.array([anchor]), np.ones(1), pulses, x, 0.0, 0.0, 0.0, x
        )
        if not shape.bounded:
            return (x - y) * weight
        base = np.stack([np.ones_like(x), x], axis=1) * weight[:, None]
        return base @ np.linalg.lstsq(base, y * weight, rcond=None)[0] - y * weight

    starts = [np.clip(guess, bounds[0] + 1e-6, bounds[1] - 1e-6) for guess in grid(parameters)]
    starts.sort(key=lambda guess: float(np.abs(off(guess)).sum()))
    found = [
        least_squares(off, start, bounds=tuple(bounds), loss="soft_l1", f_scale=0.05, max_nfev=40)
        for start in starts[:3]
    ]
    return min(found, key=lambda each: each.cost).x


def grid(parameters: tuple[Parameter, ...]) -> Floats:
    """All combinations of the parameters' starts, inner values, float[combinations, parameters]."""
    return (
        np.array(np.meshgrid(*[[p.inner(v) for v in p.starts] for p in parameters]))
        .reshape(len(parameters), -1)
        .T
    )


def fit_shape(data: Layout, shape: Shape, follow: Filter = Filter(), begin: Fit | None = None) -> Fit:
    """Fit one family of curves to all sweeps, from the values of another fit of it if there is one.

    Without `follow`, to the conductances as curves.  With it, each point is predicted from the ones before it, which
    is right where noise of the pulses adds up.
    """
    up, down = (_first_guess(data, shape, p) for p in (UP, DOWN)) if begin is None else (begin.up, begin.down)
    sigma = 0.05
    p = _Problem(data, shape, sigma, follow).start(up, down)
    for _ in range(2):  # the spread of the points is known once they are fitted
        problem = _Problem(data, shape, sigma, follow)
        p = _solve(problem, p)
        sigma = max(1.4826 * float(np.median(np.abs(problem.model(p) - data.y))), 1e-5)
    return _fit_of(problem, p)


def filter_gain(pulse_sigma: float, read_sigma: float) -> float:
    """Steady gain of the Kalman filter of a state that moves by pulse noise and is read with read noise (variances

    Q and R): K^2 / (1 - K) = Q / R.
    """
    q = (pulse_sigma / max(read_sigma, 1e-6)) ** 2
    return float((np.sqrt(q * q + 4 * q) - q) / 2) if q < 1e6 else 1.0


def _solve(problem: _Problem, p: Floats) -> Floats:
    low, high = problem.bounds(len(p))
    p = np.clip(p, low + 1e-9, high - 1e-9)
    with threadpool_limits(limits=1):  # short vectors: threads would only wait for each other
        found = least_squares(
            problem.residuals,
            p,
            bounds=(low, high),
            loss="soft_l1",
            f_scale=SOFT,
            jac=problem.jacobian,
            x_scale="jac",
            max_nfev=40,
            ftol=1e-6,
            xtol=1e-7,
        )
    return found.x


def _fit_of(problem: _Problem, p: Floats) -> Fit:
    data = problem.data
    up, down, low, span, cells, starts = problem.split(p)
    missing = [q for q in (UP, DOWN) if q not in data.directions]
    return Fit(
        problem.shape,
        np.array(up),
        np.array(down),
        float(low),
        float(span),
        cells.copy(),
        np.clip(starts, 0.0, 1.0),
        problem.model(p) - data.y,
        problem.shared,
        problem.states,
        problem.filter,
        missing[0] if missing else None,
    )


def refit(data: Layout, fit: Fit, sigma: float) -> Fit:
    """The same shape on other data of the same layout, its cells anew."""
    problem = _Problem(data, fit.shape, sigma, fit.filter)
    return _fit_of(problem, _solve(problem, problem.start(fit.up, fit.down)))
