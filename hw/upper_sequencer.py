"""The sequencer of an analog upper layer: which operation of its array comes when."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spec.params import HwParams


class UpperSequencer(wiring.Component):
    """One sample after the other: read, verdict, transposed reads, pulses; and the single commands.

    So the pulses of a sample are on the array before the next one is read (model/upper.py).

    - Commands, one cycle each, taken when idle: transfer, erase, readout.  sampling: a run on samples is active.
    - Of a sample: loaded (its codes), array_free, converted (codes are offered), logits_taken, verdict (taken now),
      with update, trains_first, trains_last; transposed: errors come from transposed reads; word_taken.
    - Of pulses: ended (the update rule is through with the sample), pulses_busy, scheduled (a transfer is).
    - Outputs: awaits (a verdict), integrate, adc_start, converting (the codes are those of the present read),
      backward (they are errors), first_row (of a transposed read), beyond (it is beyond the last hidden unit: errors
      are 0 and are not read), shift (take the errors), offers (a word of them), last_word (of the sample),
      window_open, allow_pulses, array_erase, array_readout, readout_done, transferring, run_start, working (a
      sample's update is under way), busy (a command is).
    After a fault the single commands end; what a sample left is flushed from outside.
    """

    def __init__(self, params: HwParams):
        self.params = params
        inputs = (
            "transfer", "erase", "readout", "sampling", "loaded", "array_free", "converted", "logits_taken", "verdict",
            "update", "trains_first", "trains_last", "transposed", "word_taken", "ended", "pulses_busy", "scheduled",
            "fault",
        )  # fmt: skip
        outputs = (
            "awaits", "integrate", "adc_start", "converting", "backward", "beyond", "shift", "offers", "last_word",
            "window_open", "allow_pulses", "array_erase", "array_readout", "readout_done", "transferring", "run_start",
            "working", "busy",
        )  # fmt: skip
        super().__init__(
            {
                **{name: In(1) for name in inputs},
                **{name: Out(1) for name in outputs},
                "first_row": Out(params.upper.row_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        writes = Signal()  # the sample in hand has pulses to come on this array
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~(fsm.ongoing("IDLE") | fsm.ongoing("READ")))
            self._commands(m)
            self._read(m, writes)
            self._backward(m, writes)
            self._pulses(m)
        return m

    def _commands(self, m):
        with m.State("IDLE"):
            with m.If(self.sampling):
                m.next = "READ"
            with m.Elif(self.transfer):
                m.d.comb += self.run_start.eq(1)
                m.next = "TRANSFER"
            with m.Elif(self.erase):
                m.next = "ERASE"
            with m.Elif(self.readout):
                m.next = "READOUT"
        with m.State("ERASE"):
            with m.If(self.fault):
                m.next = "IDLE"
            with m.Elif(self.array_free):
                m.d.comb += self.array_erase.eq(1)
                m.next = "ARRAY"
        with m.State("READOUT"):
            with m.If(self.fault):
                m.next = "IDLE"
            with m.Elif(self.array_free):
                m.d.comb += self.array_readout.eq(1)
                m.next = "ARRAY_READ"
        for state, done in (("ARRAY", None), ("ARRAY_READ", self.readout_done)):
            with m.State(state):
                with m.If(self.array_free | self.fault):
                    m.next = "IDLE"
                    if done is not None:
                        m.d.comb += done.eq(self.array_free)
        with m.State("TRANSFER"):
            m.d.comb += [self.transferring.eq(1), self.allow_pulses.eq(1)]
            scheduled = Signal()
            m.d.sync += scheduled.eq(scheduled | self.scheduled)
            with m.If(self.fault | ((scheduled | self.scheduled) & ~self.pulses_busy)):
                m.d.sync += scheduled.eq(0)
                m.next = "IDLE"

    def _read(self, m, writes):
        """A read of hidden codes, and what its verdict asks for."""
        with m.State("READ"):
            with m.If(~self.sampling):
                m.next = "IDLE"
            with m.Elif(self.loaded & self.array_free):
                m.d.comb += self.integrate.eq(1)
                m.next = "INTEGRATE"
        with m.State("INTEGRATE"):
            with m.If(self.array_free):
                m.d.comb += self.adc_start.eq(1)
                m.next = "CONVERT"
        with m.State("CONVERT"):
            m.d.comb += self.converting.eq(1)
            with m.If(self.logits_taken):
                m.next = "VERDICT"
        with m.State("VERDICT"):
            m.d.comb += self.awaits.eq(1)
            backward = self.trains_first & self.transposed
            m.d.sync += writes.eq(self.trains_last)
            with m.If(self.verdict & self.update & backward):
                m.next = "BACKWARD"
            with m.Elif(self.verdict & self.update & self.trains_last):
                m.next = "OPEN"
            with m.Elif(self.verdict):
                m.next = "READ"

    def _backward(self, m, writes):
        """Errors of all hidden units, `transposed_rows` by a read, `update_columns` to a word."""
        p = self.params
        step, reads = p.transposed_rows, p.update_columns // p.transposed_rows
        row, read, word = (
            Signal(range(p.update_words * p.update_columns + 1)),
            Signal(range(max(2, reads))),
            Signal(range(max(2, p.update_words))),
        )
        m.d.comb += [
            self.first_row.eq(row),
            self.beyond.eq(row >= p.columns),
            self.last_word.eq(word == p.update_words - 1),
        ]

        def next_errors():
            m.d.comb += self.shift.eq(1)
            m.d.sync += [row.eq(row + step), read.eq(Mux(read == reads - 1, 0, read + 1))]
            m.next = "BACKWARD"
            with m.If(read == reads - 1):
                m.next = "WORD"

        with m.State("BACKWARD"):
            m.d.comb += [self.backward.eq(1), self.working.eq(1)]
            with m.If(self.beyond):
                next_errors()
            with m.Elif(self.array_free):
                m.d.comb += self.integrate.eq(1)
                m.next = "BACKWARD_INTEGRATE"
        with m.State("BACKWARD_INTEGRATE"):
            m.d.comb += [self.backward.eq(1), self.working.eq(1)]
            with m.If(self.array_free):
                m.d.comb += self.adc_start.eq(1)
                m.next = "BACKWARD_CONVERT"
        with m.State("BACKWARD_CONVERT"):
            m.d.comb += [self.backward.eq(1), self.working.eq(1)]
            with m.If(self.converted):
                next_errors()
        with m.State("WORD"):
            m.d.comb += [self.backward.eq(1), self.working.eq(1), self.offers.eq(1)]
            with m.If(self.word_taken):
                m.d.sync += word.eq(word + 1)
                m.next = "BACKWARD"
                with m.If(self.last_word):
                    m.d.sync += [word.eq(0), row.eq(0)]
                    m.next = "READ"
                    with m.If(writes):
                        m.next = "OPEN"

    def _pulses(self, m):
        """The pulses of the sample in hand."""
        with m.State("OPEN"):
            m.d.comb += [self.window_open.eq(1), self.working.eq(1)]
            m.next = "PULSES"
        with m.State("PULSES"):
            m.d.comb += [self.allow_pulses.eq(1), self.working.eq(1)]
            with m.If(self.ended & ~self.pulses_busy):
                m.next = "READ"
