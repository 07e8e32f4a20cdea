"""The register map as the host sees it."""

from spec.device_image import IMAGE_WORDS
from spec.params import HwParams
from spec.registers import EMULATOR_BASE, REGISTERS, Access, fields_of

ALWAYS = ("abort", "clear_fault")
"""Fields of CONTROL that act while busy or in a fault."""


def register_file(
    params: HwParams, stored: dict[str, int], inputs: dict[str, int], address: int, write: int, data: int
) -> tuple[int, str, dict[str, int]]:
    """One access: the answer, and the event that it causes, by name ("" for none), with its fields.

    stored: words of the RW registers, changed in place; inputs: words of the RO registers; both by name.
    An event is a write to a PORT register, to a TRIGGER register that sets a field which may act, or to the
    emulator's window (named "IMAGE").
    """
    status = {f.name: (inputs["STATUS"] >> low) & 1 for f, low in fields_of("STATUS")}
    if write and 0 <= address - EMULATOR_BASE < IMAGE_WORDS and not status["busy"]:
        return 0, "IMAGE", {"address": address - EMULATOR_BASE, "value": data}
    if address >= len(REGISTERS) or not REGISTERS[address].built_in(params):
        return 0, "", {}
    register = REGISTERS[address]
    name, fields = register.name, fields_of(register.name)
    if not write:
        return stored.get(name, inputs.get(name, 0)), "", {}
    values = {f.name: (data >> low) & ((1 << f.bits) - 1) for f, low in fields}
    if register.access is Access.RW and not (name == "MODE" and status["busy"]):
        stored[name] = sum(values[f.name] << low for f, low in fields)
    elif register.access is Access.PORT:
        return 0, name, values
    elif register.access is Access.TRIGGER:
        gated = status["busy"] or status["fault"]
        values = {field: bit & (field in ALWAYS or not gated) for field, bit in values.items()}
        if any(values.values()):
            return 0, name, values
    return 0, "", {}
