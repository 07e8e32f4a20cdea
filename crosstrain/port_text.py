"""The pins of the macro port as a table, from its signature."""

from dataclasses import replace

from amaranth.hdl import Shape
from amaranth.lib.wiring import Out

from sim.port_waves import macro_pins
from spec.params import INSTANCES

_MEANING = {
    "dac_valid": "a word of row codes is given; transferred in a cycle in which `dac_ready` is 1, too",
    "dac_ready": "the shadow register takes a word",
    "dac_word": "which word: its first row is `dac_word` * `dac_load_lanes`",
    "dac_codes": "codes of these rows, the first in the lowest bits; rows beyond the last are 0",
    "integrate": "start: the shadow register drives the rows, column currents are integrated and then held",
    "integrate_cycles": "for how many cycles (register INTEGRATE); 0 acts as 1",
    "lsb": "register LSB: a step of the converters, in the array's unit of column sums",
    "group": "which columns are converted: `group` * `adc_channels` and those that follow",
    "trial": "the code that each converter compares with, signed, the first in the lowest bits",
    "compare": "2 * sum >= (2 * trial - 1) * lsb, for each converter",
    "write__row": "row of the pulse",
    "write__up": "columns whose G+ device is pulsed",
    "write__down": "columns whose G- device is pulsed",
    "write__depress": "polarity: 0 raises the conductance, 1 lowers it",
    "write__amplitude": "register WRITE: amplitude of the pulse, a code",
    "write__strobe": "the pulse; its width in cycles is the pulse width",
    "erase": "start: every cell is brought to its erased state",
    "readout": "start: the states of one pair are read; in no run but program-verify",
    "readout_row": "row of the pair",
    "readout_column": "column of the pair",
    "readout_plus": "state of its G+ device, until the next readout",
    "readout_minus": "state of its G- device",
    "ready": "the array is done with the last operation, and takes the next",
    "encoding": "how the rows are driven, with `integrate` (its place in `ENCODINGS`)",
    "plane": "bit-serial: the bit of the codes that drives the rows",
    "transposed": "with `integrate`: columns are driven, the sums are those of rows",
    "raised": "the column that is driven at full scale",
    "lowered": "the column that is driven likewise, in opposite polarity",
    "first_row": "row of the first converter",
    "readout_kind": "what is read: states, or a noisy reading of a cell or of the pair",
    "reading": "that reading, signed",
    "new_lsb": "from the next cycle on `lsb` may be another",
    "new_trial": "from the next cycle on `trial` or `group` may be others",
    "write__select": "the masks reach the lines; else these carry the inhibit level",
    "write__load": "`up` and `down` are stored as the columns of word `word`",
    "write__first": "with `load`: all other words become 0",
    "write__word": "which word of the masks",
}

_BASE = INSTANCES["MNIST"]
_FEATURES = {
    "`encodings`": replace(_BASE, encodings=("amplitude", "bit_serial")),
    "`transposed`": replace(_BASE, upper_layer="analog", transposed=1).upper,
    "`verify`": replace(_BASE, verify=1),
    "`compact`": INSTANCES["ICEBREAKER"],
}
"""Parameters that add pins."""


def pins_text() -> str:
    """A Markdown table of all pins.  Raises KeyError where one has no meaning here."""
    rows = [_row(name, pin, "") for name, pin in macro_pins(_BASE).items()]
    known = set(macro_pins(_BASE))
    for feature, params in _FEATURES.items():
        pins = {name: pin for name, pin in macro_pins(params).items() if name not in known}
        rows += [_row(name, pin, feature) for name, pin in pins.items()]
        known |= set(pins)
    head = ("pin", "bits", "driven by", "with parameter", "meaning")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _row(name: str, pin, feature: str) -> tuple[str, ...]:
    driver = "controller" if pin.flow is Out else "array"
    return f"`{name}`", str(Shape.cast(pin.shape).width), driver, feature, _MEANING[name]
