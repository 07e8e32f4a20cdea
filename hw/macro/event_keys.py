"""The generator's keys of one operation."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.macro.pipeline import Pipeline
from hw.macro.timing import keys_cycles
from spec.numerics import DOMAIN_CONVERTER, DOMAIN_READ, DOMAIN_STATIC, DOMAIN_STUCK, DOMAIN_WRITE, event_key
from spec.params import HwParams

KEY_BITS = 32
DOMAINS = {"static": DOMAIN_STATIC, "stuck": DOMAIN_STUCK, "write": DOMAIN_WRITE, "read": DOMAIN_READ}


class Keys(wiring.Signature):
    """One key per domain of the generator."""

    def __init__(self):
        super().__init__({name: Out(KEY_BITS) for name in DOMAINS})


class EventKeys(wiring.Component):
    """`keys`: `event_key(seed, domain, event)` of all domains, one after the other through one pipeline.

    The event is `strobes` for writing, `integrates` for reading, 0 for what never changes.  The inputs must hold for
    the `keys_cycles` cycles after `start`; `done` is 1 in the last, and the keys hold from the cycle after it.
    Where converters err, `converter` is a key more.
    """

    def __init__(self, params: HwParams):
        self.params = params
        more = {"converter": Out(KEY_BITS)} if params.converter_errors else {}
        super().__init__(
            {
                "start": In(1),
                "seed": In(KEY_BITS),
                "strobes": In(KEY_BITS),
                "integrates": In(KEY_BITS),
                "done": Out(1),
                "keys": Out(Keys()),
                **more,
            }
        )

    def elaborate(self, platform):
        m = Module()
        cycles, domains = keys_cycles(self.params), dict(DOMAINS)
        keys = {name: getattr(self.keys, name) for name in DOMAINS}
        if self.params.converter_errors:
            domains["converter"], keys["converter"] = DOMAIN_CONVERTER, self.converter
        cycle = Signal(range(cycles + 1))  # counts down
        busy = Signal()  # cycle is not 0
        with m.If(self.start):
            m.d.sync += [cycle.eq(cycles), busy.eq(1)]
        with m.Elif(busy):
            m.d.sync += [cycle.eq(cycle - 1), busy.eq(cycle != 1)]
        m.d.sync += self.done.eq(cycle == 2)

        domain, event = Signal(max(domains.values()).bit_length()), Signal(KEY_BITS)
        with m.Switch(cycle):
            for place, (name, number) in enumerate(domains.items()):
                with m.Case(cycles - place):
                    events = {"write": self.strobes, "read": self.integrates}
                    m.d.comb += [domain.eq(number), event.eq(events.get(name, 0))]

        pipe = Pipeline(m, busy)
        key = event_key(pipe.stage(self.seed), pipe.stage(domain).reg(), pipe.stage(event)).reg()
        if cycles != key.depth + len(domains):
            raise ValueError(f"keys_cycles is {cycles}, the pipeline has {key.depth} stages")
        with m.Switch(cycle):
            for place, name in enumerate(domains):
                with m.Case(cycles - key.depth - place):
                    m.d.sync += keys[name].eq(key.value)
        return m
