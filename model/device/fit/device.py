"""The device file of what was fitted."""

from dataclasses import fields

import numpy as np

from model.device.fit.analysis import Analysis, Candidate
from model.device.fit.data import DOWN, UP, Response
from model.device.fit.joint import Fit
from model.device.fit.shapes import COVERED, states_over
from spec.device_file import C2C_LIMITS, CellSpread, DeviceSpec, device_from_dict
from spec.device_law import LAWS

DIGITS = 7
LEAST_SHARE = 1e-4
"""A lowest conductance of less than this share of the highest is within the noise: the share itself is taken."""
_DIRECTION = {
    "neurosim": ("nl_ltp", "nl_ltd"),
    "exponential": ("a_ltp", "a_ltd"),
    "log": ("b_up", "b_down"),
    "measured": ("up_uS", "down_uS"),
}


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def range_of(analysis: Analysis, fit: Fit) -> tuple[float, float]:
    """Gmin and Gmax of the mean cell, uS."""
    low = fit.low + float(fit.cells[:, 0].mean())
    high = low + fit.range * float(np.exp(fit.cells[:, 1]).mean())
    g_min, g_max = (analysis.low_uS + analysis.range_uS * v for v in (low, high))
    return max(g_min, LEAST_SHARE * g_max), g_max


def _law_and_states(analysis: Analysis, chosen: Candidate) -> dict:
    """The tables of law and range; the mean cell's step is the mean of the cells' steps."""
    fit, law = chosen.fit, chosen.law
    g_min, g_max = range_of(analysis, fit)
    if law.kind == "measured":
        values: dict = {"kind": "measured"}
        for key, curve in fit.shape.curves:
            if key.endswith("uS"):
                g = np.maximum(g_min + (g_max - g_min) * np.array(curve), 0.0)
                values[key] = [_round(v) for v in g]
            else:
                values[key] = [_round(v) for v in curve]
        return {"law": values}
    scale = np.exp(fit.cells[:, 2:]).mean(axis=0)
    if fit.mirrored is not None:
        scale[fit.mirrored] = scale[1 - fit.mirrored]
    values = {"kind": law.kind}
    states = []
    for polarity in (UP, DOWN):
        if fit.shape.by_states:
            states.append(int(np.clip(round(fit.states[polarity] / scale[polarity]), 2, 65535)))
        else:
            states.append(states_over(fit.tables[polarity] * scale[polarity], polarity, COVERED))
    for key, value in law.values:
        assert isinstance(value, float)
        if key in ("a_up", "a_down") and not fit.shape.by_states:
            value = float(np.clip(value * scale[DOWN if key == "a_down" else UP], *_limits(law.kind, key)))
        values[key] = _round(value)
    on_off = float(np.clip(g_max / g_min, 1.05, 1e9))
    return {
        "states_up": states[UP],
        "states_down": states[DOWN],
        "g_max_uS": _round(g_max),
        "on_off": _round(on_off),
        "law": values,
    }


def _limits(kind: str, key: str) -> tuple[float, float]:
    return LAWS[kind][key].low, LAWS[kind][key].high


def _nonideal(analysis: Analysis, assumed: list[str]) -> dict:
    """What is known of the spread over cells; the rest keeps its default and is marked as assumed."""
    known: dict[str, float | str] = {}
    if (cells := analysis.cells) is not None:
        known["step_sigma"] = cells.step
        known["step_distribution"] = "lognormal" if cells.lognormal else "normal"
        known |= {k: v for k, v in (("range_sigma", cells.range), ("low_sigma", cells.low)) if v is not None}
        if isinstance(analysis.data, Response):
            stuck = len(analysis.data.stuck)
            known["stuck"] = stuck / (len(analysis.data.cells) + stuck)
    if analysis.read_sigma is not None:
        known["read_sigma"] = analysis.read_sigma
        if not analysis.read_repeated:
            assumed.append("nonideal.read_sigma")
    table: dict[str, float | str] = {}
    for f in fields(CellSpread):
        value = known.get(f.name, f.default)
        if f.name not in known:
            assumed.append(f"nonideal.{f.name}")
        if isinstance(value, float):
            value = _round(min(max(value, f.metadata["low"]), f.metadata["high"]))
        table[f.name] = value  # type: ignore[assignment]
    return table


def device_of_fit(
    analysis: Analysis, chosen: Candidate, *, name: str, source: str, cell: str | None
) -> DeviceSpec:
    """The device of one fitted law.  What the data do not say is the default, or the mirror image, and assumed."""
    assumed = [] if cell else ["cell"]
    tables = _law_and_states(analysis, chosen)
    if (mirrored := chosen.fit.mirrored) is not None:
        way = ("up", "down")[mirrored]
        keys = _DIRECTION.get(chosen.kind)
        names = [keys[mirrored]] if keys else [k for k in tables["law"] if k.endswith(f"_{way}")]
        assumed += [f"law.{k}" for k in names]
        assumed += [k for k in (f"states_{way}",) if k in tables]
    pulse = analysis.pulse
    if pulse is None:
        assumed += ["c2c.kind", "c2c.sigma"]
        c2c = {"kind": "additive", "sigma": 0.0}
    else:
        span = analysis.pulse_range / chosen.fit.range if pulse.kind == "additive" else 1.0
        c2c = {"kind": pulse.kind, "sigma": _round(min(pulse.sigma * span, C2C_LIMITS[pulse.kind]))}
    return device_from_dict(
        {
            "name": name,
            "source": source,
            **tables,
            "cell": cell or "resistive",
            "c2c": c2c,
            "nonideal": _nonideal(analysis, assumed),
            "assumed": assumed,
        },
        source=name,
    )
