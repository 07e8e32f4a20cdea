"""From a device file to integers: `compile_device` makes the image that every macro runs on.

State codes are conductances: code 0 is 0 S.  The nominal Gmax is put as high as the spread allows: where a
cell with the highest Gmin and the widest range of the 256 quantiles still ends at the largest code.  So no
cell is cut at the top; a wide spread costs resolution instead (a range spread of 5 % puts Gmax at 87 % of
full scale, 40 % at about half).

Tables are rounded once, at their end, from double precision; only exp and log of the platform stand between
the file and the integers, and `CompileReport.digest` shows whether two platforms agree.
"""

from dataclasses import dataclass, replace
from math import floor, log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from model.device.effects.labels import label_bank
from model.device.effects.quantiles import NORMAL
from model.device.laws import Floats, steps
from spec.device_file import DeviceSpec, NonIdealities
from spec.device_image import (
    GAIN_FRACTION_BITS,
    NODES,
    QUANTILES,
    REL_BITS,
    SCALE_FRACTION_BITS,
    SECTIONS,
    STEP_FRACTION_BITS,
    DeviceImage,
)
from spec.effects import DeviceEffects, effects_of
from spec.errors import InputError
from spec.numerics import MASK32, mix32, table_digest

READ_FRACTION_BITS = 4
LEAST_FACTOR = 0.1
"""A cell's step and range are at least this share of the nominal ones."""
LARGEST_FACTOR = 3.0
"""And a normally distributed step at most this."""

_HIGH = {section.name: section.high for section in SECTIONS}


@dataclass(frozen=True)
class CompileReport:
    """What became of a device on its way to integers."""

    gmin_code: int
    """State code of the nominal Gmin."""
    gmax_code: int
    uS_per_code: float
    """Conductance of one state code, in microsiemens."""
    digest: str
    """Digest of the image's words: the same on every platform."""
    warnings: tuple[str, ...]
    """What was clipped or is coarse, one line each."""


def _step_factors(nonideal: NonIdealities) -> Floats:
    """256 quantiles of a cell's step factor, mean 1: normal, clipped, or log-normal of the same sigma."""
    if nonideal.step_distribution == "lognormal":
        variance = log(1.0 + nonideal.step_sigma**2)
        return np.exp(sqrt(variance) * NORMAL - variance / 2)
    return np.clip(1.0 + nonideal.step_sigma * NORMAL, LEAST_FACTOR, LARGEST_FACTOR)


def _range_factors(nonideal: NonIdealities) -> Floats:
    return np.maximum(1.0 + nonideal.range_sigma * NORMAL, LEAST_FACTOR)


def _low_factors(nonideal: NonIdealities) -> Floats:
    return np.maximum(1.0 + nonideal.low_sigma * NORMAL, 0.0)


def nominal_codes(spec: DeviceSpec, nonideal: NonIdealities, state_bits: int) -> tuple[int, int]:
    """State codes of the nominal Gmin and Gmax; the choice is told in the module's text."""
    share = spec.g_min_share
    widest = share * _low_factors(nonideal)[-1] + (1.0 - share) * _range_factors(nonideal)[-1]
    gmax = floor(((1 << state_bits) - 1) / widest)
    return round(gmax * share), gmax


def read_power(spec: DeviceSpec, weights: ArrayLike, w_limit: float) -> float:
    """Mean of gp**2 + gm**2 over the pairs that nominally carry `weights`, conductances in units of Gmax.

    `weights` (any shape) are clipped to +-w_limit; a weight raises one device of its pair by |w| / w_limit of
    the range and leaves the other at Gmin.
    """
    x = np.abs(np.clip(weights, -w_limit, w_limit)) / w_limit
    share = spec.g_min_share
    return float(np.mean((share + (1.0 - share) * x) ** 2)) + share**2


def _clipped(values: Floats, name: str, what: str, warnings: list[str]) -> list[int]:
    """Round and clip to a section's range; what is clipped is told."""
    high = _HIGH[name]
    over = int(np.count_nonzero(np.rint(values) > high))
    if over:
        warnings.append(f"{name}: {over} of {len(values)} entries cut, {what}")
    return [int(v) for v in np.clip(np.rint(values), 0, high)]


def _step_tables(spec: DeviceSpec, warnings: list[str]) -> dict[str, list[int]]:
    unit = 1 << (REL_BITS + STEP_FRACTION_BITS)
    up, down = steps(spec, np.linspace(0.0, 1.0, NODES))
    what = "a pulse moves a cell by at most its range"
    return {
        "up_table": _clipped(up * unit, "up_table", what, warnings),
        "down_table": _clipped(down * unit, "down_table", what, warnings),
    }


def _effects(
    spec: DeviceSpec, nonideal: NonIdealities, gmax: int, warnings: list[str]
) -> DeviceEffects | None:
    """What only the golden model has; None where nothing of it is on."""
    if not nonideal.model_only:
        return None
    banks = [_step_tables(of_label, warnings) for of_label in label_bank(spec, nonideal.label_sigma)]
    up, down = (tuple(tuple(bank[name]) for bank in banks) for name in ("up_table", "down_table"))
    return DeviceEffects(effects_of(nonideal), spec.g_max_uS * 1e-6 / gmax, up, down)


def _spread_tables(
    spec: DeviceSpec, nonideal: NonIdealities, state_bits: int, warnings: list[str]
) -> dict[str, list[int]]:
    gmin, gmax = nominal_codes(spec, nonideal, state_bits)
    least = 1 << (state_bits - 5)
    if gmax - gmin < least:
        text = f"on/off ratio {spec.on_off:g} leaves a range of {gmax - gmin} state codes, {least} are needed"
        raise InputError(text, source=spec.name, key="on_off")
    span = np.rint((gmax - gmin) * _range_factors(nonideal))
    narrow = int(np.count_nonzero(span < least))
    if narrow:
        warnings.append(
            f"span: {narrow} of {QUANTILES} entries raised to {least} state codes, the least that works"
        )
    span = np.clip(span, least, (1 << state_bits) - 1)
    factors = _step_factors(nonideal) * (1 << SCALE_FRACTION_BITS)
    scale = _clipped(factors, "scale_up", "a cell's step is at most 16 times the mean", warnings)
    return {
        "scale_up": scale,
        "scale_down": scale,
        "span": [int(s) for s in span],
        "inverse": [round((((1 << REL_BITS) - 1) << state_bits) / int(s)) for s in span],
        "low": _clipped(gmin * _low_factors(nonideal), "low", "above the largest state", warnings),
    }


def _judge(spec: DeviceSpec, gmin: int, gmax: int, warnings: list[str]) -> None:
    mean_step = 1.0 / max(spec.states_up, spec.states_down)
    if (gmax - gmin) * mean_step < 1:
        warnings.append(f"the mean step is {(gmax - gmin) * mean_step:.2f} state codes: pulses act by chance")
    if spec.c2c_kind == "additive" and spec.c2c_sigma > mean_step:
        times = spec.c2c_sigma / mean_step
        warnings.append(
            f"pulse-to-pulse noise is {times:.1f} mean steps: cut off at a rail, it pulls cells inward"
        )


def compile_with_report(
    spec: DeviceSpec,
    nonideal: NonIdealities,
    state_bits: int,
    seed: int,
    read_power: float,
    read_bits: int = 12,
) -> tuple[DeviceImage, CompileReport]:
    """`compile_device`, and what was clipped on the way."""
    if not 8 <= state_bits <= 16:
        raise InputError(f"{state_bits} is outside 8..16", key="state_bits")
    if not 0 <= seed <= MASK32:
        raise InputError(f"{seed} is outside 0..{MASK32}", key="seed")
    warnings: list[str] = []
    gmin, gmax = nominal_codes(spec, nonideal, state_bits)
    additive, relative = (
        spec.c2c_sigma if spec.c2c_kind == kind else 0.0 for kind in ("additive", "relative")
    )
    read_unit = (gmax << READ_FRACTION_BITS) / (1 << (state_bits - min(read_bits, state_bits)))
    image = DeviceImage.from_sections(
        state_bits,
        **_step_tables(spec, warnings),
        **_spread_tables(spec, nonideal, state_bits, warnings),
        noise_add=round(additive * (1 << (REL_BITS + STEP_FRACTION_BITS))),
        noise_rel=round(relative * (1 << SCALE_FRACTION_BITS)),
        stuck_threshold=round(nonideal.stuck * 65536),
        stuck_low=round(nonideal.stuck_low * 256),
        stuck_high=round(nonideal.stuck_high * 256),
        read_noise=round(nonideal.read_sigma * sqrt(read_power) * read_unit),
        # event_key adds the domain to the seed: without this, neighbouring seeds would share streams
        seed=mix32(seed),
        converter_offset=round(spec.converter.offset_spread * read_unit),
        converter_gain=round(spec.converter.gain_spread * (1 << GAIN_FRACTION_BITS)),
    )
    image = replace(image, effects=_effects(spec, nonideal, gmax, warnings))
    _judge(spec, gmin, gmax, warnings)
    report = CompileReport(gmin, gmax, spec.g_max_uS / gmax, table_digest(image.words), tuple(warnings))
    return image, report


def compile_device(
    spec: DeviceSpec,
    nonideal: NonIdealities,
    state_bits: int,
    seed: int,
    read_power: float,
    read_bits: int = 12,
) -> DeviceImage:
    """The image of a device for hardware of `state_bits` states and `read_bits` reads (at most state_bits).

    `nonideal` is what to apply, usually `spec.nonideal`.  `seed`: 0..2**32-1; the image carries mix32(seed).
    `read_power`: mean of gp**2 + gm**2 over the pairs, in units of Gmax (function `read_power`): a column's
    read noise is lumped into sigma * sqrt(sum of x**2) * rms of sqrt(gp**2 + gm**2), in read codes.
    Raises `InputError`.
    """
    return compile_with_report(spec, nonideal, state_bits, seed, read_power, read_bits)[0]
