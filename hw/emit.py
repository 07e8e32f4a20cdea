"""Amaranth to SystemVerilog and RTLIL files."""

from __future__ import annotations

import os
import re
import tempfile
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
        _rtlil(component, name, source_attributes),
        strip_internal_attrs=not source_attributes,
        write_verilog_opts=["-sv"],
    )
    return _write(Path(path), _for_icarus(text))


def to_fast_systemverilog(component: Component, name: str, path: str | Path) -> Path:
    """As `to_systemverilog`, optimised for a fast simulation in Verilator; Icarus cannot read it.

    A register that keeps its value is written as an `if` around its assignment: with the logic that only it needs, it
    costs nothing in the cycles in which it stands still.
    """
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    commands = ("proc", "opt -full", "memory_collect", "write_verilog -norename -noattr -sv")
    script = "\n".join((f"read_rtlil <<rtlil\n{_rtlil(component, name, False)}\nrtlil", *commands))
    yosys = verilog.find_yosys(lambda version: version >= (0, 40))
    return _write(Path(path), yosys.run(["-q", "-"], script, ignore_warnings=True))


def to_rtlil(component: Component, name: str, path: str | Path, *, source_attributes: bool = False) -> Path:
    """Write `component` as RTLIL with the top module `name`; return the path. Otherwise as `to_systemverilog`.

    Raises TypeError when `component` has no signature.
    """
    return _write(Path(path), _rtlil(component, name, source_attributes))


def _for_icarus(text: str) -> str:
    """Write `always_comb` as a macro, which for Icarus is `always @*` with an event of its own at time 0.

    Icarus 11.0 has a bug: in larger designs it evaluates blocks of `always_comb` at time 0 for ever.
    """
    text = re.sub(r"^(module [^;]*;)$", r"\1\n  `STARTED", text, flags=re.MULTILINE)
    return _COMBINATIONAL + text.replace("  always_comb begin\n", "  `COMBINATIONAL\n")


def _rtlil(component: Component, name: str, source_attributes: bool) -> str:
    return rtlil.convert(component, name=name, emit_src=source_attributes)


def _write(path: Path, text: str) -> Path:
    if path.is_file() and path.read_text() == text:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Replaced in one step: two test workers may write the same file while a simulator reads it.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    return path
