"""Flip-flops around a multiplier of the ECP5 become its own registers, which Yosys does not see to for this family.

A part has few places for multipliers, far from most of the logic: with registers of its own the whole cycle is left to
the wires from and to it.  A netlist is the dictionary of Yosys's JSON.
"""

from collections import Counter
from typing import NamedTuple

CELL, FLIP_FLOP = "MULT18X18D", "TRELLIS_FF"
OPERAND_BITS, PRODUCT_BITS = 18, 36
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
    """The cells of the top module by what drives a wire, and how many inputs each wire has.  Changed in place."""

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
        has = {
            key: text.rstrip(" ") for key, text in cell["parameters"].items()
        }  # "1 " is the text 1 in JSON
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
    """Move registers into the multipliers; returns how many of each: "A", "B", "P", and flip-flops that are gone."""
    design, moved = Netlist(netlist), Counter[str]()
    for name in [name for name, cell in design.cells.items() if cell["type"] == CELL]:
        for operand in ("A", "B"):
            moved[operand] += _operand(design, name, operand, moved)
        moved["P"] += _product(design, name, moved)
    return moved


def _operand(design: Netlist, name: str, operand: str, moved: Counter[str]) -> bool:
    """An operand of constants 0 and bits of one register comes from where that register has it."""
    wires = design.cells[name]["connections"]
    ports = [f"{operand}{k}" for k in range(OPERAND_BITS)]
    bits = {port: wires[port][0] for port in ports if wires[port][0] != ZERO}
    controls = {design.control(design.driver.get(bit)) for bit in bits.values()}
    if not _take(design, name, f"INPUT{operand}", controls):
        return False
    for port, bit in bits.items():
        register = design.driver[bit]
        source = design.cells[register]["connections"]["DI"]
        wires[port] = list(source)
        design.sinks[source[0]].append(name)
        design.sinks[bit].remove(name)
        if not design.sinks[bit]:
            design.remove(register)
            moved[FLIP_FLOP] += 1
    return True


def _product(design: Netlist, name: str, moved: Counter[str]) -> bool:
    """A product that goes into a register and nowhere else comes out of it."""
    wires = design.cells[name]["connections"]
    ports = [f"P{k}" for k in range(PRODUCT_BITS)]
    readers = {port: cells for port in ports if (cells := design.sinks.get(wires[port][0]))}
    controls = {design.control(cells[0]) if len(cells) == 1 else None for cells in readers.values()}
    if not _take(design, name, "OUTPUT", controls):
        return False
    for port, (register,) in readers.items():
        output = design.cells[register]["connections"]["Q"]
        wires[port] = list(output)
        design.driver[output[0]] = name
        design.remove(register)
        moved[FLIP_FLOP] += 1
    return True


def _take(design: Netlist, name: str, register: str, controls: set[Control | None]) -> bool:
    """Give a multiplier this register with what flip-flops have in common; False if they have nothing."""
    found = controls.pop() if len(controls) == 1 else None
    if found is None:
        return False
    cell = design.cells[name]
    wires = cell["connections"]
    if wires.setdefault("CLK0", [found.clock]) != [found.clock]:
        return False
    enables = [f"CE{k}" for k in range(ENABLES)]
    enable = next(port for port in enables if wires.get(port, [found.enable]) == [found.enable])
    wires |= {enable: [found.enable], "RST0": [ZERO]}
    cell["port_directions"] |= dict.fromkeys(("CLK0", enable, "RST0"), "input")
    for wire in (found.clock, found.enable):
        design.sinks.setdefault(wire, []).append(name)
    chosen = {"CLK": "CLK0", "CE": enable, "RST": "RST0"}
    cell["parameters"] |= {f"REG_{register}_{what}": port for what, port in chosen.items()}
    return True
