"""One read: column sums over all rows, and their noise."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.device_tables import BY_NAME
from hw.macro.event_keys import KEY_BITS
from hw.macro.isqrt import Isqrt
from hw.macro.pipeline import Pipeline
from hw.macro.state_memory import StateRead, devices
from hw.macro.timing import NOISE_STAGES, SUM_STAGES, power_bits
from hw.numerics import saturate
from spec.device_image import GAIN_FRACTION_BITS, READ_NOISE_SHIFT
from spec.numerics import GAUSS, GAUSS_BITS, GAUSS_FRACTION_BITS, GAUSS_INDEX_BITS, draw, signed_limit
from spec.params import HwParams


def sums_bits(p: HwParams) -> int:
    """Width of all column sums, `sum_bits` each; the last word's lanes may have no column."""
    return p.sum_bits * p.macro_words * p.macro_lanes


def column_sums(p: HwParams, sums: Value) -> list[Value]:
    """The signed sum of each place."""
    return [sums[k : k + p.sum_bits].as_signed() for k in range(0, sums_bits(p), p.sum_bits)]


class ReadUnit(wiring.Component):
    """Column sums of the rows that come in from the walk, `macro_lanes` columns per cycle.

        sum_j = sum_i x_i * ((g+_ij >> r) - (g-_ij >> r)) + ((z_j * isqrt(sum_i x_i**2) * read_noise) >> 12)

    Where the hardware has converter errors, each sum gets those of its converter with its noise (spec/device_image.py):
    `channel_*` are the key of the draws, the sigma of the offset times the codes' full scale, the sigma of the gain.

    Phases: WALK (`row_*`: each row for `macro_words` cycles), DRAIN, ROOT (the size of the noise), NOISE (one column
    per cycle).  `done` is 1 in the last cycle; `sums`, column j at place j, then hold until the next `start`.  Places
    beyond the last column are junk.  Each step turns the accumulators by the columns that it has changed.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        errors = {
            "channel_key": In(KEY_BITS),
            "channel_offset": In(BY_NAME["converter_offset"].bits + p.dac_bits),
            "channel_gain": In(BY_NAME["converter_gain"].bits),
        }
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
                "row_valid": In(1),
                "row_take": Out(1),
                "row_done": In(1),
                "row": In(p.row_bits),
                "code": In(p.dac_bits),
                "state": Out(StateRead(p)),
                "read_noise": In(BY_NAME["read_noise"].bits),
                "key": In(KEY_BITS),
                "sums": Out(sums_bits(p)),
                **(errors if p.converter_errors else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        walking, draining, noisy = Signal(), Signal(), Signal()
        m.submodules.isqrt = isqrt = Isqrt(power_bits(self.params))
        power = Signal(power_bits(self.params))
        m.d.comb += isqrt.value.eq(power)

        with m.If(self.start):
            m.d.sync += [self.sums.eq(0), power.eq(0)]
        self._accumulate(m, walking, draining, power)
        noise_done = self._add_noise(m, noisy, isqrt.root)

        drained = Signal(range(SUM_STAGES))
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.next = "WALK"
            with m.State("WALK"):
                m.d.comb += walking.eq(1)
                with m.If(self.row_done):
                    m.d.sync += drained.eq(0)
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += draining.eq(1)
                m.d.sync += drained.eq(drained + 1)
                with m.If(drained == SUM_STAGES - 1):
                    m.d.comb += isqrt.start.eq(1)
                    m.next = "ROOT"
            with m.State("ROOT"):
                with m.If(isqrt.done):
                    m.next = "NOISE"
            with m.State("NOISE"):
                m.d.comb += noisy.eq(1)
                with m.If(noise_done):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        return m

    def _accumulate(self, m, walking, draining, power):
        """WALK and DRAIN: rows times codes into the accumulators."""
        p = self.params
        word = Signal(range(p.macro_words + 1))
        last = word == p.macro_words - 1
        m.d.comb += self.row_take.eq(self.row_valid & last)
        with m.If(self.start | self.row_take):
            m.d.sync += word.eq(0)
        with m.Elif(self.row_valid):
            m.d.sync += word.eq(word + 1)

        pipe = Pipeline(m, walking | draining)
        valid = pipe.valid(self.row_valid & walking)
        code = pipe.stage(self.code)
        first = pipe.valid(self.row_valid & walking & (word == 0))
        address = (pipe.stage(self.row) * p.macro_words + pipe.stage(word)).reg()
        m.d.comb += [self.state.enable.eq(valid.at(address.depth)), self.state.address.eq(address.value)]
        r = p.state_bits - p.read_bits
        products = []
        data = pipe.stage(self.state.data, address.depth + 1).reg()
        states = [pipe.stage(state, data.depth) for state in devices(p, data.value)]
        for plus, minus in zip(states[::2], states[1::2], strict=True):
            products.append(((plus >> r) - (minus >> r)).reg() * code)
        depth = products[0].depth
        if depth != SUM_STAGES:
            raise ValueError(f"SUM_STAGES is {SUM_STAGES}, the pipeline has {depth} stages")
        sums = column_sums(p, self.sums)
        with m.If(valid.at(depth)):
            added = [s + product.value for s, product in zip(sums[: p.macro_lanes], products, strict=True)]
            m.d.sync += self._turned(sums, added)
        square = code * code
        with m.If(first.at(square.depth)):
            m.d.sync += power.eq(power + square.value)

    def _add_noise(self, m, noisy, root):
        """NOISE: one column per cycle.  Returns the signal of its last cycle."""
        p = self.params
        columns = p.macro_words * p.macro_lanes
        pipe = Pipeline(m, noisy)
        m.submodules.gauss = gauss = Memory(shape=signed(GAUSS_BITS), depth=len(GAUSS), init=GAUSS)
        scale = Signal(len(root) + len(self.read_noise))
        m.d.sync += scale.eq(root * self.read_noise)

        column = Signal(range(columns + 1))
        with m.If(self.start):
            m.d.sync += column.eq(0)
        with m.Elif(noisy & (column != columns)):
            m.d.sync += column.eq(column + 1)
        valid = pipe.valid(noisy & (column != columns))
        last = pipe.valid(column == columns - 1)
        bits = draw(self.key, pipe.stage(column)).reg()
        z = pipe.lookup(gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        noise = (z * scale) >> READ_NOISE_SHIFT
        if noise.depth != NOISE_STAGES:
            raise ValueError(f"NOISE_STAGES is {NOISE_STAGES}, the pipeline has {noise.depth} stages")
        sums = column_sums(p, self.sums)
        seen = sums[0] + noise.value
        if p.converter_errors:
            seen = self._add_errors(m, pipe, gauss, valid, noise.depth, seen)
        with m.If(noisy & valid.at(noise.depth)):
            m.d.sync += self._turned(sums, [seen])
        return valid.at(noise.depth) & last.at(noise.depth)

    def _add_errors(self, m, pipe, gauss, valid, depth, total):
        """The sum `total` of stage `depth` as the column's converter sees it."""
        p = self.params
        channel = Signal(range(max(2, p.adc_channels)))
        with m.If(self.start):
            m.d.sync += channel.eq(0)
        with m.Elif(valid.value):
            m.d.sync += channel.eq(Mux(channel == p.adc_channels - 1, 0, channel + 1))
        bits = draw(self.channel_key, pipe.stage(channel)).reg()
        first = pipe.lookup(gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        second = pipe.lookup(gauss.read_port(), bits[GAUSS_INDEX_BITS : 2 * GAUSS_INDEX_BITS])
        offset = (first * self.channel_offset) >> READ_NOISE_SHIFT
        gain = (second * self.channel_gain) >> GAUSS_FRACTION_BITS
        seen = total + ((total * gain.at(depth)) >> GAIN_FRACTION_BITS) + offset.at(depth)
        limit = signed_limit(p.sum_bits)
        return saturate(seen, -limit, limit)

    def _turned(self, sums, changed):
        """The accumulators turned by the changed ones, which come first and go last."""
        rest = sums[len(changed) :]
        return self.sums.eq(Cat(*rest, *(value[: self.params.sum_bits] for value in changed)))
