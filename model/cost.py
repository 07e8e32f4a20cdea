"""What a run costs: operations counted by the hardware, and the time and energy that they stand for.

Operations are exact.  Times of pulses come from the device file; energies are estimates, and None where the device
file lacks a figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model.controller.settings import integrate_cycles
from spec.device_file import DeviceSpec
from spec.params import HwParams
from spec.registers import reset_value

ADC_8_BIT_PJ = 6.5
"""Energy of one 8-bit conversion at 65 nm, the envelope of B. Murmann's ADC survey; doubled for each bit more."""


@dataclass(frozen=True)
class Operations:
    """What the array was asked to do."""

    pulses: float
    """Write pulses, one device each; here and below a mean of several runs need not be an integer."""
    strobes: float
    """Write slots: one row, one polarity, any number of its devices at once."""
    integrates: float = 0
    """Array reads, all columns of all macros at once."""
    verify_reads: float = 0
    """Reads of one pair of devices."""
    upper_integrates: float = 0
    """Reads of the array of an analog upper layer."""
    wide_pulses: float = 0
    """Widths that the pulses have beyond one each (`model.study.coarse`)."""
    wide_strobes: float = 0
    """Widths that the write slots have beyond one each."""
    cycles: float | None = None
    """Of the controller, from the beginning of each run to its end; None where nothing counts them."""


def operations(*counters: Mapping[str, int]) -> Operations:
    """From the counters of phases, hardware's or golden: pulses and slots are those of both layers."""
    counted = all("CYCLES" in phase for phase in counters)

    def total(*names: str) -> int:
        return sum(phase.get(name, 0) for phase in counters for name in names)

    return Operations(
        pulses=total("PULSES_UP", "PULSES_DOWN", "UPPER_PULSES_UP", "UPPER_PULSES_DOWN"),
        strobes=total("STROBES", "UPPER_STROBES"),
        integrates=total("INTEGRATES"),
        verify_reads=total("VERIFY_READS"),
        upper_integrates=total("UPPER_INTEGRATES"),
        wide_pulses=total("WIDE_PULSES"),
        wide_strobes=total("WIDE_STROBES"),
        cycles=total("CYCLES") if counted else None,
    )


def _register(registers: Mapping[str, int], name: str, least: int) -> int:
    return max(least, registers.get(name, reset_value(name)))


def array_need(params: HwParams, registers: Mapping[str, int], counters: Mapping[str, float]) -> float:
    """Cycles in which the array itself is at work, however good its controller.

    integrates * (INTEGRATE + adc_groups * conversion_cycles) + strobes * (PULSE + 2 * GUARD), with the times as the
    hardware takes them: PULSE and INTEGRATE at least 1, INTEGRATE times full scale with pulse-width encoding, GUARD at
    least `guard_min_cycles`.  The integrates of a bit-serial read count each.
    registers: values by name, the reset value where one is missing; counters: of one run, or means of several.
    """
    read = integrate_cycles(params, registers) + params.adc_groups * params.conversion_cycles
    write = _register(registers, "PULSE", 1) + 2 * _register(registers, "GUARD", params.guard_min_cycles)
    return counters["INTEGRATES"] * read + counters["STROBES"] * write


def array_utilisation(params: HwParams, registers: Mapping[str, int], counters: Mapping[str, int]) -> float:
    """`array_need` over the counter ELAPSED of the same run: 1 when the array never waits for its controller.

    Raises `ValueError` when nothing has elapsed.
    """
    if counters["ELAPSED"] <= 0:
        raise ValueError("the counter ELAPSED is 0: no run on the hardware")
    return array_need(params, registers, counters) / counters["ELAPSED"]


@dataclass(frozen=True)
class Estimate:
    """Time and energy of some operations on one device; None where its file does not say enough."""

    conversions: float
    write_time_ms: float | None
    write_energy_nJ: float | None
    adc_energy_nJ: float


def estimate(params: HwParams, device: DeviceSpec, done: Operations) -> Estimate:
    """Time of the write slots one after the other, energy of the pulses and of the conversions.

    A potentiating pulse on a resistive cell takes G V^2 t, at a conductance in the middle of the range.  A
    transistor's gate takes C V^2, and its capacitance is in no device file.  A read converts every column of every
    macro, a read of an analog upper layer every class (a transposed one is taken for such a read), a verify read one pair.
    """
    conversions = done.integrates * params.grid_rows * params.columns + done.verify_reads
    conversions += done.upper_integrates * params.classes
    v_V, t_ns = device.pulse.v_ltp_V, device.pulse.t_ltp_ns
    energy_nJ = None
    if v_V is not None and t_ns is not None and device.cell == "resistive":
        g_uS = device.g_max_uS * (1 + device.g_min_share) / 2
        energy_nJ = (done.pulses + done.wide_pulses) * g_uS * 1e-6 * v_V**2 * t_ns
    return Estimate(
        conversions=conversions,
        write_time_ms=None if t_ns is None else (done.strobes + done.wide_strobes) * t_ns * 1e-6,
        write_energy_nJ=energy_nJ,
        adc_energy_nJ=conversions * ADC_8_BIT_PJ * 2.0 ** (params.adc_bits - 8) * 1e-3,
    )
