"""One weight's share of an update rule with a memory."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.numerics import saturate
from spec.choices import RULES
from spec.numerics import THIN_BITS, signed_limit
from spec.params import HwParams

ACCUMULATE = RULES.index("accumulate")
THRESHOLD_BITS = 31
X_THRESHOLD_BITS = 8
DELTA_THRESHOLD_BITS = 10


def increment_bits(params: HwParams) -> int:
    """Bits of what one sample adds to a weight's memory."""
    return params.dac_bits + params.delta_bits if "accumulate" in params.rules else 2


def sum_bits(params: HwParams) -> int:
    """Bits of memory + increment."""
    return max(params.memory_bits, increment_bits(params)) + 1


def unreachable(params: HwParams) -> int:
    """The least threshold that no sum reaches, and that thins as much as it can; a larger one acts the same."""
    return 1 << max(sum_bits(params) - 1, THIN_BITS if params.chance_rules else 0)


class UpdateLane(wiring.Component):
    """A weight per cycle through a pipeline of `LATENCY` stages, which moves while `advance` is 1.

    - `delta`, `code`: its column's error, its row's code (> 0).  `memory`: its update memory, a cycle later.
    - `stored`, `up`, `down`: the new memory, and whether a pulse goes to G+ or to G-.
    - `rule` (looked at only when both rules with a memory are built in), `threshold` (1 to `unreachable`), `x_threshold`,
      `delta_below` (the threshold of `counter` less one): constant while weights are in the pipeline.

    value = memory + increment; value >= threshold: up, value - threshold; -value >= threshold: down,
    value + threshold; stored = saturate(value) at the rule's width.  With delta = 0 nothing changes.
    """

    LATENCY = 6

    def __init__(self, params: HwParams):
        self.params = params
        super().__init__(
            {
                "advance": In(1),
                "memory": In(signed(params.memory_bits)),
                "delta": In(signed(params.delta_bits)),
                "code": In(params.dac_bits),
                "rule": In(range(len(RULES))),
                "threshold": In(range(unreachable(params) + 1)),
                "x_threshold": In(X_THRESHOLD_BITS),
                "delta_below": In(DELTA_THRESHOLD_BITS),
                "stored": Out(signed(params.memory_bits)),
                "up": Out(1),
                "down": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.params
        memory = self._delay(m, self.memory, "memory")
        delta, code = self._delay(m, self.delta, "delta"), self._delay(m, self.code, "code")
        sign = self._counted(m) if "counter" in p.rules else Const(0)
        increment = self._delay(m, self._by_rule(code * delta, sign), "increment")

        total = Signal(signed(sum_bits(p)))  # memory + increment, just wide enough
        m.d.comb += total.eq(memory + increment)
        total = self._delay(m, total, "total")
        less = self._delay(m, total - self.threshold, "less")
        more = self._delay(m, total + self.threshold, "more")
        total = self._delay(m, total, "total_kept")

        touched = self._delay(m, delta != 0, "touched", 3)
        up, down = touched & (less >= 0), touched & (more <= 0)
        value = self._delay(m, Mux(up, less, Mux(down, more, total)), "value")
        stored = Mux(self._delay(m, touched, "touched_value"), self._saturate(value), value)
        m.d.comb += self.stored.eq(self._delay(m, stored, "stored"))
        m.d.comb += [self.up.eq(self._delay(m, up, "up", 2)), self.down.eq(self._delay(m, down, "down", 2))]
        return m

    def _delay(self, m, value, name, stages=1) -> Signal:
        """`value` that many stages later."""
        for number in range(stages):
            register = Signal(Value.cast(value).shape(), name=f"{name}_{number}")
            with m.If(self.advance):
                m.d.sync += register.eq(value)
            value = register
        return value

    def _counted(self, m) -> Value:
        """What `counter` adds, a stage after the errors came."""
        large = self._delay(m, self.code >= self.x_threshold, "large")
        raises = self._delay(m, self.delta > self.delta_below, "raises")
        lowers = self._delay(m, ~self.delta >= self.delta_below, "lowers")  # ~delta is -delta - 1
        return Mux(large & raises, 1, Mux(large & lowers, -1, 0))

    def _saturate(self, value) -> Value:
        p = self.params
        return self._by_rule(
            *(
                saturate(value, -limit, limit)
                for limit in map(signed_limit, (p.accumulator_bits, p.counter_bits))
            )
        )

    def _by_rule(self, accumulate, counter) -> Value:
        """What the selected rule takes; a rule that is not built in leaves no hardware."""
        if self.params.memory_rules == ("accumulate",):
            return accumulate
        if self.params.memory_rules == ("counter",):
            return counter
        return Mux(self.rule == ACCUMULATE, accumulate, counter)
