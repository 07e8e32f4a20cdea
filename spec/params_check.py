"""Which hardware is legal."""

from dataclasses import fields
from math import ceil
from typing import TYPE_CHECKING

from spec.choices import ADC_KINDS, ENCODINGS, MOST_SIDE, MOST_TILES, RULES, UPPER_LAYERS
from spec.errors import InputError

if TYPE_CHECKING:
    from spec.params import HwParams


def check(p: "HwParams") -> None:
    """Raise `InputError` for the first value or relation of the parameters that is not legal."""
    for f in fields(p):
        if "low" in f.metadata:
            _check_range(f.name, getattr(p, f.name), f.metadata["low"], f.metadata["high"])
    _check_names(p, "rules", RULES)
    _check_names(p, "encodings", ENCODINGS)
    if list(p.encodings) != sorted(p.encodings, key=ENCODINGS.index):
        raise InputError(f"are not in the order {', '.join(ENCODINGS)}", key="encodings")
    if p.adc_kind not in ADC_KINDS:
        raise InputError(f"{p.adc_kind!r} is not one of {', '.join(ADC_KINDS)}", key="adc_kind")
    for lanes, total in (
        ("adc_channels", "columns"),
        ("adc_channels", "macro_columns"),
        ("update_columns", "columns"),
        ("macro_lanes", "columns"),
        ("read_bits", "state_bits"),
        ("guard_min_cycles", "watchdog_cycles"),
        ("pulse_max_cycles", "watchdog_cycles"),
    ):
        if getattr(p, lanes) > getattr(p, total):
            raise InputError(f"{getattr(p, lanes)} is more than {total} ({getattr(p, total)})", key=lanes)
    if p.update_columns % p.bank_columns:
        text = f"{p.bank_columns} does not divide update_columns ({p.update_columns})"
        raise InputError(text, key="bank_columns")
    _check_grid(p)
    _check_upper(p)
    _check_compact(p)


def _check_grid(p: "HwParams") -> None:
    for key, total, tiles in (
        ("macro_rows", p.rows, p.grid_rows),
        ("macro_columns", p.columns, p.grid_columns),
    ):
        if tiles > MOST_TILES:
            least = ceil(total / MOST_TILES)
            raise InputError(
                f"{getattr(p, key)} makes {tiles} macros of {total} {key[6:]}, {MOST_TILES} at most: "
                f"{least} or more",
                key=key,
            )
    if p.grid_rows > 1 and p.macro_rows % p.dac_load_lanes:
        raise InputError(
            f"{p.macro_rows} is no multiple of dac_load_lanes ({p.dac_load_lanes}): "
            "a word of codes goes to one row of macros",
            key="macro_rows",
        )


def _check_upper(p: "HwParams") -> None:
    if p.upper_layer not in UPPER_LAYERS:
        raise InputError(f"{p.upper_layer!r} is not one of {', '.join(UPPER_LAYERS)}", key="upper_layer")
    if p.reads_transposed and p.converter_errors:
        raise InputError(
            "converter errors are not there for an array that is read transposed", key="transposed"
        )
    if p.upper_layer == "analog":
        for key, most in (
            ("columns", MOST_SIDE - 1),
            ("adc_bits", 9),
            ("adc_channels", 64),
            ("logit_bits", 10),
        ):
            if getattr(p, key) > most:
                text = f"{getattr(p, key)} is more than {most}, the most with an analog upper layer"
                raise InputError(text, key=key)
        if p.grid_columns > 1:
            text = "hidden codes of several columns of macros are not in the order of an analog upper layer's rows"
            raise InputError(text, key="macro_columns")


def _check_compact(p: "HwParams") -> None:
    """Compact hardware has one of each: what it leaves out, and what its words have in common."""
    if not p.compact:
        return
    for key, only in (
        ("rules", ("counter",)),
        ("encodings", ENCODINGS[:1]),
        ("adc_kind", "sar"),
        ("upper_layer", "digital"),
        ("verify", 0),
        ("calibration", 0),
        ("transposed", 0),
        ("macros", 1),
        ("bank_columns", p.update_columns),
        ("adc_channels", p.update_columns),
    ):
        if getattr(p, key) != only:
            raise InputError(f"compact hardware has {key} {only!r} only", key="compact")
    if p.update_columns & (p.update_columns - 1):
        raise InputError(
            f"{p.update_columns} is not a power of two, as compact hardware has it", key="update_columns"
        )


def _check_names(p: "HwParams", key: str, known: tuple[str, ...]) -> None:
    names = getattr(p, key)
    if not isinstance(names, tuple) or not names or any(name not in known for name in names):
        raise InputError(f"{names!r} is not a non-empty list of {', '.join(known)}", key=key)
    if len(set(names)) != len(names):
        raise InputError("a name is there twice", key=key)


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{value!r} is not an integer ({low}..{high})", key=name)
    if not low <= value <= high:
        raise InputError(f"{value} is outside {low}..{high}", key=name)
