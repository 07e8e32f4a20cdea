"""The bench's two ends as Python sees them: the harness in whatever process runs the bench, and the library that does."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from model.device.array import GoldenArray
from model.device.hooks import (
    arguments,
    erase_hook,
    integrate_hook,
    integrate_transposed_hook,
    read_cell_hook,
    strobe_hook,
)
from model.record import Strobes
from model.upper import upper_array
from sim.fast.build import build_library
from sim.fast.digest import digest_hook
from sim.items import STROBES, item_forms, unpacked, words_mask
from spec.device_image import DeviceImage
from spec.params import HwParams
from spec.stages import stage_names

_ADDRESS, _SIZE, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_FUNCTIONS = {
    "harness_new": (_ADDRESS, (_ADDRESS, _SIZE, _ADDRESS)),
    "harness_delete": (None, (_ADDRESS,)),
    "harness_stage": (None, (_ADDRESS, _ADDRESS, _SIZE, *(_INT,) * 4, _ADDRESS, _SIZE)),
    "harness_work": (None, (_ADDRESS, _INT, ctypes.c_char_p, *(_SIZE,) * 3)),
    "harness_idle": (_INT, (_ADDRESS,)),
    "harness_taken": (_SIZE, (_ADDRESS,)),
    "harness_response": (ctypes.c_uint32, (_ADDRESS,)),
    "harness_cycles": (ctypes.c_uint64, (_ADDRESS,)),
    "harness_restart": (None, (_ADDRESS,)),
    "harness_keep": (None, (_ADDRESS, _INT, _SIZE, _SIZE)),
    "harness_window": (None, (_ADDRESS, _INT, _SIZE, _SIZE, _INT, _SIZE)),
    "harness_passed": (_INT, (_ADDRESS,)),
    "harness_results": (_SIZE, (_ADDRESS, _ADDRESS)),
    "harness_all": (_SIZE, (_ADDRESS, _INT, _ADDRESS)),
    "harness_kept": (_SIZE, (_ADDRESS, _ADDRESS)),
    "harness_digests": (_SIZE, (_ADDRESS, _INT, _ADDRESS)),
    "harness_forget_results": (None, (_ADDRESS,)),
}
"""Result and arguments of the functions in harness.cpp."""
_HOOKS = (
    erase_hook,
    integrate_hook,
    integrate_transposed_hook,
    strobe_hook,
    read_cell_hook,
    digest_hook,
)
"""In the order of its Hooks."""


class Work(IntEnum):
    """What the harness can be asked for."""

    ACCESS = 1
    SAMPLES = 2
    COUNTS = 3
    PAUSE = 4


class Harness:
    """The arrays and the host of a bench in this process; `code` is what holds harness.cpp.  `close` it."""

    def __init__(self, code: ctypes.CDLL, params: HwParams, image: DeviceImage):
        self.params, self.code = params, code
        self.arrays = [GoldenArray(params, image)]
        if params.analog_upper:
            self.arrays.append(upper_array(params, image))
        self.stages = stage_names(params)
        for name, (result, arguments_of) in _FUNCTIONS.items():
            function = getattr(code, name)
            function.restype, function.argtypes = result, arguments_of
        # in the order of hw.controller.macros
        macros = [macro for array in self.arrays for macro in array.macros]
        cells = np.array([arguments(macro.state) for macro in macros], np.int64)
        hooks = np.array([hook.address for hook in _HOOKS], np.uint64)
        self.address = code.harness_new(cells.ctypes.data, len(cells), hooks.ctypes.data)
        for name, form in item_forms(params).items():
            runs, order = np.array(form.runs, np.int32), np.ascontiguousarray(form.order, np.int32)
            ends = form.last, form.skip, form.transfers, int(name in STROBES)
            code.harness_stage(
                self.address, runs.ctypes.data, len(runs), *ends, order.ctypes.data, len(order)
            )
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
        found = self._fetch("results", np.uint32)
        self.code.harness_forget_results(self.address)
        return found

    def restart(self) -> None:
        """Begin an operation: forget what was seen on the taps, and whatever was to be kept or traced."""
        self.code.harness_restart(self.address)

    def keep(self, items: dict[str, range]) -> None:
        """The items of an operation, by stage and number, that are kept as they are."""
        for name, numbers in items.items():
            self.code.harness_keep(self.address, self.stages.index(name), numbers.start, numbers.stop)

    def window(self, clock: str, start: int, stop: int, stage: str, item: int) -> None:
        """Trace from the item `start` of the stage `clock` until its item `stop` and the item of a stage are there."""
        clock_number, number = self.stages.index(clock), self.stages.index(stage)
        self.code.harness_window(self.address, clock_number, start, stop, number, item)

    @property
    def passed(self) -> bool:
        """Whether a window of the operation is over."""
        return bool(self.code.harness_passed(self.address))

    def strobes(self, stage: str = "strobe") -> Strobes:
        """Strobes of the operation so far, on the array of a stage."""
        form = item_forms(self.params)[stage]
        columns, words = form.columns, form.collected
        items = self._fetch("all", np.int32, self.stages.index(stage)).reshape(-1, words)
        mask = words // 2 - 1
        up, down = (words_mask(items[:, first : first + mask], columns) for first in (1, 1 + mask))
        return Strobes(items[:, 0], up, down, items[:, -1].astype(np.uint8))

    def digests(self) -> dict[str, np.ndarray]:
        """Digests of the operation's items so far, by stage: uint32[n]."""
        return {name: self._fetch("digests", np.uint32, number) for number, name in enumerate(self.stages)}

    def kept(self) -> dict[str, list[np.ndarray]]:
        """The items that are kept, as a trace has them."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in self.stages}
        words, at = self._fetch("kept", np.int32), 0
        while at < len(words):
            stage, _, length = words[at : at + 3]
            item, at = words[at + 3 : at + 3 + length], at + 3 + length
            name = self.stages[stage]
            columns = item_forms(self.params)[name].columns
            found[name].append(unpacked(item[None], columns)[0] if columns else item)
        return found

    def _fetch(self, what: str, dtype: Any, *of: int) -> np.ndarray:
        first = ctypes.c_void_p()
        count = getattr(self.code, f"harness_{what}")(self.address, *of, ctypes.byref(first))
        data = ctypes.string_at(first, count * np.dtype(dtype).itemsize) if count else b""
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
