"""What every harness of assertions needs."""

from amaranth.hdl import Assert, Cover, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring


def implies(condition: Value, conclusion: Value) -> Value:
    return ~condition | conclusion


def left(timer: Value) -> Value:
    """Cycles of a phase that follow this one, by a timer of those with this one; 0 once it is over."""
    return Mux(timer == 0, 0, timer - 1)[: len(timer)]


class Rules(wiring.Component):
    """Named assertions and covers in `m`; `lines` has their names by their source lines, as a prover reports them."""

    def __init__(self, signature: dict):
        self.m = Module()
        self.lines: dict[int, str] = {}
        super().__init__(signature)

    def rule(
        self, name: str, condition: ValueLike, conclusion: ValueLike = 0, *, src_loc_at: int = 0
    ) -> None:
        """Assert that the conclusion holds whenever the condition does; without one, that the condition never holds."""
        holds = implies(Value.cast(condition).bool(), Value.cast(conclusion).bool())
        self._check(Assert(holds, name, src_loc_at=src_loc_at + 1), name)

    def reach(self, name: str, seen: Value) -> None:
        """Ask for a trace in which this comes true."""
        self._check(Cover(seen, name, src_loc_at=1), name)

    def row_invariants(self, gate: wiring.Component) -> None:
        """What the gate's registers say of the row that stands."""
        strobe, row, last, lines = gate.write.strobe, gate.write.row, gate._last_row, gate._standing
        self.rule("row of a strobe", strobe, row == last)
        self.rule("register rises", ~strobe & (lines.rises != (row > last)))
        self.rule("register falls", ~strobe & (lines.falls != (row < last)))
        self.rule("register stays", ~strobe & (lines.stays != (row == last)))

    def _check(self, check, name: str) -> None:
        self.m.d.comb += check
        self.lines[check.src_loc[1]] = name

    def now(self, name: str, value: Value, width: int | None = None) -> Signal:
        """A name for a value, in traces too."""
        signal = Signal(value.shape() if width is None else width, name=name)
        self.m.d.comb += signal.eq(value)
        return signal

    def past(self, name: str, value: Value) -> Signal:
        """The value one cycle ago; 0 after a reset."""
        signal = Signal(value.shape(), name=f"was_{name}")
        self.m.d.sync += signal.eq(value)
        return signal
