"""What the kernels need of the effects: `Effects` of one macro, `JoinedEffects` of all macros of an array."""

from typing import NamedTuple

import numpy as np

from model.device.effects.inl import code_errors, drive_codes, shapes_of
from model.device.effects.wear import AGE_BITS, lives
from model.device.effects.wires import FRACTION_BITS as ATTENUATION_BITS
from model.device.effects.write import strobe_factors
from model.jit import kernel
from spec.device_image import NODES, DeviceImage
from spec.effects import CHANCE_BITS, HIT_SHIFT, DeviceEffects
from spec.numerics import DOMAIN_TRAITS, cell_index, draw, event_key
from spec.params import HwParams


class Tables(NamedTuple):
    """The same for all macros.  A table that is empty is of an effect that is off."""

    labels: np.ndarray
    """Step tables, int64[2, labels, NODES]: potentiation, depression."""
    drive: np.ndarray
    """What a row gives for its code, in 1/256 of a code: int64[shapes, full scale + 1]."""
    bend: np.ndarray
    """What is added to a column sum, in 1/256 of an LSB, by the code it stands for: int64[shapes, 2 Q + 1]."""
    factors: np.ndarray
    """Factors of a strobe's steps, 12 fraction bits: int64[256]."""
    life: np.ndarray
    """Pulses until a cell no longer moves: int64[256]."""
    loss: int
    """Share of step and range that is lost by then, 16 fraction bits."""
    disturb: int
    """Chance of a half-selected cell to be hit, 20 fraction bits; 0: none."""
    wired: int
    """1: wires have resistance."""


class Effects(NamedTuple):
    """Those of one macro.  Last axis of the cell arrays: 0 is G+, 1 is G-."""

    tables: Tables
    traits: np.ndarray
    """Static draw of each cell, uint32 (rows, columns, 2); its bytes choose drift, retention, life, and labels."""
    attenuation: np.ndarray
    """Share of a cell's conductance that its column sees, 16 fraction bits, int32 (rows, columns, 2)."""
    row_shape: np.ndarray
    """Shape of each row's DAC, int64 (rows)."""
    channel_shape: np.ndarray
    """Shape of each converter, int64 (channels)."""


class JoinedEffects(NamedTuple):
    """Those of all macros, one after the other."""

    tables: Tables
    traits: np.ndarray  # uint32[cells]
    attenuation: np.ndarray  # int32[cells]
    row_shape: np.ndarray  # int64[macros, most rows]
    channel_shape: np.ndarray  # int64[macros, most channels]


@kernel
def macro_effects(joined, k, first, rows, columns):
    """Those of macro k, whose first pair is `first`: views, no copies; None where there are none."""
    if joined is None:
        return None
    end = first + rows * columns
    return Effects(
        joined.tables,
        joined.traits[2 * first : 2 * end].reshape(rows, columns, 2),
        joined.attenuation[2 * first : 2 * end].reshape(rows, columns, 2),
        joined.row_shape[k, :rows],
        joined.channel_shape[k],
    )


@kernel
def _draw_traits(seed, traits):
    rows, columns, _ = traits.shape
    key = event_key(seed, DOMAIN_TRAITS, 0)
    for row in range(rows):
        for column in range(columns):
            for minus in range(2):
                traits[row, column, minus] = draw(key, cell_index(row, column, minus, columns))


def _tables(params: HwParams, effects: DeviceEffects) -> Tables:
    s = effects.settings
    return Tables(
        labels=np.array([effects.up_bank, effects.down_bank], np.int64).reshape(2, -1, NODES),
        drive=drive_codes(s.dac_inl, params.dac_full_scale),
        bend=code_errors(s.adc_inl, params.adc_limit),
        factors=strobe_factors(s.write_sigma),
        life=lives(s.endurance, s.endurance_sigma),
        loss=round(s.endurance_loss * (1 << AGE_BITS)),
        disturb=round(s.disturb * (1 << (CHANCE_BITS + HIT_SHIFT))),
        wired=int(s.wire_ohm > 0),
    )


def new_effects(params: HwParams, image: DeviceImage) -> Effects | None:
    """Those of one macro with its static draws; wires have no resistance yet (`wires.refresh`)."""
    if image.effects is None:
        return None
    shape, seed = (params.rows, params.columns, 2), image.section("seed")[0]
    traits = np.zeros(shape, np.uint32)
    _draw_traits(seed, traits)
    return Effects(
        tables=_tables(params, image.effects),
        traits=traits,
        attenuation=np.full(shape, 1 << ATTENUATION_BITS, np.int32),
        row_shape=shapes_of(seed, params.rows, 0),
        channel_shape=shapes_of(seed, params.adc_channels, 1),
    )


def join(parts: list[Effects | None]) -> JoinedEffects | None:
    """All macros' in flat arrays."""
    found = [part for part in parts if part is not None]
    if not found:
        return None

    def stacked(name: str) -> np.ndarray:
        rows = [getattr(part, name) for part in found]
        most = max(len(row) for row in rows)
        return np.stack([np.pad(row, (0, most - len(row))) for row in rows])

    return JoinedEffects(
        tables=found[0].tables,
        traits=np.concatenate([part.traits.ravel() for part in found]),
        attenuation=np.concatenate([part.attenuation.ravel() for part in found]),
        row_shape=stacked("row_shape"),
        channel_shape=stacked("channel_shape"),
    )
