"""Answers the macro port with off-the-shelf converters: SPI DACs, SPI ADCs, shift registers and a strobe."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fpga.adapters.cycles import cycles, timer
from fpga.adapters.pins import AnalogPins
from fpga.adapters.pulse_output import PulseOutput, least_guard
from fpga.adapters.row_dac import RowDac
from fpga.adapters.spi_adc import SpiAdc
from hw.interfaces import MacroPort, integrate_bits
from hw.macro.converters import Converters
from spec.converter_parts import PARTS, Parts
from spec.errors import InputError
from spec.params import HwParams

ERASE_NS = 1000
"""Width of the erase pulse: a property of the array, not of a part."""


def check_adaptable(params: HwParams, parts: Parts, clock_hz: float) -> None:
    """Raises InputError where the parts cannot do what the parameters ask for."""
    if params.choose_encoding:
        raise InputError("the adapter drives rows by amplitude only", key="encodings")
    for name in ("verify", "transposed"):
        if getattr(params, name):
            raise InputError("the adapter has no operation for it: 0 is needed", key=name)
    part = parts.multiplexer
    if params.adc_groups > part.ways:
        text = f"{params.adc_groups} columns share a converter, the {part.name} has {part.ways} ways"
        raise InputError(text, key="adc_channels")
    least = least_guard(parts, clock_hz)
    if params.guard_min_cycles < least:
        text = f"{params.guard_min_cycles} is too short: {least} needed at this clock"
        raise InputError(text, key="guard_min_cycles")


class ConverterAdapter(wiring.Component):
    """Each operation of the macro port as a sequence of pins; the controller does not see the difference.

    params: hardware of one macro.  clock_hz: of this design, from which the times of `parts` become cycles.  Raises
    InputError where the parts cannot do what the parameters ask for.  port: MacroPort.  pins: AnalogPins.

    - Row words go to the DACs' input registers while nothing else needs them (`dac_ready`).
    - integrate: LDAC, the rows settle, `integrate` is 1 for the programmed cycles, then all columns are converted,
      group after group, and `ready` rises.  A column sum is the ADC's code less half its range, so `lsb` is in ADC
      codes; the comparators' answers are computed from it.  A conversion whose leading zeros are not zeros is repeated:
      an ADC that is not there ends in the watchdog's fault.
    - write: PulseOutput.
    - erase: the pin is 1 for ERASE_NS.
    - readout: the converters see no single cell; it ends after a cycle, and states read as 0.
    """

    def __new__(cls, params: HwParams, clock_hz: float, parts: Parts = PARTS):
        check_adaptable(params, parts, clock_hz)  # before there is a component, which would warn
        return super().__new__(cls)

    def __init__(self, params: HwParams, clock_hz: float, parts: Parts = PARTS):
        self.params = params
        self.code_bits = parts.adc.code_bits
        self.rows = RowDac(params, parts, clock_hz)
        self.adc = SpiAdc(parts.adc, params.adc_channels, clock_hz)
        self.pulses = PulseOutput(params, parts, clock_hz)
        self.erase_cycles = cycles(ERASE_NS, clock_hz)
        self.mux_cycles = cycles(parts.multiplexer.settle + parts.adc.acquire, clock_hz)
        super().__init__({"port": In(MacroPort(params)), "pins": Out(AnalogPins(params, parts))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = self.rows
        m.submodules.adc = self.adc
        m.submodules.pulses = self.pulses
        self._row_port(m)
        self._converters(m)
        self._write_lines(m)
        self._operations(m)
        return m

    def _row_port(self, m):
        port, rows, pins = self.port, self.rows, self.pins
        m.d.comb += [
            rows.dac_valid.eq(port.dac_valid),
            port.dac_ready.eq(rows.dac_ready),
            rows.dac_word.eq(port.dac_word),
            rows.dac_codes.eq(port.dac_codes),
            rows.hold.eq(port.integrate),  # what comes from here on belongs to the next read
        ]
        m.d.comb += [
            getattr(pins, f"dac_{name}").eq(getattr(rows, name))
            for name in ("sclk", "din", "sync_n", "ldac_n")
        ]

    def _converters(self, m):
        """The codes of all columns are kept; a code less half the range is its highest bit inverted."""
        p, adc, port = self.params, self.adc, self.port
        m.submodules.converters = converters = Converters(p)
        group = data.ArrayLayout(signed(self.code_bits), p.adc_channels)
        kept = [Signal(group, name=f"group{k}") for k in range(p.adc_groups)]
        with m.If(adc.done), m.Switch(self.pins.mux):
            for k, codes in enumerate(kept):
                with m.Case(k):
                    m.d.sync += [
                        to.eq(Cat(code[:-1], ~code[-1])) for to, code in zip(codes, adc.codes, strict=True)
                    ]
        with m.Switch(port.group):
            for k, codes in enumerate(kept):
                with m.Case(k):
                    m.d.comb += [total.eq(code) for total, code in zip(converters.sums, codes, strict=True)]
        m.d.comb += [converters.lsb.eq(port.lsb), converters.trial.eq(port.trial)]
        m.d.comb += [
            port.compare.eq(converters.compare),
            adc.sdata.eq(self.pins.adc_sdata),
            self.pins.adc_sclk.eq(adc.sclk),
            self.pins.adc_cs_n.eq(adc.cs_n),
        ]

    def _write_lines(self, m):
        pulses, rows, pins = self.pulses, self.rows, self.pins
        wiring.connect(m, wiring.flipped(self.port.write), pulses.write)
        m.d.comb += [
            rows.amplitude.eq(pulses.amplitude),
            rows.set_amplitude.eq(pulses.set_amplitude),
            pulses.amplitude_set.eq(rows.amplitude_set),
            pins.strobe.eq(pulses.strobe),
        ]
        m.d.comb += [
            getattr(pins, f"sr_{name}").eq(getattr(pulses, name)) for name in ("ser", "srclk", "rclk", "oe_n")
        ]

    def _operations(self, m):
        """One operation after the other; strobes are PulseOutput's, while this is in OPEN."""
        port, pins, adc, rows = self.port, self.pins, self.adc, self.rows
        left = Signal(integrate_bits(self.params))  # cycles of a phase after this one
        wait = timer(max(self.erase_cycles, self.mux_cycles), "wait")
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("START"):
                with m.If(rows.started):
                    m.next = "OPEN"
            with m.State("OPEN"):
                m.d.comb += [self.pulses.open.eq(1), port.ready.eq(self.pulses.ready)]
                with m.If(port.integrate):
                    cycles_asked = port.integrate_cycles
                    m.d.sync += left.eq(Mux(cycles_asked == 0, 0, cycles_asked - 1))
                    m.next = "ROWS"
                with m.Elif(port.erase):
                    m.d.sync += [pins.erase.eq(1), wait.eq(self.erase_cycles - 1)]
                    m.next = "ERASE"
                with m.Elif(port.readout):
                    m.next = "READOUT"
            with m.State("ROWS"):
                m.d.comb += rows.swap.eq(1)
                with m.If(rows.settled):
                    m.d.sync += [pins.discharge.eq(0), pins.integrate.eq(1)]
                    m.next = "INTEGRATE"
            with m.State("INTEGRATE"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += [pins.integrate.eq(0), pins.mux.eq(0), wait.eq(self.mux_cycles - 1)]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                with m.If((wait == 0) & adc.idle):
                    m.d.comb += adc.start.eq(1)
                    m.next = "CONVERT"
            with m.State("CONVERT"):
                m.d.sync += wait.eq(self.mux_cycles - 1)
                with m.If(adc.done):
                    m.next = "SETTLE"
                    with m.If(adc.zeros & (pins.mux == self.params.adc_groups - 1)):
                        m.d.sync += pins.discharge.eq(1)
                        m.next = "OPEN"
                    with m.Elif(adc.zeros):
                        m.d.sync += pins.mux.eq(pins.mux + 1)
            with m.State("ERASE"):
                with m.If(wait == 0):
                    m.d.sync += pins.erase.eq(0)
                    m.next = "OPEN"
            with m.State("READOUT"):
                m.next = "OPEN"
