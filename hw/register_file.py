"""The register file: the map of spec/registers.py on a bus, its fields as ports."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import image_stream, too_wide
from hw.numerics import any_of
from spec.device_image import IMAGE_WORDS
from spec.params import HwParams
from spec.registers import (
    ADDRESS,
    EMULATOR_BASE,
    MAGIC,
    REGISTERS,
    VERSION,
    Access,
    Register,
    fields_of,
    reset_value,
)

ADDRESS_BITS = 16
DATA_BITS = 32

AT_LEAST_ONE = ("LSB", "PULSE", "INTEGRATE", "VERIFY_AVERAGES", "UPPER_LSB", "BACKWARD_LSB")
"""Registers whose output is max(1, value); the host reads back what it wrote."""
MOST = {"PULSE": too_wide}
"""What any larger level of a register's one field means, too, of some hardware; read back is what was written."""
ALWAYS = ("abort", "clear_fault")
"""Fields of CONTROL that act while busy or in a fault."""


PARTS = 4
"""Registers of an answer: a choice among all words in one cycle takes too long."""


class BusRequest(data.StructLayout):
    """One access of the host: an address counts words."""

    def __init__(self):
        super().__init__({"address": unsigned(ADDRESS_BITS), "write": 1, "data": unsigned(DATA_BITS)})


class BusResponse(data.StructLayout):
    """The answer to one access: the word read, 0 for a write."""

    def __init__(self):
        super().__init__({"data": unsigned(DATA_BITS)})


def identity(params: HwParams) -> dict[str, int]:
    """The read-only registers that are constants of the hardware."""
    return {"MAGIC": MAGIC, "VERSION": VERSION, "PARAMS_HASH": params.hash32}


def _ports(register: Register) -> wiring.Member:
    """A register's fields as ports: inputs where hardware writes, else outputs, with `valid` for an event."""
    fields = {f.name: Out(f.bits) for f in register.fields}
    if register.access is Access.PORT:
        fields = {"valid": Out(1), **fields}
    signature = wiring.Signature(fields)
    return In(signature) if register.access is Access.RO else Out(signature)


class RegisterFile(wiring.Component):
    """Decodes the host's accesses, one at a time; a request is answered once, a write too.

    Members: `request`, `response`: the bus.  `<register>.<field>` in lower case (`field` finds them by name): a
    level for RW; an input for RO; high for one cycle for TRIGGER; for PORT the written data while `valid` is high,
    for one cycle, with no way to refuse.  `image`: words for the emulated array, address from 0; without one, hold
    its `ready` at 1.

    While `status.busy`, MODE keeps its value and image words are dropped; while `status.busy` or `status.fault`,
    of CONTROL only abort and clear_fault act.  So no access waits for a run, and abort always gets through.
    Unknown addresses read 0, and so does a register that is not built in; its ports are constants.

    Latency: the effect and the answer of a request come 1 and 2 cycles after it.  Throughput: one access in 3 cycles.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "request": In(stream.Signature(BusRequest())),
                "response": Out(stream.Signature(BusResponse())),
                "image": Out(image_stream()),
                **{r.name.lower(): _ports(r) for r in REGISTERS if r.name not in identity(params)},
                **self._more_ports(),
            }
        )

    def _more_ports(self) -> dict[str, wiring.Member]:
        return {}

    def field(self, register: str, field: str = "value") -> Signal:
        """The port of a field by the names of the map, or `valid` of a PORT register."""
        return getattr(getattr(self, register.lower()), field)

    def elaborate(self, platform):
        m = Module()
        request, act = self._bus(m)
        self._hits = self._decoded(m, request)
        read = {name: Value.cast(word) for name, word in identity(self.params).items()}
        for register in REGISTERS:
            if not register.built_in(self.params):
                self._leave_out(m, register)
                continue
            written = act & request.write & self._hits[register.name]
            if register.access is Access.RW:
                read[register.name] = self._store(m, register, written, request.data)
            elif register.access is Access.RO and register.name not in read:
                read[register.name] = Cat(self.field(register.name, f.name) for f in register.fields)
            elif register.access is Access.TRIGGER:
                self._trigger(m, register, written, request.data)
            elif register.access is Access.PORT:
                self._event(m, register, written, request.data)
        self._answer(m, request, act, read)
        return m

    def _answer(self, m: Module, request: Signal, act: Signal, read: dict[str, Value]) -> None:
        """The word of the register, if it is one to read."""
        found = [Mux(self._hits[name] & ~request.write, word, 0) for name, word in read.items()]
        parts = [Signal.like(self.response.payload.data, name=f"part_{k}") for k in range(PARTS)]
        with m.If(act):
            m.d.sync += [part.eq(any_of(found[k::PARTS])) for k, part in enumerate(parts)]
        m.d.comb += self.response.payload.data.eq(any_of(parts))

    def _decoded(self, m: Module, request: Signal) -> dict[str, Value]:
        """Whether the access is to each of the registers, decoded when it comes; in compact hardware when it acts."""
        names = [r.name for r in REGISTERS if r.built_in(self.params)]
        if self.params.compact:
            return {name: request.address == ADDRESS[name] for name in names}
        hits: dict[str, Value] = {name: Signal(name=f"hit_{name.lower()}") for name in names}
        with m.If(self.request.ready):
            m.d.sync += [hits[name].eq(self.request.payload.address == ADDRESS[name]) for name in names]
        return hits

    def _known(self, request: Signal) -> Value:
        """Whether the answer is there."""
        return Const(1)

    def _bus(self, m: Module) -> tuple[Signal, Signal]:
        """The access in hand, and the cycle in which it acts."""
        request, act, window = Signal(BusRequest()), Signal(), Signal()
        image = request.write & window & ~self.status.busy
        address = self.request.payload.address
        with m.FSM():
            with m.State("REQUEST"):
                m.d.comb += self.request.ready.eq(1)
                with m.If(self.request.valid):
                    m.d.sync += request.eq(self.request.payload)
                    m.d.sync += window.eq(
                        (address >= EMULATOR_BASE) & (address < EMULATOR_BASE + IMAGE_WORDS)
                    )
                    m.next = "ACT"
            with m.State("ACT"):
                m.d.comb += [
                    self.image.valid.eq(image),
                    act.eq((self.image.ready | ~image) & self._known(request)),
                ]
                with m.If(act):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += self.response.valid.eq(1)
                with m.If(self.response.ready):
                    m.next = "REQUEST"
        m.d.comb += [
            self.image.payload.address.eq(request.address - EMULATOR_BASE),
            self.image.payload.value.eq(request.data),
        ]
        return request, act

    def _most(self, name: str) -> int | None:
        """By MOST; None where each level has its own meaning."""
        return MOST[name](self.params) if name in MOST else None

    def _leave_out(self, m: Module, register: Register) -> None:
        """The ports of a register that is not built in have its reset value."""
        if register.access is Access.RW:
            m.d.comb += [self.field(register.name, f.name).eq(f.reset) for f in register.fields]

    def _store(self, m: Module, register: Register, written: Value, word: Value) -> Value:
        """The register's own bits; drives its ports."""
        fields = fields_of(register.name)
        stored = Signal(
            sum(f.bits for f, _ in fields), init=reset_value(register.name), name=register.name.lower()
        )
        writable = ~self.status.busy if register.name == "MODE" else 1
        with m.If(written & writable):
            m.d.sync += stored.eq(word)
        for f, low in fields:
            level: Value = stored[low : low + f.bits]
            if most := self._most(register.name):
                level = Signal(
                    range(most + 1), init=min(most, f.reset), name=f"{register.name.lower()}_level"
                )
                with m.If(written & writable):
                    m.d.sync += level.eq(Mux(word[low : low + f.bits] < most, word[low : low + f.bits], most))
            if register.name in AT_LEAST_ONE:  # looked at when it is written: levels begin long paths
                zero = Signal(init=f.reset == 0, name=f"{register.name.lower()}_{f.name}_zero")
                with m.If(written & writable):
                    m.d.sync += zero.eq(word[low : low + f.bits] == 0)
                level = level | zero
            m.d.comb += self.field(register.name, f.name).eq(level)
        return stored

    def _trigger(self, m: Module, register: Register, written: Value, word: Value) -> None:
        allowed = ~(self.status.busy | self.status.fault)
        for f, low in fields_of(register.name):
            act = written if f.name in ALWAYS else written & allowed
            m.d.comb += self.field(register.name, f.name).eq(act & word[low])

    def _event(self, m: Module, register: Register, written: Value, word: Value) -> None:
        m.d.comb += self.field(register.name, "valid").eq(written)
        for f, low in fields_of(register.name):
            m.d.comb += self.field(register.name, f.name).eq(word[low : low + f.bits])
