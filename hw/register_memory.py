"""The register file of compact hardware: what the host reads comes out of two memories."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.counter_memory import in_order
from hw.counters import COUNTER_BITS
from hw.counters import REGISTERS as COUNTERS
from hw.numerics import within
from hw.register_file import DATA_BITS, RegisterFile, identity
from hw.update_lane import unreachable
from hw.update_walk import DOUBLES as DOUBLE_LEVELS
from spec.device_image import IMAGE_WORDS
from spec.registers import ADDRESS, EMULATOR_BASE, REGISTERS, Access, Register, fields_of, reset_value

DOUBLES = tuple(name.upper() for name in DOUBLE_LEVELS)
"""Registers that are read in turn."""


class RegisterMemory(RegisterFile):
    """As RegisterFile, but that the answer for a counter waits for the counter's turn.

    A copy of what the host writes is kept in a memory, beside the constants; counters are read in that of CounterMemory:
    select, settled, value are its ports.  A request is ready only when it acts.  THRESHOLD and MARGIN as levels are at
    most what no sum and no difference reaches, and SAMPLES is one only in the cycle after CONTROL was written, in which
    a run begins.  Of DOUBLES each is one in the cycles with its bit of `shows`, which while busy comes in any four
    cycles.  new_lsb: LSB is written.
    """

    def _more_ports(self):
        order = in_order(self.params)
        first = ADDRESS[COUNTERS[order[0]]]
        self._counters = slice(first, first + len(order))
        return {
            "select": Out(range(len(order))),
            "settled": In(1),
            "value": In(COUNTER_BITS),
            "shows": Out(len(DOUBLES)),
            "new_lsb": Out(1),
        }

    def _bus(self, m: Module):
        """The access in hand, which stays at the port until it acts, and the cycle in which it does."""
        whole, act = self.request.payload, Signal()
        self._begins, self._acts = Signal(), Signal()
        bits = max(ADDRESS[r.name] for r in REGISTERS if r.built_in(self.params)).bit_length()
        far = whole.address[bits:].any()
        # A short address is quick to compare.
        request = SimpleNamespace(
            address=whole.address[:bits], write=whole.write & ~far, none=whole.write | far, data=whole.data
        )
        window = (whole.address >= EMULATOR_BASE) & (whole.address < EMULATOR_BASE + IMAGE_WORDS)
        image = whole.write & window & ~self.status.busy
        with m.FSM():
            with m.State("REQUEST"):
                with m.If(self.request.valid):
                    m.d.comb += self._begins.eq(1)
                    m.next = "ACT"
            with m.State("ACT"):
                m.d.comb += [
                    self._acts.eq(1),
                    self.image.valid.eq(image),
                    act.eq((self.image.ready | ~image) & self._known(request)),
                    self.request.ready.eq(act),
                ]
                with m.If(act):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += self.response.valid.eq(1)
                with m.If(self.response.ready):
                    m.next = "REQUEST"
        m.d.comb += [
            self.image.payload.address.eq(whole.address - EMULATOR_BASE),
            self.image.payload.value.eq(request.data),
        ]
        return request, act

    def _store(self, m: Module, register: Register, written: Value, word: Value) -> Value:
        if register.name in (*DOUBLES, "SAMPLES"):
            return word  # read from the memory
        if register.name == "LSB":
            m.d.comb += self.new_lsb.eq(written)
        return super()._store(m, register, written, word)

    def _most(self, name: str) -> int | None:
        most = {"THRESHOLD": unreachable(self.params), "MARGIN": 2 * self.params.logit_limit + 1}
        return most.get(name, super()._most(name))

    def _known(self, request) -> Value:
        return request.none | ~within(request.address, self._counters) | self.settled

    def _answer(self, m: Module, request, act: Signal, read: dict[str, Value]) -> None:
        p = self.params
        words = [
            identity(p)[r.name] if r.name in identity(p) else reset_value(r.name) if self._written(r) else 0
            for r in REGISTERS[: 1 << len(request.address)]
        ]
        m.submodules.memory = memory = Memory(shape=DATA_BITS, depth=1 << len(request.address), init=words)
        copy, write = memory.read_port(), memory.write_port(granularity=1)
        answer = self.response.payload.data
        with m.Switch(request.address):
            for register in REGISTERS:
                if self._written(register):
                    with m.Case(ADDRESS[register.name]):
                        bits = sum(f.bits for f, _ in fields_of(register.name))
                        writable = ~self.status.busy if register.name == "MODE" else 1
                        m.d.comb += write.en.eq((act & request.write & writable).replicate(bits))
        m.d.comb += [
            self.select.eq(request.address - self._counters.start),
            copy.addr.eq(Mux(self._begins, request.address, self._level(m, request))),
            *(self.field(name).eq(copy.data) for name in (*DOUBLES, "SAMPLES")),
            write.addr.eq(request.address),
            write.data.eq(request.data),
        ]
        live = [r.name for r in REGISTERS if r.access is Access.RO and r.built_in(p)]
        with m.If(act):
            m.d.sync += answer.eq(Mux(within(request.address, self._counters), self.value, copy.data))
            for name in sorted(set(live) - set(identity(p)) - set(COUNTERS.values())):
                with m.If(self._hits[name]):
                    m.d.sync += answer.eq(read[name])
            with m.If(request.none):
                m.d.sync += answer.eq(0)

    def _level(self, m: Module, request) -> Value:
        """Address of the level to read in a cycle in which no access begins: while busy, one and the other of DOUBLES.

        The memory gives nothing of use for a word that is being written; of two that follow each other it is not the one
        whose address ends otherwise.
        """
        first, second = (ADDRESS[name] for name in DOUBLES)
        turn, now, shown = Signal(), Signal(), Signal()  # 1: the second's
        m.d.comb += [
            now.eq(Mux(self._acts & request.write, request.address[0] == first & 1, turn)),
            self.shows.eq(Cat(shown & turn, shown & ~turn)),
        ]
        m.d.sync += [turn.eq(~now), shown.eq(~self._begins)]
        return Mux(self.status.busy, Mux(now, second, first), ADDRESS["SAMPLES"])

    def _written(self, register) -> bool:
        return register.access is Access.RW and register.built_in(self.params)
