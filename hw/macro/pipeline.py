"""Feed-forward pipelines written as formulas: values that know their stage.

An operation aligns its operands by delaying the younger ones, so a formula cannot mix data of two items.  Rules of
`spec.numerics` that consist of operators elaborate from their own text: each product ends in a register.
"""

from collections.abc import Callable

from amaranth.hdl import Module, Signal, Value


class Pipeline:
    """A pipeline in `m` that moves in the cycles with `enable` 1.  Its registers have no reset (but see `valid`)."""

    def __init__(self, m: Module, enable: Value):
        self.m = m
        self.enable = enable

    def stage(self, value, depth: int = 0) -> "Staged":
        """A value that appears `depth` cycles after its item came in."""
        return Staged(self, Value.cast(value), depth)

    def valid(self, value) -> "Staged":
        """A flag that enters at stage 0 and is 0 in all stages after reset."""
        return Staged(self, Value.cast(value), 0, reset_less=False)

    def apply(self, function: Callable, *operands) -> "Staged":
        """`function` of the aligned operands; those that are not `Staged` must hold while items are under way."""
        depth = max(operand.depth for operand in operands if isinstance(operand, Staged))
        values = [operand.at(depth) if isinstance(operand, Staged) else operand for operand in operands]
        return self.stage(function(*values), depth)

    def lookup(self, port, address: "Staged") -> "Staged":
        """A read through a synchronous memory port; the output is registered before anything uses it."""
        self.m.d.comb += [port.addr.eq(address.value), port.en.eq(self.enable)]
        return self.stage(port.data, address.depth + 1).reg()


class Staged:
    """A value at stage `depth` of its pipeline."""

    def __init__(self, pipeline: Pipeline, value: Value, depth: int, reset_less: bool = True):
        self.pipeline = pipeline
        self.depth = depth
        self.reset_less = reset_less
        self._at = {depth: value}

    @property
    def value(self) -> Value:
        return self._at[self.depth]

    def at(self, depth: int) -> Value:
        """The value delayed to stage `depth`.  Raises `ValueError` when that is before its own."""
        if depth < self.depth:
            raise ValueError(f"a value of stage {self.depth} is asked for at stage {depth}")
        if depth not in self._at:
            source = self.at(depth - 1)
            register = Signal(source.shape(), name=f"stage{depth}", reset_less=self.reset_less)
            with self.pipeline.m.If(self.pipeline.enable):
                self.pipeline.m.d.sync += register.eq(source)
            self._at[depth] = register
        return self._at[depth]

    def reg(self) -> "Staged":
        """The value one stage later."""
        return self.pipeline.stage(self.at(self.depth + 1), self.depth + 1)

    def __getitem__(self, bits: slice) -> "Staged":
        return self.pipeline.apply(lambda a: a[bits], self)

    def __add__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a + b, self, other)

    def __sub__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a - b, self, other)

    def __xor__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a ^ b, self, other)

    def __rshift__(self, count: int) -> "Staged":
        return self.pipeline.apply(lambda a: a >> count, self)

    def __and__(self, mask: int) -> "Staged":
        if mask & (mask + 1):
            raise ValueError(f"{mask:#x} is not a mask of the low bits")
        return self[: mask.bit_length()]

    def __mul__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a * b, self, other).reg()
