"""The stages of the data flow, in order: what the golden step returns and what the RTL's taps show.

A comparison walks this list per sample, so the first difference names the block that is wrong.
"""

from dataclasses import dataclass

from spec.params import HwParams


@dataclass(frozen=True)
class Stage:
    name: str
    block: str
    doc: str


STAGES = (
    Stage("codes", "dac_encode", "input codes, one per row"),
    Stage(
        "conversion",
        "column_adc",
        "codes of the converters, one row of macros after the other, one item per bit plane; only of bit-serial reads, of "
        "several rows of macros and where calibration may change them",
    ),
    Stage("column", "partial_sum", "these added over the rows of macros, clipped to ±Q; only of several"),
    Stage("adc", "column_adc", "signed column codes"),
    Stage("hidden", "activation", "column codes clipped to 0..Q"),
    Stage("logits", "upper_layer", "signed output codes, one per class"),
    Stage("verdict", "margin_error", "update, target, rival, prediction"),
    Stage(
        "delta",
        "backprop_delta",
        "error per column; only where the verdict is an update; with a teacher, of teacher_delta",
    ),
    Stage(
        "entry", "update_rule", "rows with pulses: row, columns up, columns down; only where there are any"
    ),
    Stage("strobe", "pulse_scheduler", "operations on the write lines: row, up, down, depress, in order"),
    Stage("upper_entry", "update_rule", "as entry, of an analog upper layer"),
    Stage("upper_strobe", "pulse_scheduler", "as strobe, of an analog upper layer"),
)

STAGE_NAMES = tuple(stage.name for stage in STAGES)


def stage_names(params: HwParams) -> tuple[str, ...]:
    """The stages that a hardware has, in order.

    Nothing is added up where there is a single row of macros; only an analog upper layer has pulses.
    """
    left_out = set() if params.grid_rows > 1 else {"column"}
    left_out |= set() if params.analog_upper else {"upper_entry", "upper_strobe"}
    return tuple(name for name in STAGE_NAMES if name not in left_out)
