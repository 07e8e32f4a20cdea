"""The update rules: what a sample adds to the update memory, and which cells then get a pulse."""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.delta_store import DeltaStore
from hw.interfaces import Deltas, Row, Update, entry
from hw.sliced_memory import SlicedMemory
from hw.update_lane import DELTA_THRESHOLD_BITS, THRESHOLD_BITS, X_THRESHOLD_BITS, UpdateLane, unreachable
from spec.choices import RULES
from spec.numerics import THIN_BITS, thinning_mask, update_draw, update_key, update_seed_key
from spec.params import HwParams

SAMPLE_BITS = 32
DRAW_BITS = 32
SETTINGS = {
    "rule": range(len(RULES)),
    "threshold": THRESHOLD_BITS,
    "double_first": SAMPLE_BITS,
    "double_second": SAMPLE_BITS,
    "x_threshold": X_THRESHOLD_BITS,
    "delta_threshold": DELTA_THRESHOLD_BITS,
    "update_seed": DRAW_BITS,
}
"""Shapes of the ports that are the registers of the same names."""


class UpdateRule(wiring.Component):
    """Up to `update_columns` weights per cycle, as model/controller/update_rule.py.

    - `i`: whether the next sample updates; one per sample, in order.
    - `deltas`, `rows`: for each sample that updates, its `update_words` words and then its non-zero rows.
    - `o`: an entry per row with a pulse, in row order, then an `end` entry per sample.
    - `rule` (place in RULES; not looked at when one rule is built in), `threshold` (0 acts as 1), `double_first`,
      `double_second`, `x_threshold`, `delta_threshold` (0 acts as 1), `update_seed` (settled two cycles
      before): constant during a run.
    - `restart`: the next sample is number 0; given between runs.
    - `clear`: set the update memory to 0, after the sample in hand if there is one; `busy` from the next cycle
      until it is done, `rows * update_words` cycles of sweep, 1 if there is no memory.  The memory has no reset.

    Rules with a memory, per weight: see UpdateLane.  Rules without: the columns that fire are settled when the deltas
    come, the row that fires beside its words; a pulse comes where both do.
    The lanes are banks of `bank_columns`, each with a memory of its own, and a row takes as many cycles as the fullest
    bank has words in which an error is not 0: see DeltaStore.  A word is read, worked on and written in a pipeline that
    stands still while a row's entry waits for the one before it.  No word is touched twice in a sample, and a sample
    starts after the last one's final write, so a word is never read before it is written.
    Latency: a row's entry comes its words + `LATENCY` cycles after the row.  Throughput: see `cycles`.
    """

    LATENCY = UpdateLane.LATENCY + 4  # the errors, the memory's output, the bits of a row, its entry
    SETTINGS = SETTINGS

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(Update(params))),
                "deltas": In(stream.Signature(Deltas(params))),
                "rows": In(stream.Signature(Row(params))),
                "o": Out(stream.Signature(entry(params))),
                **{name: In(shape) for name, shape in self.SETTINGS.items()},
                "restart": In(1),
                "clear": In(1),
                "busy": Out(1),
            }
        )

    @classmethod
    def cycles(cls, params: HwParams, rows: int, words: int) -> int:
        """Cycles from one sample taken to the next, nothing waiting.

        rows: of the sample, 0 when it does not update; words: of the fullest bank, as `model.cycles.fullest_banks`.
        """
        return params.update_words + words * rows + cls.LATENCY + 2 if rows else 2

    def elaborate(self, platform):
        m = Module()
        p = self.params
        m.submodules.deltas = deltas = DeltaStore(p, delay=int(bool(p.chance_rules)))
        address = range(max(2, p.rows * p.update_words))
        token = data.StructLayout(
            {"valid": 1, "last": 1, "row": p.row_bits, "code": p.dac_bits, "base": Shape.cast(address)}
        )
        # Stage 0 has the next word's errors looked up, 1 its weights' memory, 2 has both, the last writes.
        tokens = [Signal(token, name=f"token_{stage}") for stage in range(UpdateLane.LATENCY + 3)]
        advance, sweep, swept = Signal(), Signal(), Signal(address)
        word, sample = Signal(p.update_word_bits), Signal(SAMPLE_BITS)
        with m.If(advance):
            m.d.sync += [now.eq(before) for before, now in pairwise(tokens)]
        m.d.comb += [deltas.advance.eq(advance), deltas.step.eq(word)]
        places = self._pipeline(m, advance, deltas.places, UpdateLane.LATENCY + 1, "places")
        errors = self._pipeline(m, advance, deltas.errors, 1, "errors")[-1]
        threshold = self._threshold(m, sample)
        key = self._key(m, sample)
        up, down = (Signal(p.update_columns, name=name) for name in ("up", "down"))
        pulses = []
        if p.memory_rules:
            pulses.append(self._gathered(m, advance, sweep, swept, tokens, places, errors, threshold))
        if p.chance_rules:
            fires = self._row_fires(m, advance, key, tokens, threshold)
            pulses.append(self._coincidences(m, advance, fires, errors))
        for bits, kinds in zip((up, down), zip(*pulses, strict=True), strict=True):
            m.d.comb += bits.eq(reduce(or_, kinds))
        drained = self._entries(m, advance, tokens, places[-1], up, down)
        self._store_deltas(m, key, word, deltas)
        self._phases(m, advance, sweep, swept, word, sample, tokens[0], deltas, drained)
        return m

    def _pipeline(self, m, advance, value, stages, name) -> list:
        """`value` and, one after the other, what it is after each of the stages."""
        found = [value]
        for stage in range(stages):
            register = Signal(value.shape(), name=f"{name}_{stage}")
            with m.If(advance):
                m.d.sync += register.eq(found[-1])
            found.append(register)
        return found

    def _by_chance(self) -> Value:
        """Whether the rule is one without memory."""
        p = self.params
        if not (p.memory_rules and p.chance_rules):
            return Const(bool(p.chance_rules))
        return Cat(self.rule == RULES.index(rule) for rule in p.chance_rules).any()

    def _stochastic(self) -> Value:
        """Whether the rule is `stochastic`, if it is one without memory."""
        if len(self.params.chance_rules) == 1:
            return Const(self.params.chance_rules == ("stochastic",))
        return self.rule == RULES.index("stochastic")

    def _key(self, m, sample) -> Signal:
        """The key of the sample's draws; it settles before its first deltas."""
        reset = update_seed_key(0)
        seed_key = Signal(DRAW_BITS, init=reset)
        key = Signal(DRAW_BITS, init=update_key(reset, 0))
        if self.params.chance_rules:
            m.d.sync += [seed_key.eq(update_seed_key(self.update_seed)), key.eq(update_key(seed_key, sample))]
        return key

    def _store_deltas(self, m, key, word, store) -> None:
        """The deltas that come, as `firing` leaves them; where there are draws, a cycle after they came."""
        p = self.params
        payload = self.deltas.payload.deltas
        m.d.comb += [
            store.taken.eq(self.deltas.valid & self.deltas.ready),
            store.word.eq(word),
            store.deltas.eq(payload),
        ]
        if not p.chance_rules:
            m.d.comb += store.kept.eq(payload)
            return
        held = Signal.like(payload)
        m.d.sync += held.eq(payload)
        for k in range(p.update_columns):
            drawn = Signal(p.delta_bits - 1, name=f"column_draw_{k}")
            column = (word * p.update_columns + k)[: p.column_bits]  # beyond the last one delta is 0
            m.d.sync += drawn.eq(update_draw(key, column, 1)[DRAW_BITS + 1 - p.delta_bits : DRAW_BITS])
            magnitude = abs(held[k])
            fires = Mux(self._stochastic(), drawn < magnitude, magnitude >= self.delta_threshold)
            m.d.comb += store.kept[k].eq(Mux(self._by_chance() & ~fires, 0, held[k]))

    def _row_fires(self, m, advance, key, tokens, threshold) -> Value:
        """Whether the row whose words come to the lanes fires, as the golden `row_fires`."""
        p = self.params
        drawn, mask = Signal(DRAW_BITS), Signal(THIN_BITS)
        m.d.sync += mask.eq(thinning_mask(threshold))
        with m.If(advance):
            m.d.sync += drawn.eq(update_draw(key, tokens[1].row, 0))
        code = tokens[2].code
        wanted = Mux(self._stochastic(), drawn[DRAW_BITS - p.dac_bits :] < code, code >= self.x_threshold)
        return self._by_chance() & wanted & ((drawn[:THIN_BITS] & mask) == 0)

    def _coincidences(self, m, advance, fires, deltas) -> tuple[Value, Value]:
        """Pulse bits of the columns that fire in a row that does, in step with the lanes."""
        pulses: Value = Cat(
            *(Cat(fires & (delta > 0) for delta in deltas), *(fires & (delta < 0) for delta in deltas))
        )
        for stage in range(UpdateLane.LATENCY):
            register = Signal(len(pulses), name=f"chance_{stage}")
            with m.If(advance):
                m.d.sync += register.eq(pulses)
            pulses = register
        return pulses[: self.params.update_columns], pulses[self.params.update_columns :]

    def _gathered(self, m, advance, sweep, swept, tokens, places, errors, threshold) -> tuple[Value, Value]:
        """The update memory and its lanes; returns the pulse bits of the columns."""
        p = self.params
        memory, words = [], []
        moving = Signal()  # the lanes stand still while nothing is under way
        for bank in range(p.update_banks):
            m.submodules[f"memory_{bank}"] = part = SlicedMemory(
                data.ArrayLayout(signed(p.memory_bits), p.bank_columns), max(2, p.rows * p.update_words)
            )
            place, last = places[0][bank], places[-1][bank]
            m.d.comb += [
                part.advance.eq(moving),
                part.read_enable.eq(advance),
                part.read_address.eq(tokens[1].base + place.word),
                part.write_enable.eq(sweep | (tokens[-1].valid & last.live)),
                part.write_address.eq(Mux(sweep, swept, tokens[-1].base + last.word)),
            ]
            memory += list(part.o)
            words.append(part.write_data)
        m.d.comb += moving.eq(advance & Cat(token.valid for token in tokens).any())
        stored, up, down = self._lanes(m, moving, threshold, memory, errors, tokens[2].code)
        with m.If(~sweep):
            m.d.comb += Cat(words).eq(stored)
        return up, down

    def _lanes(self, m, advance, threshold, memory, deltas, code):
        """The lanes between the memories; returns the word to store and the pulse bits of its columns."""
        if self.params.chance_rules:
            deltas = [Mux(self._by_chance(), 0, delta) for delta in deltas]
        below = Signal.like(self.delta_threshold)
        m.d.sync += below.eq(Mux(self.delta_threshold == 0, 0, self.delta_threshold - 1))
        lanes = [UpdateLane(self.params) for _ in range(self.params.update_columns)]
        for k, lane in enumerate(lanes):
            m.submodules[f"lane_{k}"] = lane
            m.d.comb += [
                lane.advance.eq(advance),
                lane.memory.eq(memory[k]),
                lane.delta.eq(deltas[k]),
                lane.code.eq(code),
                lane.rule.eq(self.rule),
                lane.threshold.eq(threshold),
                lane.x_threshold.eq(self.x_threshold),
                lane.delta_below.eq(below),
            ]
        return tuple(Cat(getattr(lane, name) for lane in lanes) for name in ("stored", "up", "down"))

    def _threshold(self, m, sample) -> Signal:
        """The sample's threshold, doubled where it is due; it settles before the sample's first sum."""
        limit = unreachable(self.params)
        threshold = Signal(range(limit + 1), reset_less=True)
        doubled = Mux(self.threshold == 0, 1, self.threshold) << self._doublings(m, sample)
        m.d.sync += threshold.eq(Mux(doubled < limit, doubled, limit))
        return threshold

    def _doublings(self, m, sample) -> Value:
        """How often the sample's threshold is doubled."""
        doublings = Signal(range(3))
        m.d.sync += doublings.eq((sample >= self.double_first) + (sample >= self.double_second))
        return doublings

    def _entries(self, m, advance, tokens, places, up, down) -> Signal:
        """Row by row, the words' pulse bits to an entry where there is any; returns whether nothing is under way."""
        p = self.params
        finished, pulsed, row = Signal(), Signal(), Signal(p.row_bits)
        done, entry = tokens[-1], self.o.payload
        m.d.comb += advance.eq(~(finished & pulsed & self.o.valid & ~self.o.ready))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += [
                finished.eq(done.valid & done.last),
                pulsed.eq((pulsed & ~finished) | (done.valid & (up.any() | down.any()))),
            ]
            with m.If(done.valid):
                m.d.sync += row.eq(done.row)
            with m.If(finished & pulsed):
                m.d.sync += [self.o.valid.eq(1), entry.end.eq(0), entry.row.eq(row)]
        for bits, name in ((up, "up"), (down, "down")):
            self._gather(m, advance, finished, pulsed, done, places, bits, name)
        drained = Signal()
        m.d.comb += drained.eq(~(Cat(token.valid for token in tokens).any() | finished))
        return drained

    def _gather(self, m, advance, finished, pulsed, done, places, bits, name):
        """The pulse bits of one direction, each bank's into its word of the row, and at the row's end into the entry."""
        p = self.params
        banks = data.ArrayLayout(p.bank_columns, p.update_words)
        row = [Signal(banks, name=f"{name}_of_bank_{bank}") for bank in range(p.update_banks)]
        columns, taken = self.o.payload[name], finished & pulsed
        with m.If(advance & taken):
            words = [Cat(bank[word] for bank in row) for word in range(p.update_words)]
            m.d.sync += [columns.eq(Cat(words)[: p.columns]), *(bank.eq(0) for bank in row)]
        with m.If(advance & done.valid & bits.any()):  # rare, which saves power and simulation time
            for number, bank in enumerate(row):
                own = bits.word_select(number, p.bank_columns)
                come = Cat(Mux(places[number].word == word, own, 0) for word in range(p.update_words))
                m.d.sync += bank.as_value().eq(Mux(taken, 0, bank.as_value()) | come)

    def _phases(self, m, advance, sweep, swept, word, sample, token, store, drained):
        """A sample's deltas, the words of its rows, its end; between samples the sweep."""
        final, clear = Signal(), Signal()
        last_swept = self.params.rows * self.params.update_words - 1 if self.params.memory_rules else 0
        m.d.comb += self.busy.eq(clear)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [word.eq(0), swept.eq(0)]
                m.d.comb += [self.i.ready.eq(~clear), store.start.eq(1)]
                with m.If(clear):
                    m.next = "SWEEP"
                with m.Elif(self.i.valid & self.i.payload.update):
                    m.next = "DELTAS"
                with m.Elif(self.i.valid):
                    m.next = "END"
            with m.State("SWEEP"):
                m.d.comb += sweep.eq(1)
                m.d.sync += swept.eq(swept + 1)
                with m.If(swept == last_swept):
                    m.d.sync += clear.eq(0)
                    m.next = "IDLE"
            with m.State("DELTAS"):
                m.d.comb += self.deltas.ready.eq(1)
                with m.If(self.deltas.valid):
                    m.d.sync += word.eq(Mux(self.deltas.payload.last, 0, word + 1))
                    with m.If(self.deltas.payload.last):
                        m.next = "ROWS"
            with m.State("ROWS"):
                with m.If(advance):
                    self._next_word(m, word, token, store.words, final)
                    with m.If(token.valid & token.last & final):
                        m.next = "END"
            with m.State("END"):
                with m.If(drained & (~self.o.valid | self.o.ready)):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(0), self.o.payload.end.eq(1)]
                    m.d.sync += sample.eq(sample + 1)
                    m.next = "IDLE"
        with m.If(self.restart):
            m.d.sync += sample.eq(0)
        with m.If(self.clear):
            m.d.sync += clear.eq(1)

    def _next_word(self, m, word, token, words, final):
        """The next word of the row in hand, or the first of the next row."""
        with m.If(token.valid & ~token.last):
            m.d.sync += [word.eq(word + 1), token.last.eq(word + 2 == words)]
        with m.Else():
            m.d.comb += self.rows.ready.eq(~(token.valid & final))
            row = self.rows.payload
            m.d.sync += [
                word.eq(0),
                token.valid.eq(self.rows.valid & self.rows.ready),
                token.last.eq(words == 1),
                token.row.eq(row.row),
                token.code.eq(row.code),
                token.base.eq(row.row * self.params.update_words),
                final.eq(row.last),
            ]
