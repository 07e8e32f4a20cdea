"""WordDriver before WordGate: the words of legal operations and their strobes get through, and none is a fault."""

from amaranth.hdl import Cat, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from formal.rules import left
from formal.write_path import NOT_OURS, WritePathRules
from hw.word_driver import WordDriver
from hw.word_gate import BY_WORD, WordGate
from spec.params import HwParams
from spec.registers import Fault


class WordPathRules(WritePathRules):
    """As WritePathRules; slow: the array works on a word that it was given, as long as it likes."""

    GATE = WordGate

    def __init__(
        self, params: HwParams, block: type[wiring.Component] = WordDriver, *, invariants: bool = True
    ):
        super().__init__(params, block, invariants=invariants)

    def _more_inputs(self):
        return {"slow": In(1)}

    def _more_starts(self) -> Value:
        return self.gate.write.load & self.slow

    def _ready_for_driver(self, ready) -> Value:
        return self.gate.array_free

    def _rules(self):
        m, driver, gate = self.m, self.driver, self.gate
        self.fine = gate.fault == 0
        self.asked = self.past("asked", driver.request.strobe)
        self.sent = self.past("sent", driver.request.load)
        loading = self.past("loading", driver._loading)
        # Cycles since the guard before the strobe began, less those that it waited.
        self.spent = Signal(self.slot_bits)
        begins = self.now("begins", driver._before & loading)
        spent, waits = Signal(self.slot_bits), self.past("waits", driver.waiting)
        m.d.sync += spent.eq(self.spent)
        m.d.comb += self.spent.eq(Mux(begins, 1, spent + 1 - waits))
        ours = Cat(gate.fault[f] for f in Fault if f not in NOT_OURS).any()
        self.rule("legal operations are no fault", ours)
        self.rule("a strobe is passed in one cycle", self.fine & (gate.write.strobe != self.asked))
        self.rule("a word is passed in one cycle", self.fine & (gate.write.load != self.sent))
        ended = self.past("busy", driver.busy) & ~driver.busy
        slot = 2 * self.guard + self.width
        self.rule("a slot is guard, width, guard and what it waited", ended, spent == slot)

    def _driver_invariants(self):
        """Where the driver is in its slot."""
        driver, timer, guard, width = self.driver, left(self.driver._timer), self.guard, self.width
        before, strobe, loading = driver._before, driver.request.strobe, driver._loading
        after = self.after = driver._after
        self.rule("a phase of the driver", driver.busy, Cat(before, strobe, loading, after).any())
        self.rule("phases exclude each other", Cat(before, strobe, loading).any() & ~driver.busy)
        self.rule("one phase of the driver", (before & strobe) | (before & loading) | (strobe & loading))
        self.rule("a word is sent while loading", driver.request.load & ~loading)
        self.rule("before the strobe", before, (timer < guard) & (self.spent == guard - timer))
        self.rule("in the strobe", strobe, (timer < width) & (self.spent == guard + width - timer))
        self.rule("after the strobe", after, (timer < guard) & (self.spent == 2 * guard + width - timer))
        self.rule("waits at the start", before & self.past("waited", driver.waiting), timer == guard - 1)
        self.rule("selects while busy", driver.request.select != driver.busy)
        self.rule("one device of a pair", (driver.request.up & driver.request.down).any())

    def _gate_invariants(self):
        """Where the gate is, while the driver is there."""
        driver, gate, fine = self.driver, self.gate, self.fine
        before, strobe, loading = driver._before, driver.request.strobe, driver._loading
        idle = ~driver.busy
        lines = [name for name in gate.LINES if name != "select"]
        now = Cat(getattr(gate.write, n) == getattr(driver.request, n) for n in lines).all()
        same = now & gate.write.select
        opens = ~gate.write.strobe & ~gate._holding
        settled = before & (left(driver._timer) != self.guard - 1)
        quiet = gate._quiet >= self.guard - 1 - left(driver._timer)
        first = strobe & ~self.asked
        late, late_rest = (left(t) == left(driver._timer) + 1 for t in (gate._timer, gate._rest))
        busy_elsewhere = self.integrating | self.converting
        self.rule("strobe phase", (gate.write.strobe | gate._holding) & ~gate.strobe_active, gate._holding)
        self.rule("open phase", gate.strobe_active & opens)
        self.rule("one phase", gate.write.strobe & gate._holding)
        self.rule("last request", gate._requested != self.asked)
        self.rule("loading while open", fine & loading, opens)
        self.rule("a word goes into a free array", fine & driver.request.load, gate.array_free)
        self.rule("loaded lines", fine & (before | (loading & ~driver.request.load)), now)
        self.rule("word at the gate", fine & gate.write.load, loading & ~driver.request.load & ~self.working)
        same_word = Cat(getattr(gate.write, n) == getattr(driver.request, n) for n in BY_WORD).all()
        self.rule("word of the gate", fine & gate.write.load, same_word)
        self.rule("before while open", fine & before, opens & ~gate.write.load)
        self.rule("settling", fine & settled, same & quiet & ~self.working)
        self.rule(
            "settled",
            fine & first,
            opens & same & (gate._quiet >= self.guard) & ~self.working & ~gate.write.load,
        )
        self.rule("in a pulse", fine & strobe & self.asked, gate.write.strobe & same & late)
        self.rule("end of a pulse", fine & self.after & self.asked, gate.write.strobe & same)
        self.rule("in a guard", fine & self.after & ~self.asked, gate._holding & same & late_rest)
        self.rule("guard is over", fine & idle & gate._holding, (left(gate._rest) == 0))
        self.rule("asked while striking", self.asked, strobe | self.after)
        self.rule("after the first cycle", self.after & self.asked, left(driver._timer) == self.guard - 1)
        self.rule("reads are alone", busy_elsewhere & ~idle)
        self.rule("integrates alone", gate.integrate, self.integrating & opens & ~self.working)
        self.rule("reads while open", fine & busy_elsewhere, opens)
        self.rule("one read at a time", self.integrating & self.converting)
        self.rule("nothing works while converting", self.converting & self.working)
        self.row_invariants(gate)
        self.rule("rows in order", gate._last_row > driver.request.row)
        self.rule("no training", gate._trained | gate.erase)
        self.rule("sent", self.sent, loading)

    def _covers(self):
        gate = self.gate
        second = gate.write.strobe & (gate._strobes == 2) & self.fine
        words = Signal()
        self.m.d.sync += words.eq(words | (gate.write.load & ~gate.write.first))
        self.reach("a second strobe", second)
        self.reach("a strobe of two words", gate.write.strobe & words & self.fine)
