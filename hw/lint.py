"""Verilator as a lint: latches, loops, multiple drivers and the like in SystemVerilog."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sim import toolchain

_WAIVERS = Path(toolchain.__file__).with_name("lint.vlt")


def lint(sv_path: str | Path, top: str, *, generated: bool = True) -> list[str]:
    """Messages of `verilator --lint-only -Wall` on the file with the top module `top`, one string each; [] is clean.

    With `generated` the rules that Amaranth's text always breaks are left out (sim/lint.vlt, with the reasons).

    Raises FileNotFoundError when the file is missing, RuntimeError when Verilator fails without a message,
    ModuleNotFoundError when it is not installed.
    """
    path = Path(sv_path)
    if not path.is_file():
        raise FileNotFoundError(path)
    waivers = [_WAIVERS] if generated else []
    # Full path, because the search would go by this process's PATH and not by that of the environment given.
    verilator = toolchain.verilator_bin() / "verilator"
    # -Wno-fatal: otherwise the first phase with a warning is the last one run.
    command: list[str | Path] = [verilator, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top]
    command += [*waivers, path]
    run = subprocess.run(command, capture_output=True, text=True, env=toolchain.environment())
    messages = _messages(run.stderr)
    if run.returncode and not messages:
        raise RuntimeError(f"verilator failed ({run.returncode}): {run.stderr or run.stdout}")
    return messages


def _messages(stderr: str) -> list[str]:
    """Split Verilator's output: a message starts with a percent sign, its other lines are indented."""
    messages: list[str] = []
    for line in stderr.splitlines():
        if line.startswith("%"):
            messages.append(line)
        elif messages and line.startswith(" "):
            messages[-1] += "\n" + line
    return [message for message in messages if not message.startswith(("%Error: Exiting", "%Error: Command"))]
