"""Waveforms for people: a file named after the run, and a list of signals in data-flow order beside it."""

import shutil
from pathlib import Path

from amaranth.hdl import Shape, Value
from amaranth.lib import wiring

from hw.controller import host_ports
from spec.params import HwParams

STREAMS_IN = ("request", "counts", "samples")
STREAMS_OUT = ("results", "response")
SCOPE = "crosstrain"
"""Where both simulators put the top's signals."""


def keep_waveform(build: Path, folder: Path, simulator: str, target: Path, params: HwParams) -> Path:
    """Move the simulator's waveform to `target` plus a suffix, and write signal lists for GTKWave and Surfer."""
    source = folder / "waves.vcd" if simulator == "verilator" else next(build.glob("*.fst"))
    target.parent.mkdir(parents=True, exist_ok=True)
    waveform = target.with_name(target.name + source.suffix)
    shutil.move(source, waveform)
    groups = signal_groups(params)
    target.with_name(target.name + ".gtkw").write_text(_gtkwave(groups, waveform))
    target.with_name(target.name + ".sucl").write_text(_surfer(groups))
    return waveform


def signal_groups(params: HwParams) -> dict[str, list[tuple[str, int]]]:
    """Signals of the top with their widths, grouped in data-flow order: what goes in, each stage, what comes out."""
    ports = wiring.Signature(host_ports(params))
    widths = {
        "__".join(map(str, path)): Shape.cast(Value.cast(value).shape()).width
        for path, _, value in ports.flatten(ports.create())
    }
    groups: dict[str, list[tuple[str, int]]] = {"clock": [("clk", 1), ("rst", 1)]}
    stages = [name for name in widths if name.startswith("taps__")]
    for stream in STREAMS_IN:
        groups[stream] = [(name, width) for name, width in widths.items() if name.startswith(f"{stream}__")]
    groups["stages"] = [(name, widths[name]) for name in stages]
    for stream in STREAMS_OUT:
        groups[stream] = [(name, width) for name, width in widths.items() if name.startswith(f"{stream}__")]
    return groups


def _gtkwave(groups: dict, waveform: Path) -> str:
    lines = [f'[dumpfile] "{waveform.resolve()}"']
    for group, signals in groups.items():
        lines += ["@200", f"-{group}"]
        for name, width in signals:
            lines += [
                "@22" if width > 1 else "@28",
                f"{SCOPE}.{name}" + (f"[{width - 1}:0]" if width > 1 else ""),
            ]
    return "\n".join(lines) + "\n"


def _surfer(groups: dict) -> str:
    lines = []
    for group, signals in groups.items():
        lines += [f"divider_add {group}", *(f"variable_add {SCOPE}.{name}" for name, _ in signals)]
    return "\n".join(lines) + "\n"
