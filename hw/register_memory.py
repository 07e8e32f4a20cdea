"""The register file of compact hardware: what the host reads comes out of two memories."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.counter_memory import in_order
from hw.counters import COUNTER_BITS
from hw.counters import REGISTERS as COUNTERS
from hw.numerics import within
from hw.register_file import DATA_BITS, RegisterFile, identity
from spec.registers import ADDRESS, REGISTERS, Access, fields_of, reset_value


class RegisterMemory(RegisterFile):
    """As RegisterFile, but that the answer for a counter waits for the counter's turn.

    A copy of what the host writes is kept in a memory, beside the constants; counters are read in that of CounterMemory:
    select, settled, value are its ports.
    """

    def _more_ports(self):
        order = in_order(self.params)
        first = ADDRESS[COUNTERS[order[0]]]
        self._counters = slice(first, first + len(order))
        return {"select": Out(range(len(order))), "settled": In(1), "value": In(COUNTER_BITS)}

    def _known(self, request: Signal) -> Value:
        return request.write | ~within(request.address, self._counters) | self.settled

    def _answer(self, m: Module, request: Signal, act: Signal, read: dict[str, Value]) -> None:
        p = self.params
        words = [
            identity(p)[r.name] if r.name in identity(p) else reset_value(r.name) if self._written(r) else 0
            for r in REGISTERS
        ]
        m.submodules.memory = memory = Memory(shape=DATA_BITS, depth=len(words), init=words)
        copy, write = memory.read_port(), memory.write_port()
        kept, answer = Signal(DATA_BITS), self.response.payload.data
        with m.Switch(request.address):
            for register in REGISTERS:
                if self._written(register):
                    with m.Case(ADDRESS[register.name]):
                        bits = sum(f.bits for f, _ in fields_of(register.name))
                        writable = ~self.status.busy if register.name == "MODE" else 1
                        m.d.comb += [
                            kept.eq(request.data[:bits]),
                            write.en.eq(act & request.write & writable),
                        ]
        m.d.comb += [
            self.select.eq(request.address - self._counters.start),
            copy.addr.eq(self.request.payload.address),
            copy.en.eq(self.request.ready),
            write.addr.eq(request.address),
            write.data.eq(kept),
        ]
        with m.If(act):
            m.d.sync += answer.eq(Mux(request.address < len(words), copy.data, 0))
            with m.Switch(request.address):
                for register in REGISTERS:
                    if (
                        register.access is Access.RO
                        and register.name not in identity(p)
                        and register.built_in(p)
                    ):
                        value = self.value if register.name in COUNTERS.values() else read[register.name]
                        with m.Case(ADDRESS[register.name]):
                            m.d.sync += answer.eq(value)
            with m.If(request.write):
                m.d.sync += answer.eq(0)

    def _written(self, register) -> bool:
        return register.access is Access.RW and register.built_in(self.params)
