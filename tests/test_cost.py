"""Costs against figures worked out by hand."""

from dataclasses import replace

import pytest

from model.cost import Operations, array_need, array_utilisation, estimate, operations
from spec.device_file import load_device
from spec.params import INSTANCES

COUNTERS = {
    "PULSES_UP": 30, "PULSES_DOWN": 12, "STROBES": 20, "INTEGRATES": 100, "VERIFY_READS": 3, "ELAPSED": 10_000,
}  # fmt: skip


def test_need_is_what_the_array_does_at_the_programmed_times():
    params = INSTANCES["DIGITS"]  # 32 columns on 8 converters of 8 bits, one cycle a bit
    registers = {"INTEGRATE": 7, "PULSE": 5, "GUARD": 2}
    assert array_need(params, registers, COUNTERS) == 100 * (7 + 4 * 8) + 20 * (5 + 2 * 2)
    assert array_utilisation(params, registers, COUNTERS) == 0.408


def test_times_are_those_that_the_hardware_takes():
    params = replace(INSTANCES["DIGITS"], guard_min_cycles=3)
    zeros = {"INTEGRATE": 0, "PULSE": 0, "GUARD": 0}
    assert array_need(params, zeros, COUNTERS) == 100 * (1 + 32) + 20 * (1 + 2 * 3)
    assert array_need(INSTANCES["DIGITS"], {}, COUNTERS) == 100 * (10 + 32) + 20 * (5 + 2)  # reset values


def test_pulse_width_integrates_for_full_scale_and_bit_serial_for_each_plane():
    params = replace(INSTANCES["DIGITS"], encodings=("amplitude", "pulse_width", "bit_serial"))
    registers = {"INTEGRATE": 7, "PULSE": 5, "GUARD": 2}
    writes = 20 * (5 + 2 * 2)
    assert array_need(params, registers | {"ENCODING": 1}, COUNTERS) == 100 * (7 * 255 + 4 * 8) + writes
    assert array_need(params, registers | {"ENCODING": 2}, COUNTERS) == 100 * (7 + 4 * 8) + writes


def test_nothing_elapsed_is_an_error():
    with pytest.raises(ValueError, match="ELAPSED"):
        array_utilisation(INSTANCES["TINY"], {}, COUNTERS | {"ELAPSED": 0})


def test_operations_of_counters():
    assert operations(COUNTERS) == Operations(pulses=42, strobes=20, integrates=100, verify_reads=3)


def test_cycles_are_those_of_all_phases_or_unknown():
    assert operations({"CYCLES": 5}, {"CYCLES": 7}).cycles == 12
    assert operations().cycles == 0
    assert operations({"CYCLES": 5}, COUNTERS).cycles is None


def test_estimate_of_a_resistive_cell():
    device = load_device("AlOx/HfO2")  # 0.9 V for 100 us, 59.2 uS, on/off 4.43
    found = estimate(INSTANCES["DIGITS"], device, operations(COUNTERS))
    assert found.conversions == 100 * 32 + 3
    assert found.write_time_ms == pytest.approx(20 * 0.1)
    middle_uS = 59.2 * (1 + 1 / 4.43) / 2
    assert found.write_energy_nJ == pytest.approx(42 * middle_uS * 1e-6 * 0.9**2 * 100e-6 * 1e9)
    assert found.adc_energy_nJ == pytest.approx(3203 * 6.5e-3)


def test_wide_pulses_take_the_time_and_energy_of_their_widths():
    device, params = load_device("AlOx/HfO2"), INSTANCES["DIGITS"]
    one, wide = (
        estimate(params, device, operations(c))
        for c in (COUNTERS, COUNTERS | {"WIDE_STROBES": 60, "WIDE_PULSES": 126})
    )
    assert wide.write_time_ms == pytest.approx(4 * one.write_time_ms)
    assert wide.write_energy_nJ == pytest.approx(4 * one.write_energy_nJ)


def test_what_the_device_file_does_not_say_is_not_estimated():
    found = estimate(INSTANCES["DIGITS"], load_device("linear"), operations(COUNTERS))
    assert found.write_time_ms is None and found.write_energy_nJ is None


def test_operations_of_phases_and_of_both_layers_add_up():
    upper = {"UPPER_PULSES_UP": 3, "UPPER_PULSES_DOWN": 4, "UPPER_STROBES": 5, "UPPER_INTEGRATES": 6}
    assert operations(COUNTERS, upper) == Operations(
        pulses=49, strobes=25, integrates=100, verify_reads=3, upper_integrates=6
    )


def test_reads_of_an_upper_array_convert_each_class():
    params, device = INSTANCES["DIGITS"], load_device("linear")
    alone = estimate(params, device, Operations(pulses=0, strobes=0, upper_integrates=7))
    assert alone.conversions == 7 * params.classes
