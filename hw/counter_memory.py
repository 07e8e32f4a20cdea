"""The run's counters of compact hardware, in a memory: one adder serves all of them in turn."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.counters import COUNTER_BITS, REGISTERS, Counters, built_in
from spec.params import HwParams
from spec.registers import ADDRESS


def in_order(params: HwParams) -> tuple[str, ...]:
    """The counters in the order of their addresses, which follow each other."""
    return tuple(sorted(built_in(params), key=lambda name: ADDRESS[REGISTERS[name]]))


class CounterMemory(Counters):
    """Counts the events of `Counters`; a counter's `value` is given in the cycles with `settled` while it is on `select`.

    select: its place in `in_order`.  What comes between two turns of a counter waits in a few bits,
    which its turn adds to its word, so that a turn is where a value is whole.

    ELAPSED has two words and two turns: the one that is read, and the time since the run's first integrate,
    which runs on.  What waits of that is `passed`; it had been `used` when the array was last in use, of which the word that
    is read has not heard while `in_use`.  With `rewound` the time runs on from the word that is read.
    """

    def __init__(self, params: HwParams):
        super().__init__(params)
        self._slots = [*in_order(params), "time"]
        self._round = 2 * len(self._slots) + 1  # cycles between two turns

    def _outputs(self):
        return {
            "select": In(range(len(self.names))),
            "settled": Out(1),
            "value": Out(COUNTER_BITS),
        }

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=COUNTER_BITS, depth=len(self._slots), init=[])
        read, write = memory.read_port(), memory.write_port()
        slot, phase, clears = Signal(range(len(self._slots))), Signal(2), Signal(range(len(self._slots) + 1))
        adds = Signal()  # the word that was read is here: the second cycle of a turn
        elapsed, time = self._slots.index("elapsed"), len(self._slots) - 1
        m.d.comb += [adds.eq(phase == 1), read.en.eq(phase == 0)]
        m.d.sync += phase.eq(phase + 1)
        with m.If((phase == 1) & (slot != time) | (phase == 2)):
            m.d.sync += [
                phase.eq(0),
                slot.eq(Mux(slot == time, 0, slot + 1)),
                clears.eq(Mux(clears == 0, 0, clears - 1)),
            ]
        with m.If(self.clear):
            m.d.sync += clears.eq(len(self._slots))
        amounts = self._waiting(m, slot, adds)
        in_use, rewinds, time_amount = self._time(m, (slot == time) & adds)
        m.d.comb += [
            self.value.eq(Mux(clears == 0, read.data, 0) + Array([*amounts, time_amount])[slot]),
            read.addr.eq(Mux((slot == time) & rewinds, elapsed, slot)),
            write.data.eq(self.value),
            write.addr.eq(slot),
            write.en.eq(adds),
            self.settled.eq(adds & (slot == self.select)),
        ]
        # The turn of the time writes the word that is read, if it is to be written, and then its own.
        with m.If(slot == elapsed):
            m.d.comb += [
                write.en.eq(adds & (clears != 0)),
                self.settled.eq(adds & (self.select == elapsed) & ~in_use),
            ]
        with m.If(slot == time):
            m.d.comb += [
                write.en.eq((adds & in_use) | (phase == 2)),
                write.addr.eq(Mux(adds, elapsed, time)),
                self.settled.eq(adds & (self.select == elapsed) & in_use),
            ]
        return m

    def _waiting(self, m, slot, adds) -> list[Value]:
        """What waits of each counter; its turn takes it."""
        p, was_strobe = self.params, Signal()
        m.d.sync += was_strobe.eq(self.strobe)
        strobed = self.strobe & ~was_strobe
        ups, downs = self._pulses(m, strobed)
        words = p.columns + self._round * p.update_columns  # of one strobe, and of those since
        events = {
            "samples_done": (self.result, 1),
            "correct_done": (self.result & self.correct, 1),
            "updates": (self.result & self.update, 1),
            "clipped_codes": (self.clipped, p.group_channels),
            "integrates": (self.integrate, 1),
            "strobes": (strobed, 1),
            "pulses_up": (ups, 0),
            "pulses_down": (downs, 0),
            "verify_reads": (self.readout, 1),
            "cycles": (self.active, 1),
            "stretch": (self.stretched, 1),
        }
        amounts: list[Value] = []
        for number, name in enumerate(self._slots[:-1]):
            if name == "elapsed":
                amounts.append(Const(0))
                continue
            event, most = events[name]
            waiting = Signal(range((self._round * most or words) + 1), name=name)
            m.d.sync += waiting.eq(Mux(adds & (slot == number), 0, waiting) + event)
            with m.If(self.clear):
                m.d.sync += waiting.eq(0)
            amounts.append(waiting)
        return amounts

    def _time(self, m, turn):
        """ELAPSED's: (whether its word has not heard of the last use, is what the time's turn reads, what to add)."""
        passed, used, whole = (
            Signal(range(self._round + 1), name=name) for name in ("passed", "used", "whole")
        )
        running, in_use, rewound = Signal(), Signal(), Signal()
        tick, now, rewinds = Signal(), Signal.like(passed), Signal()
        m.d.comb += [
            tick.eq((self.integrate | running) & ~self.run_start),
            now.eq(Mux(turn, 0, passed) + tick),
            # A run may begin in the cycle in which the time's word is read, the last before its turn.
            rewinds.eq(rewound | (self.run_start & ~in_use)),
        ]
        m.d.sync += [passed.eq(now), running.eq(tick)]
        with m.If(turn):
            m.d.sync += [whole.eq(passed), in_use.eq(0), rewound.eq(0)]
        with m.If(tick & (self.converting | self.strobe)):
            m.d.sync += [used.eq(now), in_use.eq(1)]
        with m.If(self.run_start):
            m.d.sync += [passed.eq(used), rewound.eq(rewound)]
            with m.If(turn | ~in_use):
                m.d.sync += [passed.eq(0), rewound.eq(1)]
        with m.If(self.clear):
            m.d.sync += in_use.eq(0)
        return in_use, rewinds, Mux(turn, used, whole)
