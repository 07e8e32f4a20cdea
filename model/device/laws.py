"""Float physics of one pulse: how far it moves a device, for every law of a device file.

x is the relative state, 0 at Gmin and 1 at Gmax.  A law is one function (spec, x) -> (dx_up, dx_down), both
positive, unclipped: a step that passes a rail is cut there by whoever applies it.  A new law is a function
here, its line in `LAWS`, and its keys in spec/device_law.py.
"""

from collections.abc import Callable
from math import expm1, inf, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spec.device_file import DeviceSpec

Floats = NDArray[np.float64]


def label_of(a: float) -> float:
    """The NeuroSim label's magnitude of a time constant `a`, normalised to the pulses over the range.

    |NL| = 10.1015 (B - a - a ln(B / a)), B = 1 / (1 - exp(-1 / a)): a closed form of our own, which meets the
    published labels (P.-Y. Chen, X. Peng, S. Yu, IEEE TCAD 37(12):3067, 2018) within 5e-5.
    """
    b = -1.0 / expm1(-1.0 / a)
    return 10.1015 * (b - a - a * log(b / a))


def time_constant(label: float) -> float:
    """The inverse of `label_of` by bisection; infinite (linear) for labels below 1e-4."""
    wanted = abs(label)
    if wanted < 1e-4:
        return inf
    low, high = log(1e-3), log(1e5)  # label_of falls from 10.0 to 1.3e-5
    for _ in range(60):
        middle = (low + high) / 2
        if label_of(np.exp(middle)) > wanted:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _towards_saturation(a: float, pulses: int, x: Floats) -> Floats:
    """One pulse along G(P) = B (1 - exp(-P/A)), A = a * pulses: affine in x, r (c - x)."""
    if a == inf:
        return np.full_like(x, 1.0 / pulses)
    return -expm1(-1.0 / (a * pulses)) * (-1.0 / expm1(-1.0 / a) - x)


def _back_from_saturation(a: float, pulses: int, x: Floats) -> Floats:
    """One pulse back along the same curve, from P to P - 1: (c - x) (exp(1/A) - 1)."""
    if a == inf:
        return np.full_like(x, 1.0 / pulses)
    return expm1(1.0 / (a * pulses)) * (-1.0 / expm1(-1.0 / a) - x)


def _exponential_pair(spec: DeviceSpec, x: Floats, a_up: float, a_down: float) -> tuple[Floats, Floats]:
    up = _towards_saturation(a_up, spec.states_up, x)
    if a_down < 0:  # steep first: the mirror image
        return up, _towards_saturation(-a_down, spec.states_down, 1.0 - x)
    return up, _back_from_saturation(a_down, spec.states_down, x)


def linear(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """dx = 1 / states."""
    return np.full_like(x, 1.0 / spec.states_up), np.full_like(x, 1.0 / spec.states_down)


def exponential(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """Chen, Peng, Yu, IEEE TCAD 37(12):3067, 2018, by its time constants:

    G_LTP(P) = B (1 - exp(-P/A)) + Gmin, B = (Gmax - Gmin) / (1 - exp(-Pmax/A)), A = a_ltp * states_up.
    Depression with a negative constant is the mirror image, with a positive one it walks back along G_LTP.
    """
    return _exponential_pair(spec, x, spec.law["a_ltp"], spec.law["a_ltd"])


def neurosim(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """`exponential`, its time constants given as NeuroSim's labels; a label's sign means the same."""
    down = time_constant(spec.law["nl_ltd"])
    sign = -1.0 if spec.law["nl_ltd"] < 0 else 1.0
    return _exponential_pair(spec, x, time_constant(spec.law["nl_ltp"]), sign * down if down < inf else inf)


def _log_step(b: float, pulses: int, x: Floats) -> Floats:
    return np.log(np.exp(b * x) + expm1(b) / pulses) / b - x


def log_law(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """Charge trapping: x(n) = ln(1 + n (e^b - 1) / N) / b, so that exactly one pulse makes x into

    ln(e^(b x) + (e^b - 1) / N) / b.  Depression: b_down negative mirrors it, positive walks back along it.
    """
    b = spec.law["b_down"]
    if b < 0:
        down = _log_step(-b, spec.states_down, 1.0 - x)
    else:
        down = x - np.log(np.maximum(np.exp(b * x) - expm1(b) / spec.states_down, 1.0)) / b
    return _log_step(spec.law["b_up"], spec.states_up, x), down


def soft_bounds(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """dx_up = a_up (1 - x), dx_down = a_down x: IBM aihwkit's SoftBoundsDevice, whose

    dw = dw_min (1 - w / b) on w in -1..1 is this with a = dw_min.
    """
    return spec.law["a_up"] * (1.0 - x), spec.law["a_down"] * x


def linear_step(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """IBM aihwkit's LinearStepDevice: dw_up = dw_min (1 - gamma_up w / w_max), dw_down alike with w_min, so with

    u = 2x - 1: dx_up = a_up (1 - slope_up u), dx_down = a_down (1 + slope_down u).
    """
    law, u = spec.law, 2.0 * x - 1.0
    return law["a_up"] * (1.0 - law["slope_up"] * u), law["a_down"] * (1.0 + law["slope_down"] * u)


def exp_step(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """IBM aihwkit's ExpStepDevice: dw = dw_min (1 +- up_down) max(1 - A exp(+-gamma z), 0), z = 2 a w / range + b.

    z is affine in x, so dx = a max(1 - amp exp(rate x), 0) for each direction: up, amp = A exp(gamma z(0)) and
    rate = gamma (z(1) - z(0)); down, both with -gamma.
    """
    up, down = (
        spec.law[f"a_{way}"]
        * np.maximum(1.0 - spec.law[f"amp_{way}"] * np.exp(spec.law[f"rate_{way}"] * x), 0.0)
        for way in ("up", "down")
    )
    return up, down


def pow_step(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """dx_up = a_up (1 - x)^pow_up, dx_down = a_down x^pow_down: IBM aihwkit's PowStepDevice, after S. Fusi and

    L. Abbott, Nat. Neurosci. 10:485, 2007, whose distance to a bound is a share of the range, as here.
    """
    x = np.clip(x, 0.0, 1.0)
    return spec.law["a_up"] * (1.0 - x) ** spec.law["pow_up"], spec.law["a_down"] * x ** spec.law["pow_down"]


def _curve_step(pulses: Floats, states: Floats, x: Floats) -> Floats:
    """One pulse further along a rising curve; past either end, the step at that end."""
    x = np.clip(x, states[0], states[-1])
    after = np.interp(x, states, pulses) + 1.0
    last_slope = (states[-1] - states[-2]) / (pulses[-1] - pulses[-2])
    return np.interp(after, pulses, states) + np.maximum(after - pulses[-1], 0.0) * last_slope - x


def measured(spec: DeviceSpec, x: Floats) -> tuple[Floats, Floats]:
    """One pulse further along the measured curve from where it passes x, both interpolated linearly."""
    low = spec.g_max_uS * spec.g_min_share
    (up_n, up), (down_n, down) = (map(np.array, spec.law.curve(which)) for which in ("up", "down"))
    x_up, x_down = ((g - low) / (spec.g_max_uS - low) for g in (up, down))
    return _curve_step(up_n, x_up, x), _curve_step(down_n, 1.0 - x_down, 1.0 - x)


LAWS: dict[str, Callable[[DeviceSpec, Floats], tuple[Floats, Floats]]] = {
    "linear": linear,
    "neurosim": neurosim,
    "exponential": exponential,
    "log": log_law,
    "soft_bounds": soft_bounds,
    "linear_step": linear_step,
    "exp_step": exp_step,
    "pow_step": pow_step,
    "measured": measured,
}


def steps(spec: DeviceSpec, x: ArrayLike) -> tuple[Floats, Floats]:
    """Mean step of a pulse at relative states `x` (any shape): (potentiation, depression), both positive."""
    return LAWS[spec.law.kind](spec, np.asarray(x, np.float64))


def nominal_curve(spec: DeviceSpec, polarity: int = 0) -> Floats:
    """Relative state after 0, 1, ... pulses of the mean device: up from 0 (polarity 0), or down from 1."""
    pulses = spec.states_down if polarity else spec.states_up
    curve = np.empty(pulses + 1)
    curve[0] = float(polarity)
    for n in range(pulses):
        step = steps(spec, curve[n])[polarity]
        curve[n + 1] = np.clip(curve[n] + (-step if polarity else step), 0.0, 1.0)
    return curve


def pulses_to_reach(spec: DeviceSpec, x: ArrayLike) -> NDArray[np.int64]:
    """Open-loop transfer: pulses from the erased state after which the nominal curve is nearest to `x`.

    `x`: relative states, any shape, clipped to 0..1.  Returns counts, 0..states_up, in the same shape.
    """
    curve = nominal_curve(spec)
    midpoints = (curve[1:] + curve[:-1]) / 2
    return np.searchsorted(midpoints, np.clip(x, 0.0, 1.0), side="left")
