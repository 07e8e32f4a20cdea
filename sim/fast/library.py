"""Builds the controller as a shared library and calls it."""

import ctypes
import fcntl
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from hw.controller import Controller
from hw.emit import to_systemverilog
from model.device.hooks import arguments, erase_hook, integrate_hook, read_cell_hook, strobe_hook
from model.device.macro import GoldenMacro
from model.record import Strobes
from sim.cosim import SimulationError
from sim.toolchain import environment
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.params import HwParams

BUILD = Path("build") / "fast"
TOP = "controller"
HARNESS = Path(__file__).with_name("harness.cpp")
VERILATOR = ("--cc", "--exe", "--build", "-j", "0", "-Wno-fatal", "-O3", "--x-assign", "fast", "--x-initial", "fast",
             "--noassert", "-CFLAGS", "-O2 -fPIC", "-LDFLAGS", "-shared")  # fmt: skip


class BuildError(SimulationError):
    """The library could not be built; the message has the tool's last lines."""


def build(params: HwParams) -> Path:
    """The library of a controller, kept under build/fast per parameters.  Raises BuildError, InputError for a grid."""
    if params.macros > 1:
        raise InputError("this engine plays one macro, not a grid: take a simulator", key="macro_rows")
    folder = BUILD / f"{params.name}-{params.hash32:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        source = to_systemverilog(Controller(params), TOP, folder / f"{TOP}.sv")
        sizes = "".join(f"#define {name} {value}\n" for name, value in _sizes(params).items())
        parts = (source.read_bytes(), HARNESS.read_bytes(), sizes.encode(), repr(VERILATOR).encode())
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        library = folder / f"lib{digest}.so"
        if not library.exists():
            _compile(folder, sizes, source, library)
        return library.resolve()


def _sizes(p: HwParams) -> dict[str, int]:
    return {
        "ROWS": p.rows,
        "COLUMNS": p.columns,
        "LANES": p.dac_load_lanes,
        "DAC_BITS": p.dac_bits,
        "CHANNELS": p.adc_channels,
        "ADC_BITS": p.adc_bits,
        "VERIFY": p.verify,
        "READING_BITS": p.reading_bits,
    }


def _compile(folder: Path, sizes: str, source: Path, library: Path) -> None:
    (folder / "sizes.h").write_text(sizes)
    partial = library.with_suffix(".partial")
    command = ["verilator", *VERILATOR, "-CFLAGS", f"-I{folder.resolve()}", "--top-module", TOP, "--Mdir", "objects",
               "-o", f"../{partial.name}", str(HARNESS), source.name]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise BuildError("\n".join((done.stdout + done.stderr).splitlines()[-5:]))
    partial.rename(library)


class Library:
    """One simulated controller with its array, after reset.  `close` it, or use it in a `with`."""

    def __init__(self, params: HwParams, image: DeviceImage):
        if params.bit_serial:
            raise InputError("the fast engine does not play bit-serial reads", key="encodings")
        if params.converter_errors:
            raise InputError("the fast engine's converters have no errors", key="converter_errors")
        self.params = params
        self.macro = GoldenMacro(params, image)
        self._lib = ctypes.CDLL(str(build(params)))
        for name, result, arguments_of in (
            ("new", ctypes.c_void_p, (ctypes.c_void_p,) * 5),
            ("delete", None, (ctypes.c_void_p,)),
            ("access", ctypes.c_uint32, (ctypes.c_void_p, ctypes.c_uint64)),
            ("samples", ctypes.c_int64, (ctypes.c_void_p, ctypes.c_char_p, *(ctypes.c_int64,) * 3)),
            ("counts", ctypes.c_int64, (ctypes.c_void_p, ctypes.c_char_p, *(ctypes.c_int64,) * 3)),
            ("pause", None, (ctypes.c_void_p, ctypes.c_int64)),
            ("cycles", ctypes.c_uint64, (ctypes.c_void_p,)),
            ("results", ctypes.c_int64, (ctypes.c_void_p, ctypes.c_void_p)),
            ("strobes", ctypes.c_int64, (ctypes.c_void_p, ctypes.c_void_p)),
            ("forget", None, (ctypes.c_void_p, ctypes.c_int)),
        ):
            function = getattr(self._lib, f"simulation_{name}")
            function.restype, function.argtypes = result, arguments_of
        fields = np.array(arguments(self.macro.state), np.int64)
        hooks = (erase_hook, integrate_hook, strobe_hook, read_cell_hook)
        self._it = self._lib.simulation_new(fields.ctypes.data, *(hook.address for hook in hooks))

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._lib.simulation_delete(self._it)

    @property
    def cycles(self) -> int:
        """Clock cycles since the beginning."""
        return self._lib.simulation_cycles(self._it)

    def access(self, request: int) -> int:
        """One request word on the register bus; the response's data."""
        return self._lib.simulation_access(self._it, request)

    def pause(self, cycles: int) -> None:
        self._lib.simulation_pause(self._it, cycles)

    def send(self, stream: str, words: bytes, length: int, patience: int) -> int:
        """Words of `length` bytes each into "samples" or "counts"; how many were taken."""
        send = getattr(self._lib, f"simulation_{stream}")
        return send(self._it, words, len(words) // length, length, patience)

    def results(self) -> np.ndarray:
        """Words of the results since the last call, uint32."""
        return self._fetch("results", np.uint32, 0)

    def strobes(self) -> Strobes:
        """Strobes since the last call."""
        masks = self.params.columns
        layout = [("row", "<i4"), ("up", "u1", masks), ("down", "u1", masks), ("depress", "u1")]
        log = self._fetch("strobes", np.uint8, 1).view(layout)
        return Strobes(*(log[name] for name, *_ in layout))

    def _fetch(self, name: str, dtype: Any, what: int) -> np.ndarray:
        first = ctypes.c_void_p()
        length = getattr(self._lib, f"simulation_{name}")(self._it, ctypes.byref(first))
        size = length * np.dtype(dtype).itemsize
        data = ctypes.string_at(first, size) if length else b""
        self._lib.simulation_forget(self._it, what)
        return np.frombuffer(data, dtype)
