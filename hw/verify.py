"""Program-verify and tuned updates: reads, compares and pulses one device at a time until a cell or pair is right."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bits import lowest, number
from hw.interfaces import CellRead, Count, Operation
from spec.device_image import Readout
from spec.params import HwParams
from spec.registers import BY_NAME

SETTINGS = {
    "way": "VERIFY_WAY",
    "tolerance": "VERIFY_TOLERANCE",
    "movement": "VERIFY_MOVEMENT",
    "pulse_cap": "VERIFY_PULSES",
    "averages": "VERIFY_AVERAGES",
    "give_up": "VERIFY_GIVE_UP",
    "step_up": "TUNE_UP",
    "step_down": "TUNE_DOWN",
}
"""Ports and the registers that they come from."""

_BITS = {port: BY_NAME[register].fields[0].bits for port, register in SETTINGS.items()}


class Verify(wiring.Component):
    """Between the pulse scheduler and the pulse driver; it lets operations through unless a run of its own is active.

    - `verifying`: takes `targets`, one per cell (`way` 0) or per pair (1), and brings cell after cell, or pair after
      pair, near its target; `done` is 1 for a cycle when the last is left.
    - `tuning`: takes operations from `i` and brings the difference of each pair that they pulse, in column order, to
      where it was read first and one step further: `step_up` up for G+, `step_down` down for G-.
    - `read`, `reading`: asks for a reading, takes it; the sum of `averages` of them is what is compared.
    - `o`: one device per operation.  `writing`: an operation is under way; no reading is asked for.
    - `busy`: a cell or pair is in hand.  `given_up`: one cycle for each that is left outside the tolerance.
    Reset before each run, and to end one.

    What a reading leads to is the golden function of the same name.  Throughput: two cycles from a reading to the
    pulse or to the next cell, one more for a tuned pair's first.
    Golden: model/controller/verify.py.
    """

    def __init__(self, params: HwParams):
        self.params = p = params
        super().__init__(
            {
                "i": In(stream.Signature(Operation(p))),
                "targets": In(stream.Signature(Count(p))),
                "read": Out(stream.Signature(CellRead(p))),
                "reading": In(stream.Signature(signed(p.reading_bits))),
                "o": Out(stream.Signature(Operation(p))),
                **{name: In(1) for name in ("verifying", "tuning", "writing")},
                **{name: In(bits) for name, bits in _BITS.items()},
                **{name: Out(1) for name in ("busy", "given_up", "done")},
            }
        )
        sums = signed(p.reading_bits + _BITS["averages"] + 1)
        self._total, self._wanted, self._mark = (Signal(sums, name=n) for n in ("total", "wanted", "mark"))
        self._taken = Signal(_BITS["averages"])  # readings in the total
        self._row, self._pair = Signal(p.row_bits), Signal(p.columns, init=1)  # in hand; the pair as one bit
        self._up, self._down = (
            Signal(p.columns),
            Signal(p.columns),
        )  # pairs of the row that are yet to be tuned
        self._minus = Signal()  # the cell in hand is a G-
        self._active, self._partner_left, self._moved = Signal(), Signal(), Signal()
        self._idle, self._pulses = Signal(_BITS["give_up"]), Signal(_BITS["pulse_cap"])
        self._first = Signal()  # the target of a tuned pair waits for its first reading
        self._near, self._still, self._rises = Signal(), Signal(), Signal()  # of the last total

    def elaborate(self, platform):
        m = Module()
        finished = Signal()
        cell = Mux(self._minus, Readout.MINUS, Readout.PLUS)
        m.d.comb += [
            self.read.payload.row.eq(self._row),
            self.read.payload.column.eq(number(self._pair)),
            self.read.payload.kind.eq(Mux(self.tuning | self.way, Readout.PAIR, cell)),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.verifying):
                    self._take_target(m, finished)
                with m.Elif(self.tuning):
                    self._take_operation(m)
                with m.Else():
                    m.d.comb += [
                        self.o.valid.eq(self.i.valid),
                        self.o.payload.eq(self.i.payload),
                        self.i.ready.eq(self.o.ready),
                    ]
            with m.State("PICK"):
                self._pick(m)
            with m.State("READ"):
                m.d.comb += self.read.valid.eq(~self.writing)
                with m.If(self.read.valid & self.read.ready):
                    m.next = "READING"
            with m.State("READING"):
                self._add(m)
            with m.State("FIRST"):
                step = Mux(self._active, -self.step_down, self.step_up)
                m.d.sync += [self._wanted.eq(self._total + step * self.averages), self._first.eq(0)]
                m.next = "COMPARE"
            with m.State("COMPARE"):
                self._compare(m)
                m.next = "DECIDE"
            with m.State("DECIDE"):
                self._decide(m)
            with m.State("PULSE"):
                m.d.comb += self.o.valid.eq(1)
                self._pulse(m)
                with m.If(self.o.ready):
                    m.d.sync += [self._pulses.eq(self._pulses + 1), self._total.eq(0), self._taken.eq(0)]
                    m.next = "READ"
            with m.State("NEXT"):
                self._next(m, finished)
        return m

    def _begin(self, m, pair, active):
        """Nothing is known of the cell or pair that comes into hand."""
        m.d.sync += [
            signal.eq(0) for signal in (self._total, self._taken, self._moved, self._idle, self._pulses)
        ]
        m.d.sync += [self._partner_left.eq(pair), self._active.eq(active)]
        m.next = "READ"

    def _take_target(self, m, finished):
        p = self.params
        target = self.targets.payload.count[: p.target_bits].as_signed()
        m.d.comb += self.targets.ready.eq(~finished)
        with m.If(self.targets.valid & ~finished):
            m.d.sync += self._wanted.eq(target * self.averages)
            self._begin(m, self.way, Mux(self.way, target < 0, self._minus))

    def _take_operation(self, m):
        operation = self.i.payload
        m.d.comb += self.i.ready.eq(1)
        with m.If(self.i.valid):
            m.d.sync += [
                self._row.eq(operation.row),
                self._up.eq(operation.up),
                self._down.eq(operation.down),
            ]
            m.next = "PICK"

    def _pick(self, m):
        """The next pair of a row to tune."""
        left = self._up | self._down
        with m.If(left == 0):
            m.next = "IDLE"
        with m.Else():
            pair = lowest(left)
            m.d.sync += [self._pair.eq(pair), self._first.eq(1)]
            m.d.sync += [self._up.eq(self._up & ~pair), self._down.eq(self._down & ~pair)]
            self._begin(m, 1, (self._up & pair) == 0)

    def _add(self, m):
        """One reading into the total."""
        m.d.comb += self.reading.ready.eq(1)
        with m.If(self.reading.valid):
            m.d.sync += [self._total.eq(self._total + self.reading.payload), self._taken.eq(self._taken + 1)]
            with m.If(self._taken + 1 != self.averages):
                m.next = "READ"
            with m.Elif(self._first):
                m.next = "FIRST"
            with m.Else():
                m.next = "COMPARE"

    def _compare(self, m):
        error, shift = self._wanted - self._total, self._total - self._mark
        m.d.sync += [
            self._near.eq(Mux(error < 0, -error, error) <= self.tolerance * self.averages),
            self._still.eq(self._moved & (Mux(shift < 0, -shift, shift) <= self.movement * self.averages)),
            self._rises.eq(error > 0),
        ]

    def _decide(self, m):
        idle = Mux(self._still, self._idle + 1, 0)
        exhausted = idle >= self.give_up
        lost = (self._pulses >= self.pulse_cap) | (exhausted & ~self._partner_left)
        with m.If(self._near):
            m.next = "NEXT"
        with m.Elif(lost):
            m.d.comb += self.given_up.eq(1)
            m.next = "NEXT"
        with m.Else():
            m.d.sync += [self._moved.eq(1), self._idle.eq(idle)]
            with m.If(~self._still):
                m.d.sync += self._mark.eq(self._total)
            with m.If(exhausted):
                m.d.sync += [self._active.eq(~self._active), self._partner_left.eq(0), self._idle.eq(0)]
            m.next = "PULSE"

    def _pulse(self, m):
        """A G- that is pulsed for its pair moves the difference the other way."""
        against = self._active & (self.tuning | self.way)
        m.d.comb += [
            self.o.payload.row.eq(self._row),
            self.o.payload.up.eq(Mux(self._active, 0, self._pair)),
            self.o.payload.down.eq(Mux(self._active, self._pair, 0)),
            self.o.payload.depress.eq(self._rises == against),
        ]

    def _next(self, m, finished):
        """Where to go when a cell or pair is left."""
        p = self.params
        with m.If(self.tuning):
            m.next = "PICK"
        with m.Else():
            m.next = "IDLE"
            with m.If(~self.way & ~self._minus):
                m.d.sync += self._minus.eq(1)
            with m.Else():
                last = self._pair[-1]
                m.d.sync += [self._minus.eq(0), self._pair.eq(self._pair.rotate_left(1))]
                with m.If(last):
                    m.d.sync += self._row.eq(self._row + 1)
                with m.If(last & (self._row == p.rows - 1)):
                    m.d.comb += self.done.eq(1)
                    m.d.sync += finished.eq(1)
