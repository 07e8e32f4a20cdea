"""What the controller's functions are told: widths from the parameters, values from the registers."""

from typing import NamedTuple

from spec.params import RULES, HwParams
from spec.registers import BY_NAME, reset_value


class Settings(NamedTuple):
    """All integers, so that compiled kernels take it as it is.  Build one with `settings`."""

    dac_bits: int
    adc_bits: int
    logit_bits: int
    delta_bits: int
    accumulator_bits: int
    counter_bits: int
    commit_depth: int
    rule: int
    lsb: int
    logit_shift: int
    margin: int
    threshold: int
    double_first: int
    double_second: int
    x_threshold: int
    delta_threshold: int


_WIDTHS = (
    "dac_bits",
    "adc_bits",
    "logit_bits",
    "delta_bits",
    "accumulator_bits",
    "counter_bits",
    "commit_depth",
)


def settings(params: HwParams, registers: dict[str, int] | None = None) -> Settings:
    """Settings from the parameters and register values by name; a register not given has its reset value.

    Raises KeyError for an unknown register.
    """
    values = dict(registers or {})
    for name in values:
        BY_NAME[name]
    widths = {name: getattr(params, name) for name in _WIDTHS}
    read = {f: values.get(f.upper(), reset_value(f.upper())) for f in Settings._fields if f not in widths}
    for name in ("lsb", "threshold", "delta_threshold"):  # the hardware takes 0 as 1
        read[name] = max(1, read[name])
    return Settings(**widths, **read)


RULE_CODE = {name: code for code, name in enumerate(RULES)}
