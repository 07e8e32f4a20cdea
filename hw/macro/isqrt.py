"""Square root, one bit per cycle."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Isqrt(wiring.Component):
    """`root` = floor(sqrt(value)), like `spec.numerics.isqrt`.

    value: unsigned, `bits` wide, taken in the cycle of `start`.  `done` is 1 in the last of the `cycles` cycles
    after it; from the next cycle on `root` is there, until the next start.
    """

    def __init__(self, bits: int):
        self.cycles = (bits + 1) // 2
        super().__init__(
            {"start": In(1), "value": In(bits), "done": Out(1), "root": Out(self.cycles)}
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        digits = Signal(2 * self.cycles)
        rest = Signal(self.cycles + 1)  # at most 2 * root
        left = Signal(range(self.cycles + 1))

        # One step of the digit-by-digit method: does the root's next bit fit into what is left of the value?
        partial = Cat(digits[-2:], rest)
        trial = Cat(Const(1, 2), self.root)
        fits = partial >= trial
        with m.If(self.start):
            m.d.sync += [digits.eq(self.value), rest.eq(0), self.root.eq(0), left.eq(self.cycles)]
        with m.Elif(left != 0):
            m.d.sync += [
                left.eq(left - 1),
                digits.eq(digits << 2),
                self.root.eq(Cat(fits, self.root)),
            ]
            with m.If(fits):
                m.d.sync += rest.eq(partial - trial)
            with m.Else():
                m.d.sync += rest.eq(partial)
        m.d.comb += self.done.eq(left == 1)
        return m
