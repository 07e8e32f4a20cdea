"""Reads out the states of one pair, and gives the noisy reading of one of its cells or of their difference."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.device_tables import BY_NAME
from hw.macro.event_keys import KEY_BITS
from hw.macro.pipeline import Pipeline
from hw.macro.state_memory import StateRead, devices
from hw.macro.timing import READING_STAGES, STATE_STAGES
from hw.numerics import times
from spec.device_image import READ_NOISE_SHIFT
from spec.device_image import Readout as Kind
from spec.numerics import GAUSS, GAUSS_BITS, GAUSS_INDEX_BITS, draw
from spec.params import HwParams


class Readout(wiring.Component):
    """`plus` and `minus` are the states of the pair (`row`, `column`), which is taken in the cycle of `start`.

    With the parameter `verify`: `reading` is what `kind`, taken with it, asks for; `keyed` says that `key` will be
    there from the next cycle on.
    `done` is 1 in the last cycle; what was read then holds until the next readout.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        reading = {
            "kind": In(Kind),
            "keyed": In(1),
            "key": In(KEY_BITS),
            "read_noise": In(BY_NAME["read_noise"].bits),
            "reading": Out(signed(p.reading_bits)),
        }
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "row": In(p.row_bits),
                "column": In(p.column_bits),
                "state": Out(StateRead(p)),
                "plus": Out(p.state_bits),
                "minus": Out(p.state_bits),
                **(reading if p.verify else {}),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        lane, waited = Signal(p.column_bits), Signal(range(STATE_STAGES))
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [self.state.address.eq(times(self.row, p.macro_words)), lane.eq(self.column)]
                with m.If(self.start):
                    m.next = "KEYS" if p.verify else "WORD"
            if p.verify:
                with m.State("KEYS"):
                    with m.If(self.keyed):
                        m.next = "WORD"
            with m.State("WORD"):  # the column's word and lane, without a divider
                with m.If(lane >= p.macro_lanes):
                    m.d.sync += [lane.eq(lane - p.macro_lanes), self.state.address.eq(self.state.address + 1)]
                with m.Else():
                    m.d.comb += self.state.enable.eq(1)
                    m.d.sync += waited.eq(0)
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == STATE_STAGES - 2):
                    m.next = "READ"
            with m.State("READ"):
                states = devices(p, self.state.data)
                m.d.sync += [self.plus.eq(Array(states[::2])[lane]), self.minus.eq(Array(states[1::2])[lane])]
                m.d.comb += self.done.eq(not p.verify)
                m.next = "NOISE" if p.verify else "IDLE"
            if p.verify:
                with m.State("NOISE"):
                    with m.If(self.done):
                        m.next = "IDLE"
        if p.verify:
            self._reading(m, fsm.ongoing("NOISE"))
        return m

    def _reading(self, m, noisy):
        """NOISE: one item through the pipeline, then the reading."""
        p = self.params
        column, kind, entered = Signal(p.column_bits), Signal(Kind), Signal()
        with m.If(self.start):
            m.d.sync += [column.eq(self.column), kind.eq(self.kind)]
        m.d.sync += entered.eq(noisy)
        m.submodules.gauss = gauss = Memory(shape=signed(GAUSS_BITS), depth=len(GAUSS), init=GAUSS)
        pipe = Pipeline(m, noisy)
        bits = draw(self.key, pipe.stage(column)).reg()
        z = pipe.lookup(gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        noise = (z * self.read_noise) >> (READ_NOISE_SHIFT - (p.state_bits - p.read_bits))
        if noise.depth != READING_STAGES:
            raise ValueError(f"READING_STAGES is {READING_STAGES}, the pipeline has {noise.depth} stages")
        m.d.comb += self.done.eq(noisy & pipe.valid(~entered).at(noise.depth))
        plus, minus = Mux(kind == Kind.MINUS, 0, self.plus), Mux(kind == Kind.PLUS, 0, self.minus)
        value = Mux(kind == Kind.MINUS, self.minus, plus - minus)
        with m.If(self.done):
            m.d.sync += self.reading.eq(value + noise.value)
