"""Data against fit: conductance over pulses, and steps over conductance."""

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from model.device.fit.analysis import Analysis, Candidate
from model.device.fit.data import DOWN, UP, Floats, Jumps
from model.device.laws import nominal_curve, steps
from spec.device_file import DeviceSpec

FORMATS = (".png", ".svg", ".pdf")
MOST_SWEEPS = 40
"""Sweeps that are drawn, of each polarity."""
COLOURS = {UP: "tab:blue", DOWN: "tab:red"}
WAYS = {UP: "potentiation", DOWN: "depression"}


def draw(analysis: Analysis, chosen: Candidate, spec: DeviceSpec, suffix: str) -> bytes:
    """The plot as a file of one of `FORMATS`."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    g_min, g_max = spec.g_max_uS * spec.g_min_share, spec.g_max_uS
    for polarity in (UP, DOWN):
        colour, assumed = COLOURS[polarity], " (mirrored)" if chosen.fit.mirrored == polarity else ""
        curve = g_min + (g_max - g_min) * nominal_curve(spec, polarity)
        left.plot(curve, color=colour, lw=2, label=f"fit, {WAYS[polarity]}{assumed}", zorder=3)
        x = np.linspace(0.0, 1.0, 201)
        step = steps(spec, x)[polarity] * (g_max - g_min)
        right.plot(g_min + (g_max - g_min) * x, step, color=colour, lw=2, zorder=3)
        g, moved = _steps_of(analysis, polarity)
        right.plot(g, moved, ".", color=colour, ms=3, alpha=0.35, rasterized=True)
    if not isinstance(analysis.data, Jumps):
        for polarity in (UP, DOWN):
            sweeps = [s for s in analysis.data.sweeps if s.polarity == polarity][:MOST_SWEEPS]
            for sweep in sweeps:
                left.plot(
                    sweep.pulses, sweep.g, ".", color=COLOURS[polarity], ms=3, alpha=0.35, rasterized=True
                )
    left.set(xlabel="pulses", ylabel="conductance (µS)")
    left.legend()
    right.set(xlabel="conductance before the pulse (µS)", ylabel="step (µS)")
    figure.suptitle(f"{spec.name}: {chosen.kind}, RMSE {100 * chosen.rmse:.2g} % of the range")
    out = BytesIO()
    figure.savefig(out, format=suffix.removeprefix("."), dpi=120)
    return out.getvalue()


def _steps_of(analysis: Analysis, polarity: int) -> tuple[Floats, Floats]:
    """Conductances, and the steps of single pulses from there, uS, positive in the pulse's direction."""
    data = analysis.data
    if isinstance(data, Jumps):
        at = data.polarity == polarity
        return data.g[at], data.step[at]
    sign = -1.0 if polarity == DOWN else 1.0
    parts: list[tuple[Floats, Floats]] = [(np.empty(0), np.empty(0))]
    for sweep in [s for s in data.sweeps if s.polarity == polarity][:MOST_SWEEPS]:
        single = np.diff(sweep.pulses) == 1
        parts.append((sweep.g[:-1][single], sign * np.diff(sweep.g)[single]))
    g, moved = (np.concatenate(a) for a in zip(*parts, strict=True))
    return g, moved
