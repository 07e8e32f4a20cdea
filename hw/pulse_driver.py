"""Times the operations on the write lines."""

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import AMPLITUDE_BITS, operation, pulse_bits, write_lines
from spec.params import HwParams
from spec.registers import BY_NAME

GUARD_BITS = BY_NAME["GUARD"].fields[0].bits


def at_least(value, low: int):
    """`value`, or the constant `low` where it is less."""
    return Mux(value == 0 if low == 1 else value < low, low, value)


def ends(timer):
    """Whether a timer, which counts down to 0, is in its last cycle or past it: no phase lasts 0 cycles."""
    return timer[1:] == 0


class PulseDriver(wiring.Component):
    """One operation at a time: lines alone for `guard` cycles, strobe for `width` cycles, lines alone again.

    i: operations.  width, guard, amplitude: registers PULSE (at most `too_wide`), GUARD, WRITE; a width of 0 acts
    as 1, a guard below guard_min_cycles as that.  array_ready: of the array.  request: to PulseGate.  busy: an operation is under way.
    waiting: it waits for the array in this cycle.  abort: drops it, and takes none.

    An operation taken in cycle 0 has its lines on `request` from cycle 1, its strobe from cycle 1 + guard.  The
    guard before the strobe counts only cycles in which the array is ready, without a break; the one after it does
    not wait for the array, because PulseGate holds the lines of the array until it is ready.  The next operation is
    taken in the last guard cycle, so a slot is exactly guard + width + guard cycles (model: `slot_cycles`), plus
    those of `waiting`: none if the array is ready again within the guard behind its strobe.  Between operations the
    masks are 0, the inhibit level.
    Golden: model/controller/pulse_driver.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "i": In(stream.Signature(operation(params))),
                "width": In(pulse_bits(params)),
                "guard": In(GUARD_BITS),
                "amplitude": In(AMPLITUDE_BITS),
                "array_ready": In(1),
                "abort": In(1),
                "request": Out(write_lines(params)),
                "busy": Out(1),
                "waiting": Out(1),
            }
        )
        self._timer = Signal(max(pulse_bits(params), GUARD_BITS))  # cycles left of a phase, with this one
        self._before = Signal()  # the guard before a strobe

    def elaborate(self, platform):
        m = Module()
        guard = at_least(self.guard, self.params.guard_min_cycles)
        timer = self._timer
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                self._before.eq(fsm.ongoing("SETUP")),
                self.waiting.eq(self._before & ~self.array_ready),
                self.request.strobe.eq(fsm.ongoing("STROBE")),
            ]
            with m.State("IDLE"):
                self._accept(m, guard)
            with m.State("SETUP"):
                with m.If(~self.array_ready):
                    m.d.sync += timer.eq(guard)
                with m.Elif(ends(timer)):
                    m.d.sync += timer.eq(at_least(self.width, 1))
                    m.next = "STROBE"
            with m.State("STROBE"):
                with m.If(ends(timer)):
                    m.d.sync += timer.eq(guard)
                    m.next = "HOLD"
            with m.State("HOLD"):
                with m.If(ends(timer)):
                    m.d.sync += [self.request.up.eq(0), self.request.down.eq(0)]
                    m.next = "IDLE"
                    self._accept(m, guard)
        return ResetInserter(self.abort)(m)

    def _accept(self, m, guard):
        operation = self.i.payload
        m.d.comb += self.i.ready.eq(~self.abort)
        m.d.sync += self._timer.eq(guard)  # whether or not one comes
        with m.If(self.i.valid):
            m.d.sync += [
                getattr(self.request, name).eq(operation[name]) for name in ("row", "up", "down", "depress")
            ]
            m.d.sync += self.request.amplitude.eq(self.amplitude)
            m.next = "SETUP"
