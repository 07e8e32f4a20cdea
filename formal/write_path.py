"""PulseDriver before PulseGate: legal operations get through, each in its slot, and none is a fault.

The array keeps to MacroPort and stretches what it likes; the sequencer reads it between operations.
"""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assume, Cat, Const, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from formal.rules import Rules, left
from hw.interfaces import operation, pulse_bits
from hw.pulse_driver import GUARD_BITS, PulseDriver
from hw.pulse_gate import LINES, PulseGate
from spec.params import HwParams
from spec.registers import Fault

NOT_OURS = (Fault.WATCHDOG, Fault.COUNT_CAP, Fault.STROBE_CAP)
"""Faults that legal operations may meet: the array hangs, a cap is reached."""


class WritePathRules(Rules):
    """Driver and gate in a transfer run, with rules on what they do together.

    operations: free, but in row order and never up and down on a pair.  read, converted: the sequencer wants to read
    the array, has converted the sums.  release: the array ends its operation, where it may.  block: the driver to
    prove, or a mutant of it to refute.  invariants: as in PulseGateRules.
    """

    GATE: type[PulseGate] = PulseGate

    def __init__(
        self, params: HwParams, block: type[wiring.Component] = PulseDriver, *, invariants: bool = True
    ):
        self.params, self.invariants = params, invariants
        self.driver, self.gate = block(params), self.GATE(params)
        super().__init__(
            {
                "operations": In(stream.Signature(operation(params))),
                "read": In(1),
                "converted": In(1),
                "release": In(1),
                **self._more_inputs(),
            }
        )

    def _more_inputs(self) -> dict[str, wiring.Member]:
        return {}

    def elaborate(self, platform):
        m = self.m
        m.submodules.driver, m.submodules.gate = self.driver, self.gate
        self._configure()
        self._array()
        self._sequence()
        self._rules()
        if self.invariants:
            self._driver_invariants()
            self._gate_invariants()
        self._covers()
        return m

    def _configure(self):
        p, m = self.params, self.m
        width, guard = AnyConst(pulse_bits(p)), AnyConst(GUARD_BITS)
        self.slot_bits = max(pulse_bits(p), GUARD_BITS) + 2  # of a slot's cycles
        self.width = self.now("width", Mux(width == 0, 1, width), pulse_bits(p))
        self.guard = self.now("guard", Mux(guard < p.guard_min_cycles, p.guard_min_cycles, guard), GUARD_BITS)
        m.d.comb += Assume(width <= p.pulse_max_cycles)  # type: ignore[call-arg]  # the stubs demand a message
        for block, name, value in (
            (self.driver, "width", width),
            (self.driver, "guard", guard),
            (self.gate, "width_limit", width),
            (self.gate, "guard", guard),
            (self.gate, "strobe_cap", ~0),
            (self.gate, "count_cap", ~0),
            (self.gate, "transferring", 1),
            (self.gate, "run_active", 1),
        ):
            m.d.comb += getattr(block, name).eq(value)
        for name in self.gate.request.signature.members:
            m.d.comb += getattr(self.gate.request, name).eq(getattr(self.driver.request, name))

    def _array(self):
        """An array as MacroPort has it: `ready` falls after a start, and not before a strobe has fallen it rises."""
        m, gate = self.m, self.gate
        self.working, fresh, strobed = Signal(), Signal(), Signal()
        ready = self.now("ready", ~self.working | (self.release & ~gate.write.strobe & ~fresh))
        starts = gate.integrate | (gate.write.strobe & ~strobed) | self._more_starts()
        m.d.sync += [fresh.eq(starts), strobed.eq(gate.write.strobe)]
        m.d.sync += self.working.eq(starts | (self.working & ~ready))
        m.d.comb += [gate.array_ready.eq(ready), self.driver.array_ready.eq(self._ready_for_driver(ready))]

    def _more_starts(self) -> Value:
        return Const(0)

    def _ready_for_driver(self, ready) -> Value:
        return ready

    def _sequence(self):
        """The sequencer: a read while nothing is written or about to be, its conversion, then operations again."""
        m, driver, gate, payload = self.m, self.driver, self.gate, self.operations.payload
        self.integrating, self.converting = Signal(), Signal()
        reading = self.integrating | self.converting
        begins = self.read & ~reading & ~driver.busy & ~self.operations.valid & gate.array_free
        m.d.comb += [gate.integrate_request.eq(begins), gate.converting.eq(self.converting)]
        m.d.sync += self.integrating.eq(begins | (self.integrating & ~gate.array_free))
        m.d.sync += self.converting.eq(
            (self.integrating & gate.array_free) | (self.converting & ~self.converted)
        )
        offered = self.operations.valid & ~reading
        m.d.comb += [
            driver.i.payload.eq(payload),
            driver.i.valid.eq(offered),
            self.operations.ready.eq(driver.i.ready & ~reading),
        ]
        self.taken = self.now("taken", offered & driver.i.ready)
        legal = (payload.row >= driver.request.row) & ((payload.up & payload.down) == 0)
        m.d.comb += Assume(~self.taken | legal)  # type: ignore[call-arg]  # the stubs demand a message

    def _rules(self):
        m, driver, gate = self.m, self.driver, self.gate
        self.fine = gate.fault == 0
        self.asked = self.past("asked", driver.request.strobe)
        elapsed, waited = Signal(self.slot_bits), Signal(self.slot_bits)
        m.d.sync += elapsed.eq(Mux(self.taken, 1, elapsed + 1))
        m.d.sync += waited.eq(Mux(self.taken, 0, waited + driver.waiting))
        self.spent = self.now("spent", elapsed - waited, self.slot_bits)
        ours = Cat(gate.fault[f] for f in Fault if f not in NOT_OURS).any()
        self.rule("legal operations are no fault", ours)
        self.rule("a strobe is passed in one cycle", self.fine & (gate.write.strobe != self.asked))
        slot = 2 * self.guard + self.width
        self.rule(
            "a slot is guard, width, guard and what it waited",
            driver.busy & driver.i.ready,
            self.spent == slot,
        )

    def _driver_invariants(self):
        """Where the driver is in its slot."""
        driver, timer, guard, width = self.driver, left(self.driver._timer), self.guard, self.width
        before, strobe = driver._before, driver.request.strobe
        after = self.after = self.now("after", driver.busy & ~before & ~strobe)
        self.rule("phases exclude each other", before & (strobe | ~driver.busy))
        self.rule("a strobe is busy", strobe & ~driver.busy)
        self.rule("before the strobe", before, (timer < guard) & (self.spent == guard - timer))
        self.rule("in the strobe", strobe, (timer < width) & (self.spent == guard + width - timer))
        self.rule("after the strobe", after, (timer < guard) & (self.spent == 2 * guard + width - timer))
        self.rule("waits at the start", before & self.working, timer == guard - 1)
        self.rule("takes when it may", driver.i.ready != (~driver.busy | (after & (timer == 0))))
        self.rule("inhibited when idle", ~driver.busy & (driver.request.up | driver.request.down).any())
        self.rule("one device of a pair", (driver.request.up & driver.request.down).any())

    def _gate_invariants(self):
        """Where the gate is, while the driver is there."""
        driver, gate, fine = self.driver, self.gate, self.fine
        before, strobe = driver._before, driver.request.strobe
        idle = ~driver.busy
        pairs = [(getattr(gate.write, n), getattr(driver.request, n)) for n in LINES]
        same = Cat(made == asked for made, asked in pairs).all()
        opens = ~gate.write.strobe & ~gate._holding
        settled = before & (left(driver._timer) != self.guard - 1)
        quiet = gate._quiet >= self.guard - 1 - left(driver._timer)
        first = strobe & ~self.asked
        late, late_rest = (left(t) == left(driver._timer) + 1 for t in (gate._timer, gate._rest))
        self.rule("strobe phase", (gate.write.strobe | gate._holding) & ~gate.strobe_active, gate._holding)
        self.rule("open phase", gate.strobe_active & opens)
        self.rule("one phase", gate.write.strobe & gate._holding)
        self.rule("last request", gate._requested != self.asked)
        self.rule("settling", fine & settled, opens & same & quiet & ~self.working)
        self.rule("settled", fine & first, opens & same & (gate._quiet >= self.guard) & ~self.working)
        self.rule("in a pulse", fine & strobe & self.asked, gate.write.strobe & same & late)
        self.rule("end of a pulse", fine & self.after & self.asked, gate.write.strobe & same)
        self.rule("in a guard", fine & self.after & ~self.asked, gate._holding & same & late_rest)
        self.rule("guard is over", fine & (before | idle) & gate._holding, left(gate._rest) == 0)
        self.rule("asked while striking", self.asked, strobe | self.after)
        self.rule("after the first cycle", self.after & self.asked, left(driver._timer) == self.guard - 1)
        self.rule("reads are alone", (self.integrating | self.converting) & ~idle)
        self.rule("integrates alone", gate.integrate, self.integrating & opens & ~self.working)
        self.rule("reads while open", fine & (self.integrating | self.converting), opens)
        self.rule("one read at a time", self.integrating & self.converting)
        self.rule("nothing works while converting", self.converting & self.working)
        self.rule("rows in order", gate._last_row > driver.request.row)
        self.rule("no training", gate._trained | gate.erase)

    def _covers(self):
        gate, seen_read = self.gate, Signal()
        self.m.d.sync += seen_read.eq(seen_read | (gate.integrate & (gate._strobes == 1)))
        second = gate.write.strobe & (gate._strobes == 2) & self.fine
        self.reach("a second strobe after a read", second & seen_read)
        self.reach("two strobes back to back", second & ~seen_read & (self.spent == self.guard + 2))
