"""Finding set bits: the lowest one alone, and its number."""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.utils import ceil_log2

from hw.numerics import popcount


def lowest(bits: Value) -> Value:
    """Only the lowest set bit; a carry chain, which stays cheap for hundreds of bits."""
    return (bits & -bits)[: len(bits)]


def set_bits(bits: Value, most: int) -> Value:
    """How many bits are set, `most` (3 at most) for more: the terms stay narrow, which is quick."""
    if len(bits) <= 2:
        return popcount(bits)
    half = len(bits) // 2
    count = set_bits(bits[:half], most) + set_bits(bits[half:], most)
    return Mux(count > most, most, count)[:2]


def number(onehot: Value) -> Value:
    """The number of the one set bit."""
    size = len(onehot)
    masks = [sum(1 << k for k in range(size) if k >> bit & 1) for bit in range(max(1, ceil_log2(size)))]
    return Cat((onehot & Const(mask, size)).any() for mask in masks)
