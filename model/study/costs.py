"""What a method costs, from the operations that a study counts: conversions, time and energy by phase.

The array's time is that of its operations one after the other; energy is that of pulses and conversions.  What the
device file does not say makes a cost None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from model.cost import Operations, estimate
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
    time_ms: float | None = None
    """Write slots, reads and readings one after the other."""
    energy_nJ: float | None = None


def cost_of(params: HwParams, device: DeviceSpec, figures: Mapping[str, float], phase: str) -> Cost:
    """The cost of one phase; figures: columns of a result, or their means."""
    own = {f.name: figures.get(f"{phase}_{f.name}", 0.0) for f in fields(Operations)}
    done = Operations(**own)
    found = estimate(params, device, done)
    integrate_ns, conversion_ns = (n * CYCLE_NS for n in (reset_value("INTEGRATE"), params.conversion_cycles))
    reading = done.integrates * (integrate_ns + params.adc_groups * conversion_ns)
    reading += (done.verify_reads + done.upper_integrates) * (integrate_ns + conversion_ns)
    time = None if found.write_time_ms is None else found.write_time_ms + reading * 1e-6
    energy = None if found.write_energy_nJ is None else found.write_energy_nJ + found.adc_energy_nJ
    return Cost(**own, conversions=found.conversions, time_ms=time, energy_nJ=energy)


def total(costs: list[Cost]) -> Cost:
    """Of several phases; None where one of them is."""

    def added(name: str):
        values = [getattr(cost, name) for cost in costs]
        return None if any(value is None for value in values) else sum(values)

    return Cost(**{f.name: added(f.name) for f in fields(Cost)})
