"""The run's counters, behind the read-only registers of the same names."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.numerics import popcount, total
from spec.params import HwParams

COUNTER_BITS = 32
PART = 16
"""Columns whose pulses are counted in one cycle."""

REGISTERS = {
    "samples_done": "SAMPLES_DONE",
    "correct_done": "CORRECT",
    "updates": "UPDATES",
    "clipped_codes": "CLIPPED",
    "integrates": "INTEGRATES",
    "strobes": "STROBES",
    "pulses_up": "PULSES_UP",
    "pulses_down": "PULSES_DOWN",
    "verify_reads": "VERIFY_READS",
    "cycles": "CYCLES",
    "elapsed": "ELAPSED",
    "stretch": "STRETCH",
    "given_up": "GIVEN_UP",
    "planes_clipped_codes": "PLANES_CLIPPED",
}
"""The register of each counter."""
BUILT_IN_BY = {"given_up": "verify", "planes_clipped_codes": "bit_serial"}
"""The parameter that some counters need."""


def built_in(params: HwParams) -> tuple[str, ...]:
    """The counters of a hardware."""
    return tuple(n for n in REGISTERS if n not in BUILT_IN_BY or getattr(params, BUILT_IN_BY[n]))


class Counters(wiring.Component):
    """Counts events, pulses two cycles after they come and others one; `clear` sets all to 0, and a run adds to them.

    Events (a cycle each): result with correct and update; integrate; strobe (its level) with up, down (the masks
    of the strobe; of compact hardware words, with load and first); readout; clipped (codes at full scale in a cycle); active (a run), converting,
    integrating and stretched (the array takes longer than programmed) are levels.  planes_clipped (codes of bit planes
    at full scale in a cycle) and its counter are there where bit-serial encoding is built in, give_up (of a cell or
    pair) and its counter with the parameter `verify`.
    ELAPSED runs from a run's first integrate to its last conversion's or strobe's end.
    Golden: model/controller/counters.py.
    """

    def __init__(self, params: HwParams):
        self.params = params
        events: tuple[str, ...] = ("clear", "run_start", "result", "correct", "update", "integrate", "strobe", "readout", "active",
                  "converting", "stretched")  # fmt: skip
        self.names = built_in(params)
        width = params.update_columns if params.compact else params.columns
        self.masks = {
            "up": In(width),
            "down": In(width),
            **({"load": In(1), "first": In(1)} if params.compact else {}),
        }
        codes = {"clipped": In(range(params.group_channels + 1))}
        if params.verify:
            events += ("give_up",)
        if params.bit_serial:
            codes["planes_clipped"] = In(range(params.group_channels + 1))
        super().__init__(
            {
                **{name: In(1) for name in events},
                **codes,
                **self.masks,
                **self._outputs(),
            }
        )

    def _outputs(self):
        return {name: Out(COUNTER_BITS) for name in self.names}

    def elaborate(self, platform):
        m = Module()
        was_strobe = Signal()
        m.d.sync += was_strobe.eq(self.strobe)
        strobed = self.strobe & ~was_strobe
        pulses_up, pulses_down = self._pulses(m, strobed)
        amounts = [
            (self.samples_done, self.result),
            (self.correct_done, self.result & self.correct),
            (self.updates, self.result & self.update),
            (self.clipped_codes, self.clipped),
            (self.integrates, self.integrate),
            (self.strobes, strobed),
            (self.pulses_up, pulses_up),
            (self.pulses_down, pulses_down),
            (self.verify_reads, self.readout),
            (self.cycles, self.active),
            (self.stretch, self.stretched),
        ]
        if self.params.bit_serial:
            amounts.append((self.planes_clipped_codes, self.planes_clipped))
        if self.params.verify:
            amounts.append((self.given_up, self.give_up))
        for counter, amount in amounts:
            held = Signal.like(Value.cast(amount), name=f"{counter.name}_amount")
            m.d.sync += [held.eq(amount), counter.eq(counter + held)]
        self._elapsed(m)
        clear = Signal()  # it comes from far and goes far; what is held then is of the cycle of `self.clear`
        m.d.sync += clear.eq(self.clear)
        with m.If(clear):
            m.d.sync += [getattr(self, name).eq(0) for name in self.names]
        return m

    def _pulses(self, m, strobed):
        """Pulse numbers of a strobe, 0 else: of parts of its masks in the cycle behind its first."""
        names = ("ups", "downs")
        if self.params.compact:
            numbers = [Signal(range(self.params.columns + 1), name=name) for name in names]
            return self._of_words(m, strobed, numbers)
        return [
            self._number(m, strobed, mask, n) for mask, n in zip((self.up, self.down), names, strict=True)
        ]

    def _number(self, m, strobed, mask, name):
        parts = []
        for first in range(0, len(mask), PART):
            part = mask[first : first + PART]
            parts.append(number := Signal(range(len(part) + 1), name=f"{name}_{first}"))
            m.d.sync += number.eq(0)
            with m.If(strobed):  # the sums are made for a strobe only, which saves power and simulation time
                m.d.sync += number.eq(popcount(part))
        return total(parts)

    def _of_words(self, m, strobed, numbers):
        """Pulse numbers of a strobe in its first cycle, from the words that were loaded for it."""
        with m.If(self.load):
            m.d.sync += [
                number.eq(Mux(self.first, 0, number) + popcount(word))
                for number, word in zip(numbers, (self.up, self.down), strict=True)
            ]
        return [Mux(strobed, number, 0) for number in numbers]

    def _elapsed(self, m):
        """Time since the run's first integrate; it becomes part of ELAPSED when the array was last in use."""
        since, running = Signal(COUNTER_BITS), Signal()
        with m.If(self.run_start):
            m.d.sync += [since.eq(0), running.eq(0)]
        with m.Elif(self.integrate | running):
            m.d.sync += [since.eq(since + 1), running.eq(1)]
        with m.If((self.integrate | running) & (self.converting | self.strobe)):
            m.d.sync += [self.elapsed.eq(self.elapsed + since + 1), since.eq(0)]
