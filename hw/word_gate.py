"""The pulse gate of compact hardware, whose masks are registers of the array."""

from hw.pulse_gate import PulseGate
from spec.registers import Fault

BY_WORD = ("row", "depress", "amplitude", "first", "word", "up", "down")


class WordGate(PulseGate):
    """As PulseGate; `load` is one more operation, and what its rules say of the lines holds for the masks of the array.

    - UP_AND_DOWN: no word selects both devices of a pair, so no strobe pulses them.
    - BUSY_ARRAY: a word is loaded only into a free array with quiet write lines, in a training or transfer run, not
      while converting.
    - GUARD: row, polarity and amplitude are those of the last word; a strobe with others is not as asked.  A word loaded is
      a line change, because behind it the array is not free, and so nothing is selected.
    """

    LINES = ("row", "depress", "amplitude", "select")

    def _line_pairs(self):
        return [(getattr(self.write, name), getattr(self.request, name)) for name in self.LINES]

    def _line_faults(self, starts, goes_on, lines):
        both = self.request.load & (self.request.up & self.request.down).any()
        return super()._line_faults(starts, goes_on, lines) | {Fault.UP_AND_DOWN: both}

    def _array_faults(self, starts, goes_on, free):
        """A word is loaded where nothing else goes on."""
        training, transfer, _, _ = self._modes()
        others = self.integrate_request | self.erase_request | self.converting | starts | goes_on
        in_use = others | ~free | ~self.array_free | ~(training | transfer)
        faults = super()._array_faults(starts, goes_on, free)
        return faults | {Fault.BUSY_ARRAY: faults[Fault.BUSY_ARRAY] | (self.request.load & in_use)}

    @property
    def _started(self):
        return super()._started | self.write.load

    def _follow(self, m, free, selects):
        """A word brings its row, polarity and amplitude; masks are selected or not at any time."""
        with m.If(free):
            m.d.sync += self.write.select.eq(self.request.select & selects)
            with m.If(self.request.load):
                self._keep_row(m)
                m.d.sync += [getattr(self.write, name).eq(getattr(self.request, name)) for name in BY_WORD]

    def _hold_lines(self, m, free, begins, may_select, in_run):
        super()._hold_lines(m, free, begins, may_select, in_run)
        m.d.sync += self.write.load.eq(self.request.load & may_select)
