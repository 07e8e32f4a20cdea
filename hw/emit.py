"""Amaranth to SystemVerilog and RTLIL files."""

from __future__ import annotations

import gc
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amaranth.back import rtlil, verilog
from amaranth.lib.wiring import Component

_COMBINATIONAL = """\
`ifdef __ICARUS__
`define STARTED reg \\$started = 1'b0; initial #0 \\$started = 1'b1;
`define COMBINATIONAL always @* begin if (\\$started ) begin end
`else
`define STARTED
`define COMBINATIONAL always_comb begin
`endif
"""

_REGISTER = re.compile(r"^  always_ff @\((posedge \S+)\)\n((?:    .*\n)+)", re.MULTILINE)
"""Statements at a clock's edge, as Yosys writes those of a register."""
_MODULE_END = "endmodule\n"
_READ_PORT = re.compile(
    r"(  cell \$memrd_v2 .*\n(?:    parameter .*\n)*?    parameter \\TRANSPARENCY_MASK ([1-9]\d*)'0+\n"
    r"    parameter \\COLLISION_X_MASK )\2'0+(\n(?:    parameter .*\n)*?    parameter \\CLK_ENABLE 1\n)"
)
"""A memory's clocked read port in RTLIL, of which Amaranth says that it gives a word's old value while it is written."""

_ZERO_WORD = re.compile(r" *(\S+ ?)\[(\d+)\] = (\d+'h0+);")
"""The beginning of one word of a memory, as Yosys writes it."""


def to_systemverilog(
    component: Component, name: str, path: str | Path, *, source_attributes: bool = False
) -> Path:
    """Write `component` as SystemVerilog with the top module `name`; return the path.

    Port names join the members of the signature with two underscores: `bus.cyc` is `bus__cyc`. The file is left alone
    when its text would not change, because simulator builds go by its time. `source_attributes` keeps the Python file
    and line of each signal, for coverage and lint.

    Raises TypeError when `component` has no signature, YosysError when there is no Yosys or it fails.
    """
    # Which Yosys writes the text decides the text; see sim.toolchain.environment.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    # verilog.convert() writes `always @*`, which Icarus never runs for an output that depends only on registers at
    # their reset values: it stays X for ever. -sv writes always_comb. Private function, hence amaranth <0.6.
    text = verilog._convert_rtlil_text(
        to_text(component, name, source_attributes=source_attributes),
        strip_internal_attrs=not source_attributes,
        write_verilog_opts=["-sv"],
    )
    text = _zeros_in_loops(text)
    return write(Path(path), _for_icarus(text if source_attributes else _registers_together(text)))


def to_fast_systemverilog(component: Component, name: str, path: str | Path) -> Path:
    """As `to_systemverilog`, optimised for a fast simulation in Verilator (`fast_systemverilog`)."""
    return write(Path(path), fast_systemverilog(component, name))


def fast_systemverilog(component: Component, name: str) -> str:
    """The text of `to_systemverilog`, optimised for a fast simulation in Verilator; Icarus cannot read it.

    A register that keeps its value is written as an `if` around its assignment: with the logic that only it needs, it
    costs nothing in the cycles in which it stands still.
    """
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    commands = ("proc", "opt -full", "memory_collect", "write_verilog -norename -noattr -sv")
    script = "\n".join((f"read_rtlil <<rtlil\n{to_text(component, name)}\nrtlil", *commands))
    yosys = verilog.find_yosys(lambda version: version >= (0, 40))
    return _zeros_in_loops(yosys.run(["-q", "-"], script, ignore_warnings=True))


def to_rtlil(component: Component, name: str, path: str | Path, *, source_attributes: bool = False) -> Path:
    """Write `component` as RTLIL with the top module `name`; return the path. Otherwise as `to_systemverilog`.

    Raises TypeError when `component` has no signature.
    """
    return write(Path(path), to_text(component, name, source_attributes=source_attributes))


def _zeros_in_loops(text: str) -> str:
    """The zeros that a memory begins with as a loop: a line for each word makes most of the text of large hardware."""
    lines: list[str] = []
    run: tuple[str, str, int] = (
        "",
        "",
        0,
    )  # a memory's name and zero, and how many words in a row begin with it
    for line in [*text.split("\n"), ""]:
        name, zero, words = run
        found = _ZERO_WORD.fullmatch(line)
        if found and found[1] == name and int(found[2]) == words:
            run = name, zero, words + 1
            continue
        if words:
            lines.append(f"    for (int i = 0; i < {words}; i = i + 1) {name}[i] = {zero};")
        run = (found[1], found[3], 1) if found and found[2] == "0" else ("", "", 0)
        if not run[2]:
            lines.append(line)
    return "\n".join(lines[:-1])


def _registers_together(text: str) -> str:
    """A module's registers of one clock in one block: Icarus runs a process for each block in each cycle."""
    modules = text.split(_MODULE_END)
    for number, module in enumerate(modules):
        blocks: dict[str, list[str]] = {}
        for edge, assignment in _REGISTER.findall(module):
            blocks.setdefault(edge, []).append(assignment)
        together = [f"  always_ff @({edge}) begin\n{''.join(lines)}  end\n" for edge, lines in blocks.items()]
        modules[number] = _REGISTER.sub("", module) + "".join(together)
    return _MODULE_END.join(modules)


def _for_icarus(text: str) -> str:
    """Write `always_comb` as a macro, which for Icarus is `always @*` with an event of its own at time 0.

    Icarus 11.0 has a bug: in larger designs it evaluates blocks of `always_comb` at time 0 for ever.
    """
    text = re.sub(r"^(module [^;]*;)$", r"\1\n  `STARTED", text, flags=re.MULTILINE)
    return _COMBINATIONAL + text.replace("  always_comb begin\n", "  `COMBINATIONAL\n")


def collisions_undefined(text: str) -> str:
    """RTLIL whose memories give anything (in simulation X) for a word that is written in the cycle in which it is read.

    No block may use such a word: block RAM does not promise its old value, and Yosys would build that promise out of
    registers of the write port, a comparison of addresses and a multiplexer for each bit.
    """
    return _READ_PORT.sub(lambda port: f"{port[1]}{port[2]}'{'1' * int(port[2])}{port[3]}", text)


def to_text(
    component: Component, name: str, *, source_attributes: bool = False, platform: object = None
) -> str:
    """`component` as RTLIL with the top module `name`; by the platform's name designs choose cells.

    Raises TypeError when `component` has no signature.
    """
    with _uncollected():
        text = rtlil.convert(component, name=name, platform=platform, emit_src=source_attributes)
    return collisions_undefined(text)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: a netlist is millions of objects that stay, and looking through them takes half the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def write(path: Path, text: str) -> Path:
    """Write a text, unless the file has it; return the path."""
    if path.is_file() and path.read_text() == text:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Replaced in one step: two test workers may write the same file while a simulator reads it.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    return path
