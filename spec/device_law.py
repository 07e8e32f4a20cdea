"""The update laws of a device file: their kinds, keys and ranges, and the checks that all tables share."""

from dataclasses import dataclass
from math import isfinite

from spec.errors import InputError

CURVE_LIMIT = 4096
"""Most points of a measured curve."""


@dataclass(frozen=True)
class LawKey:
    """One key of a law's table: its range, or for a curve (a list of numbers) that it may be left out."""

    low: float
    high: float
    doc: str
    curve: bool = False
    optional: bool = False


_LABEL = "nonlinearity label of NeuroSim"
_SIGN = "negative: steep first, the mirror image of potentiation; positive: back along the potentiation curve"

LAWS: dict[str, dict[str, LawKey]] = {
    "linear": {},
    "neurosim": {
        "nl_ltp": LawKey(0.0, 9.0, f"{_LABEL}, potentiation"),
        "nl_ltd": LawKey(-9.0, 9.0, f"{_LABEL}, depression; {_SIGN}"),
    },
    "exponential": {
        "a_ltp": LawKey(0.01, 1000.0, "potentiation's time constant, as a share of states_up"),
        "a_ltd": LawKey(-1000.0, 1000.0, f"depression's, of states_down; {_SIGN}"),
    },
    "log": {
        "b_up": LawKey(0.01, 12.0, "potentiation's exponent"),
        "b_down": LawKey(-12.0, 12.0, f"depression's exponent; {_SIGN}"),
    },
    "soft_bounds": {
        "a_up": LawKey(1e-5, 0.99, "potentiation step at the lowest state, as a share of the range"),
        "a_down": LawKey(1e-5, 0.99, "depression step at the highest state, likewise"),
    },
    "linear_step": {
        "a_up": LawKey(1e-5, 0.99, "potentiation step in the middle of the range, as a share of the range"),
        "a_down": LawKey(1e-5, 0.99, "depression step there, likewise"),
        "slope_up": LawKey(-1.0, 1.0, "share of it that is lost at the highest state, gained at the lowest"),
        "slope_down": LawKey(
            -1.0, 1.0, "share of it that is lost at the lowest state, gained at the highest"
        ),
    },
    "exp_step": {
        "a_up": LawKey(
            1e-6, 0.99, "potentiation step where the exponential has died away, share of the range"
        ),
        "a_down": LawKey(1e-6, 0.99, "depression step there, likewise"),
        "amp_up": LawKey(
            -1e4, 1e4, "potentiation's exponential at the lowest state; negative: steps are larger"
        ),
        "amp_down": LawKey(-1e4, 1e4, "depression's, at the lowest state, likewise"),
        "rate_up": LawKey(-50.0, 50.0, "potentiation's rate over the range"),
        "rate_down": LawKey(-50.0, 50.0, "depression's, likewise"),
    },
    "pow_step": {
        "a_up": LawKey(1e-5, 0.99, "potentiation step at the lowest state, as a share of the range"),
        "a_down": LawKey(1e-5, 0.99, "depression step at the highest state, likewise"),
        "pow_up": LawKey(0.0, 20.0, "potentiation's exponent; 0: equal steps, 1: soft bounds"),
        "pow_down": LawKey(0.0, 20.0, "depression's exponent, likewise"),
    },
    "measured": {
        "up_uS": LawKey(0.0, 1e6, "conductance after each potentiating pulse, rising", curve=True),
        "down_uS": LawKey(0.0, 1e6, "conductance after each depressing pulse, falling", curve=True),
        "up_pulses": LawKey(0.0, 1e6, "pulse numbers of up_uS, else 0, 1, 2, ...", curve=True, optional=True),
        "down_pulses": LawKey(0.0, 1e6, "pulse numbers of down_uS, likewise", curve=True, optional=True),
    },
}
"""Every law and its keys; the formulas are in model/device/laws.py, in a table with the same names."""


def number(value: object, low: float, high: float, key: str) -> float:
    """A finite number in low..high, or `InputError`."""
    if value is None:
        raise InputError(f"is missing (a number in {low:g}..{high:g})", key=key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{value!r} is not a number ({low:g}..{high:g})", key=key)
    if not isfinite(value) or not low <= value <= high:
        raise InputError(f"{value} is outside {low:g}..{high:g}", key=key)
    return float(value)


def choice(value: object, allowed, key: str) -> str:
    """One of `allowed`, or `InputError`."""
    if value is None:
        raise InputError(f"is missing (one of {', '.join(allowed)})", key=key)
    if value not in tuple(allowed):
        raise InputError(f"{value!r} is not one of {', '.join(allowed)}", key=key)
    return str(value)


def only(values: dict, allowed, key: str) -> None:
    """Refuse keys that do not exist; `key` is the table's name."""
    for name in values:
        if name not in allowed:
            where = f"{key}.{name}" if key else name
            raise InputError(f"unknown key; there are {', '.join(allowed) or 'none'}", key=where)


def _curve(values: object, spec: LawKey, key: str) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or not 2 <= len(values) <= CURVE_LIMIT:
        raise InputError(f"a list of 2..{CURVE_LIMIT} numbers is needed", key=key)
    return tuple(number(v, spec.low, spec.high, f"{key}[{i}]") for i, v in enumerate(values))


def _check_monotone(curve: tuple[float, ...], rising: bool, key: str) -> None:
    for i in range(1, len(curve)):
        if (curve[i] > curve[i - 1]) != rising or curve[i] == curve[i - 1]:
            word = "rise" if rising else "fall"
            where = f"from entry {i - 1} ({curve[i - 1]:g}) to entry {i} ({curve[i]:g})"
            raise InputError(f"does not {word} {where}; smooth it first", key=key)


@dataclass(frozen=True)
class Law:
    """The mean step of one pulse: a kind of `LAWS` and its values, read as `law["nl_ltp"]`."""

    kind: str
    values: tuple[tuple[str, float | tuple[float, ...]], ...] = ()

    @classmethod
    def from_dict(cls, table: dict) -> "Law":
        table = dict(table)
        kind = choice(table.pop("kind", None), LAWS, "law.kind")
        keys = LAWS[kind]
        only(table, tuple(keys), "law")
        values: list[tuple[str, float | tuple[float, ...]]] = []
        for name, spec in keys.items():
            key = f"law.{name}"
            if name in table:
                value = table[name]
                checked = _curve(value, spec, key) if spec.curve else number(value, spec.low, spec.high, key)
                values.append((name, checked))
            elif not spec.optional:
                raise InputError(f"is missing (law {kind}): {spec.doc}", key=key)
        law = cls(kind, tuple(values))
        law._check()
        return law

    def _check(self) -> None:
        for name in ("a_ltd", "b_down"):
            if name in self and abs(self[name]) < 0.01:
                raise InputError(f"{self[name]} is too near 0; use the linear law", key=f"law.{name}")
        if self.kind != "measured":
            return
        for name, rising in (("up_uS", True), ("down_uS", False), ("up_pulses", True), ("down_pulses", True)):
            if name in self:
                _check_monotone(self[name], rising, f"law.{name}")
        for numbers, curve in (("up_pulses", "up_uS"), ("down_pulses", "down_uS")):
            if numbers in self and (len(self[numbers]) != len(self[curve]) or self[numbers][0] != 0):
                text = f"must start at 0 and have the {len(self[curve])} entries of {curve}"
                raise InputError(text, key=f"law.{numbers}")

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.values)

    def __getitem__(self, name: str):
        return dict(self.values)[name]

    def curve(self, direction: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Pulse numbers and conductances in uS of a measured law; `direction` is "up" or "down"."""
        points = self[f"{direction}_uS"]
        numbers = f"{direction}_pulses"
        return (self[numbers] if numbers in self else tuple(map(float, range(len(points))))), points
