"""The pulses of a run as a table that a device engineer can replay on an instrument."""

import csv
import io
from collections.abc import Iterator, Mapping

import numpy as np

from model.record import Strobes
from spec.device_file import Pulses
from spec.params import HwParams
from spec.registers import fields_of, reset_value

CLOCK_NS = 10
"""Period of the digital clock that times are given for: 100 MHz."""
COLUMNS = ("time_ns", "row", "column", "device", "polarity", "amplitude_code", "amplitude_V", "width_ns")


def pulse_rows(
    strobes: Strobes, params: HwParams, registers: Mapping[str, int], pulse: Pulses
) -> Iterator[tuple]:
    """One row of `COLUMNS` per pulse: strobes in order, their columns in order, G+ before G-.

    time_ns: of the rising edge when strobe follows strobe without a pause, in slots of guard, pulse, guard; pulses of
    one strobe have the same.  amplitude_V: of the device file, empty where it states none.  registers: by name, the
    reset value where one is missing.
    """
    width = max(1, registers.get("PULSE", reset_value("PULSE")))
    guard = max(params.guard_min_cycles, registers.get("GUARD", reset_value("GUARD")))
    amplitude = registers.get("WRITE", reset_value("WRITE"))
    code = next(
        (amplitude >> low) & ((1 << f.bits) - 1) for f, low in fields_of("WRITE") if f.name == "amplitude"
    )
    for k in range(len(strobes.row)):
        time = (k * (width + 2 * guard) + guard) * CLOCK_NS
        depress = int(strobes.depress[k])
        volts = pulse.v_ltd_V if depress else pulse.v_ltp_V
        masks = np.stack([strobes.up[k], strobes.down[k]], axis=1)
        for column, minus in np.argwhere(masks):
            yield (time, int(strobes.row[k]), int(column), "G-" if minus else "G+",
                   "depress" if depress else "potentiate", code, "" if volts is None else volts, width * CLOCK_NS)  # fmt: skip


def pulse_table(strobes: Strobes, params: HwParams, registers: Mapping[str, int], pulse: Pulses) -> str:
    """`pulse_rows` as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(pulse_rows(strobes, params, registers, pulse))
    return text.getvalue()
