"""A sweep: every combination of some values of a run, each measured once, as one TOML file says it.

    method = "hybrid accumulate"       of `model.study.points`
    split = "test"                     or "validation"
    [base]                             keys of a run file (spec/run_file.py), without seeds
    data = "digits"
    [settings]                         of the method; what is not said is chosen on the validation split
    threshold = 4096
    [axes]
    device = ["EpiRAM", "PCMO"]        a key of [base], of a table within it, or of [settings]
    nonideal.stuck = [0, 0.05, 0.1]
    seed = [0, 1, 2]                   draws devices and the order of the samples
    net = [0, 1]                       draws the offline network
    method = ["open loop", "hybrid accumulate"]

Devices and hardware that are files are read and put into the points, so that a point says all that it depends on.
"""

import copy
import itertools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.data import Dataset, load_data
from model.training.prepare import check_fit
from spec.device_file import dump_device, load_device
from spec.device_law import choice, only
from spec.errors import InputError
from spec.numerics import MASK32
from spec.params_file import read_toml
from spec.run_file import default_run, run_from_dict

SPLITS = ("test", "validation")
REPLICATES = ("net", "seed")
"""Axes of equals, over which a mean is taken."""
DEFAULTS: dict[str, Any] = {
    "method": "hybrid accumulate", "settings": {}, "net": 0, "seed": 0, "split": "test",
}  # fmt: skip

Value = Any
Choice = dict[str, Value]
"""Value of each axis."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Axes in the order of the file, and the points of their product, the last axis fastest."""

    axes: dict[str, list[Value]]
    choices: list[Choice]
    points: list[dict]


def load_sweep(path: Path, check: Callable[[dict], object] = lambda point: None) -> Sweep:
    """A sweep from its file, every point of it checked.

    check: called with each point as well; raises `InputError`.  Raises `InputError`.
    """
    return sweep_from_dict(read_toml(path), check, source=str(path))


def sweep_from_dict(
    values: dict, check: Callable[[dict], object] = lambda point: None, *, source: str = ""
) -> Sweep:
    """A sweep from the tables of its file.  Raises `InputError`."""
    try:
        only(values, ("base", "axes", *DEFAULTS), "")
        for table in ("base", "axes", "settings"):
            if not isinstance(values.get(table, {}), dict):
                raise InputError("is not a table", key=table)
        axes = _axes(values.get("axes", {}))
        start = copy.deepcopy(DEFAULTS | {key: values[key] for key in DEFAULTS if key in values})
        start["run"] = copy.deepcopy(values.get("base", {}))
        if "seeds" in start["run"]:
            raise InputError("a point has one seed: give an axis `seed`", key="base.seeds")
        choices = [dict(zip(axes, picked, strict=True)) for picked in itertools.product(*axes.values())]
        data: dict[str, Dataset] = {}
        points = [_point(start, choice, data, check) for choice in choices]
    except InputError as error:
        raise InputError(str(error), source=source) from None
    return Sweep(axes, choices, points)


def _axes(table: dict, prefix: str = "") -> dict[str, list[Value]]:
    """Axes by dotted names, which TOML may give as tables within tables."""
    axes: dict[str, list[Value]] = {}
    for name, values in table.items():
        key = f"{prefix}{name}"
        if isinstance(values, dict):
            axes |= _axes(values, f"{key}.")
            continue
        if not isinstance(values, list) or not values:
            raise InputError("is not a list of values", key=f"axes.{key}")
        double = next((v for i, v in enumerate(values) if v in values[:i]), None)
        if double is not None:
            raise InputError(f"{double!r} is there twice", key=f"axes.{key}")
        if key == "seeds":
            raise InputError("a point has one seed: call it `seed`", key="axes.seeds")
        axes[key] = values
    return axes


def _point(start: dict, choice: Choice, data: dict[str, Dataset], check: Callable[[dict], object]) -> dict:
    point = copy.deepcopy(start)
    try:
        for axis in sorted(choice, key=lambda name: name.count(".")):  # a whole table before its parts
            place(point, axis, choice[axis])
        _read_files(point["run"])
        _check(point, data)
        check(point)
    except InputError as error:
        raise InputError(str(error), key=_blamed(str(error), choice, point)) from None
    return point


def place(point: dict, axis: str, value: Value) -> None:
    """Put the value of an axis into a point: under its dotted name, of the point itself or of its run.

    Raises `InputError` where there is no such place.
    """
    *tables, name = axis.split(".")
    if (tables or [name])[0] in DEFAULTS:
        table = point
    else:
        table = point["run"]
        _read_files(table, tables[:1])
    for inner in tables:
        table = table.setdefault(inner, {})
        if not isinstance(table, dict):
            raise InputError(f"{inner} is not a table", key=axis)
    table[name] = copy.deepcopy(value)


def _read_files(run: dict, parts: list[str] | None = None) -> None:
    """Hardware and device as tables: where a file is named, and whichever has parts that change."""
    text = {key: run.get(key) for key in ("params", "device")}
    for key, value in text.items():
        named = isinstance(value, str) and Path(value).suffix == ".toml"
        if not named and (key not in (parts or []) or isinstance(value, dict)):
            continue
        if named:
            run[key] = read_toml(Path(str(value)))
            if key == "params":
                run[key].setdefault("name", Path(str(value)).stem)
        else:
            default = default_run(str(run.get("data")))
            name = value or getattr(default, key).name
            run[key] = {"base": name} if key == "params" else tomllib.loads(dump_device(load_device(name)))


def _check(point: dict, data: dict[str, Dataset]) -> None:
    choice(point["split"], SPLITS, "split")
    if not isinstance(point["method"], str):
        raise InputError(f"{point['method']!r} is not a text", key="method")
    for key in REPLICATES:
        value = point[key]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MASK32:
            raise InputError(f"{value!r} is not an integer in 0..{MASK32}", key=key)
    run = run_from_dict(point["run"])
    if run.data not in data:
        data[run.data] = load_data(run.data)
    check_fit(data[run.data], run.params)


def _blamed(error: str, choice: Choice, point: dict) -> str:
    """The axis that an error names, with its value; else where in the file it comes from, or the whole choice."""
    named = [axis for axis in choice if re.search(rf"(^|[: ]){re.escape(axis)}[.:]", error)]
    top = [axis for axis in choice if re.match(rf"{re.escape(axis.split('.')[0])}[.:]", error)]
    key = error.partition(":")[0].partition(".")[0]
    if not (named or top) and key in DEFAULTS:
        return ""
    if not (named or top) and key in point["run"]:
        return "base"
    return ", ".join(f"{axis} = {choice[axis]!r}" for axis in (named or top or choice)) or "base"
