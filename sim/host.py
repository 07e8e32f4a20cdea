"""The host driver: one class for the simulator and the board, which differ in the bus only.

It speaks the names of registers and fields and never an address; whatever waits for the hardware is a coroutine.
The coroutines that a job needs are those of `GoldenController`, so a job drives either.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from hw.interfaces import Count, Result
from hw.register_file import identity
from model.controller.teacher_delta import Teacher, check_teacher
from sim.bus import Bus
from sim.feed import COUNTS, SAMPLES, feed
from sim.payloads import Words, unpack
from spec.choices import ENCODINGS
from spec.device_image import DeviceImage
from spec.errors import InputError
from spec.numerics import signed_limit
from spec.params import HwParams
from spec.registers import (
    ADDRESS,
    BY_NAME,
    EMULATOR_BASE,
    FAULT_DOC,
    REGISTERS,
    VERIFY_WAYS,
    Access,
    Fault,
    Mode,
    fields_of,
)

COUNTERS = tuple(register.name for register in REGISTERS if register.doc.startswith("counter: "))
"""Registers that count; the golden model counts some of them too."""

PAUSES = 1_000_000
"""Looks at STATUS after which a run that makes no end is given up."""

Progress = Callable[[int], None]
"""Called with what has been done since the last call: samples or rows."""


class IdentityError(RuntimeError):
    """What answers on the bus is not the hardware that the parameters describe."""


class HostError(RuntimeError):
    """The hardware did something that it never should."""


class HardwareFault(RuntimeError):
    """The hardware latched a fault; `causes` says why.  It needs `clear_fault` before it pulses again."""

    def __init__(self, causes: tuple[Fault, ...]):
        self.causes = causes
        super().__init__(
            "; ".join(f"{cause.name}: {FAULT_DOC[cause]}" for cause in causes) or "no cause given"
        )


class Outcome(NamedTuple):
    """What the hardware says of each sample of a run: int32[samples] each."""

    predictions: np.ndarray
    updates: np.ndarray


class Host:
    """Drives one controller over a bus.  Call `check_identity` first.

    A command raises `HardwareFault` when a fault is latched before or after it, `HostError` when the hardware does
    not keep to its protocol; bad arguments raise `InputError` before anything is sent.
    """

    def __init__(self, bus: Bus, params: HwParams):
        self.bus, self.params = bus, params

    async def check_identity(self) -> None:
        """Compare MAGIC, VERSION and PARAMS_HASH; raises IdentityError."""
        meaning = {
            "MAGIC": "this is no Crosstrain controller",
            "VERSION": "its register map has another version: use the driver that came with it",
            "PARAMS_HASH": f"it was built from other parameters than {self.params.name}",
        }
        for name, expected in identity(self.params).items():
            found = await self.bus.read(ADDRESS[name])
            if found != expected:
                raise IdentityError(f"{meaning[name]} ({name} is {found:#010x}, expected {expected:#010x})")

    # -- registers -----------------------------------------------------------------------------

    async def read_field(self, register: str, field: str = "value") -> int:
        """One field of a register.  Raises KeyError for an unknown name."""
        f, low = _find(register, field)
        return (await self.bus.read(ADDRESS[register]) >> low) & _mask(f.bits)

    async def write_field(self, register: str, value: int, field: str = "value") -> None:
        """Write one field of an RW register, the others keep their values.  Raises KeyError, InputError."""
        f, low = _find(register, field)
        _check_access(register, Access.RW)
        _check_range(f"{register}.{field}", value, 0, _mask(f.bits))
        word = await self.bus.read(ADDRESS[register]) if len(BY_NAME[register].fields) > 1 else 0
        await self.bus.write(ADDRESS[register], word & ~(_mask(f.bits) << low) | int(value) << low)

    async def configure(self, **registers: int) -> None:
        """Write whole RW registers by name.  Raises KeyError for an unknown one, InputError."""
        if "ENCODING" in registers:
            check_encoding(self.params, registers["ENCODING"])
        for name in registers:
            bits = sum(f.bits for f in BY_NAME[name].fields)
            _check_access(name, Access.RW)
            _check_range(name, registers[name], 0, _mask(bits))
        await self.bus.write_all([(ADDRESS[name], int(value)) for name, value in registers.items()])

    async def counters(self) -> dict[str, int]:
        """All counters by register name; they wrap at 2**32."""
        words = await self.bus.read_all([ADDRESS[name] for name in COUNTERS])
        return dict(zip(COUNTERS, words, strict=True))

    async def clear_counters(self) -> None:
        await self._trigger("clear_counters")

    # -- faults --------------------------------------------------------------------------------

    async def faults(self) -> tuple[Fault, ...]:
        """The latched causes, of whichever array."""
        word = await self.read_field("FAULT")
        if self.params.analog_upper:
            word |= await self.read_field("UPPER_FAULT")
        return tuple(fault for fault in Fault if word >> fault & 1)

    async def clear_fault(self) -> None:
        """Clear what is latched; the hardware ignores it while a run is active."""
        await self._trigger("clear_fault")

    async def abort(self) -> None:
        """End a run and any strobe at once; latches the fault ABORT."""
        await self._trigger("abort")

    # -- what is loaded once -------------------------------------------------------------------

    async def load_weights(self, weights: np.ndarray) -> None:
        """Upper-layer weights, int[columns + 1, classes], the bias unit last."""
        p, limit = self.params, 1 << (self.params.weight_bits - 1)
        weights = _integers("weights", weights, (p.upper_rows, p.classes), -limit, limit - 1)
        await self._idle()
        await self._trigger("rewind_weights")
        bits = BY_NAME["WEIGHT_DATA"].fields[0].bits
        address = ADDRESS["WEIGHT_DATA"]
        await self.bus.write_all([(address, weight & _mask(bits)) for weight in weights.ravel().tolist()])

    async def load_targets(self, targets: np.ndarray) -> None:
        """Sums of |code| that the channels should have, int[converters], of a run that measures gains."""
        bits = BY_NAME["CALIBRATION_TARGET"].fields[0].bits
        targets = _integers("targets", targets, (self._calibrated_channels(),), 0, _mask(bits))
        await self._idle()
        for channel, target in enumerate(targets.tolist()):
            await self.configure(CALIBRATION_CHANNEL=channel)
            await self.bus.write(ADDRESS["CALIBRATION_TARGET"], target)

    async def calibration(self) -> np.ndarray:
        """What each channel is corrected by, int64[converters, 2]: offset in codes, gain in 1/4096."""
        found = np.zeros((self._calibrated_channels(), 2), np.int64)
        sign = 1 << (_find("CALIBRATION_RESULT", "offset")[0].bits - 1)
        await self._idle()
        for channel in range(len(found)):
            await self.configure(CALIBRATION_CHANNEL=channel)
            offset = await self.read_field("CALIBRATION_RESULT", "offset")
            found[channel] = (offset ^ sign) - sign, await self.read_field("CALIBRATION_RESULT", "gain")
        return found

    async def restore_calibration(self, found: np.ndarray) -> None:
        """Correct by what `calibration` returned before, on this array or at another time."""
        fields = (_find("CALIBRATION_RESTORE", name) for name in ("offset", "gain"))
        (offset_field, offset_at), (gain_field, gain_at) = fields
        limit, most = self.params.adc_limit, _mask(gain_field.bits)
        found = _integers("calibration", found, (self._calibrated_channels(), 2), -limit, most)
        _integers("offsets", found[:, 0], (len(found),), -limit, limit)
        _integers("gains", found[:, 1], (len(found),), 0, most)
        await self._idle()
        for channel, (offset, gain) in enumerate(found.tolist()):
            await self.configure(CALIBRATION_CHANNEL=channel)
            word = (offset & _mask(offset_field.bits)) << offset_at | gain << gain_at
            await self.bus.write(ADDRESS["CALIBRATION_RESTORE"], word)

    def _calibrated_channels(self) -> int:
        if not self.params.calibration:
            raise InputError("is not built in", key="calibration")
        return self.params.converters

    async def load_image(self, image: DeviceImage) -> None:
        """A compiled device into the emulated array; without one the words are lost.

        Raises `InputError` for an image of another width, or with effects that only the golden model has.
        """
        image.refuse_effects("the hardware")
        if image.state_bits != self.params.state_bits:
            raise InputError(f"image of {image.state_bits}-bit states, hardware of {self.params.state_bits}")
        await self._idle()
        await self.bus.write_all([(EMULATOR_BASE + k, word) for k, word in enumerate(image.words)])

    # -- commands ------------------------------------------------------------------------------

    async def erase(self) -> None:
        """Bring every cell to its erased state."""
        await self._command("erase")

    async def clear_memory(self) -> None:
        """Clear the update memory."""
        await self._command("clear_memory")

    async def transfer(self, counts: np.ndarray, *, progress: Progress | None = None) -> None:
        """Open-loop pulses, int[rows, columns]: positive on G+, negative on G-.

        The polarity is that of register WRITE, the array that of register LAYER.
        """
        p, cap = await self._layer(), await self.read_field("COUNT_CAP")
        limit = min(signed_limit(p.count_bits), cap)
        counts = _integers("counts", counts, (p.rows, p.columns), -limit, limit)
        await self._write_array(Mode.TRANSFER, counts, progress)

    async def _layer(self) -> HwParams:
        """The parameters of the array that register LAYER means."""
        p = self.params
        return p.upper if p.analog_upper and await self.read_field("LAYER") else p

    async def verify(self, targets: np.ndarray, way: str, *, progress: Progress | None = None) -> None:
        """Program-verify: `way` "cell" brings each cell, "pair" the difference of each pair near its target.

        targets: state codes, int[rows, columns, 2], G+ first.  The other settings are registers (VERIFY_...).
        """
        p = self.params
        self._needs_verify()
        targets = _integers("targets", targets, (p.rows, p.columns, 2), 0, _mask(p.state_bits))
        if way not in VERIFY_WAYS:
            raise InputError(f"{way!r} is not one of {', '.join(VERIFY_WAYS)}", key="verify")
        await self._check_pulse_cap()
        await self.configure(VERIFY_WAY=VERIFY_WAYS.index(way))
        words = targets[..., 0] - targets[..., 1] if way == "pair" else targets.reshape(p.rows, -1)
        await self._write_array(Mode.VERIFY, words, progress)

    def _needs_verify(self) -> None:
        if not self.params.verify:
            raise InputError(f"is not built into {self.params.name}", key="verify")

    async def _check_pulse_cap(self) -> None:
        """A loop that its own register does not end before the gate's."""
        cap, pulses = await self.read_field("COUNT_CAP"), await self.read_field("VERIFY_PULSES")
        _check_range("VERIFY_PULSES", pulses, 0, cap)

    async def _write_array(self, mode: Mode, words: np.ndarray, progress: Progress | None) -> None:
        """A run on the words of each row, int[rows, n]."""
        await self._idle()
        await self.configure(MODE=mode)
        await self._trigger("start")
        for row in words:
            await self._stream(self.bus.send_counts, Words.of(row, Count(self.params).size))
            if progress:
                progress(1)
        await self._idle()

    async def run(
        self,
        mode: Mode,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        teacher: Teacher | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Infer, train, tune or calibrate on samples in order: pixels uint8[n, inputs], labels int[n].

        teacher: of the samples of a training run with register TEACHER on.
        """
        if mode not in (Mode.INFER, Mode.TRAIN, Mode.TUNE, Mode.CALIBRATE):
            raise InputError(f"{mode!r} is not a run on samples", key="mode")
        if mode is Mode.CALIBRATE:
            self._calibrated_channels()
        p = self.params
        if mode is Mode.TUNE:
            self._needs_verify()
            await self._check_pulse_cap()
        pixels = _integers("pixels", pixels, (len(pixels), p.inputs), 0, 255).astype(np.uint8)
        labels = _integers("labels", labels, (len(pixels),), 0, p.classes - 1)
        await self._check_teacher(mode, teacher, len(pixels))
        await self._idle()
        await self.configure(MODE=mode, SAMPLES=len(pixels))
        await self.bus.results()
        await self._trigger("start")
        send = {SAMPLES: self.bus.send_samples, COUNTS: self.bus.send_counts}
        for stream, words, complete in feed(p, pixels, labels, teacher):
            await self._stream(send[stream], words)
            if progress and complete:
                progress(complete)
        await self._idle()
        return self._outcome(await self.bus.results(), labels)

    async def _check_teacher(self, mode: Mode, teacher: Teacher | None, samples: int) -> None:
        """As `check_teacher`, and that its codes are some."""
        trains, p = mode in (Mode.TRAIN, Mode.TUNE) and self.params.teacher, self.params
        check_teacher(teacher, bool(trains and await self.read_field("TEACHER", "on")), samples)
        if teacher is not None:
            _integers("codes", teacher.hidden, (samples, p.columns), 0, p.adc_limit)

    async def conductances(self, *, progress: Progress | None = None) -> np.ndarray:
        """States of all pairs of the array that register LAYER means, uint16[rows, columns, 2], G+ first.

        They are read in mode DEBUG, which no run is in.
        """
        p = await self._layer()
        states = np.zeros((p.rows, p.columns, 2), np.uint16)
        for row in range(p.rows):
            states[row] = await self.pairs([(row, column) for column in range(p.columns)])
            if progress:
                progress(1)
        return states

    async def pairs(self, places: Iterable[tuple[int, int]]) -> np.ndarray:
        """States of some pairs (row, column) of that array, uint16[n, 2]."""
        states, mask = [], _mask(self.params.state_bits)
        (_, row_at), (_, column_at) = _find("DEBUG_ADDRESS", "row"), _find("DEBUG_ADDRESS", "column")
        (_, plus_at), (_, minus_at) = _find("DEBUG_STATE", "plus"), _find("DEBUG_STATE", "minus")
        await self._idle()
        await self.configure(MODE=Mode.DEBUG)
        for row, column in places:
            await self.bus.write(ADDRESS["DEBUG_ADDRESS"], int(row) << row_at | int(column) << column_at)
            await self._idle()
            word = await self.bus.read(ADDRESS["DEBUG_STATE"])
            states.append((word >> plus_at & mask, word >> minus_at & mask))
        await self.configure(MODE=Mode.INFER)
        return np.array(states, np.uint16).reshape(-1, 2)

    # -- waiting -------------------------------------------------------------------------------

    async def _trigger(self, field: str) -> None:
        await self.bus.write(ADDRESS["CONTROL"], 1 << _find("CONTROL", field)[1])

    async def _command(self, field: str) -> None:
        await self._idle()
        await self._trigger(field)
        await self._idle()

    async def _status(self) -> bool:
        """Whether the hardware is busy; raises HardwareFault."""
        word = await self.bus.read(ADDRESS["STATUS"])
        if word >> _find("STATUS", "fault")[1] & 1:
            raise HardwareFault(await self.faults())
        return bool(word >> _find("STATUS", "busy")[1] & 1)

    async def _idle(self) -> None:
        """Wait until nothing is going on any more: only then are commands and modes taken."""
        for look in range(PAUSES):
            if not await self._status():
                return
            await self.bus.pause(look)
        raise HostError("the hardware stays busy")

    async def _stream(self, send: Callable, words: Words) -> None:
        """Send all words; where the hardware does not take them, see whether the run still goes on."""
        sent = await send(words)
        for _ in range(PAUSES):
            if sent == len(words):
                return
            if not await self._status():
                raise HostError(f"the run ended with {len(words) - sent} words left to send")
            sent += await send(words[sent:])
        raise HostError("the hardware takes no words")

    def _outcome(self, words: Iterable[int], labels: np.ndarray) -> Outcome:
        layout = Result(self.params)
        results = [unpack(layout, word) for word in words]
        if [result["label"] for result in results] != labels.tolist():
            raise HostError(f"{len(results)} results for {len(labels)} samples, or not with their labels")
        return Outcome(*(np.array([r[name] for r in results], np.int32) for name in ("prediction", "update")))


def check_encoding(params: HwParams, code: int) -> None:
    """Raise `InputError` for an input encoding that is not built in."""
    if code not in [ENCODINGS.index(name) for name in params.encodings]:
        raise InputError(f"{code} is not built in: {', '.join(params.encodings)}", key="ENCODING")


def _mask(bits: int) -> int:
    return (1 << bits) - 1


def _find(register: str, field: str):
    """A field with its lowest bit; KeyError for an unknown one."""
    for f, low in fields_of(register):
        if f.name == field:
            return f, low
    raise KeyError(f"{register}.{field}")


def _check_access(register: str, access: Access) -> None:
    if BY_NAME[register].access is not access:
        raise InputError(f"is {BY_NAME[register].access.value}, not {access.value}", key=register)


def _check_range(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"{value} is outside {low}..{high}", key=key)


def _integers(key: str, values: np.ndarray, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """The values as int64, checked.  Raises InputError."""
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise InputError(f"{array.dtype} is not integer", key=key)
    if array.shape != shape:
        raise InputError(f"shape {array.shape}, {shape} needed", key=key)
    if array.size:
        _check_range(key, int(array.min()), low, high)
        _check_range(key, int(array.max()), low, high)
    return array.astype(np.int64)
