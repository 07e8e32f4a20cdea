"""Builds the bench: sources written from the parameters, then Verilator; kept per parameters under build/fast."""

import fcntl
import hashlib
import subprocess
from functools import lru_cache
from pathlib import Path

from hw.controller import Controller
from hw.emit import fast_systemverilog, write
from sim.cosim import SimulationError
from sim.fast.text import defines, wires
from sim.toolchain import environment
from spec.errors import InputError
from spec.params import HwParams

BUILD = Path("build") / "fast"
HERE = Path(__file__).parent
SOURCES = tuple(HERE / name for name in ("bench.sv", "array.sv", "harness.cpp", "main.cpp"))
OPTIMISED = ("-Wno-fatal", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert")
VERILATOR = ("--cc", "--exe", "--build", "-j", "0", *OPTIMISED, "-LDFLAGS", "-shared", "--top-module", "bench")  # fmt: skip
COMPILED = "-O2"
"""How the C++ of the controller is compiled; the two files of the bench itself are as Verilator would have them."""
WAVES = ("--trace", "--trace-structs")


class BuildError(SimulationError):
    """The bench could not be built; the message has the tool's last lines."""


def folder_of(params: HwParams) -> Path:
    folder = BUILD / f"{params.name}-{params.hash32:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@lru_cache(maxsize=8)
def controller_text(params: HwParams) -> str:
    """The controller in Verilog, which takes seconds to make and is the same for each job of a process."""
    return fast_systemverilog(Controller(params), "controller")


def write_sources(params: HwParams) -> None:
    """The controller's text and what the bench includes, into the folder of the parameters.

    Raises InputError for compact hardware: the bench's array has whole masks.
    """
    if params.compact:
        raise InputError("the bench of whole epochs is not there for compact hardware", key="compact")
    folder = folder_of(params)
    write(folder / "controller.sv", controller_text(params))
    write_sizes(params, folder)
    (folder / "wires.svh").write_text(wires(params))


def write_sizes(params: HwParams, folder: Path) -> None:
    """What all parts of the bench include."""
    for name, text in zip(("sizes.svh", "sizes.h"), defines(params), strict=True):
        (folder / name).write_text(text)


def build_library(params: HwParams, *, waves: bool = False) -> Path:
    """The bench as a shared library; with `waves` one that can write them, at half the speed.  Raises BuildError."""
    folder = folder_of(params)
    options = (*VERILATOR, "-CFLAGS", f"{COMPILED} -fPIC", *(WAVES if waves else ()))
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_sources(params)
        library = folder / f"lib{_digest(folder, options)}.so"
        if not library.exists():
            _verilate(folder, (*options, "-o", f"../{library.name}.partial"), "waves" if waves else "objects")
            library.with_name(f"{library.name}.partial").rename(library)
        return library.resolve()


def _digest(folder: Path, options: tuple[str, ...]) -> str:
    written = [folder / name for name in ("controller.sv", "sizes.svh", "wires.svh")]
    parts = [path.read_bytes() for path in (*SOURCES, *written)]
    return hashlib.sha256(b"\0".join([*parts, repr(options).encode()])).hexdigest()[:16]


def _verilate(folder: Path, options: tuple[str, ...], objects: str) -> None:
    command = ["verilator", *options, "-CFLAGS", f"-I{folder.resolve()}", "-I.", "--Mdir", objects,
               *map(str, SOURCES), "controller.sv"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise BuildError("\n".join((done.stdout + done.stderr).splitlines()[-5:]))
