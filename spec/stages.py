"""The stages of the data flow, in order: what the golden step returns and what the RTL's taps show.

A comparison walks this list per sample, so the first difference names the block that is wrong.
"""

from dataclasses import dataclass


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
        "codes of the converters, one item per bit plane; only of bit-serial reads",
    ),
    Stage("adc", "column_adc", "signed column codes"),
    Stage("hidden", "activation", "column codes clipped to 0..Q"),
    Stage("logits", "upper_layer", "signed output codes, one per class"),
    Stage("verdict", "margin_error", "update, target, rival, prediction"),
    Stage("delta", "backprop_delta", "backpropagated error per column; only where the verdict is an update"),
    Stage(
        "entry", "update_rule", "rows with pulses: row, columns up, columns down; only where there are any"
    ),
    Stage("strobe", "pulse_scheduler", "operations on the write lines: row, up, down, depress, in order"),
)

STAGE_NAMES = tuple(stage.name for stage in STAGES)
