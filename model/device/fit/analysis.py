"""From measured data to candidates: every law fitted, compared, and the spreads that go with it."""

from dataclasses import dataclass, replace

import numpy as np

from model.device.fit.curve import measured_shape
from model.device.fit.data import Floats, Jumps, Response, clean
from model.device.fit.joint import Filter, Fit, Layout, filter_gain, fit_shape, layout
from model.device.fit.shapes import SHAPES, neurosim_of
from model.device.fit.spread import (
    CellSpread,
    PulseSpread,
    cell_spread,
    pulse_spread,
    read_noise,
    read_noise_of_steps,
)
from model.device.fit.steps import fit_measured, fit_steps, jumps_without_outliers, spreads_of
from spec.device_law import Law
from spec.errors import InputError

ORDER = (
    "linear",
    "neurosim",
    "exponential",
    "log",
    "soft_bounds",
    "linear_step",
    "pow_step",
    "exp_step",
    "measured",
)
"""Laws as they are preferred where the data do not tell them apart."""
REFERENCES = ("exponential", "log", "pow_step")
"""What sweeps are lined up by for a measured curve alone."""
NOT_TOLD_APART = 6.0
"""A law is preferred to a later one unless its AIC is worse by more than this."""
OUTLIER = 5.0
"""Points further off than this many sigmas of the best fit count for no law's residual."""


@dataclass(frozen=True)
class Candidate:
    """One law as fitted."""

    law: Law
    """In relative states if it is `measured`."""
    fit: Fit
    rmse: float
    """Of the points, each predicted from those before it (of the steps, for a table of steps), a share of the range."""
    aic: float
    """Akaike's criterion less the best law's."""

    @property
    def kind(self) -> str:
        return self.law.kind


@dataclass(frozen=True)
class Analysis:
    """All that was found in one set of data."""

    data: Response | Jumps
    """Without outliers and stuck cells."""
    low_uS: float
    range_uS: float
    """Unit of all fits: the range of the data, and its lowest conductance."""
    candidates: tuple[Candidate, ...]
    pulse: PulseSpread | None
    pulse_range: float
    """Range that an additive spread of pulses is a share of, in units of `range_uS`."""
    cells: CellSpread | None
    read_sigma: float | None
    read_repeated: bool
    """Read noise is of repeated readings, not inferred from the steps."""
    notes: tuple[str, ...]

    def choose(self, kind: str | None) -> Candidate:
        """The law asked for, or of those that are as good as the best the first of `ORDER`; never `measured` unasked."""
        if kind is not None:
            found = next((c for c in self.candidates if c.kind == kind), None)
            if found is None:
                raise InputError(f"the data are beyond the range of the law {kind}", key="--law")
            return found
        best = [c for c in self.candidates if c.kind != "measured" and c.aic <= NOT_TOLD_APART]
        return min(best, key=lambda c: ORDER.index(c.kind))


def analyse(
    data: Response | Jumps, kinds: tuple[str, ...] = ORDER, progress=lambda done, total: None
) -> Analysis:
    """Fit the laws `kinds` and estimate the spreads.  `progress` is called with steps done and all steps."""
    if isinstance(data, Jumps):
        return _of_steps(data, kinds, progress)
    return _of_sweeps(clean(data), kinds, progress)


def _families(kinds: tuple[str, ...]) -> tuple[str, ...]:
    wanted = {"exponential" if kind == "neurosim" else kind for kind in kinds}
    return tuple(kind for kind in SHAPES if kind in wanted) or REFERENCES


def _robust(fit: Fit) -> float:
    return float(np.median(np.abs(fit.residuals)))


def _best_sign(fits: list[Fit]) -> Fit:
    return min(fits, key=lambda f: float(np.sum(np.minimum(np.abs(f.residuals), 8 * _robust(f)) ** 2)))


def _of_sweeps(response: Response, kinds, progress) -> Analysis:
    data = layout(response)
    families = _families(kinds)
    total = 2 * len(families) + 2
    first = []
    for done, family in enumerate(families):
        first.append(_best_sign([fit_shape(data, shape) for shape in SHAPES[family]]))
        progress(done + 1, total)
    reference = min(first, key=_robust)
    repeated = read_noise(data)
    read = repeated if repeated is not None else read_noise_of_steps(data, reference)
    follow = _filter(data, reference, pulse_spread(data, reference, read), read)
    fits = []
    for done, fit in enumerate(first):
        fits.append(fit_shape(data, fit.shape, follow, fit))
        progress(len(families) + done + 1, total)
    reference = min(fits, key=_robust)
    if repeated is None:
        read = read_noise_of_steps(data, reference)
    pulse = pulse_spread(data, reference, read)
    cells = cell_spread(data, reference, pulse or PulseSpread("additive", 0.0), read)
    if "measured" in kinds:
        fits.append(fit_shape(data, measured_shape(data, reference), follow))
        points = sum(len(curve) for key, curve in fits[-1].shape.curves if key.endswith("uS"))
        fits[-1] = replace(fits[-1], parameters=points + 2)
    progress(total, total)
    sweep = np.append(np.diff(data.sweep) == 0, False)
    candidates = _compared(fits, sweep, kinds)
    return Analysis(
        response,
        data.low_uS,
        data.range_uS,
        candidates,
        pulse,
        reference.range,
        cells,
        read if repeated is not None or read else None,
        repeated is not None,
        response.notes,
    )


def _filter(data: Layout, fit: Fit, pulse: PulseSpread | None, read: float) -> Filter:
    """The filter that follows a state with this noise."""
    if pulse is None:
        return Filter()
    g = data.low_uS / data.range_uS + data.y
    read_share = read * float(np.sqrt(np.mean(g**2))) / fit.range
    if pulse.kind == "relative":
        return Filter(filter_gain(pulse.sigma * float(fit.tables.mean()), read_share))
    return Filter(filter_gain(pulse.sigma, read_share), pulse.sigma * fit.range)


def _of_steps(jumps: Jumps, kinds, progress) -> Analysis:
    families = _families(kinds)
    total = 2 * len(families) + 1
    first = []
    for done, family in enumerate(families):
        first.append(_best_sign([fit_steps(jumps, shape) for shape in SHAPES[family]]))
        progress(done + 1, total)
    kept = jumps_without_outliers(jumps, min(first, key=_robust))
    fits = first
    if kept is not jumps:
        fits = [fit_steps(kept, fit.shape) for fit in first]
    reference = min(fits, key=_robust)
    pulse, cells = spreads_of(kept, reference)
    if "measured" in kinds:
        fits = [*fits, fit_measured(kept)]
    progress(total, total)
    candidates = _compared(fits, np.zeros(len(kept.g), bool), kinds)
    low, span = float(kept.g.min()), float(np.ptp(kept.g))
    return Analysis(kept, low, span, candidates, pulse, reference.range, cells, None, False, kept.notes)


def _compared(fits: list[Fit], follows: np.ndarray, kinds: tuple[str, ...]) -> tuple[Candidate, ...]:
    """Residuals over the same points, and AIC with as many points as are independent (AR(1), Bartlett)."""
    best = min(fits, key=_robust)
    limit = OUTLIER * 1.4826 * _robust(best)
    keep = np.abs(best.residuals) <= max(limit, 1e-9)
    pairs = np.flatnonzero(follows & keep & np.append(keep[1:], False))
    independent = float(keep.sum())
    r: Floats = best.residuals
    if len(pairs) > 10:
        rho = float(np.clip((r[pairs] * r[pairs + 1]).sum() / (r[pairs] ** 2).sum(), 0.0, 0.99))
        independent *= (1 - rho) / (1 + rho)
    found = []
    for fit in fits:
        rmse = max(float(np.sqrt(np.mean(fit.residuals[keep] ** 2))), 1e-9)
        aic = 2 * independent * np.log(rmse) + 2 * fit.parameters
        laws = [fit.law]
        if fit.shape.kind == "exponential":
            laws = [law for law in (neurosim_of(fit.law), fit.law) if law is not None]
        found += [Candidate(law, fit, rmse, aic) for law in laws if law.kind in kinds]
    if not found:
        return ()
    least = min((c.aic for c in found if c.kind != "measured"), default=found[0].aic)
    found = [replace(c, aic=c.aic - least) for c in found]
    return tuple(sorted(found, key=lambda c: ORDER.index(c.kind)))
