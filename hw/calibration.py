"""Offset and gain of each converter: measured from unlabelled reads, corrected in its codes."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.column_adc import has_column
from hw.interfaces import PartialCodes
from hw.numerics import saturate
from spec.numerics import CALIBRATED_FRACTION_BITS, CALIBRATED_GAIN_BITS, round_shift
from spec.params import HwParams
from spec.registers import BY_NAME

SUM_BITS = 32
SHIFT_BITS = next(f.bits for f in BY_NAME["CALIBRATION"].fields if f.name == "shift")


class Calibration(wiring.Component):
    """o: clip(round_shift((code - offset) * gain, 12), -Q, Q) per channel with `apply`, else the codes of `i`.

    While `measuring` the codes on `i` are summed: with `gains` |code - offset| of all columns of a channel, else the
    codes of its first column in the first 2**shift conversions.  `finish` (one cycle, when all codes are through, none
    come while `busy`) turns the sums into results: with `gains` the gain target / sum, by a division of one bit a cycle,
    4 - 2**-12 at most; else the offset, and a gain of 1.  restart: a run begins; sums and the output are cleared, results
    stay.  target with target_valid: of `channel`; offset, gain: of `channel`; new_offset, new_gain with restore: they take
    their place, not while `busy`.  Channels are the converters of all macros, in the order of the codes of a group.

    Latency 1, one group per cycle; finishing takes 3 cycles a channel, with `gains` CALIBRATED_GAIN_BITS + 3.
    Golden: model/controller/calibration.py.
    """

    LATENCY = 1

    def __init__(self, params: HwParams):
        self.params = params
        self._index = range(max(2, params.converters))
        super().__init__(
            {
                "i": In(stream.Signature(PartialCodes(params))),
                "o": Out(stream.Signature(PartialCodes(params))),
                **{name: In(1) for name in ("apply", "measuring", "gains", "finish", "restart")},
                "shift": In(SHIFT_BITS),
                "channel": In(self._index),
                "target": In(SUM_BITS),
                "target_valid": In(1),
                "offset": Out(signed(params.adc_bits)),
                "gain": Out(CALIBRATED_GAIN_BITS),
                "new_offset": In(signed(params.adc_bits)),
                "new_gain": In(CALIBRATED_GAIN_BITS),
                "restore": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        p, m = self.params, Module()
        n = p.converters
        self._offsets = [Signal(signed(p.adc_bits), name=f"offset_{k}") for k in range(n)]
        unity = 1 << CALIBRATED_FRACTION_BITS
        self._gains = [Signal(CALIBRATED_GAIN_BITS, init=unity, name=f"gain_{k}") for k in range(n)]
        self._sums = [Signal(SUM_BITS, name=f"sum_{k}") for k in range(n)]
        m.d.comb += [
            self.offset.eq(Array(self._offsets)[self.channel]),
            self.gain.eq(Array(self._gains)[self.channel]),
        ]
        taken = self.i.valid & self.i.ready
        self._group = Signal(range(max(2, p.adc_groups)))  # on `i`
        with m.If(taken):
            m.d.sync += self._group.eq(Mux(self.i.payload.last, 0, self._group + 1))
        self._correct(m, taken)
        self._measure(m, taken & self.measuring)
        self._results(m)
        with m.If(self.restart):
            m.d.sync += [self.o.valid.eq(0), self._group.eq(0), *(total.eq(0) for total in self._sums)]
        return m

    def _centred(self, k):
        return self.i.payload.codes[k] - self._offsets[k]

    def _exists(self, k):
        """Channel k has a column in the group on `i`."""
        return has_column(self.params, k, self._group)

    def _correct(self, m, taken):
        limit = self.params.adc_limit
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(taken), self.o.payload.last.eq(self.i.payload.last)]
            for k, code in enumerate(self.i.payload.codes):
                product = self._centred(k) * self._gains[k]
                corrected = saturate(round_shift(product, CALIBRATED_FRACTION_BITS), -limit, limit)
                chosen = Mux(self.apply & self._exists(k), corrected, code)
                m.d.sync += self.o.payload.codes[k].eq(chosen)

    def _measure(self, m, adds):
        """Sums of the run; for offsets the codes of the first group only, where every channel that is in use has a column."""
        conversions = Signal((1 << SHIFT_BITS) + 1)
        early = (conversions >> self.shift) == 0
        with m.If(adds):
            with m.If(self.i.payload.last & early):
                m.d.sync += conversions.eq(conversions + 1)
            for k, total in enumerate(self._sums):
                centred = self._centred(k)
                with m.If(self.gains & self._exists(k)):
                    m.d.sync += total.eq(total + Mux(centred < 0, -centred, centred))
                with m.Elif(~self.gains & (self._group == 0) & early):
                    m.d.sync += total.eq(total + self.i.payload.codes[k])
        with m.If(self.restart):
            m.d.sync += conversions.eq(0)

    def _results(self, m):
        """Channel after channel: sums and results turn by one place until all have come past place 0."""
        p = self.params
        m.submodules.targets = targets = Memory(shape=SUM_BITS, depth=max(2, p.converters), init=[])
        write, read = targets.write_port(), targets.read_port()
        channel = Signal(self._index)
        bit = Signal(range(CALIBRATED_GAIN_BITS))
        rest = Signal(SUM_BITS + 2)  # of the target, in units of 1/4 of the sum
        quotient, over = Signal(CALIBRATED_GAIN_BITS), Signal()
        total = self._sums[0]
        m.d.comb += [
            write.addr.eq(self.channel),
            write.data.eq(self.target),
            write.en.eq(self.target_valid),
            read.addr.eq(channel),
            self.busy.eq(1),
        ]
        doubled, divisor = rest << 1, total << 2
        fits = doubled >= divisor
        mean = saturate(round_shift(total.as_signed(), self.shift), -p.adc_limit, p.adc_limit)
        offset = Mux(self.gains, self._offsets[0], mean)
        gain = Mux(
            self.gains, Mux(over, (1 << CALIBRATED_GAIN_BITS) - 1, quotient), 1 << CALIBRATED_FRACTION_BITS
        )
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += channel.eq(0)
                for k, (offset_of, gain_of) in enumerate(zip(self._offsets, self._gains, strict=True)):
                    with m.If(self.restore & (self.channel == k)):
                        m.d.sync += [offset_of.eq(self.new_offset), gain_of.eq(self.new_gain)]
                with m.If(self.finish):
                    m.next = "FETCH"
            with m.State("FETCH"):  # the memory's output has the target in the next cycle
                m.d.sync += bit.eq(CALIBRATED_GAIN_BITS - 1)
                m.next = "START"
            with m.State("START"):
                m.d.sync += [rest.eq(read.data), over.eq(read.data >= divisor)]
                with m.If(self.gains):
                    m.next = "DIVIDE"
                with m.Else():
                    m.next = "STORE"
            with m.State("DIVIDE"):
                m.d.sync += [
                    rest.eq(Mux(fits, doubled - divisor, doubled)),
                    quotient.eq((quotient << 1) | fits),
                    bit.eq(bit - 1),
                ]
                with m.If(bit == 0):
                    m.next = "STORE"
            with m.State("STORE"):
                for ring, value in ((self._offsets, offset), (self._gains, gain), (self._sums, total)):
                    m.d.sync += [a.eq(b) for a, b in zip(ring, [*ring[1:], value], strict=True)]
                m.d.sync += channel.eq(channel + 1)
                with m.If(channel == p.converters - 1):
                    m.next = "IDLE"
                with m.Else():
                    m.next = "FETCH"
