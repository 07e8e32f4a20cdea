"""Flip-flops around a multiplier of the ECP5 become its own registers, which Yosys does not see to for this family.

A part has few places for multipliers, far from most of the logic: with registers of its own the whole cycle is left to
the wires from and to it.  A netlist is the dictionary of Yosys's JSON.
"""

from collections import Counter
from typing import NamedTuple

CELL, FLIP_FLOP = "MULT18X18D", "TRELLIS_FF"
OPERAND_BITS, PRODUCT_BITS = 18, 36
CLOCK, RESET = "CLK0", "RST0"
"""Ports: all registers of the design have one clock, and those that are moved no reset."""
ENABLES = 4
"""Clock enables that a multiplier may have."""
ZERO, ONE = "0", "1"
Bit = int | str
"""A wire's number, or a constant."""


class Control(NamedTuple):
    """What the registers of an operand share."""

    clock: Bit
    enable: Bit


class Netlist:
    """The cells of the top module, and by wire what drives it and who reads it.  Changed in place."""

    def __init__(self, netlist: dict):
        self.module = next(m for m in netlist["modules"].values() if "top" in m["attributes"])
        self.cells: dict[str, dict] = self.module["cells"]
        self.driver: dict[Bit, str] = {}
        self.sinks: dict[Bit, list[str]] = {}
        """Cells with an input on a wire, once for each; of ports of the module, an empty name."""
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                for bit in bits:
                    if cell["port_directions"][port] == "output":
                        self.driver[bit] = name
                    else:
                        self.sinks.setdefault(bit, []).append(name)
        for port in self.module["ports"].values():
            for bit in port["bits"]:
                self.sinks.setdefault(bit, []).append("")

    def control(self, name: str | None) -> Control | None:
        """Of a flip-flop that a multiplier's register can be: without reset, 0 at first; None of any other cell."""
        cell = self.cells.get(name or "")
        if cell is None or cell["type"] != FLIP_FLOP:
            return None
        wires = cell["connections"]
        # In JSON "1 " is the text 1.
        has = {key: text.rstrip(" ") for key, text in cell["parameters"].items()}
        plain = has["CLKMUX"] == "CLK" and has["REGSET"] == "RESET" and has["LSRMUX"] == "LSR"
        if not plain or wires["LSR"] != [ZERO] or has["CEMUX"] not in ("CE", ONE):
            return None
        return Control(wires["CLK"][0], wires["CE"][0] if has["CEMUX"] == "CE" else ONE)

    def remove(self, name: str) -> None:
        """A flip-flop whose output nobody reads any more."""
        for port, bits in self.cells.pop(name)["connections"].items():
            if port != "Q":
                self.sinks[bits[0]].remove(name)


def use_registers(netlist: dict) -> Counter[str]:
    """Move registers into the multipliers; returns how many operands and products have some, and how many flip-flops are gone."""
    design, moved = Netlist(netlist), Counter[str]()
    for name in [name for name, cell in design.cells.items() if cell["type"] == CELL]:
        operands = {operand: _operand(design, name, operand) for operand in "AB"}
        controls = {
            operand: control
            for operand, bits in operands.items()
            if (control := _common(design, [design.driver.get(bit) for bit in bits.values()]))
        }
        if len(controls) == len(operands):  # nextpnr does not know the times of a multiplier with one of them
            for operand, control in controls.items():
                _take(design.cells[name], f"INPUT{operand}", control)
                moved["operands"] += 1
                moved["flip-flops"] += _move_operand(design, name, operands[operand])
        readers = _readers(design, name)
        alone = [cells[0] if len(cells) == 1 else None for cells in readers.values()]
        if control := _common(design, alone):
            _take(design.cells[name], "OUTPUT", control)
            moved["products"] += 1
            moved["flip-flops"] += _move_product(design, name, readers)
    return moved


def _operand(design: Netlist, name: str, operand: str) -> dict[str, Bit]:
    """What is at the ports of an operand, but for constants 0."""
    wires = design.cells[name]["connections"]
    ports = [f"{operand}{k}" for k in range(OPERAND_BITS)]
    return {port: wires[port][0] for port in ports if wires[port][0] != ZERO}


def _readers(design: Netlist, name: str) -> dict[str, list[str]]:
    """The cells that take something from the ports of a product, by port."""
    wires = design.cells[name]["connections"]
    return {
        f"P{k}": cells
        for k in range(PRODUCT_BITS)
        if f"P{k}" in wires and (cells := design.sinks.get(wires[f"P{k}"][0]))
    }


def _common(design: Netlist, cells: list[str | None]) -> Control | None:
    """The control of flip-flops which all have the same and are such as a multiplier has."""
    controls = {design.control(cell) for cell in cells}
    return controls.pop() if len(controls) == 1 else None


def _move_operand(design: Netlist, name: str, bits: dict[str, Bit]) -> int:
    """Take an operand from where its register has it; returns how many flip-flops nobody reads any more."""
    wires, gone = design.cells[name]["connections"], 0
    for port, bit in bits.items():
        register = design.driver[bit]
        wires[port] = list(design.cells[register]["connections"]["DI"])
        design.sinks[wires[port][0]].append(name)
        design.sinks[bit].remove(name)
        if not design.sinks[bit]:
            design.remove(register)
            gone += 1
    return gone


def _move_product(design: Netlist, name: str, readers: dict[str, list[str]]) -> int:
    """Let a product come out where its register's output is; returns how many flip-flops are gone."""
    for port, (register,) in readers.items():
        output = design.cells[register]["connections"]["Q"]
        design.cells[name]["connections"][port] = list(output)
        design.driver[output[0]] = name
        design.remove(register)
    return len(readers)


def _take(cell: dict, register: str, control: Control) -> None:
    """Give a multiplier this register."""
    wires = cell["connections"]
    if wires.get(CLOCK, [control.clock]) != [control.clock]:
        raise ValueError("registers of a multiplier have two clocks")
    enables = [f"CE{k}" for k in range(ENABLES)]
    enable = next(port for port in enables if wires.get(port, [control.enable]) == [control.enable])
    wires |= {CLOCK: [control.clock], enable: [control.enable], RESET: [ZERO]}
    cell["port_directions"] |= dict.fromkeys((CLOCK, enable, RESET), "input")
    chosen = {"CLK": CLOCK, "CE": enable, "RST": RESET}
    cell["parameters"] |= {f"REG_{register}_{what}": port for what, port in chosen.items()}
