"""Cases for the blocks behind the register bus."""

from hw.register_file import AT_LEAST_ONE, MOST, identity
from model.controller.register_file import register_file
from model.controller.weight_load import weight_load
from sim.cases import Outputs, Pick, pick_list
from sim.simulation import Case, Event
from spec.device_image import IMAGE_WORDS
from spec.params import HwParams
from spec.registers import EMULATOR_BASE, NEVER, REGISTERS, Access, fields_of, reset_value

# -- weight_load -----------------------------------------------------------------------------------


def draw_weight_load(p: HwParams, pick: Pick) -> Case:
    limit = 1 << (p.weight_bits - 1)
    return Case(
        {"i": pick_list(pick, -limit, limit - 1, p.upper_rows * p.classes)}, setup=[("pulse", "rewind", 1)]
    )


def golden_weight_load(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    placed = weight_load(case.inputs["i"], p.classes)
    return {"o": [{"unit": unit, "klass": klass, "value": value} for unit, klass, value in placed]}, {}


# -- register_file ---------------------------------------------------------------------------------


def draw_register_file(p: HwParams, pick: Pick) -> Case:
    last = len(REGISTERS)  # one beyond the map, too
    accesses = []
    for _ in range(pick(1, 20)):
        window = EMULATOR_BASE + pick(-1, IMAGE_WORDS)
        address = window if pick(0, 9) == 9 else pick(0, last)
        accesses.append({"address": address, "write": pick(0, 1), "data": pick(0, NEVER)})
    config = {
        _pin(name, f.name): pick(0, (1 << f.bits) - 1)
        for name in _names(Access.RO)
        if name not in identity(p)
        for f, _ in fields_of(name)
    }
    return Case({"request": accesses}, config)


def golden_register_file(p: HwParams, case: Case) -> tuple[Outputs, dict]:
    stored = {r.name: reset_value(r.name) for r in REGISTERS if r.access is Access.RW}
    inputs = identity(p) | {
        name: sum(case.config[_pin(name, f.name)] << low for f, low in fields_of(name))
        for name in _names(Access.RO)
        if name not in identity(p)
    }
    out: Outputs = {name: [] for name in ("response", "image", *REGISTER_EVENTS)}
    for request in case.inputs["request"]:
        answer, event, values = register_file(p, stored, inputs, **request)
        out["response"].append({"data": answer})
        if event == "IMAGE":
            out["image"].append(values)
        elif event in _names(Access.PORT):
            out[event].append(list(values.values()))
        else:
            for name in (f"{event}.{f}" for f, bit in values.items() if bit):
                out[name].append([])

    def level(name: str, value: int) -> int:
        value = max(int(name in AT_LEAST_ONE), value)
        return min(value, MOST[name](p)) if name in MOST else value

    levels = {
        _pin(name, f.name): level(name, (word >> low) & ((1 << f.bits) - 1))
        for name, word in stored.items()
        for f, low in fields_of(name)
    }
    return out, levels


def _names(access: Access) -> list[str]:
    return [register.name for register in REGISTERS if register.access is access]


def _pin(register: str, name: str) -> str:
    return f"{register.lower()}__{name}"


REGISTER_EVENTS = {
    f"{name}.{f.name}": Event((_pin(name, f.name),))
    for name in _names(Access.TRIGGER)
    for f, _ in fields_of(name)
} | {
    name: Event((_pin(name, "valid"),), tuple(_pin(name, f.name) for f, _ in fields_of(name)))
    for name in _names(Access.PORT)
}
