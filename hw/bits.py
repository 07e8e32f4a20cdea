"""Finding set bits: the lowest one alone, and its number."""

from amaranth.hdl import Cat, Const, Value
from amaranth.utils import ceil_log2


def lowest(bits: Value) -> Value:
    """Only the lowest set bit; a carry chain, which stays cheap for hundreds of bits."""
    return (bits & -bits)[: len(bits)]


def number(onehot: Value) -> Value:
    """The number of the one set bit."""
    size = len(onehot)
    masks = [sum(1 << k for k in range(size) if k >> bit & 1) for bit in range(max(1, ceil_log2(size)))]
    return Cat((onehot & Const(mask, size)).any() for mask in masks)
