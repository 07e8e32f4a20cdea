"""What a method costs, from the operations that a study counts: conversions, time and energy by phase.

Time is that of the array's operations one after the other, with the pulses of the device, and of the cycles in which
the array waits for the controller; energy is that of pulses and conversions.  What the device file does not say, or
the cycle model does not know, makes a cost None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from model.cost import Operations, array_need, estimate
from spec.device_file import DeviceSpec
from spec.params import HwParams
from spec.registers import reset_value

PHASES = ("transfer", "ranges", "online")
CYCLE_NS = 10.0
"""Of a 100 MHz controller."""


@dataclass(frozen=True)
class Cost(Operations):
    """Of one phase or of all."""

    conversions: float = 0
    waiting: float | None = None
    """Cycles in which the array is not at work, when its pulses and integrations take what the registers begin with."""
    array_ms: float | None = None
    """Write slots, reads and readings one after the other; a reading of a cell or a class takes one conversion."""
    time_ms: float | None = None
    """That and the waiting."""
    energy_nJ: float | None = None


def cost_of(params: HwParams, device: DeviceSpec, figures: Mapping[str, float], phase: str) -> Cost:
    """The cost of one phase; figures: columns of a result, or their means."""
    names = [f.name for f in fields(Operations) if f.name != "cycles"]
    own = {name: figures.get(f"{phase}_{name}", 0.0) for name in names}
    done = Operations(**own, cycles=figures.get(f"{phase}_cycles"))
    found = estimate(params, device, done)
    waiting = figures.get(f"{phase}_waiting")
    reads = array_need(params, {}, {"INTEGRATES": done.integrates, "STROBES": 0})
    cells = done.verify_reads + done.upper_integrates
    reading = reads + cells * (reset_value("INTEGRATE") + params.conversion_cycles)
    array = time = energy = None
    if found.write_time_ms is not None:
        array = found.write_time_ms + reading * CYCLE_NS * 1e-6
        time = None if waiting is None else array + waiting * CYCLE_NS * 1e-6
    if found.write_energy_nJ is not None:
        energy = found.write_energy_nJ + found.adc_energy_nJ
    return Cost(
        **own, cycles=done.cycles, conversions=found.conversions,
        waiting=waiting, array_ms=array, time_ms=time, energy_nJ=energy,
    )  # fmt: skip


def waiting_cycles(params: HwParams, done: Operations) -> float | None:
    """Cycles in which the array is not at work; None where they are not counted.

    The cycle model has an array whose readings of cells are done when they have integrated.
    """
    if done.cycles is None:
        return None
    need = array_need(params, {}, {"INTEGRATES": done.integrates, "STROBES": done.strobes})
    need += done.wide_strobes * reset_value("PULSE")
    return done.cycles - need - done.verify_reads * reset_value("INTEGRATE")


def total(costs: list[Cost]) -> Cost:
    """Of several phases; None where one of them is."""

    def added(name: str):
        values = [getattr(cost, name) for cost in costs]
        return None if any(value is None for value in values) else sum(values)

    return Cost(**{f.name: added(f.name) for f in fields(Cost)})
