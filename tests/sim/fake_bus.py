"""A bus without hardware: the golden register map, and the golden controller behind its commands."""

from collections.abc import Iterable

import numpy as np

from hw.interfaces import Count, Pixels, Result
from hw.register_file import identity
from model.controller.register_file import register_file
from model.controller.teacher_delta import Teacher
from model.system import GoldenController, run
from sim.bus import Bus
from sim.payloads import pack, unpack
from spec.device_image import IMAGE_WORDS, DeviceImage
from spec.params import HwParams
from spec.registers import REGISTERS, Access, Fault, Mode, reset_value

BUSY = 1
FAULT = 2
BUSY_LOOKS = 3
"""Reads of STATUS for which a command stays busy after its last word."""


class FakeBus(Bus):
    """Takes at most `most` words at once.  `break_after` words of a run, `cause` is latched and the run ends."""

    def __init__(self, params: HwParams, *, most: int = 1000, break_after: int | None = None):
        self.params, self.most, self.break_after = params, most, break_after
        self.cause = Fault.STROBE_CAP
        self.stored = {r.name: reset_value(r.name) for r in REGISTERS if r.access is Access.RW}
        self.inputs = {r.name: 0 for r in REGISTERS if r.access is Access.RO} | identity(params)
        self.image = [0] * IMAGE_WORDS
        self.weights: list[int] = []
        self.words: list[int] = []
        self.codes: list[int] = []
        self.needed = 0
        self.pauses = 0
        self._looks = 0
        self._results: list[int] = []
        self._golden: GoldenController | None = None

    @property
    def golden(self) -> GoldenController:
        if self._golden is None:
            image = DeviceImage(self.params.state_bits, tuple(self.image))
            self._golden = GoldenController(self.params, image)
        run(self._golden.configure(**self.stored))
        return self._golden

    # -- the bus -------------------------------------------------------------------------------

    async def read(self, address: int) -> int:
        if self._looks and self.needed == len(self.words):
            self._looks -= 1
            self.inputs["STATUS"] &= ~BUSY if not self._looks else ~0
        return register_file(self.params, self.stored, self.inputs, address, 0, 0)[0]

    async def write(self, address: int, value: int) -> None:
        assert 0 <= value < 1 << 32
        _, event, fields = register_file(self.params, self.stored, self.inputs, address, 1, value)
        if event == "IMAGE":
            self.image[fields["address"]] = fields["value"]
        elif event == "WEIGHT_DATA":
            self.weights.append(fields["value"])
        elif event == "DEBUG_ADDRESS" and self.stored["MODE"] == Mode.DEBUG:
            pair = run(self.golden.conductances())[fields["row"], fields["column"]]
            self.inputs["DEBUG_STATE"] = int(pair[0]) | int(pair[1]) << 16
            self._begin(0)
        for name in (name for name, bit in fields.items() if event == "CONTROL" and bit):
            getattr(self, f"_{name}")()

    async def send_samples(self, words: Iterable[int]) -> int:
        return self._take(words, Mode.INFER, Mode.TRAIN)

    async def send_counts(self, words: Iterable[int]) -> int:
        if self.stored["MODE"] == Mode.TRAIN:
            return self._take_codes(words)
        return self._take(words, Mode.TRANSFER)

    async def results(self) -> list[int]:
        results, self._results = self._results, []
        return results

    async def pause(self, look: int) -> None:
        self.pauses += 1

    # -- the hardware --------------------------------------------------------------------------

    def _begin(self, needed: int) -> None:
        self.needed, self.words, self.codes, self._looks = needed, [], [], BUSY_LOOKS
        self.inputs["STATUS"] |= BUSY

    def _latch(self, cause: Fault) -> None:
        self.inputs["FAULT"] |= 1 << cause
        self.inputs["STATUS"] = FAULT
        self._looks = 0

    def _take(self, words: Iterable[int], *modes: Mode) -> int:
        if not self.inputs["STATUS"] & BUSY or self.stored["MODE"] not in modes:
            return 0
        taken = list(words)[: min(self.most, self.needed - len(self.words))]
        self.words += taken
        if self.break_after is not None and len(self.words) > self.break_after:
            self._latch(self.cause)
        else:
            self._finish_if_whole()
        return len(taken)

    @property
    def _taught(self) -> bool:
        return self.stored["MODE"] == Mode.TRAIN and bool(self.golden.settings.teacher)

    def _take_codes(self, words: Iterable[int]) -> int:
        """A column's code is taken when its sample is there."""
        whole = len(self.words) // self.params.row_words * self.params.columns
        taken = list(words)[: min(self.most, whole - len(self.codes))]
        self.codes += taken
        self._finish_if_whole()
        return len(taken)

    def _finish_if_whole(self) -> None:
        codes = self.stored["SAMPLES"] * self.params.columns if self._taught else 0
        if (len(self.words), len(self.codes)) == (self.needed, codes):
            self._finish()

    def _finish(self) -> None:
        p, mode = self.params, Mode(self.stored["MODE"])
        if self.weights:
            bits = [weight - ((weight & 0x80) << 1) for weight in self.weights]
            run(self.golden.load_weights(np.array(bits).reshape(p.upper_rows, p.classes)))
        if mode is Mode.TRANSFER:
            counts = [unpack(Count(p), word)["count"] for word in self.words]
            run(self.golden.transfer(np.array(counts).reshape(p.rows, p.columns)))
        else:
            words = [unpack(Pixels(p), word) for word in self.words]
            pixels = np.array([word["pixels"] for word in words], np.uint8).reshape(
                self.stored["SAMPLES"], -1
            )
            labels = np.array([word["label"] for word in words[:: p.row_words]])
            codes = np.array(self.codes, np.int16).reshape(-1, p.columns)
            teacher = Teacher(codes, np.zeros((0, p.classes), np.int16)) if self._taught else None
            record = run(self.golden.run(mode, pixels[:, : p.inputs], labels, teacher=teacher))
            for prediction, label, update in zip(record.predictions, labels, record.updates, strict=True):
                result = {"prediction": int(prediction), "label": int(label), "update": int(update)}
                self._results.append(pack(Result(p), result))
        self.inputs |= run(self.golden.counters())

    def _start(self) -> None:
        p = self.params
        transfer = self.stored["MODE"] == Mode.TRANSFER
        self._begin(p.rows * p.columns if transfer else p.row_words * self.stored["SAMPLES"])

    def _erase(self) -> None:
        run(self.golden.erase())
        self._begin(0)

    def _clear_memory(self) -> None:
        run(self.golden.clear_memory())
        self._begin(0)

    def _clear_counters(self) -> None:
        run(self.golden.clear_counters())
        self.inputs |= run(self.golden.counters())

    def _rewind_weights(self) -> None:
        self.weights = []

    def _abort(self) -> None:
        self._latch(Fault.ABORT)

    def _clear_fault(self) -> None:
        self.inputs["STATUS"] = self.inputs["FAULT"] = 0
