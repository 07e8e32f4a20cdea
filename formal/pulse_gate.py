"""The rules of the write lines as assertions on the pins of PulseGate, whose inputs may do anything.

The gate's outputs are registers: what they are now was decided on the inputs of one cycle ago, which `was` keeps.
Everything with "now" belongs to the present cycle; the other ghosts are registers of this file that see pins only.
"""

from types import SimpleNamespace

from amaranth.asserts import AnyConst
from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from formal.rules import Rules, left
from hw.numerics import popcount
from hw.pulse_driver import ends
from hw.pulse_gate import LINES, PulseGate
from spec.params import HwParams
from spec.registers import Fault


def pair_of(lines) -> Value:
    """Row and pair of a strobe of one device, in their order."""
    return Cat(lines.up | lines.down, lines.row)


def clamp(value, low: int, high: int) -> Value:
    return Mux(value < low, low, Mux(value > high, high, value))


class PulseGateRules(Rules):
    """PulseGate with its rules asserted, and covers of what legal requests do.

    block: the class to prove, or a mutant of it to refute.  invariants: assert also what ties the gate's registers to
    the ghosts, without which the induction does not close.  Reset may come at any time.
    """

    def __init__(
        self, params: HwParams, block: type[wiring.Component] = PulseGate, *, invariants: bool = True
    ):
        self.params, self.invariants = params, invariants
        self.gate = block(params)
        self._inputs = {name: m for name, m in self.gate.signature.members.items() if m.flow is In}
        super().__init__(self._inputs)

    def elaborate(self, platform):
        self.m.submodules.gate = self.gate
        self._remember()
        self._watch_lines()
        self._watch_run()
        self._strobe_rules()
        self._array_rules()
        self._order_rules()
        self._fault_rules()
        if self.invariants:
            self._line_invariants()
            self._run_invariants()
        self._covers()
        return self.m

    # -- ghosts ------------------------------------------------------------------------------------

    def _remember(self):
        """Drive the gate with the free inputs, and keep the last cycle in `was`."""
        gate, was = self.gate, SimpleNamespace(request=SimpleNamespace(), write=SimpleNamespace())
        for name in (*LINES, "strobe"):
            asked, made = getattr(self.request, name), getattr(gate.write, name)
            self.m.d.comb += getattr(gate.request, name).eq(asked)
            setattr(was.request, name, self.past(f"request_{name}", asked))
            setattr(was.write, name, self.past(f"write_{name}", made))
        for name in self._inputs.keys() - {"request"}:
            self.m.d.comb += getattr(gate, name).eq(getattr(self, name))
            setattr(was, name, self.past(name, getattr(self, name)))
        self.operations = ("integrate", "erase", *(("readout",) if self.params.verify else ()))
        for name in (*self.operations, "fault"):
            setattr(was, name, self.past(name, getattr(gate, name)))
        self.was, self.write = was, gate.write
        before = self.past("before_strobe", was.request.strobe)
        self.asked = self.now("asked", was.request.strobe & ~before & (was.fault == 0))

    def _watch_lines(self):
        """How long the lines have stood, the strobe has lasted, and the guard behind it still has to."""
        m, p, was, write = self.m, self.params, self.was, self.write
        self.rises = self.now("rises", write.strobe & ~was.write.strobe)
        self.falls = self.now("falls", ~write.strobe & was.write.strobe)
        moved = Cat(getattr(write, name) != getattr(was.write, name) for name in LINES).any()
        self.moved = self.now("moved", moved)
        self.asked_guard = self.now(
            "asked_guard", Mux(was.guard < p.guard_min_cycles, p.guard_min_cycles, was.guard)
        )
        self.age = Signal.like(was.guard)  # cycles for which the lines have stood, up to the last one
        self.age_now = self.now(
            "age_now", Mux(moved, 1, Mux(self.age.all(), self.age, self.age + 1)), len(self.age)
        )
        self.rest = Signal.like(was.guard)  # cycles left of the guard behind a strobe, with the present one
        self.rest_now = self.now("rest_now", Mux(self.falls, self.asked_guard, self.rest))
        self.length, self.limit = Signal.like(was.width_limit), Signal.like(was.width_limit)
        asked_limit = clamp(was.width_limit, 1, p.pulse_max_cycles)
        self.limit_now = self.now("limit_now", Mux(self.rises, asked_limit, self.limit), len(self.limit))
        self.length_now = self.now("length_now", Mux(self.rises, 1, self.length + 1), len(self.length))
        self.unfinished = Signal()  # the guard behind a strobe is not over, or the array not ready since
        self.operating = Signal()  # the array works on another operation
        self.begun = self.now("begun", Cat(getattr(self.gate, name) for name in self.operations).any())
        self.operating_now = self.now("operating_now", self.operating | self.begun)
        self.pulsed = Signal()  # there was a strobe since the last integrate, up to one cycle ago
        self.pulsed_now = self.now("pulsed_now", (self.pulsed & ~self.gate.integrate) | self.rises)
        self.low = Signal(range(p.watchdog_cycles + 2))  # cycles without array_ready or strobe
        ended = (self.array_ready | self.gate.fault.any()) & (self.rest_now <= 1)
        m.d.sync += [
            self.age.eq(self.age_now),
            self.pulsed.eq(self.pulsed_now),
            self.rest.eq(left(self.rest_now)),
            self.length.eq(self.length_now),
            self.limit.eq(self.limit_now),
            self.unfinished.eq(write.strobe | (self.unfinished & ~ended)),
            self.operating.eq(self.begun | (self.operating & ~self.array_ready)),
        ]
        with m.If(self.array_ready | write.strobe):
            m.d.sync += self.low.eq(0)
        with m.Elif(self.low <= p.watchdog_cycles):
            m.d.sync += self.low.eq(self.low + 1)

    def _watch_run(self):
        """The run's strobes and windows, until one cycle ago; the `next` values include what was decided then."""
        m, was = self.m, self.was
        # The gate compares with the caps of the cycle before.
        caps = {name: self.past(f"{name}_before", getattr(was, name)) for name in ("strobe_cap", "count_cap")}
        self.caps = SimpleNamespace(**caps)
        self.row = AnyConst(self.params.row_bits)  # what holds for this row holds for every row
        column = AnyConst(range(self.params.columns))  # likewise
        self.pair = self.now("pair", 1 << column, self.params.columns)
        self.key = Cat(self.pair, self.row)
        shapes = {
            "trained": 1, "transferred": 1, "strobes": len(was.strobe_cap) + 1, "used": 1,
            "last": self.params.row_bits, "on_row": len(was.count_cap) + 1, "window": 1, "window_used": 1,
            "hit": 1, "credit": range(self.params.commit_depth + 1), "windows": 2, "verified": 1, "tuned": 1,
            "mask": self.params.columns, "on_pair": len(was.count_cap) + 1,
        }  # fmt: skip
        run = self.run = SimpleNamespace(**{name: Signal(shape, name=name) for name, shape in shapes.items()})
        new = self.next = SimpleNamespace(
            **{name: Signal(shape, name=f"{name}_next") for name, shape in shapes.items()}
        )
        for name in shapes:
            m.d.comb += getattr(new, name).eq(getattr(run, name))
            m.d.sync += getattr(run, name).eq(getattr(new, name))
        runs = was.run_active & ~was.run_start
        levels = {"training": run.trained, "transferring": run.transferred}
        if self.params.verify:
            levels |= {"verifying": run.verified, "tuning": run.tuned}
        modes = {}
        for name in levels:
            mixed = Cat(Cat(getattr(was, other), levels[other]) for other in levels if other != name).any()
            modes[name] = self.now(f"in_{name}", runs & getattr(was, name) & ~mixed)
        self.training, self.transfer = modes["training"], modes["transferring"]
        self.verifying, self.tuning = (modes.get(name, Const(0)) for name in ("verifying", "tuning"))
        self.alone = self.now("alone", self.verifying | self.tuning)
        self.windowed = self.now("windowed", self.training | self.tuning)
        self.in_run = self.now("in_run", self.windowed | self.transfer | self.verifying)
        with m.If(was.run_start):
            m.d.comb += [getattr(new, name).eq(0) for name in shapes if name not in ("last", "mask")]
        with m.Else():
            seen = zip(levels, (new.trained, new.transferred, new.verified, new.tuned), strict=False)
            m.d.comb += [after.eq(levels[name] | getattr(was, name)) for name, after in seen]
        self._watch_order()

    def _watch_order(self):
        m, was, run, new, write = self.m, self.was, self.run, self.next, self.write
        on_row = write.row == self.row
        with m.If(self.rises):
            m.d.comb += [new.strobes.eq(run.strobes + 1), new.used.eq(1), new.window_used.eq(1)]
            m.d.comb += new.last.eq(write.row)
            m.d.comb += new.on_row.eq(run.on_row + (on_row & self.transfer))
            on_pair = on_row & self.alone & ((write.up | write.down) & self.pair).any()
            m.d.comb += [new.mask.eq(write.up | write.down), new.on_pair.eq(run.on_pair + on_pair)]
            m.d.comb += new.hit.eq(run.hit | on_row)
        reads = was.integrate_request & ~was.integrate_continues
        opens = self.windowed & was.window_open & (run.credit != 0) & ~reads
        with m.If(opens & self.tuning):
            m.d.comb += [new.on_pair.eq(0), new.used.eq(0)]
        with m.If(~self.windowed | (self.gate.integrate & ~was.integrate_continues)):
            m.d.comb += new.window.eq(0)
            with m.If(self.windowed & (run.credit != self.params.commit_depth)):
                m.d.comb += new.credit.eq(run.credit + 1)
        with m.Elif(opens):
            m.d.comb += [
                new.window.eq(1),
                new.window_used.eq(0),
                new.hit.eq(0),
                new.credit.eq(run.credit - 1),
            ]
            m.d.comb += new.windows.eq(run.windows + ~run.windows.all())

    # -- rules -------------------------------------------------------------------------------------

    def _strobe_rules(self):
        was, write = self.was, self.write
        same = Cat(getattr(write, name) == getattr(was.request, name) for name in LINES).all()
        fault = self.gate.fault.any()
        self.rule("a strobe is what was asked for", write.strobe, was.request.strobe & same)
        self.rule("a strobe begins where it was asked for", self.rises, self.asked)
        self.rule("no strobe is dropped in silence", self.asked, write.strobe | fault)
        self.rule("never up and down on a pair", write.strobe, (write.up & write.down) == 0)
        self.rule("a strobe ends in time", write.strobe, self.length_now <= self.limit_now)
        self.rule("lines stand before a strobe", self.rises, self.age >= self.asked_guard)
        self.rule(
            "lines stand from a strobe to its guard", (write.strobe | (self.rest_now != 0)) & self.moved
        )
        self.rule("lines stand until the array is ready", self.unfinished & self.moved)
        self.rule("strobes are a guard apart", self.rises, self.rest == 0)

    def _array_rules(self):
        gate, was, write = self.gate, self.was, self.write
        masks = (write.up | write.down).any()
        held = write.strobe | self.unfinished
        inhibited = was.converting | ~self.in_run | (was.fault != 0)
        starts = self.rises | self.begun
        self.rule("no strobe while the array works", write.strobe & self.operating_now)
        self.rule("no strobe while converting", write.strobe & was.converting)
        self.rule("no selection while the array works", masks & self.operating_now)
        self.rule("no selection but in a run", masks & inhibited, held)
        before = Cat(getattr(was, name) for name in self.operations).any()
        self.rule("operations start on a free array", starts, was.array_ready & ~before)
        self.rule("no operation within a strobe or its guard", self.begun & held)
        for name in self.operations:
            others = Cat(getattr(gate, other) for other in self.operations if other != name)
            self.rule("one operation at a time", getattr(gate, name) & others.any())
        writes = was.training | was.transferring
        if self.params.verify:
            writes = writes | was.verifying | was.tuning
            self._readout_rules()
        self.rule("no erase in a run", gate.erase & writes)
        for name in self.operations:
            asked, made = getattr(was, f"{name}_request"), getattr(gate, name)
            self.rule(f"{name} is what was asked for", made, asked)
            self.rule(f"no {name} is dropped in silence", asked & (was.fault == 0), made | gate.fault.any())

    def _readout_rules(self):
        """The online path, an inference and a transfer cannot reach a cell's conductance."""
        gate, was, run = self.gate, self.was, self.run
        others = was.training | was.transferring | run.trained | run.transferred
        self.rule("readouts in a run of verify or tune only", gate.readout & was.run_active, self.alone)
        self.rule("no readout in a training or transfer run", gate.readout & was.run_active & others)
        self.rule("no readout while converting", gate.readout & was.converting)
        self._reports(Fault.READOUT, was.readout_request & was.run_active & ~self.alone)

    def _pair_rules(self):
        """Strobes of verify and tune runs."""
        was, write, run = self.was, self.write, self.run
        strobe, begins = write.strobe & self.alone, self.rises & self.alone
        pair = Cat(write.up | write.down, write.row)
        devices = popcount(Cat(write.up, write.down))
        on_limit = (
            run.used
            & (pair_of(was.request) == Cat(run.mask, run.last))
            & (run.on_pair >= self.caps.count_cap)
        )
        self.rule("one device a strobe", strobe, devices == 1)
        self.rule("pairs do not fall", begins & run.used, pair >= Cat(run.mask, run.last))
        self.rule("strobes of a pair", begins & (pair == self.key), run.on_pair < self.caps.count_cap)
        self.rule("tuning in a window", self.rises & self.tuning, run.window)
        asked = Cat(was.request.up, was.request.down)
        self._reports(Fault.DEVICES, self.asked & self.alone & (popcount(asked) != 1))
        self._reports(
            Fault.COUNT_CAP, self.asked & self.alone & (pair_of(was.request) == self.key) & on_limit
        )

    def _order_rules(self):
        run, write, was = self.run, self.write, self.was
        if self.params.verify:
            self._pair_rules()
        online, transfer = self.rises & self.training, self.rises & self.transfer
        self.rule("strobes only in a run of one mode", write.strobe, self.in_run)
        self.rule(
            "a read does not go on after a strobe",
            self.gate.integrate & was.integrate_continues & self.pulsed,
        )
        self.rule("training potentiates", write.strobe & self.training & write.depress)
        self.rule("strobes only in a window", online, run.window)
        self.rule("rows rise in a window", online & run.window_used, write.row > run.last)
        self.rule("one pulse a cell and window", online & run.hit, write.row != self.row)
        self.rule("rows do not fall in transfer", transfer & run.used, write.row >= run.last)
        self.rule("strobes of a row", transfer & (write.row == self.row), run.on_row < self.caps.count_cap)
        self.rule("strobes of a run", self.rises, run.strobes < self.caps.strobe_cap)

    def _fault_rules(self):
        gate, was, write, run = self.gate, self.was, self.write, self.run
        clears = was.clear_fault & ~was.run_active
        quiet = ~(write.strobe | self.begun)
        late = self.low > self.params.watchdog_cycles
        self.rule("nothing runs in a fault", gate.fault.any(), quiet)
        self.rule("faults stay until they are cleared", (was.fault & ~gate.fault).any(), clears)
        self.rule("an abort ends everything", was.abort, quiet & gate.fault[Fault.ABORT])
        self.rule("a late array is a fault", late, gate.fault.any() | clears)
        lines_differ = Cat(getattr(was.write, n) != getattr(was.request, n) for n in LINES).any()
        at_limit = self.past("at_limit", write.strobe & (self.length_now == self.limit_now))
        on_row, on_last = was.request.row == self.row, was.request.row == run.last
        on_limit = self.transfer & on_row & on_last & (run.on_row >= self.caps.count_cap)
        self._reports(Fault.UP_AND_DOWN, self.asked & (was.request.up & was.request.down).any())
        self._reports(Fault.BUSY_ARRAY, self.asked & (was.converting | ~was.array_ready))
        self._reports(Fault.WIDTH, at_limit & was.request.strobe)
        self._reports(Fault.REPEAT, self.asked & self.training & run.window & run.hit & on_row)
        self._reports(Fault.COUNT_CAP, self.asked & on_limit)
        self._reports(Fault.STROBE_CAP, self.past("fell", self.falls) & (run.strobes >= self.caps.strobe_cap))
        self._reports(Fault.GUARD, self.asked & (lines_differ | (self.rest != 0)))

    def _reports(self, cause: Fault, found: Value) -> None:
        first = found & (self.was.fault == 0)
        self.rule(f"{cause.name} is reported", first, self.gate.fault[cause], src_loc_at=1)

    # -- what makes the induction close ------------------------------------------------------------

    def _line_invariants(self):
        gate, write = self.gate, self.write
        self._mask_invariants()
        waits = gate.strobe_active & ~gate._holding
        self.rule("phase of a strobe", write.strobe, waits)
        self.rule("phase without a strobe", waits, write.strobe)
        self.rule("timer of a strobe", write.strobe, left(gate._timer) == self.limit_now - self.length_now)
        self.rule("a guard is unfinished", self.rest_now != 0, self.unfinished & ~write.strobe)
        self.rule("phase of a guard", gate._holding != (self.unfinished & ~write.strobe))
        self.rule("timer of a guard", gate._holding, left(gate._rest) == left(self.rest_now))
        self.rule("register _rested", gate._rested != ends(gate._rest))
        self.rule("phase of an operation", self.operating_now & gate._holding)
        self.rule("last request", gate._requested ^ self.was.request.strobe)
        opens = ~write.strobe & ~gate._holding  # in a fault, they are counted anew
        self.rule("age of the lines", gate._quiet > self.age_now, gate.fault.any() & opens)
        self.rule("strobe since the last integrate", gate._pulsed != self.pulsed_now)
        late = Mux(self.low > self.params.watchdog_cycles, self.params.watchdog_cycles, self.low)
        self.rule("age of an operation", gate._late != late)
        self.rule("register _overdue", gate._overdue != (late == self.params.watchdog_cycles))

    def _mask_invariants(self):
        self.rule("register both", self.gate._standing.both != (self.write.up & self.write.down).any())

    def _run_invariants(self):
        gate, new = self.gate, self.next
        for mine, name in (
            (new.trained, "_trained"),
            (new.transferred, "_transferred"),
            (new.strobes, "_strobes"),
            (new.used, "_row_used"),
            (new.last, "_last_row"),
            (new.window, "_window"),
            (new.credit, "_credit"),
        ):
            self.rule(f"register {name}", mine != getattr(gate, name))
        was, strobes = self.was, Mux(self.was.run_start, 0, self.run.strobes)
        self.rule("register _spent", gate._spent != (strobes >= was.strobe_cap))
        self.rule("register _full", gate._full != (self.past("count", gate._count) >= was.count_cap))
        self.row_invariants(gate)
        self.rule("register _none", gate._none != (was.count_cap == 0))
        if self.params.verify:
            self._pair_invariants()
        self.rule("register _window_used", new.window & (new.window_used != gate._window_used))
        self.rule("a window that was hit", new.window & new.hit, new.window_used & (self.row <= new.last))
        self.rule("a used window", new.window & new.window_used, new.used)
        self.rule("a row in transfer", new.on_row != 0, new.transferred & new.used & (self.row <= new.last))
        self.rule("strobes of the last row", (self.row == new.last) & (new.on_row > gate._count))

    def _pair_invariants(self):
        gate, new = self.gate, self.next
        last = Cat(new.mask, new.last)
        self.rule("register _verified", new.verified != gate._verified)
        self.rule("register _tuned", new.tuned != gate._tuned)
        self.rule("register _last_pair", new.mask != gate._last_pair)
        alone = new.verified | new.tuned
        self.rule("a pair in a run", new.on_pair != 0, alone & new.used & (self.key <= last))
        self.rule("strobes of the last pair", (self.key == last) & (new.on_pair > gate._count))

    # -- reachability ------------------------------------------------------------------------------

    def _covers(self):
        """Legal requests get through, so that no rule holds for want of strobes."""
        gate, write, run = self.gate, self.write, self.run
        fine = gate.fault == 0
        whole = self.falls & (self.length == self.limit) & fine
        held = self.past("held", self.unfinished)
        online, transfer = self.rises & self.training, self.rises & self.transfer
        second = run.on_row == 1
        self.reach("training: a strobe in the second window", online & (run.windows == 2) & run.used)
        self.reach("training: two rows in one window", online & run.window_used)
        self.reach("transfer: two strobes of a row", transfer & second & (write.row == self.row))
        self.reach("transfer: a second row", transfer & run.used & (write.row > run.last))
        self.reach("a pulse of full width", whole & (self.limit > 1))
        self.reach("lines that wait for the array", held & self.moved & (self.rest == 0) & fine)
        if self.params.verify:
            pair = Cat(write.up | write.down, write.row)
            verify, tune = self.rises & self.verifying, self.rises & self.tuning
            self.reach("verify: two strobes of a pair", verify & (run.on_pair == 1) & (pair == self.key))
            self.reach("verify: a later pair of the row", verify & (write.row == run.last) & (run.mask != 0) & run.used
                       & (pair > Cat(run.mask, run.last)))  # fmt: skip
            self.reach("tune: two strobes of a pair", tune & (run.on_pair == 1) & (pair == self.key))
            self.reach("tune: a strobe in the second window", tune & (run.windows == 2) & run.tuned)
            self.reach("a readout in a verify run", gate.readout & self.verifying & run.used & fine)
            self.reach("a readout outside a run", gate.readout & ~self.was.run_active & fine)
        self.reach("a read after a strobe", gate.integrate & run.used)
        self.reach("a read of two planes", gate.integrate & self.was.integrate_continues & run.credit.any())
        self.reach("an erase", gate.erase & fine)
        self.reach("a fault cleared", (self.was.fault != 0) & fine)
