"""Designs that are nothing but memories, multipliers or comparisons, and the pair of such a design and its netlist."""

from operator import ge, gt, le, lt
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fpga.netlist import Synthesised
from hw.single_port import SinglePort

ADDRESS_BITS, DATA_BITS, ENABLES = 14, 36, 4
SHAPES = (  # width, depth, width of an enable's part
    (1, 16384, 1),
    (2, 8192, 2),
    (4, 4096, 4),
    (9, 2048, 9),
    (18, 1024, 18),
    (18, 1024, 9),
    (36, 512, 36),
    (36, 512, 9),
)
PORTS = (
    "never one word",
    "transparent",
    "one address, transparent",
    "one address, either",
)
MEMORIES = [(shape, ports) for shape in SHAPES for ports in PORTS]
FACTORS = [
    (left(a), right(b))
    for a, b in ((18, 18), (8, 8), (9, 4), (12, 18), (24, 20))
    for left in (signed, unsigned)
    for right in (signed, unsigned)
]


class Memories(wiring.Component):
    """A memory of each shape with each kind of ports, all of them fed the same."""

    def __init__(self):
        outputs = {f"out_{k}": Out(shape[0]) for k, (shape, _) in enumerate(MEMORIES)}
        super().__init__(
            {
                "read_address": In(ADDRESS_BITS),
                "write_address": In(ADDRESS_BITS),
                "data": In(DATA_BITS),
                "read": In(1),
                "write": In(ENABLES),
                **outputs,
            }
        )

    def elaborate(self, platform):
        m = Module()
        for k, ((width, depth, part), ports) in enumerate(MEMORIES):
            init = [(k + 1) * word * 0x9E3779B97 & ((1 << width) - 1) for word in range(depth)]
            m.submodules[f"memory_{k}"] = memory = Memory(shape=width, depth=depth, init=init)
            write = memory.write_port(granularity=part)
            transparent_for = (write,) if ports.endswith("transparent") else ()
            read = memory.read_port(transparent_for=transparent_for)
            shared = ports.startswith("one address")
            collides = self.write.any() & (read.addr == write.addr)
            m.d.comb += [
                write.addr.eq(self.write_address),
                write.data.eq(self.data),
                write.en.eq(self.write),
                read.addr.eq(self.write_address if shared else self.read_address),
                read.en.eq(self.read if transparent_for else self.read & ~collides),
                getattr(self, f"out_{k}").eq(read.data),
            ]
        return m


class OneMemory(wiring.Component):
    """A memory with a port to read and one to write, and nothing else."""

    def __init__(self):
        super().__init__(
            {"read_address": In(9), "write_address": In(9), "data": In(16), "write": In(1), "out": Out(16)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=16, depth=512, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.data),
            write.en.eq(self.write),
            read.addr.eq(self.read_address),
            self.out.eq(read.data),
        ]
        return m


class Products(wiring.Component):
    """A multiplier for each pair of factors."""

    def __init__(self):
        outputs = {f"out_{k}": Out(a.width + b.width) for k, (a, b) in enumerate(FACTORS)}
        super().__init__({"left": In(24), "right": In(20), **outputs})

    def elaborate(self, platform):
        m = Module()
        for k, shapes in enumerate(FACTORS):
            factors = []
            for shape, value in zip(shapes, (self.left, self.right), strict=True):
                factor = Signal(shape)
                m.d.sync += factor.eq(value)
                factors.append(factor)
            m.d.comb += getattr(self, f"out_{k}").eq(factors[0] * factors[1])
        return m


class RegisteredProducts(wiring.Component):
    """Multipliers between registers of every kind.

    REGISTERS: by case, how many operands and products a multiplier can have registers for.
    """

    REGISTERS: ClassVar = {
        "plain": (2, 1),
        "one enable": (2, 1),
        "three enables": (2, 1),
        "an operand read elsewhere": (2, 1),
        "a reset": (0, 0),
        "operands that begin with ones": (0, 1),
        "an operand with a constant one": (0, 1),
        "a product read twice": (2, 0),
        "a product that leaves": (2, 0),
        "logic before and behind": (0, 0),
    }
    LEFT, RIGHT = signed(11), unsigned(9)

    def __init__(self):
        size = self.LEFT.width + self.RIGHT.width + 2
        outputs = {f"out_{k}": Out(signed(size)) for k in range(len(self.REGISTERS))}
        more = {"out_operand": Out(self.LEFT.width), "out_again": Out(signed(size))}
        super().__init__(
            {"left": In(self.LEFT), "right": In(self.RIGHT), "enables": In(3), **outputs, **more}
        )

    def elaborate(self, platform):
        m = Module()
        for k, case in enumerate(self.REGISTERS):
            enables = {"one enable": [self.enables[0]] * 3, "three enables": [*self.enables]}.get(
                case, [1] * 3
            )
            init = -1 if case == "operands that begin with ones" else 0

            def register(value, enable, name, shape=None, init=0, free=case != "a reset"):
                held = Signal(shape or value.shape(), name=name, init=init, reset_less=free)
                with m.If(enable):
                    m.d.sync += held.eq(value)
                return held

            left = register(self.left ^ k, enables[0], f"left_{k}", self.LEFT, init)
            right = register(self.right, enables[1], f"right_{k}", self.RIGHT, init and 511)
            operands = left, right
            if case == "an operand read elsewhere":
                m.d.comb += self.out_operand.eq(left)
            elif case == "an operand with a constant one":
                operands = left, Cat(right[1:], Const(1, 1))
            elif case == "logic before and behind":
                operands = left ^ self.left, right ^ self.right
            product = operands[0] * operands[1]
            if case == "logic before and behind":
                product = product + self.right
            output = getattr(self, f"out_{k}")
            if case == "a product that leaves":
                m.d.comb += output.eq(product)
            else:
                m.d.comb += output.eq(register(product, enables[2], f"product_{k}"))
            if case == "a product read twice":
                m.d.comb += self.out_again.eq(register(~product, enables[2], "again"))
        return m


class Comparisons(wiring.Component):
    """Every comparison of each pair of shapes, and with constants."""

    SHAPES = ((1, 1), (3, 7), (9, 9), (16, 14), (25, 25))
    CONSTANTS = (0, 1, 5, 77, 127)

    def __init__(self):
        self._pairs = [(kind(a), kind(b)) for a, b in self.SHAPES for kind in (signed, unsigned)]
        count = 4 * (len(self._pairs) + len(self.CONSTANTS))
        super().__init__({"left": In(25), "right": In(25), **{f"out_{k}": Out(1) for k in range(count)}})

    def elaborate(self, platform):
        m = Module()
        values = [
            (Signal(a, name=f"left_{k}"), Signal(b, name=f"right_{k}"))
            for k, (a, b) in enumerate(self._pairs)
        ]
        for left, right in values:
            # Near to each other in their high bits more often than by chance.
            m.d.sync += [
                left.eq(self.left),
                right.eq(Mux(self.right[-1], self.right, self.left ^ self.right[-3:])),
            ]
        values += [(self.left[:8], constant) for constant in self.CONSTANTS]
        outputs = [op(a, b) for a, b in values for op in (lt, le, gt, ge)]
        m.d.comb += [getattr(self, f"out_{k}").eq(output) for k, output in enumerate(outputs)]
        return m


class ShortWords(wiring.Component):
    """A memory of one port whose words are half as wide as the cell's, and of more than one row of cells.

    `LOW` + 1 bits of an address are used: its lowest, and its highest.
    """

    WIDTH, DEPTH, LOW = 7, 40000, 4

    def __init__(self):
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "data": In(self.WIDTH),
                "read": In(1),
                "write": In(1),
                "out_q": Out(self.WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = SinglePort(self.WIDTH, self.DEPTH)
        cleared, was_read = Signal(self.LOW + 2), Signal()  # what was never written is unknown
        address, clearing = Signal(self.LOW + 1), ~cleared[-1]
        m.d.sync += [cleared.eq(cleared + clearing), was_read.eq(memory.read)]
        m.d.comb += [
            address.eq(Mux(clearing, cleared, self.address[:: ADDRESS_BITS // self.LOW])),
            memory.address.eq(Cat(address[: self.LOW], Const(0, 15 - self.LOW), address[self.LOW])),
            memory.write.eq(self.write | clearing),
            memory.read.eq(self.read & ~memory.write),
            memory.data.eq(Mux(clearing, 0, self.data)),
            self.out_q.eq(Mux(was_read, memory.q, 0)),
        ]
        return m


class Pair(wiring.Component):
    """A design and its netlist (module `name`) with the same inputs; `differ` has a bit for each output `out_*`."""

    def __init__(self, design: wiring.Component, name: str):
        self._both = design, Synthesised(design.signature, name)
        members = design.signature.members
        self._outputs = [key for key in members if key.startswith("out_")]
        inputs = {key: member for key, member in members.items() if key not in self._outputs}
        super().__init__({**inputs, "differ": Out(len(self._outputs))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rtl, m.submodules.gates = self._both
        for key in self.signature.members:
            if key != "differ":
                m.d.comb += [getattr(side, key).eq(getattr(self, key)) for side in self._both]
        rtl, gates = self._both
        m.d.comb += self.differ.eq(Cat(getattr(rtl, key) != getattr(gates, key) for key in self._outputs))
        return m
