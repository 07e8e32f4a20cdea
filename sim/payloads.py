"""Payload values as one word, by the layouts of the RTL: no width or position is written a second time.

A value is an int for a plain shape, a list for an array, a dict for a struct, nested as the layout is.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, overload

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data


class Words(Sequence[int]):
    """Words in bulk: `rows` is uint8[words, bytes of a word], the lowest byte first.  An item is an int."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows

    @classmethod
    def of(cls, values: np.ndarray, bits: int) -> "Words":
        """One word for each integer of a vector, two's complement."""
        values = np.asarray(values, np.int64) & ((1 << bits) - 1)
        return cls(values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : (bits + 7) // 8])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> "Words": ...
    def __getitem__(self, index: int | slice) -> "int | Words":
        if isinstance(index, slice):
            return Words(self.rows[index])
        return int.from_bytes(self.rows[index].tobytes(), "little")

    def __iter__(self) -> Iterator[int]:
        return (int.from_bytes(row.tobytes(), "little") for row in self.rows)

    def tobytes(self) -> bytes:
        """All words, one after the other."""
        return self.rows.tobytes()


def pack(shape: Any, value: Any) -> int:
    """The bits of `value`.  Raises ValueError where it does not fit, KeyError or IndexError for a missing member."""
    return _packer(shape)(value)


def unpack(shape: Any, bits: int) -> Any:
    """The value whose bits are `bits`: the inverse of `pack`."""
    return _unpacker(shape)(bits)


@cache
def _packer(shape: Any) -> Callable[[Any], int]:
    if isinstance(shape, data.Layout):
        members = [(key, _packer(field.shape), field.offset) for key, field in shape]
        return lambda value: sum(inner(value[key]) << offset for key, inner, offset in members)
    shape = Shape.cast(shape)
    mask, low = (1 << shape.width) - 1, -(1 << shape.width - 1) if shape.signed else 0

    def number(value: int) -> int:
        if not low <= value <= low + mask:
            raise ValueError(f"{value} does not fit {shape!r}")
        return int(value) & mask

    return number


@cache
def _unpacker(shape: Any) -> Callable[[int], Any]:
    if isinstance(shape, data.Layout):
        members = [(key, _unpacker(field.shape), field.offset) for key, field in shape]
        if isinstance(shape, data.ArrayLayout):
            return lambda bits: [inner(bits >> offset) for _, inner, offset in members]
        return lambda bits: {key: inner(bits >> offset) for key, inner, offset in members}
    shape = Shape.cast(shape)
    mask, sign = (1 << shape.width) - 1, 1 << shape.width - 1 if shape.signed else 0
    return lambda bits: ((bits & mask) ^ sign) - sign


def difference(expected: Any, got: Any, path: str = "") -> str | None:
    """The first member in which two values of one layout differ, as "path: expected x, got y"; None if equal."""
    if isinstance(expected, dict | list):
        members = expected.items() if isinstance(expected, dict) else enumerate(expected)
        for key, member in members:
            inner = f"{path}.{key}" if isinstance(expected, dict) else f"{path}[{key}]"
            if found := difference(member, got[key], inner.lstrip(".")):
                return found
        return None
    return None if expected == got else f"{path or 'value'}: expected {expected}, got {got}"
