"""Items of the stages in numbers: how the transfers of a tap make one, and what one element of it is.

An item of a stage is what the golden model's trace has one array of: the codes of a read, the rows with a pulse.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

from hw.taps import tap_layouts
from spec.params import HwParams

ELEMENTS = (
    "codes", "logits", "deltas", "update", "target", "rival", "prediction", "row", "up", "down", "depress",
)  # fmt: skip
"""Fields of payloads that are looked at, in the order in which an item has them; the others say where an item ends."""
WORD_BITS = 32
"""Masks of the write lines are cut into words of so many bits, the lowest first."""


class Run(NamedTuple):
    """Numbers side by side in a payload."""

    low: int
    """First bit of the first."""
    bits: int
    signed: bool
    length: int
    """How many there are."""


class Form(NamedTuple):
    """How transfers become an item."""

    runs: tuple[Run, ...]
    """Elements of one transfer, in order."""
    last: int
    """Bit of the payload that ends an item; -1: a number of transfers does."""
    skip: int
    """Bit of the payload that says that there is no element in it; -1: there always is."""
    transfers: int
    order: np.ndarray
    """int32[elements of the item]: which of the elements of all its transfers each is; the others are padding."""
    columns: int
    """Of the masks, 0 without any."""

    @property
    def collected(self) -> int:
        """Elements of all transfers of an item."""
        return self.transfers * sum(run.length for run in self.runs)


STROBES = ("strobe", "upper_strobe")
"""Stages of the write lines."""


@cache
def item_forms(params: HwParams) -> dict[str, Form]:
    """The form of each stage, in the order of the stages."""
    return {name: _form(params, name, layout) for name, layout in tap_layouts(params).items()}


def column_order(params: HwParams, grid_rows: int = 1) -> np.ndarray:
    """Where the codes of all columns are in a read's groups of them, those of each row of macros by themselves."""
    p = params
    places = np.arange(p.adc_groups * grid_rows * p.group_channels)
    by_row = places.reshape(p.adc_groups, grid_rows, p.group_channels).transpose(1, 0, 2)
    return by_row.reshape(grid_rows, -1)[:, p.column_places].ravel()


def _form(p: HwParams, stage: str, layout: data.Layout) -> Form:
    members = dict(iter(layout))
    runs = tuple(run for name in ELEMENTS if name in members for run in _runs(members[name]))
    transfers, order = 1, np.arange(sum(run.length for run in runs))
    if stage == "codes":
        transfers, order = p.row_words, np.arange(p.rows)
    elif stage == "delta":
        transfers, order = p.update_words, np.arange(p.columns)
    elif "codes" in members:
        transfers, order = p.adc_groups, column_order(p, p.grid_rows if stage == "conversion" else 1)
    ends = _bit(members, "last"), _bit(members, "end")
    columns = Shape.cast(members["up"].shape).width if "up" in members else 0
    return Form(runs, *ends, transfers, order.astype(np.int32), columns)


def _runs(field: data.Field) -> list[Run]:
    """Runs of a field: those of an array, a number, or the words of a mask."""
    if isinstance(field.shape, data.ArrayLayout):
        element = Shape.cast(field.shape.elem_shape)
        return [Run(field.offset, element.width, element.signed, field.shape.length)]
    shape = Shape.cast(field.shape)
    if shape.width <= WORD_BITS:
        return [Run(field.offset, shape.width, shape.signed, 1)]
    whole, rest = divmod(shape.width, WORD_BITS)
    runs = [Run(field.offset, WORD_BITS, False, whole)]
    return runs + ([Run(field.offset + whole * WORD_BITS, rest, False, 1)] if rest else [])


def _bit(members: Mapping, name: str) -> int:
    return members[name].offset if name in members else -1


def mask_words(masks: np.ndarray) -> np.ndarray:
    """Masks uint8[n, columns] of the write lines as words, int32[n, words]."""
    packed = np.packbits(masks.astype(bool), axis=1, bitorder="little")
    padding = -packed.shape[1] % (WORD_BITS // 8)
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, padding)))).view("<i4")


def words_mask(words: np.ndarray, columns: int) -> np.ndarray:
    """The masks again, uint8[n, columns]."""
    octets = np.ascontiguousarray(words, "<i4").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little", count=columns)


def packed(items: np.ndarray, columns: int) -> np.ndarray:
    """Rows of a trace with pulses, int[n, 1 + 2 * columns + rest], with their masks as words."""
    end = 1 + 2 * columns
    parts = (items[:, :1], mask_words(items[:, 1 : 1 + columns]), mask_words(items[:, 1 + columns : end]))
    return np.concatenate([*parts, items[:, end:]], axis=1, dtype=np.int32)


def unpacked(items: np.ndarray, columns: int) -> np.ndarray:
    """What `packed` was given, int32[n, ...]."""
    words = -(-columns // WORD_BITS)
    up, down = (words_mask(items[:, first : first + words], columns) for first in (1, 1 + words))
    return np.concatenate([items[:, :1], up, down, items[:, 1 + 2 * words :]], axis=1, dtype=np.int32)
