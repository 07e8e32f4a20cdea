"""What the controller's functions are told: widths from the parameters, values from the registers."""

from collections.abc import Mapping
from typing import NamedTuple

from model.controller.calibration import GAINS, OFFSETS
from model.controller.verify import VerifySettings
from spec.choices import ENCODINGS, RULES
from spec.params import HwParams
from spec.registers import BY_NAME, Mode, fields_of, reset_value


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
    encoding: int
    serial_shift: int
    calibrate: int
    """1: the codes of the converters are corrected."""
    measure: int
    """What a run of mode CALIBRATE measures: model/controller/calibration.py; 0 in other modes."""
    offset_shift: int
    lsb: int
    logit_shift: int
    margin: int
    threshold: int
    double_first: int
    double_second: int
    x_threshold: int
    delta_threshold: int
    update_seed: int
    teacher: int
    """1: errors are against codes that the host wants, and every sample of a training run updates."""
    dead: int
    """Largest difference from a wanted code that is no error: what the noise of a read makes."""


_WIDTHS = (
    "dac_bits",
    "adc_bits",
    "logit_bits",
    "delta_bits",
    "accumulator_bits",
    "counter_bits",
    "commit_depth",
)


_VERIFY = {
    "tolerance": "VERIFY_TOLERANCE",
    "movement": "VERIFY_MOVEMENT",
    "pulse_cap": "VERIFY_PULSES",
    "averages": "VERIFY_AVERAGES",
    "give_up": "VERIFY_GIVE_UP",
}


def verify_settings(registers: dict[str, int]) -> VerifySettings:
    """When the loop of a cell or pair ends, from register values by name."""
    read = {field: registers.get(name, reset_value(name)) for field, name in _VERIFY.items()}
    return VerifySettings(**read | {"averages": max(1, read["averages"])})


def verify_registers(s: VerifySettings) -> dict[str, int]:
    """The register values that say the same."""
    return {name: getattr(s, field) for field, name in _VERIFY.items()}


def settings(params: HwParams, registers: dict[str, int] | None = None, mode: Mode = Mode.INFER) -> Settings:
    """Settings of a run from the parameters and register values by name; one not given has its reset value.

    Raises KeyError for an unknown register.
    """
    values = dict(registers or {})
    for name in values:
        BY_NAME[name]
    widths = {name: getattr(params, name) for name in _WIDTHS}
    bits, taught = (_fields(name, values) for name in ("CALIBRATION", "TEACHER"))
    measures = params.calibration and mode is Mode.CALIBRATE
    read = {
        "calibrate": bits["apply"] * params.calibration,
        "measure": (GAINS if bits["gains"] else OFFSETS) if measures else 0,
        "offset_shift": bits["shift"],
        "teacher": taught["on"] * params.teacher,
        "dead": taught["dead"],
    }
    for f in Settings._fields:
        if f not in widths and f not in read:
            read[f] = values.get(f.upper(), reset_value(f.upper()))
    for name in ("lsb", "threshold", "delta_threshold"):  # the hardware takes 0 as 1
        read[name] = max(1, read[name])
    read["encoding"] = encoding_code(params, read["encoding"])
    return Settings(**widths, **read)


def _fields(register: str, values: dict[str, int]) -> dict[str, int]:
    """The fields of a register."""
    word = values.get(register, reset_value(register))
    return {f.name: word >> low & (1 << f.bits) - 1 for f, low in fields_of(register)}


def teacher_register(dead: int) -> int:
    """The value of register TEACHER with the teacher on; dead: as of `Settings`."""
    (_, on_at), (_, dead_at) = fields_of("TEACHER")
    return 1 << on_at | dead << dead_at


def encoding_code(params: HwParams, code: int) -> int:
    """The encoding that applies: a code of one that is not built in acts as the first that is."""
    built_in = [ENCODINGS.index(name) for name in params.encodings]
    return code if code in built_in else built_in[0]


def integrate_cycles(params: HwParams, registers: Mapping[str, int]) -> int:
    """Cycles of one integration: INTEGRATE, with pulse-width encoding times full scale.  registers: values by name."""
    unit = max(1, registers.get("INTEGRATE", reset_value("INTEGRATE")))
    code = encoding_code(params, registers.get("ENCODING", reset_value("ENCODING")))
    return unit * params.dac_full_scale if code == PULSE_WIDTH else unit


PULSE_WIDTH, BIT_SERIAL = ENCODINGS.index("pulse_width"), ENCODINGS.index("bit_serial")

RULE_CODE = {name: code for code, name in enumerate(RULES)}
