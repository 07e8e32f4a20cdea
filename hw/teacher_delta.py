"""Errors against the hidden codes that the host wants: training that follows a teacher instead of the labels."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.interfaces import Count, Deltas, HiddenCodes
from hw.numerics import saturate
from spec.params import HwParams
from spec.registers import fields_of

DEAD_BITS = dict((f.name, f.bits) for f, _ in fields_of("TEACHER"))["dead"]


def teacher_error(difference: Value, dead: Value, limit: int) -> Value:
    """A column's error from what its code is short of the wanted one: 0 within the dead zone, clipped to +-limit."""
    counts = (difference > dead) | (difference < -dead)
    return Mux(counts, saturate(difference, -limit, limit), 0)


class TeacherDelta(wiring.Component):
    """One column after the other, as model/controller/teacher_delta.py.

    - `i`: hidden codes of samples that train, `adc_groups` groups a sample, and of no others; `input_slots` samples are
      kept, as many as the input buffer keeps, so that reads never wait for the host.
    - `wanted`: the code 0..Q that a column should have, in column order, sample after sample.
    - `dead`: constant during a run.
    - `o`: `update_words` words of errors in column order, 0 beyond the last column, `last` on the final one.

    delta_j = saturate(wanted_j - code_j) where that is more than `dead`, else 0.
    Throughput: a column per cycle, and `FETCH_CYCLES` for each group of codes of a macro.
    Latency: `LATENCY` cycles from a column's wanted code to a word that ends with it.
    """

    FETCH_CYCLES = 2
    LATENCY = 2

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(HiddenCodes(params))),
                "wanted": In(stream.Signature(Count(params))),
                "dead": In(DEAD_BITS),
                "o": Out(stream.Signature(Deltas(params))),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        self._release, self._whole = Signal(), Signal()  # the sample at hand is done; there is one
        self._group, self._macro = Signal(range(max(2, p.adc_groups))), Signal(range(max(2, p.grid_columns)))
        advance = Signal()
        m.d.comb += advance.eq(~self.o.valid | self.o.ready)
        step = self._walk(m, self._codes(m), advance)
        self._words(m, step, advance)
        return m

    def _codes(self, m):
        """A ring of samples' codes; returns those of `_group` of `_macro`, a cycle later."""
        p = self.params
        bits = max(1, (p.adc_groups - 1).bit_length())
        memory: Memory = Memory(
            shape=data.ArrayLayout(p.adc_bits - 1, p.group_channels), depth=p.input_slots << bits, init=[]
        )
        m.submodules.codes = memory
        read, write = memory.read_port(), memory.write_port()
        stored, used, whole = (Signal(range(p.input_slots + 1), name=n) for n in ("stored", "used", "whole"))
        group = Signal(bits)
        taken = self.i.valid & self.i.ready
        ends = taken & self.i.payload.last
        m.d.comb += [
            self.i.ready.eq(whole != p.input_slots),
            write.en.eq(taken),
            write.addr.eq(Cat(group, stored)),
            write.data.eq(self.i.payload.codes),
            read.addr.eq(Cat(self._group[:bits], used)),
            self._whole.eq(whole != 0),
        ]
        m.d.sync += whole.eq(whole + ends - self._release)
        with m.If(taken):
            m.d.sync += group.eq(Mux(self.i.payload.last, 0, group + 1))
        for place, moves in ((stored, ends), (used, self._release)):
            with m.If(moves):
                m.d.sync += place.eq(Mux(place == p.input_slots - 1, 0, place + 1))
        codes = read.data.as_value()
        return codes.word_select(self._macro, len(codes) // p.grid_columns)

    def _walk(self, m, codes, advance):
        """The columns of one group after the other; returns what a column's code is short of the wanted one."""
        p = self.params
        bits = p.adc_bits - 1
        column, lane = Signal(range(p.columns)), Signal(range(max(2, p.adc_channels)))
        inside = Signal(range(max(2, min(p.columns, p.macro_columns))))  # column of the macro
        held = Signal(bits * p.adc_channels)
        step = Signal(data.StructLayout({"valid": 1, "last": 1, "difference": signed(p.adc_bits)}))
        last, macro_ends = column == p.columns - 1, inside == p.macro_columns - 1
        group_ends = last | macro_ends | (lane == p.adc_channels - 1)
        with m.If(advance):
            m.d.sync += step.valid.eq(0)
        with m.FSM():
            with m.State("FETCH"):
                with m.If(self._whole):
                    m.next = "HOLD"
            with m.State("HOLD"):
                m.d.sync += [held.eq(codes), lane.eq(0)]
                m.next = "COLUMN"
            with m.State("COLUMN"):
                m.d.comb += self.wanted.ready.eq(advance)
                with m.If(self.wanted.valid & advance):
                    m.d.sync += [
                        step.valid.eq(1),
                        step.last.eq(last),
                        step.difference.eq(self.wanted.payload.count.as_unsigned()[:bits] - held[:bits]),
                        held.eq(held >> bits),
                        lane.eq(lane + 1),
                        column.eq(Mux(last, 0, column + 1)),
                        inside.eq(Mux(last | macro_ends, 0, inside + 1)),
                    ]
                    with m.If(group_ends):
                        m.next = "FETCH"
                        m.d.comb += self._release.eq(last)
                        m.d.sync += self._group.eq(Mux(last | macro_ends, 0, self._group + 1))
                        m.d.sync += self._macro.eq(Mux(last, 0, self._macro + macro_ends))
        return step

    def _words(self, m, step, advance):
        """Errors into the lanes of a word, which waits until it is taken."""
        p = self.params
        place = Signal(range(max(2, p.update_columns)))
        ends = step.last | (place == p.update_columns - 1)
        error = teacher_error(step.difference, self.dead, p.delta_limit)
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(step.valid & ends), self.o.payload.last.eq(step.last)]
            with m.If(step.valid):
                m.d.sync += place.eq(Mux(ends, 0, place + 1))
                for lane, stored in enumerate(self.o.payload.deltas):
                    with m.If(place == lane):
                        m.d.sync += stored.eq(error)
                    with m.Elif(place == 0):
                        m.d.sync += stored.eq(0)
