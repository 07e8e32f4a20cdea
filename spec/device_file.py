"""The device file: what is known of one analog memory device, as TOML; and the presets that come along.

    name = "Ag:a-Si"                       shown in reports
    source = "who measured it, where"
    assumed = ["c2c.sigma"]                keys whose value is an assumption, not a measurement
    cell = "resistive"                     or "transistor" (flash, FeFET): how a pulse's energy is counted
    states_up = 97                         pulses over the range, up and down
    states_down = 100
    g_max_uS = 0.0385
    on_off = 12.5                          Gmax / Gmin
    [law]                                  mean step of one pulse: `LAWS` lists the kinds and their keys
    kind = "neurosim"
    nl_ltp = 2.4
    nl_ltd = -4.88
    [c2c]                                  spread of the step from pulse to pulse
    kind = "additive"                      sigma is a share of the range; "relative": of the mean step
    sigma = 0.035
    [pulse]                                optional, see `Pulses`
    [nonideal]                             optional: spread over cells, see `NonIdealities`
    [converter]                            optional: spread over the column converters, see `ConverterSpread`

A "measured" law carries range and pulse numbers itself: states, g_max_uS and on_off are then left out.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from math import inf
from pathlib import Path

import tomli_w

from spec.device_law import LAWS, Law, choice, number, only
from spec.effects import WIRE_SOLVERS, ModelEffects, ranged
from spec.errors import InputError
from spec.params_file import read_toml

CELLS = ("resistive", "transistor")
C2C_LIMITS = {"additive": 0.5, "relative": 15.0}
"""Kinds of spread from pulse to pulse, and the largest sigma of each."""
C2C_KINDS = tuple(C2C_LIMITS)
DISTRIBUTIONS = ("normal", "lognormal")


@dataclass(frozen=True)
class CellSpread:
    """Spread over the cells of an array, and read noise.  All defaults are assumptions.

    A cell's step is the mean step times (1 + step_sigma z), clipped to 0.1..3, or log-normal with mean 1 and
    the same sigma; its range and its Gmin are the nominal ones times (1 + range_sigma z), 0.1 or more, and
    (1 + low_sigma z), 0 or more.  z is drawn per cell, for each of these anew, for potentiation and
    depression apart.
    """

    step_sigma: float = ranged(0.20, 0.0, 2.0, "spread of the step over cells, relative")
    step_distribution: str = field(
        default="normal", metadata={"doc": "normal (clipped to 0.1..3) or lognormal"}
    )
    range_sigma: float = ranged(0.05, 0.0, 1.0, "spread of the range over cells, relative")
    low_sigma: float = ranged(0.05, 0.0, 1.0, "spread of Gmin over cells, relative")
    stuck: float = ranged(0.01, 0.0, 1.0, "share of cells that never move")
    stuck_low: float = ranged(1 / 3, 0.0, 1.0, "share of these held at their lowest state")
    stuck_high: float = ranged(
        1 / 3, 0.0, 1.0, "share of these held at their highest; the rest anywhere between"
    )
    read_sigma: float = ranged(0.02, 0.0, 0.5, "read noise of a cell, relative to its conductance")


@dataclass(frozen=True)
class NonIdealities(ModelEffects, CellSpread):
    """The table [nonideal]: the spread over cells, and what only the golden model has.  Raises `InputError`."""

    def __post_init__(self):
        for f in fields(self):
            if "low" in f.metadata:
                number(getattr(self, f.name), f.metadata["low"], f.metadata["high"], f"nonideal.{f.name}")
        choice(self.step_distribution, DISTRIBUTIONS, "nonideal.step_distribution")
        choice(self.wire_solver, WIRE_SOLVERS, "nonideal.wire_solver")
        if self.stuck_low + self.stuck_high > 1:
            raise InputError("stuck_low and stuck_high add up to more than 1", key="nonideal.stuck_high")

    @classmethod
    def ideal(cls) -> "NonIdealities":
        """No spread, no stuck cell, no read noise, and nothing that only the model has."""
        return cls(step_sigma=0.0, range_sigma=0.0, low_sigma=0.0, stuck=0.0, read_sigma=0.0)


@dataclass(frozen=True)
class ConverterSpread:
    """Static errors of the column converters, drawn for each.  They apply to hardware with `converter_errors`."""

    offset_spread: float = ranged(
        0.0, 0.0, 8.0, "sigma of the offset, in currents of a device at Gmax and full drive"
    )
    gain_spread: float = ranged(0.0, 0.0, 0.25, "sigma of the gain, relative")

    def __post_init__(self):
        for f in fields(self):
            number(getattr(self, f.name), f.metadata["low"], f.metadata["high"], f"converter.{f.name}")


@dataclass(frozen=True)
class Pulses:
    """Voltages and widths, as far as they are known (None: not)."""

    v_ltp_V: float | None = None
    t_ltp_ns: float | None = None
    v_ltd_V: float | None = None
    t_ltd_ns: float | None = None
    v_read_V: float | None = None

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None:
                low, high = (1e-3, 1e12) if f.name.endswith("_ns") else (-100.0, 100.0)
                number(value, low, high, f"pulse.{f.name}")


@dataclass(frozen=True)
class DeviceSpec:
    """One device, as its file says.  Build one with `device_from_dict` or `load_device`."""

    name: str
    source: str
    law: Law
    states_up: int
    """Potentiating pulses over the range (the nominal curve is followed no further)."""
    states_down: int
    g_max_uS: float
    on_off: float
    """Gmax / Gmin; infinite for a measured curve that starts at 0."""
    c2c_kind: str = "additive"
    c2c_sigma: float = 0.0
    cell: str = "resistive"
    assumed: tuple[str, ...] = ()
    pulse: Pulses = Pulses()
    nonideal: NonIdealities = NonIdealities()
    converter: ConverterSpread = ConverterSpread()

    @property
    def g_min_share(self) -> float:
        """Gmin / Gmax."""
        return 1.0 / self.on_off


_TOP = ("name", "source", "assumed", "cell", "states_up", "states_down", "g_max_uS", "on_off")
_TABLES = ("law", "c2c", "pulse", "nonideal", "converter")
_RANGE = ("states_up", "states_down", "g_max_uS", "on_off")


def _text(values: dict, key: str) -> str:
    if key not in values:
        raise InputError("is missing (a text)", key=key)
    if not isinstance(values[key], str) or not values[key].strip():
        raise InputError(f"{values[key]!r} is not a text", key=key)
    return values[key]


def _states(values: dict, key: str) -> int:
    value = values[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 2 <= value <= 65535:
        raise InputError(f"{value!r} is not an integer in 2..65535", key=key)
    return value


def _range_of(values: dict, law: Law) -> dict:
    """The four values that a measured law carries itself and every other law must be given."""
    if law.kind == "measured":
        for key in _RANGE:
            if key in values:
                raise InputError("is given by the measured curves; leave it out", key=key)
        (up_n, up), (down_n, down) = law.curve("up"), law.curve("down")
        low, high = min(up[0], down[-1]), max(up[-1], down[0])
        states = {"states_up": max(2, round(up_n[-1])), "states_down": max(2, round(down_n[-1]))}
        return states | {"g_max_uS": high, "on_off": high / low if low else inf}
    for key in _RANGE:
        if key not in values:
            raise InputError("is missing", key=key)
    return {
        "states_up": _states(values, "states_up"),
        "states_down": _states(values, "states_down"),
        "g_max_uS": number(values["g_max_uS"], 1e-9, 1e6, "g_max_uS"),
        "on_off": number(values["on_off"], 1.05, 1e9, "on_off"),
    }


def _assumed(values: dict) -> tuple[str, ...]:
    names = values.get("assumed", [])
    known = {k for k in values if k not in _TABLES} | {f"{t}.{k}" for t in _TABLES for k in values.get(t, {})}
    for name in names if isinstance(names, list) else [names]:
        if name not in known or not isinstance(names, list):
            raise InputError(f"{name!r} is not a key of this file (a list of keys is needed)", key="assumed")
    return tuple(names)


def _table_of(cls, values: dict, key: str):
    """A dataclass of numbers from a table."""
    only(values, tuple(f.name for f in fields(cls)), key)
    return cls(
        **{k: float(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in values.items()}
    )


def nonideal_from_dict(values: dict, *, source: str = "") -> NonIdealities:
    """`NonIdealities` from a table; what it does not name keeps its default.  Raises `InputError`."""
    try:
        return _table_of(NonIdealities, values, "nonideal")
    except InputError as error:
        raise InputError(str(error), source=source) from None


def device_from_dict(values: dict, *, source: str = "") -> DeviceSpec:
    """A device from the tables of its file.  Raises `InputError`, one line, with `source` and the key."""
    try:
        return _device(values)
    except InputError as error:
        raise InputError(str(error), source=source) from None


def _device(values: dict) -> DeviceSpec:
    only(values, _TOP + _TABLES, "")
    for table in _TABLES:
        if not isinstance(values.get(table, {}), dict):
            raise InputError("is not a table", key=table)
    if "law" not in values:
        raise InputError(f"is missing: a table with kind = {', '.join(LAWS)}", key="law")
    law = Law.from_dict(values["law"])
    c2c = values.get("c2c", {"kind": "additive", "sigma": 0.0})
    only(c2c, ("kind", "sigma"), "c2c")
    c2c_kind = choice(c2c.get("kind"), C2C_KINDS, "c2c.kind")
    return DeviceSpec(
        name=_text(values, "name"),
        source=_text(values, "source"),
        law=law,
        **_range_of(values, law),
        c2c_kind=c2c_kind,
        c2c_sigma=number(c2c.get("sigma"), 0.0, C2C_LIMITS[c2c_kind], "c2c.sigma"),
        cell=choice(values.get("cell", "resistive"), CELLS, "cell"),
        assumed=_assumed(values),
        pulse=_table_of(Pulses, values.get("pulse", {}), "pulse"),
        nonideal=_table_of(NonIdealities, values.get("nonideal", {}), "nonideal"),
        converter=_table_of(ConverterSpread, values.get("converter", {}), "converter"),
    )


def dump_device(spec: DeviceSpec) -> str:
    """The device as TOML text that `load_device` reads back."""
    values: dict = {
        "name": spec.name,
        "source": spec.source,
        "assumed": list(spec.assumed),
        "cell": spec.cell,
    }
    if spec.law.kind != "measured":
        values |= {key: getattr(spec, key) for key in _RANGE}
    law = {k: list(v) if isinstance(v, tuple) else v for k, v in spec.law.values}
    values["law"] = {"kind": spec.law.kind} | law
    values["c2c"] = {"kind": spec.c2c_kind, "sigma": spec.c2c_sigma}
    for key, table in (("pulse", spec.pulse), ("nonideal", spec.nonideal), ("converter", spec.converter)):
        known = {f.name: getattr(table, f.name) for f in fields(table)}
        values[key] = {k: v for k, v in known.items() if v is not None}
    return tomli_w.dumps(values)


@cache
def _presets() -> dict[str, DeviceSpec]:
    """File name without suffix -> device, sorted by it."""
    directory = resources.files("spec") / "presets"
    names = sorted(entry.name for entry in directory.iterdir() if entry.name.endswith(".toml"))
    found = {}
    for name in names:
        with resources.as_file(directory / name) as path:
            found[name.removesuffix(".toml")] = device_from_dict(read_toml(path), source=name)
    return found


def preset_names() -> tuple[str, ...]:
    """Display names of the devices that ship with the project."""
    return tuple(spec.name for spec in _presets().values())


def load_device(name_or_path: str) -> DeviceSpec:
    """A preset by its name or its file's, capitals or not; or a device file.  Raises `InputError`."""
    wanted = str(name_or_path).lower()
    for stem, spec in _presets().items():
        if wanted in (stem, spec.name.lower()):
            return spec
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = ", ".join(preset_names())
        raise InputError(f"unknown device {str(name_or_path)!r}; there are {known}, or give a .toml file")
    return device_from_dict(read_toml(path), source=str(path))
