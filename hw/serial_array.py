"""The array's end of a serial link: what a chip or its adapter does, in front of any answer to the macro port."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.interfaces import MacroPort
from hw.macro_pins import MacroPins
from hw.mask_lines import MaskLines
from spec.macro_link import BEAT_BITS, OPERATION_BITS, SYNC_CYCLES, Op, beats, fields
from spec.params import HwParams

PULSES = {Op.INTEGRATE: "integrate", Op.ERASE: "erase", Op.READOUT: "readout"}


class SerialArray(wiring.Component):
    """Frames on `pins` to the operations of `port`.

    All pins pass two flip-flops, so that its clock may be another one than the controller's, if it is not slower, but for
    strobe and select: a pulse is as long here as there.  In a simulation both ends have one clock.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__({"pins": In(MacroPins(params)), "port": Out(MacroPort(params))})

    def elaborate(self, platform):
        m, p, port = Module(), self.params, self.port
        clock, frame, data = Signal(), Signal(), Signal(BEAT_BITS)
        for name, pin, inside in (
            ("clock", self.pins.clock, clock),
            ("frame", self.pins.frame, frame),
            ("data", self.pins.data, data),
        ):
            m.submodules[f"{name}_sync"] = FFSynchronizer(pin, inside, stages=SYNC_CYCLES)
        number = beats(p)
        stored = [
            Signal(BEAT_BITS, name=f"beat_{k}")
            for k in range(max(number[op] for op in Op if op != Op.ANSWER))
        ]
        count, was_clock, was_frame = Signal(range(max(number.values()) + 2)), Signal(), Signal()
        beat, ends = clock & ~was_clock & frame, was_frame & ~frame
        m.d.sync += [was_clock.eq(clock), was_frame.eq(frame)]
        with m.If(beat):
            m.d.sync += count.eq(count + 1)
            for place, kept in enumerate(stored):
                with m.If(count == place):
                    m.d.sync += kept.eq(data)
        with m.If(ends):
            m.d.sync += count.eq(0)
        bits = Cat(stored)
        op = bits[:OPERATION_BITS]
        acts = {each: ends & (op == each) & (count == number[each]) for each in Op}
        self._act(m, bits, acts)
        self._codes(m, acts)
        self._answer(m, beat & (count == 0) & (data[:OPERATION_BITS] == Op.ANSWER), beat)
        m.d.comb += [self.pins.ready.eq(port.ready), self.pins.compare.eq(port.compare)]
        return m

    def _act(self, m, bits, acts):
        """Fields into registers of the port, then what starts."""
        port = self.port
        m.submodules.masks = masks = MaskLines(self.params)
        for op, widths in fields(self.params).items():
            low = OPERATION_BITS
            for name, width in widths.items():
                end = masks.words if hasattr(masks.words, name) else port
                register = Signal(width, name=f"{name}_register")
                with m.If(acts[op]):
                    m.d.sync += register.eq(bits[low : low + width])
                m.d.comb += Value.cast(getattr(end, name)).eq(register)
                low += width
        for op, name in PULSES.items():
            m.d.sync += getattr(port, name).eq(acts[op])
        m.d.sync += masks.words.load.eq(acts[Op.MASK])
        m.d.comb += [masks.words.select.eq(self.pins.select), masks.words.strobe.eq(self.pins.strobe)]
        wiring.connect(m, masks.write, wiring.flipped(port.write))

    def _codes(self, m, acts):
        """A word of row codes stays until the array takes it."""
        with m.If(self.port.dac_ready):
            m.d.sync += self.port.dac_valid.eq(0)
        with m.If(acts[Op.CODES]):
            m.d.sync += self.port.dac_valid.eq(1)

    def _answer(self, m, begins, beat):
        """The states that were read out, bit by bit."""
        states = Cat(self.port.readout_plus, self.port.readout_minus)
        left = Signal(len(states))
        with m.If(begins):
            m.d.sync += [self.pins.answer.eq(states[0]), left.eq(states >> 1)]
        with m.Elif(beat):
            m.d.sync += [self.pins.answer.eq(left[0]), left.eq(left >> 1)]
