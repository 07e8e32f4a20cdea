"""The row port and the pulse amplitude on channels of SPI DACs, whose input registers are the shadow register."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import cycles, idle_high, timer
from fpga.adapters.pins import dac_chips
from fpga.adapters.spi_dac import Command, SpiDac
from hw.interfaces import AMPLITUDE_BITS
from spec.converter_parts import Parts
from spec.params import HwParams


class RowDac(wiring.Component):
    """Codes to the DACs' input registers, one frame each; `swap` brings all of them to the outputs by LDAC.

    dac_*: the row port; no word is taken while `hold`, `swap` or `set_amplitude` is 1.  swap: until `settled` (one cycle).
    set_amplitude: until `amplitude_set` (one cycle); `amplitude` goes to its channel alone, the rows stay.  started: the
    DACs have been reset.  Codes are left-aligned: full scale is all ones of `dac_bits`, then zeros.
    """

    def __init__(self, params: HwParams, parts: Parts, clock_hz: float):
        self.params, self.parts = params, parts
        chips = dac_chips(params, parts)
        self.dac = SpiDac(parts.dac, chips, clock_hz)
        self.ldac = cycles(parts.dac.ldac_low, clock_hz)
        self.settle = cycles(parts.dac.settle, clock_hz)
        super().__init__(
            {
                "dac_valid": In(1),
                "dac_ready": Out(1),
                "dac_word": In(range(max(2, params.row_words))),
                "dac_codes": In(data.ArrayLayout(params.dac_bits, params.dac_load_lanes)),
                "hold": In(1),
                "swap": In(1),
                "settled": Out(1),
                "amplitude": In(AMPLITUDE_BITS),
                "set_amplitude": In(1),
                "amplitude_set": Out(1),
                "started": Out(1),
                "sclk": Out(1),
                "din": Out(1),
                "sync_n": idle_high(chips),
                "ldac_n": idle_high(),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        m.submodules.dac = dac = self.dac
        m.d.comb += [getattr(self, name).eq(getattr(dac, name)) for name in ("sclk", "din", "sync_n")]
        lanes = p.dac_load_lanes
        codes, lane = Signal.like(self.dac_codes), Signal(range(max(2, lanes)))
        row = Signal(range(p.row_words * lanes + 1))  # that of the first code held
        chip = Signal(range(max(2, dac.chips)))
        wait = timer(max(self.ldac, self.settle), "wait")
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("RESET"):
                m.d.comb += [dac.i.valid.eq(1), dac.i.payload.command.eq(Command.RESET)]
                m.d.comb += dac.i.payload.chip.eq(chip)
                with m.If(dac.i.ready):
                    m.d.sync += chip.eq(chip + 1)
                    with m.If(chip == dac.chips - 1):
                        m.d.sync += self.started.eq(1)
                        m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += self.dac_ready.eq(~(self.hold | self.swap | self.set_amplitude))
                with m.If(self.set_amplitude):
                    self._frame(m, Command.WRITE, p.rows, self.amplitude << self._above(AMPLITUDE_BITS))
                    with m.If(dac.i.ready):
                        m.next = "AMPLITUDE"
                with m.Elif(self.swap & dac.idle):
                    m.d.sync += [self.ldac_n.eq(0), wait.eq(self.ldac - 1)]
                    m.next = "LDAC"
                with m.Elif(self.dac_valid & self.dac_ready):
                    m.d.sync += [codes.eq(self.dac_codes), row.eq(self.dac_word * lanes), lane.eq(0)]
                    m.next = "ROWS"
            with m.State("ROWS"):
                self._frame(m, Command.LOAD, row, codes[0] << self._above(p.dac_bits), row < p.rows)
                with m.If(dac.i.ready | (row >= p.rows)):
                    m.d.sync += [codes.eq(codes.as_value() >> p.dac_bits), row.eq(row + 1)]
                    m.d.sync += lane.eq(lane + 1)
                    with m.If(lane == lanes - 1):
                        m.next = "IDLE"
            with m.State("AMPLITUDE"):
                m.d.sync += wait.eq(self.settle - 1)
                with m.If(dac.idle):
                    m.next = "SETTLE"
            with m.State("LDAC"):
                with m.If(wait == 0):
                    m.d.sync += [self.ldac_n.eq(1), wait.eq(self.settle - 1)]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If(wait == 0):
                    m.d.comb += Mux(self.swap, self.settled, self.amplitude_set).eq(1)
                    m.next = "IDLE"
        return m

    def _above(self, bits: int) -> int:
        """Bits of the DAC's code below a left-aligned one."""
        return self.parts.dac.code_bits - bits

    def _frame(self, m, command, number, code, valid=1):
        """Offer a frame for channel `number` of all chips' channels."""
        frame = self.dac.i.payload
        channels = self.parts.dac.channels
        m.d.comb += [
            self.dac.i.valid.eq(valid),
            frame.command.eq(command),
            frame.chip.eq(number // channels),
            frame.channel.eq(number % channels),
            frame.code.eq(code),
        ]
