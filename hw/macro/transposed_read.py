"""One transposed read: two columns driven, the sums of some rows, and their noise."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.device_tables import BY_NAME
from hw.macro.event_keys import KEY_BITS
from hw.macro.pipeline import Pipeline
from hw.macro.state_memory import StateRead, devices
from hw.macro.timing import NOISE_STAGES, STATE_STAGES
from hw.numerics import times
from spec.device_image import READ_NOISE_SHIFT
from spec.numerics import GAUSS, GAUSS_BITS, GAUSS_INDEX_BITS, draw, isqrt
from spec.params import HwParams


class TransposedRead(wiring.Component):
    """Row sums of the `adc_channels` rows from `first_row` on, with columns `raised` and `lowered` at full scale F.

        sum_k = F * (d_(f+k)u - d_(f+k)v) + ((z_k * isqrt(2 * F**2) * read_noise) >> 12),
        d_ij = (g+_ij >> r) - (g-_ij >> r)

    Every word of each row is read, one per cycle; a word that holds neither column adds nothing.  The inputs must hold
    from `start` on.  `done` is 1 in the last cycle; `sums`, row f + k at place k, then hold until the next `start`.
    Places beyond the last row are junk.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "raised": In(p.column_bits),
                "lowered": In(p.column_bits),
                "first_row": In(p.row_bits),
                "state": Out(StateRead(p)),
                "read_noise": In(BY_NAME["read_noise"].bits),
                "key": In(KEY_BITS),
                "sums": Out(p.sum_bits * p.adc_channels),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        busy = Signal()
        with m.If(self.start | self.done):
            m.d.sync += busy.eq(self.start)
        pipe = Pipeline(m, busy)
        channel, first, walking = self._walk(m, busy)
        ends = first == (p.macro_words - 1) * p.macro_lanes
        noise = self._noise(m, pipe, channel)
        swing = self._swing(pipe, first)
        if noise.depth != NOISE_STAGES:
            raise ValueError(f"NOISE_STAGES is {NOISE_STAGES}, the pipeline has {noise.depth} stages")
        arrived, last, final = (
            pipe.valid(flag).at(noise.depth)
            for flag in (walking, walking & ends, walking & ends & (channel == p.adc_channels - 1))
        )
        before = Signal(signed(p.sum_bits))  # of the row's words before this one
        total = before + swing.at(noise.depth)
        with m.If(busy & arrived):
            m.d.sync += before.eq(Mux(last, 0, total))
        with m.If(busy & last):
            seen = total + noise.value
            m.d.sync += self.sums.eq(Cat(self.sums[p.sum_bits :], seen[: p.sum_bits]))
        m.d.comb += self.done.eq(busy & final)
        return m

    def _walk(self, m, busy):
        """One word per cycle, row by row: its channel, its first column, and whether there is one."""
        p = self.params
        channel = Signal(range(p.adc_channels + 1))
        first = Signal(range(max(2, p.macro_words * p.macro_lanes)))
        row = Signal(range(p.rows + p.adc_channels + 1))
        walking = Signal()
        m.d.comb += [
            walking.eq(busy & (channel != p.adc_channels)),
            self.state.enable.eq(walking & (row < p.rows)),
        ]
        with m.If(self.start):
            m.d.sync += [channel.eq(0), first.eq(0), row.eq(self.first_row)]
            m.d.sync += self.state.address.eq(times(self.first_row, p.macro_words))
        with m.Elif(walking):
            m.d.sync += self.state.address.eq(self.state.address + 1)
            with m.If(first == (p.macro_words - 1) * p.macro_lanes):
                m.d.sync += [channel.eq(channel + 1), first.eq(0), row.eq(row + 1)]
            with m.Else():
                m.d.sync += first.eq(first + p.macro_lanes)
        return channel, first, walking

    def _swing(self, pipe, first):
        """What a word adds to its row's sum, before the noise."""
        p = self.params
        word = pipe.stage(self.state.data, STATE_STAGES)

        def difference(column):
            """d of a column that the word holds, else 0."""
            lane = pipe.stage(column) - pipe.stage(first)
            return pipe.apply(self._pair, word, lane).reg()

        return (difference(self.raised) - difference(self.lowered)).reg() * p.dac_full_scale

    def _pair(self, word, lane):
        """The difference of the pair at a place of the word, 0 if the word has no such place."""
        p = self.params
        r = p.state_bits - p.read_bits
        states = devices(p, word)
        plus, minus = (Array(states[sign::2])[lane.as_unsigned()] for sign in range(2))
        return Mux((lane >= 0) & (lane < p.macro_lanes), (plus >> r) - (minus >> r), 0)

    def _noise(self, m, pipe, channel):
        """The noise of a channel's sum."""
        p = self.params
        m.submodules.gauss = gauss = Memory(shape=signed(GAUSS_BITS), depth=len(GAUSS), init=GAUSS)
        root = isqrt(2 * p.dac_full_scale**2)
        scale = Signal(BY_NAME["read_noise"].bits + root.bit_length())
        m.d.sync += scale.eq(self.read_noise * root)
        bits = draw(self.key, pipe.stage(channel)).reg()
        z = pipe.lookup(gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        return (z * scale) >> READ_NOISE_SHIFT
