"""Payload values as one word, by the layouts of the RTL: no width or position is written a second time.

A value is an int for a plain shape, a list for an array, a dict for a struct, nested as the layout is.
"""

from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data


def pack(shape: Any, value: Any) -> int:
    """The bits of `value`.  Raises ValueError where it does not fit, KeyError or IndexError for a missing member."""
    if isinstance(shape, data.Layout):
        return sum(pack(field.shape, value[key]) << field.offset for key, field in shape)
    shape = Shape.cast(shape)
    low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
    if not low <= value < high:
        raise ValueError(f"{value} does not fit {shape!r}")
    return int(value) & ((1 << shape.width) - 1)


def unpack(shape: Any, bits: int) -> Any:
    """The value whose bits are `bits`: the inverse of `pack`."""
    if isinstance(shape, data.Layout):
        members = {key: unpack(field.shape, bits >> field.offset) for key, field in shape}
        return list(members.values()) if isinstance(shape, data.ArrayLayout) else members
    shape = Shape.cast(shape)
    bits &= (1 << shape.width) - 1
    return bits - (1 << shape.width) if shape.signed and bits >> (shape.width - 1) else bits


def difference(expected: Any, got: Any, path: str = "") -> str | None:
    """The first member in which two values of one layout differ, as "path: expected x, got y"; None if equal."""
    if isinstance(expected, dict) or isinstance(expected, list):
        members = expected.items() if isinstance(expected, dict) else enumerate(expected)
        for key, member in members:
            inner = f"{path}.{key}" if isinstance(expected, dict) else f"{path}[{key}]"
            if found := difference(member, got[key], inner.lstrip(".")):
                return found
        return None
    return None if expected == got else f"{path or 'value'}: expected {expected}, got {got}"
