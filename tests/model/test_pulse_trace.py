"""The table of pulses for an instrument."""

import csv
import io

import numpy as np

from model.pulse_trace import COLUMNS, pulse_table
from model.record import Strobes
from spec.device_file import Pulses
from spec.params import INSTANCES

TINY = INSTANCES["TINY"]


UNKNOWN = Pulses()


def table(strobes, registers, pulse=UNKNOWN):
    return list(csv.DictReader(io.StringIO(pulse_table(strobes, TINY, registers, pulse))))


def two_strobes() -> Strobes:
    up = np.zeros((2, TINY.columns), np.uint8)
    down = up.copy()
    up[0, 3] = down[0, 1] = up[1, 2] = 1
    return Strobes(np.array([4, 7], np.int32), up, down, np.array([0, 1], np.uint8))


def test_pulses_come_strobe_by_strobe_in_slots_of_guard_pulse_guard():
    rows = table(two_strobes(), {"PULSE": 5, "GUARD": 2, "WRITE": 17 << 1}, Pulses(v_ltp_V=1.5, v_ltd_V=-2.0))
    assert tuple(rows[0]) == COLUMNS
    assert [tuple(row.values()) for row in rows] == [
        ("20", "4", "1", "G-", "potentiate", "17", "1.5", "50"),
        ("20", "4", "3", "G+", "potentiate", "17", "1.5", "50"),
        ("110", "7", "2", "G+", "depress", "17", "-2.0", "50"),
    ]


def test_unknown_voltage_is_left_empty_and_times_are_what_the_hardware_takes():
    rows = table(two_strobes(), {"PULSE": 0, "GUARD": 0})
    assert rows[0]["amplitude_V"] == "" and rows[0]["width_ns"] == "10"
    assert rows[2]["time_ns"] == str((1 + 2 * TINY.guard_min_cycles + TINY.guard_min_cycles) * 10)


def test_no_strobe_is_a_header_alone():
    assert table(Strobes.empty(TINY.columns), {}) == []
