"""Feed-forward pipelines written as formulas: values that know their stage.

An operation aligns its operands by delaying the younger ones, so a formula cannot mix data of two items.  Rules of
`spec.numerics` that consist of operators elaborate from their own text: each product brings its registers along, as
many as an FPGA's multipliers need (before, behind, and between the sums where one is not wide enough).
"""

from collections.abc import Callable

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.memory import Memory

FACTOR_BITS = 18
"""Width of a factor, signed or unsigned, that one multiplier of an FPGA takes."""
WIDE_SUMS = 2
"""Stages of sums behind a product of wider factors: of up to four multipliers."""
LINE_WORDS = 16
"""Words of a delay line: a LUT's bits."""
LUT_MEMORY = {"ram_style": "distributed"}
"""Attributes of a memory that is to be made of LUTs."""
LINE_STAGES = 6
"""A delay of fewer stages is left to registers."""


def signed_digits(number: int) -> list[tuple[int, int]]:
    """A positive number as few powers of two: (sign, exponent) of each, no two of them neighbours."""
    digits, exponent = [], 0
    while number:
        if number & 1:
            sign = 2 - (number & 3)
            digits.append((sign, exponent))
            number -= sign
        number >>= 1
        exponent += 1
    return digits


def factors(value: Value, width: int) -> list[tuple[int, Value]]:
    """Parts of a value that a multiplier takes, each with its place; only the last of a signed value is signed."""
    signed = value.shape().signed
    if len(value) <= (FACTOR_BITS if signed else width):
        return [(0, value)]
    parts = [(k, value[k : k + width]) for k in range(0, len(value), width)]
    if signed:
        place, last = parts.pop()
        parts.append((place, last.as_signed()))
    return parts


class Pipeline:
    """A pipeline in `m` that moves in the cycles with `enable` 1.  Its registers have no reset (but see `valid`).

    section: of so many stages each takes the enable a cycle after the section before it, for one enable of a long
    pipeline reaches far.  Only where `enable` stays 1 from before the first item until the last is out.
    """

    def __init__(self, m: Module, enable: Value, section: int = 0):
        self.m = m
        self.section = section
        self._enables = [enable]
        self._places: dict[tuple[int, int], Signal] = {}

    def _section(self, depth: int) -> int:
        """The section of what stage `depth` is the input of."""
        return depth // self.section if self.section else 0

    def enable(self, depth: int) -> Value:
        """Whether what stage `depth` is the input of moves."""
        while len(self._enables) <= self._section(depth):
            later = Signal(name=f"enable{len(self._enables)}")
            self.m.d.sync += later.eq(self._enables[-1])
            self._enables.append(later)
        return self._enables[self._section(depth)]

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
        """A read through a synchronous memory port; address and output come from registers and go into them."""
        address = address.held()
        self.m.d.comb += [port.addr.eq(address.value), port.en.eq(self.enable(address.depth))]
        return self.stage(port.data, address.depth + 1).reg()

    def line(self, value: Value, depth: int, stages: int) -> Value:
        """The value of stage `depth` `stages` (2 to `LINE_WORDS` + 1) later: a memory of LUTs and a register."""
        shape = value.shape()
        self.m.submodules += (memory := Memory(shape=shape, depth=LINE_WORDS, init=[], attrs=LUT_MEMORY))
        write, read = memory.write_port(), memory.read_port(domain="comb")
        delayed = Signal(shape, reset_less=True)
        self.m.d.comb += [
            write.addr.eq(self._place(depth, 0)),
            write.data.eq(value),
            write.en.eq(self.enable(depth)),
            read.addr.eq(self._place(depth, stages - 1)),
        ]
        with self.m.If(self.enable(depth)):
            self.m.d.sync += delayed.eq(read.data)
        return delayed

    def _place(self, depth: int, age: int) -> Signal:
        """Where the lines of a section hold what came `age` stages ago; 0: where they store."""
        key = self._section(depth), age % LINE_WORDS
        if key not in self._places:
            self._places[key] = place = Signal(range(LINE_WORDS), init=-age % LINE_WORDS)
            with self.m.If(self.enable(depth)):
                self.m.d.sync += place.eq(place + 1)
        return self._places[key]

    def total(self, terms: list["Staged"]) -> "Staged":
        """The sum of values of one stage; a register behind each level of two."""
        while len(terms) > 1:
            pairs = zip(terms[::2], terms[1::2], strict=False)
            odd = [terms[-1].reg()] if len(terms) % 2 else []
            terms = [(a + b).reg() for a, b in pairs] + odd
        return terms[0]


class Staged:
    """A value at stage `depth` of its pipeline.  registered: it comes straight out of a register."""

    def __init__(
        self,
        pipeline: Pipeline,
        value: Value,
        depth: int,
        reset_less: bool = True,
        registered: bool = False,
    ):
        self.pipeline = pipeline
        self.depth = depth
        self.reset_less = reset_less
        self.registered = registered
        self._at = {depth: value}

    @property
    def value(self) -> Value:
        return self._at[self.depth]

    def at(self, depth: int) -> Value:
        """The value delayed to stage `depth`.  Raises `ValueError` when that is before its own."""
        if depth < self.depth:
            raise ValueError(f"a value of stage {self.depth} is asked for at stage {depth}")
        if depth in self._at:
            return self._at[depth]
        nearest = max(stage for stage in self._at if stage < depth)
        stages = min(depth - nearest, LINE_WORDS + 1)
        if stages >= LINE_STAGES and self.reset_less:
            self._at[nearest + stages] = self.pipeline.line(self._at[nearest], nearest, stages)
            return self.at(depth)
        source = self.at(depth - 1)
        register = Signal(source.shape(), name=f"stage{depth}", reset_less=self.reset_less)
        with self.pipeline.m.If(self.pipeline.enable(depth - 1)):
            self.pipeline.m.d.sync += register.eq(source)
        self._at[depth] = register
        return register

    def reg(self) -> "Staged":
        """The value one stage later."""
        depth = self.depth + 1
        return Staged(self.pipeline, self.at(depth), depth, registered=True)

    def held(self) -> "Staged":
        """The value out of a register: itself, or one stage later."""
        return self if self.registered else self.reg()

    def __getitem__(self, bits: slice) -> "Staged":
        return Staged(self.pipeline, self.value[bits], self.depth, registered=self.registered)

    def __add__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a + b, self, other)

    def __sub__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a - b, self, other)

    def __xor__(self, other) -> "Staged":
        return self.pipeline.apply(lambda a, b: a ^ b, self, other)

    def __rshift__(self, count: int) -> "Staged":
        """The bits that are left: an operator would keep the width, and multipliers would be taken for copies of the sign."""
        bits = self.value[count:]
        if self.value.shape().signed:
            bits = bits.as_signed()
        return Staged(self.pipeline, bits, self.depth, registered=self.registered)

    def __and__(self, mask: int) -> "Staged":
        if mask & (mask + 1):
            raise ValueError(f"{mask:#x} is not a mask of the low bits")
        return self[: mask.bit_length()]

    def __mul__(self, other) -> "Staged":
        """The product.  A constant takes sums of shifted copies, because multipliers are rare, all else multipliers.

        They have few places, so a register on either side goes the way from and to the one that has to be beside.
        """
        if isinstance(other, int):
            a = self.held()
            copies = [
                self.pipeline.apply(lambda a, sign=sign, k=k: (a << k) if sign > 0 else -(a << k), a)
                for sign, k in signed_digits(other)
            ]
            return self.pipeline.total(copies).held()
        a = self.held()
        b = other.held() if isinstance(other, Staged) else self.pipeline.stage(other, a.depth)
        depth = max(a.depth, b.depth) + 1
        x, y = a.at(depth), b.at(depth)
        width = FACTOR_BITS - (x.shape().signed or y.shape().signed)
        products = [
            self.pipeline.stage((part * piece) << (place + shift), depth).reg().reg()
            for place, part in factors(x, width)
            for shift, piece in factors(y, width)
        ]
        total = self.pipeline.total(products)
        wide = len(x) > FACTOR_BITS or len(y) > FACTOR_BITS
        while wide and total.depth < depth + 2 + WIDE_SUMS:
            total = total.reg()
        value = total.value[: len(x) + len(y)]
        if x.shape().signed or y.shape().signed:
            value = value.as_signed()
        return Staged(self.pipeline, value, total.depth, registered=True)
