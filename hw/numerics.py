"""Amaranth twins of the rules in spec/numerics.py that need a branch; the others are used from there directly."""

from amaranth.hdl import Array, Const, Mux, Shape, Value, signed
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
    if len(bits) <= 1:
        return bits
    half = len(bits) // 2
    return popcount(bits[:half]) + popcount(bits[half:])


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
