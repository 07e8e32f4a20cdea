"""The laws as families of curves: their parameters, ranges and starts, and the curves that they give.

The formulas stay those of `model.device.laws`: a law is tabulated over the range once per set of parameters, and
the pulses walk along the table.
"""

from dataclasses import dataclass
from math import erfc, exp, inf, log, pi, sqrt

import numpy as np

from model.device.fit.data import DOWN, UP, Floats
from model.device.laws import label_of, steps
from model.jit import kernel
from spec.device_file import DeviceSpec
from spec.device_law import Law

NODES = 1025
"""Nodes of the table of steps over the range."""
_X = np.linspace(0.0, 1.0, NODES)
STATES_LIMIT = 65535
COVERED = 0.998
"""Where a law never arrives at its bound, the pulses over the range end at this share of it."""


@kernel
def _beyond(t):
    """Mean of how far a standard normal value lies above t, 0 where it lies below."""
    if t > 5.0:
        return 0.0
    return exp(-t * t / 2) / sqrt(2 * pi) - t * erfc(t / sqrt(2.0)) / 2


@kernel
def walk(table, down, start, scale, pulses, seen, gain, limit, noise, out):
    """Relative states predicted after `pulses` (rising), from `start`; `scale` times the step of the table each.

    Each prediction is then moved towards the state `seen`, by `gain` of the difference, `limit` at most: a filter
    that follows a state which noise of the pulses has moved.  `noise`: its sigma; cut off at a rail, it pulls the
    mean inward.
    """
    x, n = min(max(start, 0.0), 1.0), 0
    last = len(table) - 1
    for i in range(len(pulses)):
        while n < pulses[i]:
            node = min(int(x * last), last - 1)
            part = x * last - node
            step = scale * (table[node] + (table[node + 1] - table[node]) * part)
            x = x - step if down else x + step
            if noise > 0.0:
                x += noise * (_beyond(x / noise) - _beyond((1.0 - x) / noise))
            x = min(max(x, 0.0), 1.0)
            n += 1
        out[i] = x
        if gain > 0.0:
            x = min(max(x + gain * min(max(seen[i] - x, -limit), limit), 0.0), 1.0)


@kernel
def walk_all(tables, polarity, first, start, scale, pulses, seen, gain, limit, noise, out):
    """`walk` for every sweep: sweep k has the points first[k] up to first[k + 1]."""
    for k in range(len(polarity)):
        p = slice(first[k], first[k + 1])
        down = polarity[k] == 1
        walk(tables[polarity[k]], down, start[k], scale[k], pulses[p], seen[p], gain, limit, noise, out[p])


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law in one direction, fitted on a logarithmic scale if `log`."""

    key: str
    low: float
    high: float
    log: bool
    starts: tuple[float, ...]

    def inner(self, value: float) -> float:
        return log(value) if self.log else value

    def outer(self, value: float) -> float:
        return exp(value) if self.log else float(value)


@dataclass(frozen=True)
class Shape:
    """A family of curves: the parameters of each direction, and what the law's file says beside them.

    `bounded`: the step vanishes at the ends of the range, which may lie outside of the data; the other laws run
    from end to end of it.  `sign`: of depression's parameter, where a sign says the way that it takes.
    """

    kind: str
    up: tuple[Parameter, ...] = ()
    down: tuple[Parameter, ...] = ()
    bounded: bool = False
    by_states: bool = True
    """The step depends on the number of pulses over the range and not on a step of the law's own."""
    sign: float = 1.0
    curves: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """Measured curves, in relative states."""

    def parameters(self, polarity: int) -> tuple[Parameter, ...]:
        return self.down if polarity == DOWN else self.up

    def law(self, up: Floats, down: Floats) -> Law:
        """The law with these inner values of its parameters."""
        values: list[tuple[str, float | tuple[float, ...]]] = list(self.curves)
        for parameters, inner, sign in ((self.up, up, 1.0), (self.down, down, self.sign)):
            pairs = zip(parameters, inner, strict=True)
            values += [(p.key, (sign if len(parameters) == 1 else 1.0) * p.outer(v)) for p, v in pairs]
        return Law(self.kind, tuple(values))

    def tables(self, up: Floats, down: Floats, states: tuple[float, float]) -> Floats:
        """Steps over the range, float[2, NODES], up and down, for so many pulses over the range."""
        return np.array(steps(device_of(self.law(up, down), states), _X))

    def mirrored(self, polarity: int, inner: Floats) -> Floats:
        """Inner values for the other direction, of which nothing was measured, as the mirror image of these."""
        if self.kind != "exp_step":
            return np.array(inner)
        step, amplitude, rate = inner  # seen from the other end
        return np.array([step, amplitude * exp(rate), -rate])


def device_of(law: Law, states: tuple[float, float], g_min: float = 0.0, g_max: float = 1.0) -> DeviceSpec:
    """A device with nothing but a law and a range; states need not be whole."""
    on_off = g_max / g_min if g_min > 0 else inf
    return DeviceSpec("", "", law, states[UP], states[DOWN], g_max, on_off)  # type: ignore[arg-type]


def _signed(kind: str, key_up: str, key_down: str, *rest) -> tuple[Shape, ...]:
    """One parameter each way; depression steep first, and back along the potentiation curve."""
    up, down = (Parameter(key_up, *rest),), (Parameter(key_down, *rest),)
    return Shape(kind, up, down, sign=-1.0), Shape(kind, up, down, sign=1.0)


def _steps(extra, key: str, *, least: float = 1e-5) -> tuple[Parameter, ...]:
    return (Parameter(f"a_{key}", least, 0.99, True, (0.003, 0.03, 0.2)), *extra(key))


def _shapes() -> dict[str, tuple[Shape, ...]]:
    constant = (0.01, 1000.0, True, (0.1, 0.5, 3.0))
    exponent = (0.01, 12.0, True, (0.5, 3.0, 6.0))

    def slope(key):
        return (Parameter(f"slope_{key}", -1.0, 1.0, False, (0.0, 0.7)),)

    def power(key):
        return (Parameter(f"pow_{key}", 0.0, 20.0, False, (0.5, 1.5, 4.0)),)

    def exponential_of(key):
        rates = (-6.0, 6.0) if key == "up" else (6.0, -6.0)
        return (
            Parameter(f"amp_{key}", -1e3, 1.0, False, (-1.0, -0.05)),
            Parameter(f"rate_{key}", -30.0, 30.0, False, rates),
        )

    def own(kind, extra, bounded, least=1e-5):
        up, down = (_steps(extra, way, least=least) for way in ("up", "down"))
        return (Shape(kind, up, down, bounded, by_states=False),)

    return {
        "linear": (Shape("linear"),),
        "exponential": _signed("exponential", "a_ltp", "a_ltd", *constant),
        "log": _signed("log", "b_up", "b_down", *exponent),
        "soft_bounds": own("soft_bounds", lambda key: (), True),
        "linear_step": own("linear_step", slope, False),
        "exp_step": own("exp_step", exponential_of, False, 1e-6),
        "pow_step": own("pow_step", power, True),
    }


SHAPES = _shapes()
"""The families of every law but `measured`; `neurosim` is `exponential` with other numbers."""


def neurosim_of(law: Law) -> Law | None:
    """The same curves as an `exponential` law by labels; None beyond the labels' range."""
    labels = [label_of(abs(law[key])) if abs(law[key]) < 999 else 0.0 for key in ("a_ltp", "a_ltd")]
    if max(labels) > 9.0:
        return None
    return Law("neurosim", (("nl_ltp", labels[0]), ("nl_ltd", labels[1] if law["a_ltd"] > 0 else -labels[1])))


def states_over(table: Floats, polarity: int, end: float = 1.0) -> int:
    """Pulses from one end of the range to `end` of the way to the other, 2..65535."""
    states = np.empty(STATES_LIMIT)
    pulses = np.arange(1, STATES_LIMIT + 1)
    walk(table, polarity == DOWN, float(polarity), 1.0, pulses, states, 0.0, 0.0, 0.0, states)
    way = 1.0 - states if polarity == DOWN else states
    return int(np.clip(np.argmax(way >= end) + 1 if way[-1] >= end else STATES_LIMIT, 2, STATES_LIMIT))
