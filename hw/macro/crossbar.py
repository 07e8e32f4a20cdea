"""The behavioural crossbar macro: the macro port's operations on an array of compiled devices."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect

from hw.interfaces import ImageWord, MacroPort, image_stream, integrate_bits
from hw.macro.converters import Converters
from hw.macro.device_tables import DeviceConstants
from hw.macro.event_keys import EventKeys
from hw.macro.read_unit import ReadUnit
from hw.macro.readout import Readout
from hw.macro.row_codes import RowCodes
from hw.macro.state_memory import StateMemory
from hw.macro.transposed_read import TransposedRead
from hw.macro.write_lane import WriteLane
from hw.macro.write_unit import WriteUnit
from spec.choices import ENCODINGS
from spec.params import HwParams


class CrossbarMacro(wiring.Component):
    """An array of `rows` x `columns` pairs behind the macro port; bit for bit the golden macro.

    - `port`: the analog boundary.  `dac_ready` is always 1 (the shadow bank is loaded at any time); the amplitude
      code is ignored.  Cycles of each operation: hw/macro/timing.py.
    - `image`: words of the device image in their order, always taken.  Load it all while no operation runs, then erase: cells keep
      their states, and those of another device may be out of range.

    Phases: IDLE, KEYS (of the generator; a read makes them meanwhile), ARRAY (the work), HOLD (the programmed time or
    the strobe lasts longer).
    The event counts start at 0 after reset; the cells keep their states, like a non-volatile array.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__({"port": In(MacroPort(params)), "image": In(image_stream())})

    def elaborate(self, platform):
        m = Module()
        p = self.params
        m.submodules.constants = self.constants = DeviceConstants()
        m.submodules.keys = self.keys = EventKeys(self.params)
        m.submodules.rows = self.rows = RowCodes(p)
        m.submodules.read = self.read = ReadUnit(p)
        m.submodules.write = self.write = WriteUnit(p)
        m.submodules.readout = self.readout = Readout(p)
        m.submodules.converters = self.converters = Converters(p)
        # One of them has the state memory and works until it is done.
        self.units = [self.read, self.write, self.readout]
        self.transposed = Signal() if p.reads_transposed else Const(0)  # the last read was transposed
        self._device(m)
        self._read_path(m)
        if p.reads_transposed:
            self._transposed_path(m)
        self._write_path(m)
        self._state_memory(m)
        self._operations(m)
        return m

    def _device(self, m):
        """The image to the constants and the tables; constants to those who compute with them."""
        # A register: words may come from far.  The seed is asked for first, in an operation's second cycle; words follow it.
        image = Signal(ImageWord())
        valid = Signal()
        m.d.comb += self.image.ready.eq(1)
        m.d.sync += [valid.eq(self.image.valid), image.eq(self.image.payload)]
        for bus in (self.constants.image, self.write.image):
            m.d.comb += [bus.valid.eq(valid), bus.word.eq(image)]
        m.d.comb += [
            self.keys.seed.eq(self.constants.seed),
            self.read.read_noise.eq(self.constants.read_noise),
            self.read.key.eq(self.keys.keys.read),
        ]
        if self.params.converter_errors:
            self._converter_errors(m)
        m.d.comb += [
            getattr(self.write, name).eq(getattr(self.constants, name)) for name in WriteLane.CONSTANTS
        ]
        connect(m, self.keys.keys, self.write.keys)

    def _converter_errors(self, m):
        """What the converters' errors are drawn from; an offset is one of the rows' drive."""
        sigma, bits = self.constants.converter_offset, self.params.dac_bits
        whole = (sigma << bits) - sigma
        m.d.sync += self.read.channel_offset.eq(
            Mux(self.rows.serial, sigma, whole) if self.params.bit_serial else whole
        )
        m.d.comb += [
            self.read.channel_key.eq(self.keys.converter),
            self.read.channel_gain.eq(self.constants.converter_gain),
        ]

    def _read_path(self, m):
        """Codes to rows, rows to sums, sums to comparators; and single pairs to the readout."""
        if self.params.bit_serial:
            with m.If(self.port.integrate):
                serial = self.port.encoding == ENCODINGS.index("bit_serial")
                m.d.sync += [self.rows.serial.eq(serial), self.rows.plane.eq(self.port.plane)]
        port, rows, read, converters = self.port, self.rows, self.read, self.converters
        m.d.comb += [
            port.dac_ready.eq(1),
            rows.dac_valid.eq(port.dac_valid),
            rows.dac_word.eq(port.dac_word),
            rows.dac_codes.eq(port.dac_codes),
            rows.start.eq(read.start),
            read.scanned.eq(rows.scanned),
            read.power.eq(rows.power),
            read.row_valid.eq(rows.valid),
            read.row_done.eq(rows.done),
            read.row.eq(rows.row),
            read.code.eq(rows.code),
            read.word.eq(rows.word),
            read.keyed.eq(self.keys.done),
            read.group.eq(port.group),
            converters.sums.eq(read.selected),
            converters.lsb.eq(port.lsb),
            converters.trial.eq(port.trial),
            port.compare.eq(converters.compare),
            self.readout.row.eq(port.readout_row),
            self.readout.column.eq(port.readout_column),
            port.readout_plus.eq(self.readout.plus),
            port.readout_minus.eq(self.readout.minus),
        ]
        if self.params.verify:
            m.d.comb += [
                self.readout.kind.eq(port.readout_kind),
                self.readout.keyed.eq(self.keys.done),
                self.readout.key.eq(self.keys.keys.read),
                self.readout.read_noise.eq(self.constants.read_noise),
                port.reading.eq(self.readout.reading),
            ]

    def _transposed_path(self, m):
        """Columns and first row as they were when the operation began; sums to the comparators."""
        m.submodules.transposed_read = self.transposed_read = unit = TransposedRead(self.params)
        self.units.append(unit)
        port = self.port
        with m.If(port.integrate):
            m.d.sync += [
                self.transposed.eq(port.transposed),
                unit.raised.eq(port.raised),
                unit.lowered.eq(port.lowered),
                unit.first_row.eq(port.first_row),
            ]
        m.d.comb += [
            unit.read_noise.eq(self.constants.read_noise),
            unit.key.eq(self.keys.keys.read),
        ]
        with m.If(self.transposed):
            m.d.comb += self.converters.sums.eq(unit.sums)

    def _write_path(self, m):
        """The write lines as they were when the operation began."""
        lines = self.port.write
        with m.If(self.port.ready):
            m.d.sync += [
                self.write.erase.eq(self.port.erase),
                self.write.row.eq(lines.row),
                self.write.up.eq(lines.up),
                self.write.down.eq(lines.down),
                self.write.depress.eq(lines.depress),
            ]

    def _state_memory(self, m):
        """The states of all cells, which one unit at a time reads."""
        m.submodules.states = states = StateMemory(self.params)
        for user in self.units:
            m.d.comb += user.state.data.eq(states.read.data)
            with m.If(user.state.enable):
                m.d.comb += [states.read.address.eq(user.state.address), states.read.enable.eq(1)]
        connect(m, self.write.write, states.write)

    def _swaps(self):
        """The integrate takes the codes that were loaded; the others leave the rows' codes as they are."""
        p, port = self.params, self.port
        swaps = port.integrate
        if p.bit_serial:
            swaps &= port.plane == 0
        if p.reads_transposed:
            swaps &= ~port.transposed
        return swaps

    def _operations(self, m):
        """One operation after the other, each with the number of its event."""
        port, keys = self.port, self.keys
        strobe_before = Signal()
        m.d.sync += strobe_before.eq(port.write.strobe)
        strobing, integrating = Signal(), Signal()
        reading, counted = Signal(), Signal()  # a readout with noise, and whether it is an event
        remaining = Signal(
            integrate_bits(self.params)
        )  # cycles, this one included, for which an integrate is to last
        lasting = Signal()  # more than one cycle of them
        m.d.sync += lasting.eq(remaining > 2)
        with m.If(remaining != 0):
            m.d.sync += remaining.eq(remaining - 1)
        hold = lasting | (strobing & port.write.strobe)
        done = Cat(unit.done for unit in self.units).any()
        transposed = port.transposed if self.params.reads_transposed else Const(0)
        with m.If(keys.done):
            m.d.sync += [
                keys.integrates.eq(keys.integrates + (integrating | counted)),
                keys.strobes.eq(keys.strobes + strobing),
            ]

        idle = Signal(init=1)  # a register of its own: the controller makes much of it
        m.d.comb += port.ready.eq(idle)
        with m.FSM():
            with m.State("IDLE"):
                rising = port.write.strobe & ~strobe_before
                m.d.comb += self.rows.swap.eq(self._swaps())
                m.d.sync += [strobing.eq(rising), integrating.eq(port.integrate)]
                if self.params.verify:
                    m.d.sync += [
                        reading.eq(port.readout),
                        counted.eq(port.readout & (port.readout_kind != 0)),
                    ]
                with m.If(port.integrate):
                    m.d.sync += [
                        remaining.eq(port.integrate_cycles),
                        lasting.eq(port.integrate_cycles > 1),
                    ]
                with m.If(port.integrate & ~transposed):
                    m.d.comb += [keys.start.eq(1), self.read.start.eq(1)]
                    m.d.sync += idle.eq(0)
                    m.next = "ARRAY"
                with m.Elif(port.integrate | port.erase | rising):
                    m.d.comb += keys.start.eq(1)
                    m.d.sync += idle.eq(0)
                    m.next = "KEYS"
                with m.Elif(port.readout):
                    m.d.comb += [self.readout.start.eq(1), keys.start.eq(self.params.verify)]
                    m.d.sync += idle.eq(0)
                    m.next = "KEYS" if self.params.verify else "ARRAY"
            with m.State("KEYS"):
                with m.If(keys.done):
                    m.d.comb += self.write.start.eq(~integrating & ~reading)
                    if self.params.reads_transposed:
                        m.d.comb += self.transposed_read.start.eq(integrating)
                    m.next = "ARRAY"
            with m.State("ARRAY"):
                with m.If(done & hold):
                    m.next = "HOLD"
                with m.Elif(done):
                    m.d.sync += idle.eq(1)
                    m.next = "IDLE"
            with m.State("HOLD"):
                with m.If(~hold):
                    m.d.sync += idle.eq(1)
                    m.next = "IDLE"
