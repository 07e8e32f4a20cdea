"""The table of blocks: every block of the controller beside its golden function.

`hw/<name>.py` has the class, `model/controller/<name>.py` the function, unless the entry names another.  tests/sim/test_blocks.py holds one against
the other for every entry, and fails for a block that is not here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from types import ModuleType

from amaranth.lib import wiring

from hw.pulse_gate import PulseGate
from hw.pulse_route import PulseRoute
from hw.ramp_adc import RampAdc
from hw.sar_adc import SarAdc
from sim import harness
from sim.cases import Outputs, Pick, compact, host, pulses, read_path, verify, write_path
from sim.pulse_harness import PinsHarness
from sim.simulation import Case, Event
from spec.choices import CHANCE_RULES, RULES
from spec.params import INSTANCES, HwParams

ODD = HwParams(
    name="ODD", rows=7, columns=5, classes=5, dac_bits=5, dac_load_lanes=3, adc_bits=5, adc_channels=3, macs=2,
    sar_settle_cycles=2, cmp_latency_cycles=1, update_columns=2, bank_columns=2, commit_depth=1, queue_depth=3, macro_lanes=2,
    weight_bits=5, delta_bits=5, rules=("counter",), counter_bits=5, count_bits=4, teacher=1,
)  # fmt: skip
"""Nothing divides anything."""
ONE = HwParams(
    name="ONE", rows=1, columns=1, classes=2, dac_load_lanes=1, adc_channels=1, macs=1, update_columns=1,
    commit_depth=1, queue_depth=2, macro_lanes=1, rules=("accumulate",),
)  # fmt: skip
"""The least of everything."""
VERIFYING = tuple(replace(p, rows=min(p.rows, 3), verify=1) for p in (INSTANCES["TINY"], ODD, ONE))
"""Few cells, because each takes many steps."""
GATED = (INSTANCES["TINY"], replace(ODD, verify=1), ONE)
EVERY_RULE = replace(INSTANCES["TINY"], name="EVERY_RULE", rules=RULES)
BY_CHANCE = replace(ODD, name="BY_CHANCE", rules=CHANCE_RULES)
"""No update memory."""
STANDARD = (INSTANCES["TINY"], ODD, ONE)
GRID = replace(ODD, name="GRID", rows=14, columns=7, dac_load_lanes=2, macro_rows=4, macro_columns=3)
"""4 x 3 macros, of which the last ones are smaller in both directions."""
WITH_GRID = (*STANDARD, GRID)
TAUGHT = tuple(replace(p, teacher=1) for p in WITH_GRID)
COMPACT = replace(
    INSTANCES["TINY"], name="COMPACT", compact=1, rules=("counter",), counter_bits=4, update_columns=2, bank_columns=2,
)  # fmt: skip
COMPACT_ODD = replace(ODD, name="COMPACT_ODD", compact=1, adc_channels=2)
"""Their columns are no multiple of a word."""
COMPACT_ONE = replace(
    COMPACT, name="COMPACT_ONE", dac_load_lanes=1, adc_channels=1, update_columns=1, bank_columns=1, macs=1,
)  # fmt: skip
"""One of each a cycle, as on the iCEBreaker."""
COMPACT_WORD = replace(
    COMPACT, name="COMPACT_WORD", columns=4, adc_channels=4, update_columns=4, bank_columns=4
)
"""All columns in a word."""
WITH_COMPACT = (COMPACT, COMPACT_ODD, COMPACT_ONE)
WITH_ANALOG_UPPER = tuple(replace(p, name=f"{p.name}-analog", upper_layer="analog") for p in STANDARD)


@dataclass(frozen=True)
class Block:
    """One block of the table.

    cases: the module with its `draw_<name>` and `golden_<name>`.  events: outputs without ready.
    harness: gives a block that is not all streams stream ports.  unstalled: output streams that cannot be refused.
    function: name of its golden function, where it is not the block's.
    """

    name: str
    cases: ModuleType
    events: dict[str, Event] = field(default_factory=dict)
    harness: Callable[[HwParams], wiring.Component] | None = None
    unstalled: tuple[str, ...] = ()
    function: str = ""
    params: tuple[HwParams, ...] = STANDARD

    @property
    def component(self) -> Callable[[HwParams], wiring.Component]:
        """The RTL class."""
        return getattr(
            import_module(f"hw.{self.name}"), "".join(part.capitalize() for part in self.name.split("_"))
        )

    def build(self, params: HwParams) -> wiring.Component:
        return (self.harness or self.component)(params)

    def draw(self, params: HwParams, pick: Pick) -> Case:
        return getattr(self.cases, f"draw_{self.name}")(params, pick)

    def golden(self, params: HwParams, case: Case) -> tuple[Outputs, dict[str, int]]:
        return getattr(self.cases, f"golden_{self.name}")(params, case)


BLOCKS = (
    Block("dac_encode", read_path),
    Block("input_buffer", read_path, params=(*STANDARD, COMPACT, COMPACT_ODD)),
    Block("dac_load", read_path, harness=harness.DacLoadHarness),
    Block(
        "sar_adc",
        read_path,
        harness=partial(harness.AdcHarness, SarAdc),
        function="column_adc",
        params=WITH_GRID,
    ),
    Block("ramp_adc", read_path, harness=partial(harness.AdcHarness, RampAdc), function="column_adc"),
    Block("calibration", read_path, harness=harness.CalibrationHarness, params=WITH_GRID),
    Block(
        "partial_sum",
        read_path,
        events={"clipped": Event(("i__valid", "i__ready"), ("clipped",))},
        params=WITH_GRID,
    ),
    Block("shift_add", read_path, params=WITH_GRID),
    Block("activation", read_path, events={"clipped": Event(("i__valid", "i__ready"), ("clipped",))}),
    Block("upper_layer", write_path, params=WITH_GRID),
    Block("upper_rows", read_path, params=WITH_ANALOG_UPPER),
    Block("margin_error", write_path),
    Block("backprop_delta", write_path),
    Block("teacher_delta", write_path, params=TAUGHT),
    Block("update_rule", write_path, params=(*STANDARD, EVERY_RULE, BY_CHANCE)),
    Block("commit_queue", write_path, harness=harness.CommitQueueHarness),
    Block("pulse_scheduler", write_path, events={"done": Event(("done",))}),
    Block(
        "update_walk",
        compact,
        harness=harness.UpdateWalkHarness,
        function="update_rule",
        params=(*WITH_COMPACT, COMPACT_WORD),
    ),
    Block("commit_queue", compact, harness=harness.CommitQueueHarness, params=WITH_COMPACT),
    Block(
        "word_scheduler",
        compact,
        events={"done": Event(("done",))},
        function="pulse_scheduler",
        params=WITH_COMPACT,
    ),
    Block("classifier", compact, function="upper_layer", params=WITH_COMPACT),
    Block("verify", verify, events=verify.VERIFY_EVENTS, params=VERIFYING),
    Block("pulse_driver", pulses, events=pulses.PULSE_DRIVER_EVENTS),
    Block("pulse_gate", pulses, harness=lambda params: PinsHarness(PulseGate(params)), params=GATED),
    Block("pulse_route", pulses, harness=lambda params: PinsHarness(PulseRoute(params)), params=(GRID,)),
    Block("weight_load", host, harness=harness.WeightLoadHarness, unstalled=("o",)),
    Block("register_file", host, events=host.REGISTER_EVENTS),
)
