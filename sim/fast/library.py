"""The bench's two ends as Python sees them: the harness in whatever process runs the bench, and the library that does."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from model.device.hooks import arguments, erase_hook, integrate_hook, read_cell_hook, strobe_hook
from model.device.macro import GoldenMacro
from model.record import Strobes
from sim.fast.build import build_library
from spec.device_image import DeviceImage
from spec.params import HwParams

_ADDRESS, _SIZE = ctypes.c_void_p, ctypes.c_int64
_FUNCTIONS = {
    "harness_new": (_ADDRESS, (_ADDRESS,) * 5),
    "harness_delete": (None, (_ADDRESS,)),
    "harness_work": (None, (_ADDRESS, ctypes.c_int, ctypes.c_char_p, *(_SIZE,) * 3)),
    "harness_idle": (ctypes.c_int, (_ADDRESS,)),
    "harness_taken": (_SIZE, (_ADDRESS,)),
    "harness_response": (ctypes.c_uint32, (_ADDRESS,)),
    "harness_cycles": (ctypes.c_uint64, (_ADDRESS,)),
    "harness_window": (None, (_ADDRESS, _SIZE, _SIZE)),
    "harness_fetch": (_SIZE, (_ADDRESS, ctypes.c_int, _ADDRESS)),
    "harness_forget": (None, (_ADDRESS, ctypes.c_int)),
}
"""Result and arguments of the functions in harness.cpp."""


class Work(IntEnum):
    """What the harness can be asked for."""

    ACCESS = 1
    SAMPLES = 2
    COUNTS = 3
    PAUSE = 4


class Harness:
    """The array and the host of a bench in this process; `code` is what holds harness.cpp.  `close` it."""

    def __init__(self, code: ctypes.CDLL, params: HwParams, image: DeviceImage):
        self.params, self.macro, self.code = params, GoldenMacro(params, image), code
        for name, (result, arguments_of) in _FUNCTIONS.items():
            function = getattr(code, name)
            function.restype, function.argtypes = result, arguments_of
        cells = np.array(arguments(self.macro.state), np.int64)
        hooks = (erase_hook, integrate_hook, strobe_hook, read_cell_hook)
        self.address = code.harness_new(cells.ctypes.data, *(hook.address for hook in hooks))
        self._words = b""

    def close(self) -> None:
        self.code.harness_delete(self.address)

    def ask(self, work: Work, words: bytes = b"", length: int = 1, *, patience: int = 0) -> None:
        """Give it work: words of `length` bytes to send, or for a pause as many cycles as there are bytes."""
        self._words = words  # the harness reads them until it is done
        self.code.harness_work(self.address, work, words, len(words) // length, length, patience)

    @property
    def taken(self) -> int:
        """Words of the last work that the controller took."""
        return self.code.harness_taken(self.address)

    @property
    def response(self) -> int:
        """What the last access gave."""
        return self.code.harness_response(self.address)

    @property
    def cycles(self) -> int:
        """Clock cycles since the beginning."""
        return self.code.harness_cycles(self.address)

    def results(self) -> np.ndarray:
        """Words of the results since the last call, uint32."""
        return self._fetch(0, np.uint32)

    def strobes(self) -> Strobes:
        """Strobes since the last call."""
        masks = self.params.columns
        layout = [("row", "<i4"), ("up", "u1", masks), ("down", "u1", masks), ("depress", "u1")]
        log = self._fetch(1, np.uint8).view(layout)
        return Strobes(*(log[name] for name, *_ in layout))

    def window(self, window: range) -> None:
        """The reads from now on of which the waveform and the record of the taps are kept, by their number."""
        self.code.harness_window(self.address, window.start, len(window))

    def taps(self) -> np.ndarray:
        """The taps since the last call, uint8: per cycle with one its number in 8 bytes, then the word of wires.svh."""
        return self._fetch(2, np.uint8)

    def _fetch(self, what: int, dtype: Any) -> np.ndarray:
        first = ctypes.c_void_p()
        size = self.code.harness_fetch(self.address, what, ctypes.byref(first))
        data = ctypes.string_at(first, size) if size else b""
        self.code.harness_forget(self.address, what)
        return np.frombuffer(data, dtype)


class Library:
    """A bench in this process, out of reset when first asked.  Use it in a `with`.  Raises BuildError."""

    def __init__(self, params: HwParams, image: DeviceImage, *, waves: bool = False):
        self._code = ctypes.CDLL(str(build_library(params, waves=waves)))
        self._code.simulation_new.restype = _ADDRESS
        self._code.simulation_delete.argtypes = (_ADDRESS,)
        self._code.simulation_run.argtypes = (_ADDRESS, _ADDRESS)
        self.harness = Harness(self._code, params, image)
        self._it = self._code.simulation_new()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *exc: object) -> None:
        self._code.simulation_delete(self._it)
        self.harness.close()

    async def perform(self) -> None:
        """Run the clock until the harness has done its work."""
        self._code.simulation_run(self._it, self.harness.address)

    @contextmanager
    def waves(self, file: Path) -> Iterator[None]:
        """Write a waveform of the harness's window meanwhile; for a library with waves."""
        self._code.simulation_waves.argtypes = (_ADDRESS, ctypes.c_char_p)
        self._code.simulation_waves(self._it, str(file).encode())
        try:
            yield
        finally:
            self._code.simulation_waves(self._it, None)
