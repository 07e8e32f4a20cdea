"""`FpgaTop` as a Verilator library in this process, with bytes at its UART pins."""

import ctypes
import fcntl
import hashlib
import subprocess
from functools import cache
from pathlib import Path

from fpga.link import PATIENCE_CYCLES
from fpga.simulated.noise import NoisyLine
from fpga.top import FpgaTop
from fpga.uart import DIVISOR_MIN
from hw.emit import to_fast_systemverilog
from sim.cosim import SimulationError
from sim.fast.build import OPTIMISED
from sim.toolchain import environment
from spec.link import GAP_MS
from spec.params import HwParams

BUILD = Path("build") / "board"
HARNESS = Path(__file__).parent / "board.cpp"
TOP = "fpga_top"
CLOCK_HZ = 200_000.0
"""Of the simulated board: about what a simulation reaches, so that what is given in seconds takes about as long."""
QUIET_CYCLES = int(CLOCK_HZ * GAP_MS / 1000) + 2 * PATIENCE_CYCLES
"""When nothing has happened for so long, nothing will until a byte comes: a frame was given up, a stream refused."""

_FUNCTIONS: dict[str, tuple] = {
    "board_new": (ctypes.c_void_p, ctypes.c_int),
    "board_delete": (None, ctypes.c_void_p),
    "board_run": (
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    ),
    "board_quiet": (ctypes.c_int64, ctypes.c_void_p),
    "board_cycles": (ctypes.c_uint64, ctypes.c_void_p),
    "board_line_busy": (ctypes.c_uint64, ctypes.c_void_p),
    "board_errors": (ctypes.c_uint64, ctypes.c_void_p),
    "board_lamps": (ctypes.c_int, ctypes.c_void_p),
}


class SimulatedBoard:
    """The FPGA's top, out of reset.  divisor: clock cycles per bit of the line.  Use it in a `with`.

    Raises SimulationError when it cannot be built.
    """

    def __init__(self, params: HwParams, divisor: int = DIVISOR_MIN):
        self._code = ctypes.CDLL(str(build(params, divisor)))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(self._code, name)
            function.restype, function.argtypes = result, arguments
        self._it = self._code.board_new(divisor)

    def __enter__(self) -> "SimulatedBoard":
        return self

    def __exit__(self, *exc: object) -> None:
        self._code.board_delete(self._it)

    def run(self, data: bytes, cycles: int) -> bytes:
        """Bytes for the board, after those that are still to go; so many cycles; the bytes that came from it."""
        out = ctypes.c_void_p()
        count = self._code.board_run(self._it, data, len(data), cycles, ctypes.byref(out))
        return ctypes.string_at(out, count) if count else b""

    @property
    def quiet(self) -> bool:
        """Whether nothing happens any more until a byte comes."""
        return self._code.board_quiet(self._it) > QUIET_CYCLES

    @property
    def cycles(self) -> int:
        """Clock cycles since the beginning."""
        return self._code.board_cycles(self._it)

    @property
    def line_busy(self) -> int:
        """Those of them in which the line to the board carried a byte."""
        return self._code.board_line_busy(self._it)

    @property
    def errors(self) -> int:
        """Bytes from the board without a stop bit."""
        return self._code.board_errors(self._it)

    @property
    def lamps(self) -> tuple[bool, bool]:
        """Busy, fault."""
        word = self._code.board_lamps(self._it)
        return bool(word & 1), bool(word & 2)


@cache
def build(params: HwParams, divisor: int) -> Path:
    """The library of a top, kept per parameters and text.  Raises SimulationError."""
    folder = BUILD / f"{params.name}-{params.hash32:08x}-{divisor}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        source = to_fast_systemverilog(
            FpgaTop(params, CLOCK_HZ, int(CLOCK_HZ) // divisor), TOP, folder / f"{TOP}.sv"
        )
        digest = hashlib.sha256(
            source.read_bytes() + HARNESS.read_bytes() + repr(OPTIMISED).encode()
        ).hexdigest()
        library = folder / f"lib{digest[:16]}.so"
        if not library.exists():
            partial = f"{library.name}.partial"
            command = ["verilator", "--cc", "--exe", "--build", "-j", "0", *OPTIMISED, "-CFLAGS", "-O2 -fPIC",
                       "-LDFLAGS", "-shared", "--top-module", TOP, "--Mdir", "objects", "-o", f"../{partial}",
                       str(HARNESS.resolve()), source.name]  # fmt: skip
            done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
            if done.returncode:
                raise SimulationError("\n".join((done.stdout + done.stderr).splitlines()[-5:]))
            (folder / partial).rename(library)
        return library.resolve()


class DirectChannel:
    """The host's channel to a simulated board in its own process: time passes only while the host waits.

    A silence is one of the board, so that nothing depends on how fast a machine is.  to_board, to_host: the lines.
    """

    SLICE_CYCLES = 50

    def __init__(
        self, board: SimulatedBoard, to_board: NoisyLine | None = None, to_host: NoisyLine | None = None
    ):
        self.board = board
        self.to_board, self.to_host = to_board or NoisyLine(), to_host or NoisyLine()
        self._out = b""

    async def send(self, data: bytes) -> None:
        self._out += data

    async def receive(self) -> bytes:
        data, self._out = self._out, b""
        while True:
            came = self.to_host.pass_on(self.board.run(self.to_board.pass_on(data), self.SLICE_CYCLES))
            if came or (self.board.quiet and not self.to_board.holds):
                return came
            data = b""
