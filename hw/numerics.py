"""Amaranth twins of the rules in spec/numerics.py that need a branch; the others are used from there directly."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations
from operator import add, or_

from amaranth.hdl import Array, Cat, Const, Mux, Shape, Value, signed
from amaranth.lib import stream
from amaranth.lib.wiring import connect

from spec.numerics import GAUSS, GAUSS_BITS


def saturate(value, low: int, high: int) -> Value:
    """Clip a value to the constants low..high; the result is just wide enough for them."""
    shape = Shape.cast(range(low, high + 1))
    value = Value.cast(value)
    clipped = Mux(value > high, Const(high, shape), value)
    if low > 0 or value.shape().signed:
        clipped = Mux(value < low, Const(low, shape), clipped)
    result = clipped[: shape.width]
    return result.as_signed() if shape.signed else result


def gauss(index) -> Value:
    """The Gaussian table of the spec as a lookup: signed quantile of a `GAUSS_INDEX_BITS`-bit index."""
    return Array([Const(z, signed(GAUSS_BITS)) for z in GAUSS])[index]


def popcount(bits) -> Value:
    """How many bits of a value are 1, by a balanced tree: Python's `sum` would add as many bits of width as terms."""
    bits = Value.cast(bits)
    parts = [bits[first : first + 4] for first in range(0, len(bits), 4)]
    return total([_few(part) for part in parts])


def _few(bits: Value) -> Value:
    """How many of up to four bits are 1, without an adder."""
    several = any_of([one & other for one, other in combinations(bits, 2)]) if len(bits) > 1 else Const(0)
    return (
        Cat(bits.xor(), several & ~bits.all(), bits.all())
        if len(bits) > 3
        else Cat(bits.xor(), several)[: len(bits)]
    )


def any_of(values: Sequence[Value]) -> Value:
    """The bitwise or of some values, as a balanced tree."""
    return _tree(or_, values)


def total(values: Sequence[Value]) -> Value:
    """The sum of some values, as a balanced tree."""
    return _tree(add, values)


def _tree(operator: Callable[[Value, Value], Value], values: Sequence[Value]) -> Value:
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return operator(_tree(operator, values[:half]), _tree(operator, values[half:]))


def within(value, part: slice) -> Value:
    """Whether an unsigned value is in a range of constants; a bound that it cannot pass costs no comparator."""
    value, inside = Value.cast(value), Const(1)
    if part.start:
        inside = value >= part.start
    return inside & (value < part.stop) if part.stop < 1 << len(value) else inside


def link(m, source: stream.Interface, sink: stream.Interface) -> None:
    """Connect two streams whose payload shapes must be *equal* (`connect` alone compares widths only)."""
    if source.payload.shape() != sink.payload.shape():
        raise TypeError(f"payloads differ: {source.payload.shape()!r} and {sink.payload.shape()!r}")
    connect(m, source, sink)


def times(value: Value, number: int) -> Value:
    """A small number times an unsigned value, without a multiplier and without a register."""
    copies = [value << k for k in range(number.bit_length()) if number >> k & 1]
    return reduce(add, copies)
