"""A device of ours in the terms of IBM's aihwkit: the name of its class there, and the values of its fields.

There a weight is one cell less a fixed reference, in -1..1 over the nominal range; here it is a pair.  The reference is put at
the state x* where both steps are equal (Tiki-Taka needs it there), or in the middle where there is none: w = 2 (x - x*), so a
step dx is dw = 2 dx.  What aihwkit cannot have is refused by its key; what it has in another form:

- the steps of a cell are of the nominal range, not of its own; they are not cut to 0.1..3 of the mean;
- a log-normal spread of the steps is the same for both directions of a cell;
- where the mean steps differ, aihwkit spreads both directions by the same amount: the root mean square of their relative
  spreads is as here;
- both ends of the range spread, apart from each other, so that the range spreads as here; Gmin's spread, which moves both,
  is that of the reference under soft bounds and is left out elsewhere;
- additive noise of the pulses is in proportion to the cell's own step in that direction, its root mean square over both
  directions of the mean cell is as here.

Formulas: aihwkit 1.2.0, documentation of `aihwkit.simulator.configs.devices`.
"""

from collections.abc import Callable
from math import exp, log, sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from model.device.compile import read_power
from model.device.laws import steps
from spec.device_file import ConverterSpread, DeviceSpec, NonIdealities
from spec.effects import refuse_model_only
from spec.errors import InputError

ANYWHERE = 100.0
"""Half width of the range of stuck cells: the cell's own range is narrower."""
_SMALL = 1e-3
"""Relative noise that carries the additive one of an ExpStepDevice: it adds so much of the step."""


class PeerDevice(NamedTuple):
    """A class of `aihwkit.simulator.configs.devices` and its fields."""

    name: str
    fields: dict[str, Any]

    @property
    def reach(self) -> float:
        """The largest |w| that the nominal cell has in both directions."""
        return min(self.fields["w_max"], -self.fields["w_min"])


def peer_device(device: DeviceSpec, nonideal: NonIdealities) -> PeerDevice:
    """The nominal law with its spreads.  Raises `InputError` with the key of what aihwkit does not have."""
    _check(device, nonideal)
    zero = symmetry_point(device)
    name, law = _LAWS[device.law.kind](device, zero)
    up, down = law.pop("up"), law.pop("down")
    largest = max(up, down)
    typical = sqrt((up**2 + down**2) / 2)
    evened = sqrt(2 / ((largest / up) ** 2 + (largest / down) ** 2))
    spread, share = _step_spread(nonideal.step_distribution, nonideal.step_sigma * evened)
    low = 2 * nonideal.low_sigma * device.g_min_share / (1 - device.g_min_share)
    ends = {"w_max": 2 * (1 - zero), "w_min": -2 * zero}
    dtod = {
        f"{end}_dtod": sqrt(2) * nonideal.range_sigma / abs(value) if value else 0.0
        for end, value in ends.items()
    }
    common = {
        "dw_min": largest / share,
        "up_down": share * (1 - down / up if up >= down else up / down - 1),
        "corrupt_devices_prob": nonideal.stuck,
        "corrupt_devices_range": ANYWHERE,
    }
    noise = _noise(device, name, typical)
    if name == "SoftBoundsReferenceDevice":
        noise |= {"reference_std": low}
    return PeerDevice(name, common | ends | dtod | spread | noise | law)


def read_noise(
    device: DeviceSpec, nonideal: NonIdealities, weights: np.ndarray, limit: float, reach: float
) -> float:
    """Read noise of a weight in aihwkit's units, the same for all of them: that of `compile_device`, lumped by column.

    weights: float[rows, columns], of which `limit` becomes `reach`.
    """
    sigma = nonideal.read_sigma * sqrt(read_power(device, weights, limit))
    return sigma / (1 - device.g_min_share) * reach


def symmetry_point(device: DeviceSpec) -> float:
    """The relative state where both mean steps are equal; 0.5 where there is none or more than one."""

    def excess(x: float) -> float:
        up, down = steps(device, np.array([x]))
        return float(up[0] - down[0])

    if not excess(0.0) > 0 > excess(1.0):
        return 0.5
    return float(brentq(excess, 0.0, 1.0))


def _check(device: DeviceSpec, nonideal: NonIdealities) -> None:
    if device.law.kind not in _LAWS:
        text = f"aihwkit has no {device.law.kind} law; there are {', '.join(_LAWS)}"
        raise InputError(text, source=device.name, key="law.kind")
    if device.law.kind == "pow_step" and device.c2c_kind == "additive" and device.c2c_sigma:
        raise InputError(
            "aihwkit's PowStepDevice has relative noise only", source=device.name, key="c2c.kind"
        )
    if nonideal.stuck and (nonideal.stuck_low or nonideal.stuck_high):
        text = "aihwkit's stuck cells are anywhere in their range: take stuck_low = 0 and stuck_high = 0"
        raise InputError(text, source=device.name, key="nonideal.stuck_low")
    refuse_model_only(nonideal.model_only, "aihwkit")
    if device.converter != ConverterSpread():
        raise InputError("aihwkit's converters do not err", source=device.name, key="converter")


def _step_spread(distribution: str, sigma: float) -> tuple[dict[str, Any], float]:
    """Fields of the spread of the steps, and the mean factor that comes with them; sigma: of the direction whose steps are larger."""
    if distribution == "lognormal":
        variance = log(1 + sigma**2)
        spread = {"dw_min_dtod": sqrt(variance), "dw_min_dtod_log_normal": True, "up_down_dtod": 0.0}
        return spread, exp(variance / 2)
    # gain + r upwards and gain - r downwards: with equal sigmas the directions are independent
    return {"dw_min_dtod": sigma / sqrt(2), "up_down_dtod": sigma / sqrt(2)}, 1.0


def _noise(device: DeviceSpec, name: str, typical: float) -> dict[str, Any]:
    """Fields of the noise from pulse to pulse; typical: root mean square of both steps at the reference, in weights."""
    relative = device.c2c_kind == "relative"
    sigma = device.c2c_sigma if relative else 2 * device.c2c_sigma
    if not sigma:
        return {"dw_min_std": 0.0}
    if name == "ExpStepDevice" and not relative:
        return {"dw_min_std": _SMALL, "dw_min_std_add": sigma / _SMALL}
    found: dict[str, Any] = {"dw_min_std": sigma if relative else sigma / typical}
    if name in ("LinearStepDevice", "SoftBoundsReferenceDevice"):
        found["mult_noise"] = relative
    return found


Mapped = tuple[str, dict[str, Any]]
"""Class and its own fields; "up" and "down" are the steps in weights that dw_min stands for."""


def _linear(device: DeviceSpec, zero: float) -> Mapped:
    return "ConstantStepDevice", {"up": 2 / device.states_up, "down": 2 / device.states_down}


def _soft_bounds(device: DeviceSpec, zero: float) -> Mapped:
    law = device.law
    return "SoftBoundsReferenceDevice", {"up": 2 * law["a_up"] * (1 - zero), "down": 2 * law["a_down"] * zero}


def _affine(device: DeviceSpec, zero: float) -> Mapped:
    """Steps that are affine in the state, from their values at both ends of the range."""
    (up_low, up_high), (down_low, down_high) = (2 * s for s in steps(device, np.array([0.0, 1.0])))
    up, down = (
        low + (high - low) * zero for low, high in ((up_low, up_high), (down_low, down_high))
    )  # at w = 0
    return "LinearStepDevice", {
        "up": float(up), "down": float(down),
        "gamma_up": float(1 - up_high / up), "gamma_down": float(1 - down_low / down),
        "gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0, "allow_increasing": True, "mean_bound_reference": True,
    }  # fmt: skip


def _exp_step(device: DeviceSpec, zero: float) -> Mapped:
    """z = w, as a = 1 and b = 0: amp exp(rate x) is A exp(+-gamma w) with gamma = +-rate / 2, A = amp exp(rate x*)."""
    law = device.law
    found = {"up": 2 * law["a_up"], "down": 2 * law["a_down"], "a": 1.0, "b": 0.0}
    for way, sign in (("up", 1), ("down", -1)):
        found |= {f"gamma_{way}": sign * law[f"rate_{way}"] / 2}
        found |= {f"A_{way}": law[f"amp_{way}"] * exp(law[f"rate_{way}"] * zero)}
    return "ExpStepDevice", found


def _pow_step(device: DeviceSpec, zero: float) -> Mapped:
    law = device.law
    up, down = law["pow_up"], law["pow_down"]
    largest = max(up, down)
    bias = 0.0 if largest == 0 else (1 - down / up if up >= down else up / down - 1)
    exponents = {
        "pow_gamma": largest,
        "pow_up_down": bias,
        "pow_gamma_dtod": 0.0,
        "pow_up_down_dtod": 0.0,
    }
    return "PowStepDevice", {"up": 2 * law["a_up"], "down": 2 * law["a_down"]} | exponents


_LAWS: dict[str, Callable[[DeviceSpec, float], Mapped]] = {
    "linear": _linear,
    "neurosim": _affine,
    "exponential": _affine,
    "soft_bounds": _soft_bounds,
    "linear_step": _affine,
    "exp_step": _exp_step,
    "pow_step": _pow_step,
}
