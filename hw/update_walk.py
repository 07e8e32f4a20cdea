"""The update rule of compact hardware: a word of weights at a time, in a memory of one port."""

from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from hw.delta_store import DeltaStore
from hw.numerics import saturate
from hw.single_port import SinglePort
from hw.update_lane import sum_bits
from hw.update_rule import SAMPLE_BITS, SETTINGS, UpdateRule
from spec.numerics import signed_limit
from spec.params import HwParams

DOUBLES = ("double_first", "double_second")
"""Ports of UpdateRule that are one here."""
SIGN_BITS = 2
SMALL = -2
"""Stands for an error that is not 0 and does not count."""


class UpdateWalk(UpdateRule):
    """`update_columns` weights every `WORD` cycles, as model/controller/update_rule.py; ports as UpdateRule, but for one.

    In the place of `double_first` and `double_second` comes `double`, in turn the one and the other: bit k of `shows` is 1
    in the cycles in which it is the k-th.  From the cycle after `restart` on, each has to come in any four cycles.

    Of rule counter only.  `o` has the words of entries: a word waits until it is known whether its row has another.
    A row takes `WORD` cycles for each word of a sample in which there is an error, and `ROW` cycles.
    """

    WORD = 4  # the errors, the weights, their sums, the new weights
    ROW = 2
    SETTINGS = {name: shape for name, shape in SETTINGS.items() if name not in DOUBLES} | {
        "double": SAMPLE_BITS,
        "shows": len(DOUBLES),
    }

    @classmethod
    def cycles(cls, params: HwParams, rows: int, words: int) -> int:
        """Cycles from one sample taken to the next, nothing waiting; as `UpdateRule.cycles`."""
        return params.update_words + (cls.WORD * words + cls.ROW) * rows + 2 if rows else 2

    def elaborate(self, platform):
        m, p = Module(), self.params
        m.submodules.store = self._store = DeltaStore(replace(p, delta_bits=SIGN_BITS), delay=0)
        m.submodules.memory = self._memory = SinglePort(
            p.memory_bits * p.update_columns, p.rows * p.update_words
        )
        self._word, sample = Signal(range(p.update_words + 1)), Signal(SAMPLE_BITS)  # a word of errors
        self._row = Signal(self.rows.payload.shape())
        self._base = Signal(self._memory.address.shape())  # of the row's first word in the memory
        self._held, self._held_there = Signal(self.o.payload.shape()), Signal()
        totals = Signal(data.ArrayLayout(signed(sum_bits(p)), p.update_columns))
        store, deltas = self._store, self.deltas
        m.d.comb += [
            self._memory.address.eq(self._base + store.places[0].word),
            store.taken.eq(deltas.valid & deltas.ready),
            store.word.eq(self._word),
            store.kept.eq(store.deltas),
            *(kept.eq(self._sign(d)) for kept, d in zip(store.deltas, deltas.payload.deltas, strict=True)),
            store.step.eq(self._word),
            self.o.payload.eq(self._held),
        ]
        stored, up, down = self._new_word(totals, self._threshold(m, sample))
        with m.FSM():
            self._between(m, sample)
            self._rows(m)
            self._walk(m, totals)
            self._write(m, stored, up, down)
        with m.If(self.restart):
            m.d.sync += sample.eq(0)
        with m.If(self.clear):
            m.d.sync += self.busy.eq(1)
        return m

    def _between(self, m, sample):
        """Between rows: the sweep, a sample's errors, its end."""
        p = self.params
        with m.State("IDLE"):
            m.d.sync += [self._word.eq(0), self._base.eq(0), self._held.eq(0)]
            m.d.comb += [self.i.ready.eq(~self.busy), self._store.start.eq(1)]
            with m.If(self.busy):
                m.next = "SWEEP"
            with m.Elif(self.i.valid & self.i.payload.update):
                m.next = "DELTAS"
            with m.Elif(self.i.valid):
                m.next = "END"
        with m.State("SWEEP"):
            m.d.comb += [self._memory.write.eq(1), self._memory.address.eq(self._base)]
            m.d.sync += self._base.eq(self._base + 1)
            with m.If(self._base == p.rows * p.update_words - 1):
                m.d.sync += self.busy.eq(0)
                m.next = "IDLE"
        with m.State("DELTAS"):
            m.d.comb += self.deltas.ready.eq(1)
            with m.If(self.deltas.valid):
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(self.deltas.payload.last):
                    m.next = "TAKE"
        with m.State("END"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(0), self.o.payload.end.eq(1)]
            with m.If(self.o.ready):
                m.d.sync += sample.eq(sample + 1)
                m.next = "IDLE"

    def _rows(self, m):
        """From row to row; a row's last part goes out when the row is over."""
        row = self.rows.payload
        with m.State("TAKE"):
            m.d.comb += self.rows.ready.eq(1)
            m.d.sync += [
                self._word.eq(0),
                self._row.eq(row),
                self._base.eq(row.row * self.params.update_words),
            ]
            with m.If(self.rows.valid):
                m.next = "FETCH"
        with m.State("ROW"):
            m.d.comb += [self.o.valid.eq(self._held_there), self.o.payload.last.eq(1)]
            with m.If(self.o.ready | ~self._held_there):
                m.d.sync += self._held_there.eq(0)
                m.next = "TAKE"
                with m.If(self._row.last):
                    m.next = "END"

    def _walk(self, m, totals):
        """A word of errors, its weights, their sums."""
        with m.State("FETCH"):
            m.d.comb += self._store.advance.eq(1)
            m.d.sync += self._word.eq(self._word + 1)
            m.next = "READ"
        with m.State("READ"):
            m.d.comb += self._memory.read.eq(1)
            m.next = "ADD"
        with m.State("ADD"):
            weights = data.View(
                data.ArrayLayout(signed(self.params.memory_bits), len(totals)), self._memory.q
            )
            m.d.sync += [
                total.eq(weight + self._increment(error))
                for total, weight, error in zip(totals, weights, self._store.errors, strict=True)
            ]
            m.next = "WRITE"

    def _write(self, m, stored, up, down):
        """The new weights, and the word's pulses in the place of those that waited."""
        pulses, place, held = up.any() | down.any(), self._store.places[0], self._held
        done = Signal()
        with m.State("WRITE"):
            m.d.comb += [
                self.o.valid.eq(pulses & self._held_there),
                done.eq(~self.o.valid | self.o.ready),
                self._memory.data.eq(stored),
                self._memory.write.eq(
                    place.live
                ),  # again and again while the word waits: the way to `done` is long
            ]
            with m.If(done & pulses):
                m.d.sync += [held.row.eq(self._row.row), held.word.eq(place.word), held.up.eq(up)]
                m.d.sync += [held.down.eq(down), self._held_there.eq(1)]
            with m.If(done):
                m.next = "FETCH"
                with m.If(self._word == self._store.words):
                    m.next = "ROW"

    def _doublings(self, m, sample) -> Value:
        """As both registers were seen, at the latest four cycles after the sample's number came.

        That is in time: the threshold follows a cycle later, and a sample of one word is in `WRITE` six cycles after.
        """
        due = Signal(len(DOUBLES))
        reached = sample >= self.double
        for flag, shown in zip(due, self.shows, strict=True):
            with m.If(shown):
                m.d.sync += flag.eq(reached)
        return due[0] + due[1]

    def _sign(self, delta) -> Value:
        """What is kept of an error: its sign if it is large, `SMALL` if it is not, 0 if it is 0."""
        least = Mux(self.delta_threshold == 0, 1, self.delta_threshold)
        return Mux(abs(delta) >= least, Mux(delta < 0, -1, 1), Mux(delta == 0, 0, SMALL))

    def _increment(self, sign) -> Value:
        """The sign of the error where it and the row's code are large."""
        counts = (self._row.code >= self.x_threshold) & (sign != SMALL)
        return Mux(counts, sign, Const(0, signed(SIGN_BITS)))

    def _new_word(self, totals, threshold) -> tuple[Value, Value, Value]:
        """The word to store and its pulse bits; a weight without error stays as it is."""
        bits, limit = self.params.memory_bits, signed_limit(self.params.counter_bits)
        stored, ups, downs = [], [], []
        for total, error in zip(totals, self._store.errors, strict=True):
            rest = self._towards_zero(total, threshold)
            fires = (error != 0) & Mux(total < 0, rest <= 0, rest >= 0)
            # What a pulse leaves is within the limits.
            kept = Mux(error == 0, total[:bits], saturate(total, -limit, limit)[:bits])
            stored.append(Mux(fires, rest[:bits], kept))
            ups.append(fires & (total >= 0))
            downs.append(fires & (total < 0))
        return Cat(stored), Cat(ups), Cat(downs)

    def _towards_zero(self, total, threshold) -> Value:
        """total - threshold, or + where total is negative, by one adder: its lowest bit makes the carry into the others."""
        minus = total >= 0
        operand = Cat(minus, Cat(threshold, Const(0, 1)) ^ minus.replicate(len(threshold) + 1)).as_signed()
        return (Cat(Const(1, 1), total).as_signed() + operand)[1:].as_signed()
