"""The pulse driver of compact hardware: it loads the masks of an operation word by word before it times it."""

from amaranth.hdl import Module, ResetInserter, Signal

from hw.pulse_driver import PulseDriver, at_least, ends
from spec.params import HwParams


class WordDriver(PulseDriver):
    """As PulseDriver, with operations in words; `busy` from the first word taken.

    A word taken in cycle 0 is on `request` with `load` in cycle 1; the next one is taken when the array is ready again.
    The guard before the strobe begins when the array is ready after the last one.  `select` is 1 from the first
    word to the end of the slot.
    """

    def __init__(self, params: HwParams):
        super().__init__(params)
        self._loading = Signal()  # a word is under way
        self._after = Signal()  # the guard behind a strobe

    def elaborate(self, platform):
        m = Module()
        guard = at_least(self.guard, self.params.guard_min_cycles)
        last = Signal()  # the word in hand is the operation's last
        with m.If(self._timer != 0):
            m.d.sync += self._timer.eq(self._timer - 1)
        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                self._before.eq(fsm.ongoing("SETUP")),
                self._after.eq(fsm.ongoing("HOLD")),
                self._loading.eq(fsm.ongoing("LOAD") | fsm.ongoing("LOADED")),
                self.waiting.eq(self._before & ~self.array_ready),
                self.request.load.eq(fsm.ongoing("LOAD")),
                self.request.select.eq(self.busy),
                self.request.strobe.eq(fsm.ongoing("STROBE")),
            ]
            with m.State("IDLE"):
                self._take(m, last, 1)
            with m.State("LOAD"):
                m.next = "LOADED"
            with m.State("LOADED"):
                with m.If(self.array_ready & last):
                    m.d.sync += self._timer.eq(guard)
                    m.next = "SETUP"
                with m.Elif(~last):
                    self._take(m, last, 0)
            self._slot(m, guard)
        return ResetInserter(self.abort)(m)

    def _take(self, m, last, first):
        """A word, where there is one and the array takes it."""
        word = self.i.payload
        m.d.comb += self.i.ready.eq(self.array_ready & ~self.abort)
        with m.If(self.i.valid & self.array_ready):
            m.d.sync += [
                getattr(self.request, name).eq(word[name])
                for name in ("row", "word", "up", "down", "depress")
            ]
            m.d.sync += [self.request.first.eq(first), self.request.amplitude.eq(self.amplitude)]
            m.d.sync += last.eq(word.last)
            m.next = "LOAD"

    def _slot(self, m, guard):
        """The guard, the strobe and the guard behind it."""
        timer = self._timer
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
                m.next = "IDLE"
