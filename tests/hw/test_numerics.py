"""The rules of hw/numerics.py in Amaranth's simulator."""

import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator
from amaranth.utils import ceil_log2

from hw.numerics import popcount


def value_of(expression) -> int:
    m, out = Module(), Signal(16)
    m.d.comb += out.eq(expression)
    simulator, seen = Simulator(m), []

    async def look(ctx):
        seen.append(ctx.get(out))

    simulator.add_testbench(look)
    simulator.run()
    return seen[0]


@pytest.mark.parametrize("bits", [1, 2, 3, 13, 64])
def test_popcount_counts_ones(bits):
    for value in (0, 1, (1 << bits) - 1, 0x5A5A_1234_9ABC_DEF1 & ((1 << bits) - 1)):
        assert value_of(popcount(Const(value, bits))) == value.bit_count()


def test_popcount_of_many_bits_stays_narrow():
    assert len(popcount(Signal(256))) == ceil_log2(256) + 1
