"""A sample's errors for the update rule, without the words that have none."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from spec.params import HwParams


class Place(data.StructLayout):
    """Where a bank's kept word is: `live`, it has one; its number among the words of a row."""

    def __init__(self, params: HwParams):
        super().__init__({"live": 1, "word": params.update_word_bits})


class DeltaStore(wiring.Component):
    """Keeps, for each bank of `bank_columns` lanes, those words of a sample in which the bank has an error, in order.

    - `start`: a sample begins; its first word comes later.
    - `taken`: the word on `deltas` comes in this cycle; `word` is its number.
    - `kept`: what is to be kept of it, `delay` cycles later (0 or 1); its zeros are kept where `deltas` has none.
    - `words`: how many the fullest bank keeps, 1 at least; right from the cycle after the last `taken`.
    - `step`: which kept word of each bank is wanted, looked at with `advance`; in the next cycle `places` and
      `errors` have it, errors are 0 where a bank has none.
    """

    def __init__(self, params: HwParams, delay: int):
        self.params = params
        self._delay = delay
        word = data.ArrayLayout(signed(params.delta_bits), params.update_columns)
        super().__init__(
            {
                **{name: In(1) for name in ("start", "taken", "advance")},
                "word": In(params.update_word_bits),
                "deltas": In(word),
                "kept": In(word),
                "step": In(params.update_word_bits),
                "words": Out(range(params.update_words + 1)),
                "places": Out(data.ArrayLayout(Place(params), params.update_banks)),
                "errors": Out(word),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.params
        counts = [Signal(range(p.update_words + 1), name=f"count_{bank}") for bank in range(p.update_banks)]
        grows = []
        for bank, count in enumerate(counts):
            lanes = slice(bank * p.bank_columns, (bank + 1) * p.bank_columns)
            comes = Signal(name=f"comes_{bank}")
            m.d.comb += comes.eq(self.taken & self.deltas.as_value()[self._bits(lanes)].any())
            grows.append(comes & (count == self.words))
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Elif(comes):
                m.d.sync += count.eq(count + 1)
            self._bank(m, bank, lanes, comes, count)
        with m.If(self.start):
            m.d.sync += self.words.eq(1)
        with m.Elif(Cat(grows).any()):
            m.d.sync += self.words.eq(self.words + 1)
        return m

    def _bits(self, lanes: slice) -> slice:
        return slice(lanes.start * self.params.delta_bits, lanes.stop * self.params.delta_bits)

    def _bank(self, m, bank, lanes, comes, count):
        """One bank's memory: its next free place is written, the place of `step` read."""
        p = self.params
        entry = data.StructLayout({"word": p.update_word_bits, "errors": p.bank_columns * p.delta_bits})
        memory = Memory(shape=entry, depth=max(2, p.update_words), init=[])
        m.submodules[f"bank_{bank}"] = memory
        write, read = memory.write_port(), memory.read_port()
        where: tuple[Value, ...] = (comes, count, self.word)
        for _ in range(self._delay):
            later = [Signal.like(value, name=f"late_{bank}_{k}") for k, value in enumerate(where)]
            m.d.sync += [register.eq(value) for register, value in zip(later, where, strict=True)]
            where = tuple(later)
        live, errors = Signal(name=f"live_{bank}"), self.errors.as_value()[self._bits(lanes)]
        with m.If(self.advance):
            m.d.sync += live.eq(self.step < count)
        m.d.comb += [
            write.en.eq(where[0]),
            write.addr.eq(where[1]),
            write.data.word.eq(where[2]),
            write.data.errors.eq(self.kept.as_value()[self._bits(lanes)]),
            read.en.eq(self.advance),
            read.addr.eq(self.step),
            self.places[bank].live.eq(live),
            self.places[bank].word.eq(read.data.word),
            errors.eq(Mux(live, read.data.errors, 0)),
        ]
