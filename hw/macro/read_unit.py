"""One read: column sums over all rows, and their noise."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.macro.column_sums import column_sums
from hw.macro.device_tables import BY_NAME
from hw.macro.event_keys import KEY_BITS
from hw.macro.isqrt import Isqrt
from hw.macro.pipeline import LUT_MEMORY, Pipeline
from hw.macro.state_memory import StateRead, devices
from hw.macro.timing import ERROR_STAGES, NOISE_STAGES, STATE_STAGES, SUM_STAGES, power_bits
from hw.numerics import saturate, times
from spec.device_image import GAIN_FRACTION_BITS, READ_NOISE_SHIFT
from spec.numerics import GAUSS, GAUSS_BITS, GAUSS_FRACTION_BITS, GAUSS_INDEX_BITS, draw, signed_limit
from spec.params import HwParams


class ReadUnit(wiring.Component):
    """Column sums of the rows that come in from the walk, `macro_lanes` columns per cycle.

        sum_j = sum_i x_i * ((g+_ij >> r) - (g-_ij >> r)) + ((z_j * isqrt(sum_i x_i**2) * read_noise) >> 12)

    Where the hardware has converter errors, each sum gets those of its converter after its noise (spec/device_image.py):
    `channel_*` are the key of the draws, the sigma of the offset times the codes' full scale, the sigma of the gain.

    Phases: WALK (`row_*`), DRAIN; meanwhile, from `scanned` on, the size of the noise and, from `keyed` on, the noise, one
    column per cycle; then WAIT until there is noise, ADD (a word of columns per cycle), ERRORS (one column per cycle).
    `keyed` is 1 in the cycle before that from which on the keys hold.
    `done` is 1 in the last cycle; the sums then hold until the next `start`: `selected` are those of `group`, as of `ColumnSums`.
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
                "scanned": In(1),
                "power": In(power_bits(p)),
                "row_valid": In(1),
                "row_done": In(1),
                "row": In(p.row_bits),
                "code": In(p.dac_bits),
                "word": In(range(max(2, p.macro_words))),
                "state": Out(StateRead(p)),
                "read_noise": In(BY_NAME["read_noise"].bits),
                "keyed": In(1),
                "key": In(KEY_BITS),
                "group": In(range(max(2, p.adc_groups))),
                "selected": Out(data.ArrayLayout(signed(p.sum_bits), p.adc_channels)),
                **(errors if p.converter_errors else {}),
            }
        )

    def elaborate(self, platform):
        p = self.params
        m = Module()
        m.submodules.gauss = self.gauss = Memory(shape=signed(GAUSS_BITS), depth=len(GAUSS), init=GAUSS)
        running, adding, erring = Signal(), Signal(), Signal()
        with m.If(self.start | self.done):
            m.d.sync += running.eq(self.start)
        count = Signal(range(max(SUM_STAGES, p.macro_words)))
        products, word, valid = self._products(m, running)
        noise, noise_ready = self._noise(m, running, count)

        m.submodules.column_sums = sums = column_sums(p)
        m.d.comb += [
            sums.start.eq(self.start),
            sums.add.eq(adding | valid),
            sums.word.eq(Mux(adding, count, word)),
            *(
                term.eq(Mux(adding, n, product))
                for term, n, product in zip(sums.terms, noise, products, strict=True)
            ),
            sums.group.eq(self.group),
            self.selected.eq(sums.selected),
        ]
        last_error = self._errors(m, running, erring, sums) if p.converter_errors else None

        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.next = "WALK"
            with m.State("WALK"):
                m.d.sync += count.eq(0)
                with m.If(self.row_done):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == SUM_STAGES - 1):
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += count.eq(0)
                with m.If(noise_ready):
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += adding.eq(1)
                m.d.sync += count.eq(count + 1)
                with m.If(count == p.macro_words - 1):
                    m.d.comb += self.done.eq(not p.converter_errors)
                    m.next = "ERRORS" if p.converter_errors else "IDLE"
            if p.converter_errors:
                with m.State("ERRORS"):
                    m.d.comb += [erring.eq(1), self.done.eq(last_error)]
                    with m.If(last_error):
                        m.next = "IDLE"
        return m

    def _products(self, m, running):
        """Rows times codes: what a word's sums grow by, the word, and when."""
        p = self.params
        pipe = Pipeline(m, running)
        valid, code, word = pipe.valid(self.row_valid), pipe.stage(self.code).reg(), pipe.stage(self.word)
        address = pipe.apply(
            lambda row, word: times(row, p.macro_words) + word, pipe.stage(self.row), word
        ).reg()
        m.d.comb += [self.state.enable.eq(valid.at(address.depth)), self.state.address.eq(address.value)]
        r = p.state_bits - p.read_bits
        data = pipe.stage(self.state.data, address.depth + STATE_STAGES)
        states = [pipe.stage(state, data.depth) for state in devices(p, data.value)]
        products = [
            ((plus >> r) - (minus >> r)).reg() * code
            for plus, minus in zip(states[::2], states[1::2], strict=True)
        ]
        depth = products[0].depth
        if depth != SUM_STAGES:
            raise ValueError(f"SUM_STAGES is {SUM_STAGES}, the pipeline has {depth} stages")
        return [product.value for product in products], word.at(depth), valid.at(depth)

    def _noise(self, m, running, number):
        """The noise of the columns in word `number`, and whether that of all is there."""
        p = self.params
        columns = p.macro_words * p.macro_lanes
        m.submodules.isqrt = isqrt = Isqrt(power_bits(p))
        keyed, rooted, noisy = Signal(), Signal(), Signal()
        m.d.sync += isqrt.start.eq(self.scanned)
        m.d.comb += isqrt.value.eq(self.power)
        with m.If(self.start):
            m.d.sync += [keyed.eq(0), rooted.eq(0)]
        with m.Else():
            m.d.sync += [keyed.eq(keyed | self.keyed), rooted.eq(rooted | isqrt.done)]
        column = Signal(range(columns + 1))
        m.d.sync += noisy.eq(running & keyed & rooted)
        with m.If(self.start):
            m.d.sync += [column.eq(0), noisy.eq(0)]
        with m.Elif(noisy & (column != columns)):
            m.d.sync += column.eq(column + 1)

        pipe = Pipeline(m, running)
        scale = pipe.stage(isqrt.root) * self.read_noise  # holds long before it is needed
        bits = draw(self.key, pipe.stage(column)).reg()
        z = pipe.lookup(self.gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        noise = (z * scale.value) >> READ_NOISE_SHIFT
        if noise.depth != NOISE_STAGES:
            raise ValueError(f"NOISE_STAGES is {NOISE_STAGES}, the pipeline has {noise.depth} stages")
        valid = pipe.valid(noisy & (column != columns)).at(noise.depth)

        # Column after column into a word, a register that only shifts and so costs no logic; words into a memory.
        width = len(noise.value)
        word, place = Signal(width * p.macro_lanes), Signal(range(max(2, p.macro_lanes)))
        filled, words = Signal(), Signal(range(p.macro_words + 1))
        ends = place == p.macro_lanes - 1
        with m.If(valid):
            m.d.sync += [word.eq(Cat(word[width:], noise.value)), place.eq(Mux(ends, 0, place + 1))]
        m.d.sync += filled.eq(valid & ends)
        with m.If(self.start):
            m.d.sync += words.eq(0)
        with m.Elif(filled):
            m.d.sync += words.eq(words + 1)
        chosen: Value = word
        if p.macro_words > 1:
            m.submodules.noise_words = memory = Memory(
                shape=len(word), depth=p.macro_words, init=[], attrs=LUT_MEMORY
            )
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [write.addr.eq(words), write.data.eq(word), write.en.eq(filled), read.addr.eq(number)]
            chosen = read.data
        return [chosen[k : k + width].as_signed() for k in range(0, len(word), width)], words == p.macro_words

    def _errors(self, m, running, erring, sums):
        """ERRORS: the sums as their converters see them, column after column; the signal of the last cycle."""
        p = self.params
        columns = p.macro_words * p.macro_lanes
        entered, channel = Signal(range(columns + 1)), Signal(range(max(2, p.adc_channels)))
        entering = erring & (entered != columns)
        with m.If(self.start):
            m.d.sync += [entered.eq(0), channel.eq(0)]
        with m.Elif(entering):
            m.d.sync += entered.eq(entered + 1)
            m.d.sync += channel.eq(Mux(channel == p.adc_channels - 1, 0, channel + 1))

        pipe = Pipeline(m, running)
        bits = draw(self.channel_key, pipe.stage(channel)).reg()
        first = pipe.lookup(self.gauss.read_port(), bits[:GAUSS_INDEX_BITS])
        second = pipe.lookup(self.gauss.read_port(), bits[GAUSS_INDEX_BITS : 2 * GAUSS_INDEX_BITS])
        offset = (first * self.channel_offset) >> READ_NOISE_SHIFT
        gain = (second * self.channel_gain) >> GAUSS_FRACTION_BITS
        total = pipe.stage(sums.first, gain.depth)
        exact = total + ((total * gain) >> GAIN_FRACTION_BITS)
        limit = signed_limit(p.sum_bits)
        seen = pipe.apply(lambda v: saturate(v, -limit, limit), (exact.reg() + offset).reg()).reg()
        if seen.depth != ERROR_STAGES:
            raise ValueError(f"ERROR_STAGES is {ERROR_STAGES}, the pipeline has {seen.depth} stages")
        valid = pipe.valid(entering)
        last = pipe.valid(entering & (entered == columns - 1))
        # The sums leave at one end as their errors come, and enter at the other.
        m.d.comb += [sums.turn.eq(valid.at(total.depth) | valid.at(seen.depth)), sums.seen.eq(seen.value)]
        return last.at(seen.depth)
