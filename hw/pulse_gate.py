"""Last before the write lines: passes a legal strobe, blocks and reports any other.  Its rules are proved (formal/)."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import pulse_bits, write_lines
from hw.pulse_driver import GUARD_BITS, at_least, ends
from spec.params import HwParams
from spec.registers import BY_NAME, Fault

RUNS = ("training", "transferring", "verifying", "tuning")
"""Levels that say of which mode a run is; the last two only with the parameter `verify`."""
STROBE_CAP_BITS = BY_NAME["STROBE_CAP"].fields[0].bits
COUNT_CAP_BITS = BY_NAME["COUNT_CAP"].fields[0].bits
LINES = ("row", "up", "down", "depress", "amplitude")


class Lines(NamedTuple):
    """What the rules look at: of the lines that are asked for, or in registers of those that stand."""

    both: Value  # devices of a pair
    rises: Value  # row, since the last strobe
    falls: Value
    stays: Value


class PulseGate(wiring.Component):
    """Whatever the inputs do, `write`, `integrate` and `erase` keep the rules below.

    Ports.  request, integrate_request, erase_request: what the controller wants.  integrate_continues: this integrate
    belongs to the read under way (a further bit plane).  converting: the column sums are in use.  array_ready: of the
    array.  width_limit, guard, strobe_cap, count_cap: registers PULSE (at most `too_wide`), GUARD, STROBE_CAP, COUNT_CAP.  training, transferring: a run of that mode is active; run_active: any run is.  run_start: a run begins
    in the next cycle.  window_open: the commit of one sample begins in the next cycle.  write, integrate, erase: to
    the array.  array_free: the array is ready and was not started in this cycle; who starts operations through this
    block looks at this, not at array_ready.  strobe_active: a strobe or its guard goes on after this cycle.
    fault: latched causes, bits by `Fault`; the first only, and ABORT.
    With the parameter `verify`: verifying, tuning, as training; readout_request, readout: of cells.

    Latency: every output but array_free and strobe_active is a register, LATENCY cycles after its request, so that a
    strobe has no glitches.  A request is legal or a fault, never delayed and never dropped without a word.

    Rules, with width = min(width_limit, pulse_max_cycles) and guard = max(guard, guard_min_cycles), both taken when
    the strobe begins (the guard behind it: when it ends):
    - UP_AND_DOWN: a strobe never pulses both devices of a pair.
    - BUSY_ARRAY: operations begin only when the array is free and the write lines are quiet; no strobe while
      converting; no erase during a training or transfer run.  The masks are at the inhibit level while the array is
      busy with another operation, while converting, outside runs and in a fault.
    - WIDTH: a strobe ends after `width` cycles.
    - GUARD: the lines are the same from `guard` cycles before a strobe until `guard` cycles after it and until the
      array is ready; strobes are at least 2 * guard apart, guard where the lines stay.
    - REPEAT: strobes only in a run that has been of one mode, training or transfer, since run_start.  In training
      only potentiating, rows rising within a window.  A window opens for one read (its first integrate) before it, of
      which at most commit_depth wait, and closes with the next.  In transfer rows never fall.  A read does not continue
      after a strobe.
    - COUNT_CAP: in transfer at most count_cap strobes of a row.  STROBE_CAP: at most strobe_cap of a run.  Both caps are
      those of the cycle before, so that their comparisons end in registers.
    - With the parameter `verify`, a run may be a verify or a tune run too.  In both polarities are free, a strobe
      pulses one device (DEVICES), pairs never fall in their order of rows and columns (REPEAT), and a pair has at most
      count_cap strobes (COUNT_CAP): in verify in the run, in tune in a window, which is as in training.
    - READOUT: in a run, cells are read out in verify and tune only.
    - WATCHDOG: the array is not busy for more than watchdog_cycles, strobes not counted.
    - A fault, abort included, ends a strobe in the next cycle; nothing begins until clear_fault, which is ignored
      while run_active.
    Golden: model/controller/pulse_gate.py.
    """

    LATENCY = 1

    def __init__(self, params: HwParams):
        self.params = params
        asks: tuple[str, ...] = (
            "integrate_request",
            "integrate_continues",
            "erase_request",
            "run_start",
            "window_open",
            "abort",
            "clear_fault",
        )
        self._runs = RUNS if params.verify else RUNS[:2]
        levels = ("converting", "array_ready", *self._runs, "run_active")
        if params.verify:
            asks += ("readout_request",)
        super().__init__(
            {
                "request": In(write_lines(params)),
                **{name: In(1) for name in asks + levels},
                "width_limit": In(pulse_bits(params)),
                "guard": In(GUARD_BITS),
                "strobe_cap": In(STROBE_CAP_BITS),
                "count_cap": In(COUNT_CAP_BITS),
                "write": Out(write_lines(params)),
                "integrate": Out(1),
                "erase": Out(1),
                **({"readout": Out(1)} if params.verify else {}),
                "fault": Out(len(Fault)),
                "array_free": Out(1),
                "strobe_active": Out(1),
            }
        )
        self._holding = Signal()  # the guard behind a strobe
        self._requested = Signal()  # request.strobe of the cycle before
        self._timer = Signal(pulse_bits(params))  # cycles left of a strobe, with this one
        self._rest = Signal(GUARD_BITS)  # cycles left of the guard behind it, likewise
        self._rested = Signal(init=1)  # this is the last of them, or none is left
        self._quiet = Signal(GUARD_BITS)  # cycles for which the lines have been as they are
        self._late = Signal(range(params.watchdog_cycles + 1))  # cycles without array_ready
        self._overdue = Signal()  # they are watchdog_cycles
        self._trained, self._transferred = Signal(), Signal()  # modes of this run so far
        self._verified, self._tuned = Signal(), Signal()
        self._last_pair = Signal(params.columns)  # of the last strobe, in verify and tune
        self._strobes = Signal(STROBE_CAP_BITS)  # of this run
        self._count = Signal(COUNT_CAP_BITS)  # the last of them, all on one row
        self._last_row = Signal(params.row_bits)  # of the last strobe
        # What the caps of the cycle before say.  No strobe begins in two cycles that follow, so the counts are old enough.
        self._spent, self._full, self._none = Signal(init=1), Signal(init=1), Signal(init=1)
        self._row_used = Signal()  # this run had a strobe
        self._window = Signal()  # a window is open
        self._window_used = Signal()  # it had a strobe
        self._credit = Signal(range(params.commit_depth + 1))  # reads that no window has used
        self._pulsed = Signal()  # there was a strobe since the last integrate
        self._as_asked, self._guarded = Signal(), Signal()  # the lines; they have stood for long enough
        self._asked = Lines(*(Signal(name=f"asked_{name}") for name in Lines._fields))
        self._standing = Lines(*(Signal(name=f"{name}", init=name == "stays") for name in Lines._fields))

    def elaborate(self, platform):
        m = Module()
        free, starts = Signal(), Signal()
        training, transfer, verifying, tuning = self._modes()
        windowed, alone = training | tuning, verifying | tuning
        read_request = self.integrate_request & ~self.integrate_continues
        opens = self.window_open & windowed & (self._credit != 0) & ~read_request
        failed = self.fault.any()

        def causes(starts, goes_on, lines):
            return {
                **self._line_faults(starts, goes_on, lines),
                **self._array_faults(starts, goes_on, free),
                **self._order_faults(
                    starts, goes_on, lines, opens, training, transfer, windowed, alone, tuning
                ),
                Fault.ABORT: self.abort,
                Fault.DEVICES: starts & alone & ~self._one_device,
                Fault.READOUT: self._reads_out & self.run_active & ~alone,
            }

        def grants(starts, goes_on):
            """Whether a cycle in which a strobe starts or goes on is without a fault; lines that do not stand are one."""
            found = causes(Const(starts), Const(goes_on), self._standing)
            return ~(Cat(found.values()).any() | failed)

        goes_on, asked, row = self.write.strobe & self.request.strobe, self._asked, self.request.row
        m.d.sync += self._requested.eq(self.request.strobe)
        m.d.comb += [
            starts.eq(self.request.strobe & ~self._requested),
            asked.both.eq((self.request.up & self.request.down).any()),
            asked.rises.eq(row > self._last_row),
            asked.falls.eq(row < self._last_row),
            asked.stays.eq(row == self._last_row),
            self._as_asked.eq(Cat(now == line for now, line in self._line_pairs()).all()),
            self._guarded.eq(
                ~self._holding & (self._quiet >= self.guard) & (self._quiet >= self.params.guard_min_cycles)
            ),
        ]
        # What is asked for in the wrong moment is a cause, as is an operation beside a strobe; the rest is granted.
        begins, lasts, operates = Signal(), Signal(), Signal()
        m.d.comb += [
            begins.eq(starts & grants(1, 0)),
            lasts.eq(goes_on & grants(0, 1)),
            operates.eq(~starts & ~goes_on & grants(0, 0)),
        ]
        integrates, reads = self.integrate_request & operates, read_request & operates
        m.d.sync += [self.integrate.eq(integrates), self.erase.eq(self.erase_request & operates)]
        m.d.sync += self._pulsed.eq((self._pulsed & ~integrates) | begins)
        if self.params.verify:
            m.d.sync += self.readout.eq(self.readout_request & operates)
        self._latch(m, causes(starts, goes_on, asked))
        self._phases(m, begins, lasts, free)
        in_run = windowed | transfer | verifying
        self._hold_lines(m, free, begins, in_run & operates, in_run & ~failed)
        self._watch_array(m)
        self._count_strobes(m, begins, alone, opens & tuning)
        self._track_windows(m, windowed, reads, opens, begins)
        return m

    @property
    def _guard(self):
        return at_least(self.guard, self.params.guard_min_cycles)

    def _line_pairs(self):
        return [(getattr(self.write, name), getattr(self.request, name)) for name in LINES]

    @property
    def _working(self):
        """The array has not ended an operation that is over for us."""
        return ~self.array_ready & ~self.write.strobe

    @property
    def _reads_out(self):
        return self.readout_request if self.params.verify else Const(0)

    @property
    def _one_device(self):
        """The request selects exactly one."""
        devices = Cat(self.request.up, self.request.down)
        return devices.any() & ((devices & (devices - 1)) == 0)

    def _seen(self, name):
        return dict(zip(RUNS, (self._trained, self._transferred, self._verified, self._tuned), strict=True))[
            name
        ]

    def _modes(self):
        """Whether this cycle belongs to a training, transfer, verify or tune run."""
        runs = self.run_active & ~self.run_start
        found = []
        for name in self._runs:
            others = [other for other in self._runs if other != name]
            mixed = Cat(Cat(getattr(self, other), self._seen(other)) for other in others).any()
            found.append(runs & getattr(self, name) & ~mixed)
        return found if self.params.verify else (*found, Const(0), Const(0))

    def _line_faults(self, starts, goes_on, lines):
        return {
            Fault.UP_AND_DOWN: starts & lines.both,
            Fault.WIDTH: goes_on & ends(self._timer),
            Fault.GUARD: ((starts | goes_on) & ~self._as_asked) | (starts & ~self._guarded),
        }

    def _array_faults(self, starts, goes_on, free):
        reads_out = self._reads_out
        operation = self.integrate_request | self.erase_request | reads_out
        strobes = starts | goes_on
        several = (self.integrate_request & self.erase_request) | (
            (self.integrate_request | self.erase_request | self.converting) & reads_out
        )
        in_use = ~free | ~self.array_free | several
        return {
            Fault.BUSY_ARRAY: (
                (strobes & (self.converting | operation))
                | (starts & ~self.array_free)
                | (operation & in_use)
                | (self.erase_request & Cat(getattr(self, name) for name in self._runs).any())
            ),
            Fault.WATCHDOG: self._working & self._overdue,
        }

    def _order_faults(self, starts, goes_on, lines, opens, training, transfer, windowed, alone, tuning):
        again = self._again(lines, alone)
        in_window = self._window & ~self.request.depress & (~self._window_used | lines.rises)
        in_order = (training & in_window) | (transfer & ~(self._row_used & lines.falls))
        asked_pair = Cat(self._asked_pair, self.request.row)
        pair_falls = self._row_used & (asked_pair < Cat(self._last_pair, self._last_row))
        pair_in_order = alone & ~pair_falls & (~tuning | self._window)
        ends_without_run = goes_on & ~(windowed | transfer | alone)
        interrupted = self.integrate_request & self.integrate_continues & self._pulsed
        return {
            Fault.REPEAT: (
                (starts & ~(in_order | pair_in_order))
                | ends_without_run
                | (self.window_open & windowed & ~opens)
                | interrupted
            ),
            Fault.COUNT_CAP: (starts & (transfer | alone) & Mux(again, self._full, self._none)),
            Fault.STROBE_CAP: (starts | self._holding) & self._spent,
        }

    @property
    def _asked_pair(self):
        """The pair of a strobe of one device: as one bit, so that a later column is the larger number."""
        return self.request.up | self.request.down

    def _again(self, lines, alone):
        """The strobe is on the row of the last one, in verify and tune on its pair."""
        same_pair = ~alone | (self._asked_pair == self._last_pair)
        return self._row_used & lines.stays & same_pair

    def _latch(self, m, causes):
        """A fault keeps its first causes: what follows from it is not one."""
        new = Cat(causes[cause] for cause in Fault)
        aborted = self.abort << Fault.ABORT
        with m.If(self.fault == 0):
            m.d.sync += self.fault.eq(new)
        with m.Elif(self.clear_fault & ~self.run_active):
            m.d.sync += self.fault.eq(aborted)
        with m.Else():
            m.d.sync += self.fault.eq(self.fault | aborted)

    def _phases(self, m, begins, lasts, free):
        """OPEN for a strobe, STROBE, HOLD the lines behind it.  The strobe is a flip-flop that is low by default.

        The timers load before it is known whether their phase begins.
        """
        p, timer, rest = self.params, self._timer, self._rest
        width = Mux(self.width_limit > p.pulse_max_cycles, p.pulse_max_cycles, at_least(self.width_limit, 1))
        m.d.sync += self.write.strobe.eq(0)
        m.d.comb += self.strobe_active.eq(~free)
        for counter in (timer, rest):
            with m.If(counter != 0):
                m.d.sync += counter.eq(counter - 1)
        m.d.sync += self._rested.eq(rest <= 2)
        with m.FSM() as fsm:
            m.d.comb += self._holding.eq(fsm.ongoing("HOLD"))
            with m.State("OPEN"):
                m.d.comb += free.eq(1)
                m.d.sync += timer.eq(width)
                with m.If(begins):
                    m.d.sync += self.write.strobe.eq(1)
                    m.next = "STROBE"
            with m.State("STROBE"):
                m.d.sync += [rest.eq(self._guard), self._rested.eq(ends(self._guard))]
                with m.If(lasts):
                    m.d.sync += self.write.strobe.eq(1)
                with m.Else():
                    m.next = "HOLD"
            with m.State("HOLD"):
                # An array that hangs does not keep its lines selected: the watchdog's fault lets go of them.
                with m.If(self._rested & (self.array_ready | self.fault.any())):
                    m.d.comb += free.eq(1)
                    m.next = "OPEN"

    def _hold_lines(self, m, free, begins, may_select, in_run):
        """The lines follow the request while no strobe needs them, at the inhibit level unless they may select.

        may_select: without a strobe.  in_run: whatever the faults of this cycle, behind which no age of the lines counts.
        """
        starting = self.integrate_request | self.erase_request | self._reads_out
        m.d.comb += self.array_free.eq(self.array_ready & ~self._started)
        at_rest = self.array_free & ~self.converting & ~starting
        self._follow(m, free, begins | (may_select & at_rest))
        with m.If(self.write.strobe):  # of the last row now
            m.d.sync += [self._standing.rises.eq(0), self._standing.falls.eq(0), self._standing.stays.eq(1)]
        with m.If(free & ~(in_run & at_rest & self._as_asked)):
            m.d.sync += self._quiet.eq(1)
        with m.Elif(~self._quiet.all()):
            m.d.sync += self._quiet.eq(self._quiet + 1)

    @property
    def _started(self):
        """An operation of the array begins in this cycle."""
        started = self.integrate | self.erase | self.write.strobe
        return started | self.readout if self.params.verify else started

    def _follow(self, m, free, selects):
        """Free lines are those of the request, at the inhibit level unless they may select."""
        with m.If(free):
            m.d.sync += [now.eq(asked) for now, asked in self._line_pairs()]
            m.d.sync += self._standing.both.eq(self._asked.both)
            self._keep_row(m)
        with m.If(free & ~selects):  # the reset of the masks' registers, not a level of logic before each
            m.d.sync += [self.write.up.eq(0), self.write.down.eq(0), self._standing.both.eq(0)]

    def _keep_row(self, m):
        """The row is the one that is asked for."""
        for name in ("rises", "falls", "stays"):
            m.d.sync += getattr(self._standing, name).eq(getattr(self._asked, name))

    def _watch_array(self, m):
        with m.If(~self._working):
            m.d.sync += [self._late.eq(0), self._overdue.eq(0)]
        with m.Elif(~self._overdue):
            m.d.sync += self._late.eq(self._late + 1)
            m.d.sync += self._overdue.eq(self._late == self.params.watchdog_cycles - 1)

    def _count_strobes(self, m, begins, alone, again_from_here):
        spent = Mux(self.run_start, self.strobe_cap == 0, self._strobes >= self.strobe_cap)
        m.d.sync += [self._spent.eq(spent), self._full.eq(self._count >= self.count_cap)]
        m.d.sync += self._none.eq(self.count_cap == 0)
        with m.If(self.run_start):
            m.d.sync += [self._seen(name).eq(0) for name in self._runs]
        with m.Else():
            m.d.sync += [self._seen(name).eq(self._seen(name) | getattr(self, name)) for name in self._runs]
        with m.If(self.run_start):  # nothing begins in it
            m.d.sync += [self._strobes.eq(0), self._row_used.eq(0)]
        with m.Elif(begins):
            again = self._again(self._standing, alone)
            m.d.sync += [self._strobes.eq(self._strobes + 1), self._count.eq(Mux(again, self._count + 1, 1))]
            m.d.sync += [self._row_used.eq(1), self._last_row.eq(self.request.row)]
            if self.params.verify:
                m.d.sync += self._last_pair.eq(self._asked_pair)
        if self.params.verify:
            with m.If(again_from_here):
                m.d.sync += self._row_used.eq(0)

    def _track_windows(self, m, windowed, reads, opens, begins):
        with m.If(self.run_start):
            m.d.sync += [self._window.eq(0), self._credit.eq(0)]
        with m.Elif(~windowed | reads):
            m.d.sync += self._window.eq(0)
            with m.If(windowed & (self._credit != self.params.commit_depth)):
                m.d.sync += self._credit.eq(self._credit + 1)
        with m.Elif(opens):
            m.d.sync += [self._window.eq(1), self._credit.eq(self._credit - 1)]
        # Outside windows it says nothing.
        m.d.sync += self._window_used.eq((self._window_used | begins) & ~opens)
