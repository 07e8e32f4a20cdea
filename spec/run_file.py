"""A run: data, hardware, device, method and seeds in one TOML file, from which the run can be repeated.

    data = "digits"                 a set that ships or is fetched, an .npz file, or a folder of IDX files
    params = "DIGITS"               an instance, a file, or a table [params] (spec/params_file.py)
    device = "EpiRAM"               a preset, a file, or a table [device] (spec/device_file.py)
    rule = "accumulate"
    threshold = "auto"              or a number; "auto" chooses on the validation split
    margin = "auto"                 or a number, in 1/127 of the output range
    seeds = [0]                     each draws its own device, network and sample order
    [nonideal]                      what differs from the device's own
    stuck = 0.05
    [offline]                       the software network
    kind = "noise-aware"

Every key but `data` has a default, which depends on the data set (`default_run`).
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import tomli_w

from spec.device_file import (
    DeviceSpec,
    NonIdealities,
    device_from_dict,
    dump_device,
    load_device,
    nonideal_from_dict,
)
from spec.device_law import choice, number, only
from spec.effects import refuse_model_only
from spec.errors import InputError
from spec.numerics import MASK32
from spec.params import INSTANCES, HwParams
from spec.params_file import from_dict, load, read_toml
from spec.registers import fields_of

AUTO = "auto"
PLAIN, NOISE_AWARE = "plain", "noise-aware"
OFFLINE_KINDS = (PLAIN, NOISE_AWARE)
PLAIN_CLIP = 4.0
"""Sigmas at which the weights of a plain network are clipped: nothing prepared it for more, and less wastes the pairs' range."""
WEIGHT_FILES = (".npz", ".safetensors")
TRAINED = {"first": ("first",), "last": ("last",), "both": ("first", "last")}
"""Fields of the register TRAINED that are set, by what a run calls them."""
BACKWARD = ("copy", "transposed")
"""Sources of the hidden units' errors, by their code in the register BACKWARD."""
ERRORS = ("labels", "codes")
"""What the online epoch follows, by the field TEACHER.on: labels by the margin, or the offline network's hidden codes."""
MOST_DEAD = max((1 << f.bits) - 1 for f, _ in fields_of("TEACHER") if f.name == "dead")
MOST_SEEDS = 1000
MOST_UNITS = 4096
"""Of one further hidden layer."""


def _number(default: Any, low: float, high: float, doc: str):
    return field(default=default, metadata={"low": low, "high": high, "doc": doc})


def _integer(value: object, low: int, high: int, key: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{value!r} is not an integer in {low}..{high}", key=key)


def _check_numbers(settings: object, table: str) -> None:
    for f in fields(settings):  # type: ignore[arg-type]
        if "low" in f.metadata:
            key = f"{table}.{f.name}" if table else f.name
            check = _integer if f.type is int else number
            check(getattr(settings, f.name), f.metadata["low"], f.metadata["high"], key)


@dataclass(frozen=True)
class OfflineSettings:
    """How the software network is trained: Adam on softmax cross-entropy.  Raises `InputError`."""

    kind: str = field(
        default=NOISE_AWARE,
        metadata={"doc": "plain, or noise-aware: Gaussian weight noise in the forward pass, clipped weights"},
    )
    epochs: int = _number(12, 1, 10_000, "epochs")
    batch: int = _number(100, 1, 100_000, "samples of a step")
    learning_rate: float = _number(1e-3, 1e-6, 1.0, "of Adam; times 0.3 and 0.1 at 60 and 85 % of the epochs")
    noise: float = _number(0.3, 0.0, 5.0, "noise-aware: sigma of the noise over that of a layer's weights")
    clip: float = _number(2.5, 0.5, 100.0, "noise-aware: weights are clipped to this many sigmas")
    weights: str = field(
        default="",
        metadata={"doc": "a file of weights that are taken instead: .npz, .safetensors; all seeds the same"},
    )
    hidden: tuple[int, ...] = field(
        default=(),
        metadata={"doc": "units of further hidden layers, digital, from the array's columns up; model only"},
    )
    mean: float = _number(
        0.0, -100.0, 100.0, "with weights: they expect (x - mean) / std of inputs x in 0..1"
    )
    std: float = _number(1.0, 1e-3, 100.0, "see mean")

    def __post_init__(self):
        choice(self.kind, OFFLINE_KINDS, "offline.kind")
        if not isinstance(self.weights, str) or (self.weights and not self.weights.endswith(WEIGHT_FILES)):
            raise InputError(
                f"{self.weights!r} is no {' or '.join(WEIGHT_FILES)} file", key="offline.weights"
            )
        _check_numbers(self, "offline")
        if not isinstance(self.hidden, tuple):
            raise InputError(f"{self.hidden!r} is not a list of 1..{MOST_UNITS}", key="offline.hidden")
        for units in self.hidden:
            _integer(units, 1, MOST_UNITS, "offline.hidden")

    def shapes(self, params: HwParams) -> list[tuple[int, int]]:
        """Rows, the bias among them, and units of each layer, from the inputs to the classes."""
        sizes = [params.inputs, params.columns, *self.hidden, params.classes]
        return [(below + 1, units) for below, units in pairwise(sizes)]


@dataclass(frozen=True)
class RunSpec:
    """One run, everything resolved.  Build one with `load_run` or `default_run`.  Raises `InputError`."""

    data: str
    params: HwParams
    device: DeviceSpec
    nonideal: NonIdealities
    """What applies: the device's own with the run's changes."""
    offline: OfflineSettings = OfflineSettings()
    rule: str = "accumulate"
    threshold: int | str = field(
        default=AUTO, metadata={"doc": "update-memory value that gives a pulse, or auto"}
    )
    margin: float | str = field(
        default=AUTO, metadata={"doc": "margin in 1/127 of the output range, or auto"}
    )
    trained: str = field(
        default="first",
        metadata={"doc": f"layers that train, of an analog upper layer: {', '.join(TRAINED)}"},
    )
    backward: str = field(
        default=BACKWARD[0],
        metadata={
            "doc": f"errors from a digital copy of an analog upper layer or from reads: {', '.join(BACKWARD)}"
        },
    )
    upper_threshold: int | str = field(
        default=AUTO, metadata={"doc": "as threshold, of an analog upper layer, or auto"}
    )
    x_threshold: int = _number(128, 0, 255, "rules counter, manhattan: least input that counts, of 255")
    delta_threshold: int = _number(16, 1, 127, "rules counter, manhattan: least |delta| that counts, of 127")
    clip_sigmas: float | str = field(
        default=AUTO,
        metadata={
            "doc": "weight at a pair's full range, in sigmas of the weights, or auto: offline.clip of a noise-aware network, "
            f"{PLAIN_CLIP:g} of a plain one"
        },
    )
    errors: str = field(
        default=ERRORS[0],
        metadata={
            "doc": "what the online epoch follows: labels, by the margin, or the offline network's hidden codes: "
            + ", ".join(ERRORS)
        },
    )
    dead: int = _number(
        0, 0, MOST_DEAD, "errors = codes: codes by which a column may be off from its own without an error"
    )
    train_samples: int = _number(0, 0, 10**9, "samples of the online epoch; 0: all")
    test_samples: int = _number(0, 0, 10**9, "test samples; 0: all")
    seeds: tuple[int, ...] = field(
        default=(0,), metadata={"doc": "each draws its own device, network, order"}
    )

    def __post_init__(self):
        choice(self.rule, self.params.rules, "rule")
        _check_numbers(self, "")
        self._check_upper()
        for name in ("threshold", "margin", "upper_threshold", "clip_sigmas"):
            value = getattr(self, name)
            if isinstance(value, str) and value != AUTO:
                raise InputError(f'{value!r} is neither a number nor "{AUTO}"', key=name)
        for name in ("threshold", "upper_threshold"):
            if getattr(self, name) != AUTO:
                _integer(getattr(self, name), 1, (1 << 31) - 1, name)
        for name, low, high in (("margin", 0.0, 1000.0), ("clip_sigmas", 0.5, 100.0)):
            if getattr(self, name) != AUTO:
                number(getattr(self, name), low, high, name)
        if not isinstance(self.seeds, tuple) or not 1 <= len(self.seeds) <= MOST_SEEDS:
            raise InputError(f"{self.seeds!r} is not a list of 1..{MOST_SEEDS} integers", key="seeds")
        for seed in self.seeds:
            _integer(seed, 0, MASK32, "seeds")

    @property
    def clip(self) -> float:
        """Weight at a pair's full range, in standard deviations of the weights: what `clip_sigmas` comes to."""
        if self.clip_sigmas != AUTO:
            return float(self.clip_sigmas)
        return self.offline.clip if self.offline.kind == NOISE_AWARE else PLAIN_CLIP

    def _check_upper(self) -> None:
        choice(self.trained, tuple(TRAINED), "trained")
        choice(self.backward, BACKWARD, "backward")
        choice(self.errors, ERRORS, "errors")
        if self.errors == "codes" and not self.params.teacher:
            raise InputError("the hardware follows labels only: its parameter teacher is 0", key="errors")
        if self.errors == "codes" and self.trained != "first":
            raise InputError("there are codes for the first layer only: train that alone", key="errors")
        if self.offline.hidden and self.params.analog_upper:
            raise InputError("an analog upper layer is right above the array: take []", key="offline.hidden")
        if self.trained != "first" and not self.params.analog_upper:
            raise InputError("only an analog upper layer is trained by the hardware", key="trained")
        if self.backward == "transposed" and not self.params.transposed_upper:
            raise InputError("the hardware has no upper array that is read transposed", key="backward")


_SCALARS = ("rule", "threshold", "margin", "trained", "backward", "upper_threshold", "x_threshold", "delta_threshold", "clip_sigmas", "errors", "dead",
            "train_samples", "test_samples")  # fmt: skip
_KEYS = ("data", "params", "device", "nonideal", "offline", *_SCALARS, "seeds")


def default_run(data: str) -> RunSpec:
    """The run that `data` is given when nothing else is said; another set gets that of `mnist` with its size."""
    hardware, device, offline, more = _DEFAULTS.get(data, _DEFAULTS["mnist"])
    spec = load_device(device)
    return RunSpec(data, INSTANCES[hardware], spec, spec.nonideal, offline, **more)


_DEFAULTS: dict[str, tuple[str, str, OfflineSettings, dict]] = {
    "digits": ("DIGITS", "EpiRAM", OfflineSettings(epochs=100, batch=20), {}),
    "mnist": ("MNIST", "EpiRAM", OfflineSettings(epochs=12, batch=100), {}),
    "fashion-mnist": ("MNIST", "EpiRAM", OfflineSettings(epochs=25, batch=100, noise=0.2), {}),
}


def run_from_dict(values: dict, *, source: str = "") -> RunSpec:
    """A run from the tables of its file.  Raises `InputError`, one line, with `source` and the key."""
    try:
        return _run(values, source)
    except InputError as error:
        where = "" if str(error).startswith(source) else source
        raise InputError(str(error), source=where) from None


def _run(values: dict, source: str) -> RunSpec:
    only(values, _KEYS, "")
    if not isinstance(values.get("data"), str):
        raise InputError(f"{values.get('data')!r} is not a text, the data set's name", key="data")
    default = default_run(values["data"])
    changes: dict[str, Any] = {key: values[key] for key in _SCALARS if key in values}
    if "seeds" in values:
        changes["seeds"] = tuple(values["seeds"]) if isinstance(values["seeds"], list) else values["seeds"]
    if "params" in values:
        changes["params"] = _named(values["params"], "params", load, from_dict)
        built_in = changes["params"].rules
        changes.setdefault("rule", default.rule if default.rule in built_in else built_in[0])
    if "device" in values:
        changes["device"] = _named(values["device"], "device", load_device, device_from_dict)
        changes["nonideal"] = changes["device"].nonideal
    if "nonideal" in values:
        table = _table(values, "nonideal")
        own = changes.get("nonideal", default.nonideal)
        nonideal_from_dict(table)  # names an unknown key
        changes["nonideal"] = nonideal_from_dict({f.name: getattr(own, f.name) for f in fields(own)} | table)
    if "offline" in values:
        table = _table(values, "offline")
        only(table, tuple(f.name for f in fields(OfflineSettings)), "offline")
        if isinstance(table.get("hidden"), list):
            table = table | {"hidden": tuple(table["hidden"])}
        changes["offline"] = replace(default.offline, **table)
    return replace(default, **changes)


def _table(values: dict, key: str) -> dict:
    if not isinstance(values[key], dict):
        raise InputError("is not a table", key=key)
    return values[key]


def _named(value: object, key: str, by_name, by_table):
    """A name or path, or an inline table."""
    if isinstance(value, dict):
        return by_table(value, source=key)
    if isinstance(value, str):
        try:
            return by_name(value)
        except InputError as error:
            raise InputError(str(error), key=key) from None
    raise InputError("is neither a text nor a table", key=key)


def load_run(path: str | Path) -> RunSpec:
    """A run file.  Raises `InputError`."""
    return run_from_dict(read_toml(Path(path)), source=str(path))


def refuse_without_model(run: RunSpec, what: str) -> None:
    """Raise `InputError` for a run that only the golden model can do; `what` is what cannot."""
    refuse_model_only(run.nonideal.model_only, what)
    refuse_deeper(run.offline.hidden, what)


def refuse_deeper(hidden: Sequence[object], what: str) -> None:
    """Raise `InputError` if there are further hidden layers; `what` is what does not have them."""
    if hidden:
        text = f"only the golden model has further hidden layers, {what} does not; take [], or `crosstrain train --no-rtl`"
        raise InputError(text, key="offline.hidden")


def dump_run(run: RunSpec) -> str:
    """The run as TOML text that `load_run` reads back to an equal one; hardware and device in full."""
    params = {f.name: getattr(run.params, f.name) for f in fields(run.params)}
    values: dict[str, Any] = {"data": run.data, "seeds": list(run.seeds)}
    values |= {key: getattr(run, key) for key in _SCALARS}
    values["offline"] = {f.name: getattr(run.offline, f.name) for f in fields(run.offline)}
    values["offline"]["hidden"] = list(run.offline.hidden)
    values["nonideal"] = {f.name: getattr(run.nonideal, f.name) for f in fields(run.nonideal)}
    values["params"] = params
    values["device"] = tomllib.loads(dump_device(run.device))
    return tomli_w.dumps(values)
