"""The generator's keys of one operation."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.macro.pipeline import Pipeline
from hw.macro.timing import KEYS_CYCLES
from spec.numerics import DOMAIN_READ, DOMAIN_STATIC, DOMAIN_STUCK, DOMAIN_WRITE, event_key

KEY_BITS = 32
DOMAINS = {"static": DOMAIN_STATIC, "stuck": DOMAIN_STUCK, "write": DOMAIN_WRITE, "read": DOMAIN_READ}


class Keys(wiring.Signature):
    """One key per domain of the generator."""

    def __init__(self):
        super().__init__({name: Out(KEY_BITS) for name in DOMAINS})


class EventKeys(wiring.Component):
    """`keys`: `event_key(seed, domain, event)` of all domains, one after the other through one pipeline.

    The event is `strobes` for writing, `integrates` for reading, 0 for what never changes.  The inputs must hold for
    the `KEYS_CYCLES` cycles after `start`; `done` is 1 in the last, and the keys hold from the cycle after it.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "seed": In(KEY_BITS),
                "strobes": In(KEY_BITS),
                "integrates": In(KEY_BITS),
                "done": Out(1),
                "keys": Out(Keys()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cycle = Signal(range(KEYS_CYCLES + 1))  # counts down
        busy = cycle != 0
        with m.If(self.start):
            m.d.sync += cycle.eq(KEYS_CYCLES)
        with m.Elif(busy):
            m.d.sync += cycle.eq(cycle - 1)
        m.d.comb += self.done.eq(cycle == 1)

        domain, event = Signal(max(DOMAINS.values()).bit_length()), Signal(KEY_BITS)
        with m.Switch(cycle):
            for place, (name, number) in enumerate(DOMAINS.items()):
                with m.Case(KEYS_CYCLES - place):
                    events = {"write": self.strobes, "read": self.integrates}
                    m.d.comb += [domain.eq(number), event.eq(events.get(name, 0))]

        pipe = Pipeline(m, busy)
        key = event_key(pipe.stage(self.seed), pipe.stage(domain).reg(), pipe.stage(event)).reg()
        if KEYS_CYCLES != key.depth + len(DOMAINS):
            raise ValueError(f"KEYS_CYCLES is {KEYS_CYCLES}, the pipeline has {key.depth} stages")
        with m.Switch(cycle):
            for place, name in enumerate(DOMAINS):
                with m.Case(KEYS_CYCLES - key.depth - place):
                    m.d.sync += getattr(self.keys, name).eq(key.value)
        return m
