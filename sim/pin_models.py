"""Models of the parts on the worked adapter's pins, under cocotb: they do what the data sheet says, and mind its times.

Each has the part's line of spec/converter_parts.py.  What breaks a time, or is no frame, goes to `PinWatch.broken` as text.
A bench ends with `PinWatch.check`.
"""

from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.simtime import get_sim_time
from cocotb.triggers import Timer, ValueChange

from spec.converter_parts import ShiftRegisterPart, SpiAdcPart, SpiDacPart

NEVER = -1e12
FRAME_BITS = 32
LOAD, WRITE, RESET = 0, 3, 7
"""Commands of the DAC."""


def now() -> float:
    """Simulated time in ns."""
    return get_sim_time("ps") / 1000


class Pin:
    """One pin or bus: its value, and when it last changed, rose and fell."""

    def __init__(self, handle: Any):
        self.handle = handle
        self.value = int(handle.value)
        self.changed = self.rose = self.fell = NEVER

    def move(self) -> int:
        """Note a change; returns the value before it."""
        before, self.value = self.value, int(self.handle.value)
        self.changed = now()
        if self.value > before:
            self.rose = self.changed
        else:
            self.fell = self.changed
        return before


class PinWatch:
    """What was broken so far; `follow` tells a model of each change of a pin."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def least(self, what: str, since: float, ns: float) -> None:
        """At least `ns` have passed since."""
        if now() - since < ns - 1e-6:
            self.broken.append(f"{what}: {now() - since:g} ns, {ns:g} needed, at {now():g} ns")

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            self.broken.append(f"{what}, at {now():g} ns")

    def follow(self, pin: Pin, moved: Callable[[int], None]) -> None:
        """Call `moved` with the value before each change of the pin, from now on."""

        async def watch() -> None:
            while True:
                await ValueChange(pin.handle)
                if int(pin.handle.value) != pin.value:
                    moved(pin.move())

        cocotb.start_soon(watch())

    def check(self) -> None:
        """Raises AssertionError with what was broken first."""
        assert not self.broken, f"{len(self.broken)} broken: {self.broken[:3]}"


class DacModel:
    """DACs with common SCLK, DIN and LDAC.  `outputs`: codes at the outputs, by chip and channel; `stood`: since when."""

    def __init__(
        self, watch: PinWatch, part: SpiDacPart, sclk: Any, din: Any, sync_n: Any, ldac_n: Any = None
    ):
        self.watch, self.part = watch, part
        self.sclk, self.din, self.sync = Pin(sclk), Pin(din), Pin(sync_n)
        self.chips = len(sync_n)
        self.inputs = [[0] * part.channels for _ in range(self.chips)]
        self.outputs = [[0] * part.channels for _ in range(self.chips)]
        self.frames: list[tuple[int, int]] = []
        """Chip and word of each frame."""
        self.stood = NEVER
        self._word, self._bits, self._edge = 0, 0, NEVER
        watch.follow(self.sclk, self._clocked)
        watch.follow(self.din, self._moved)
        watch.follow(self.sync, self._framed)
        if ldac_n is not None:
            self.ldac = Pin(ldac_n)
            watch.follow(self.ldac, self._updated)

    @property
    def _none(self) -> int:
        return (1 << self.chips) - 1

    def _clocked(self, before: int) -> None:
        w, p = self.watch, self.part
        if not before:
            w.least("DAC: SCLK low", self.sclk.fell, p.low)
            return
        w.least("DAC: SCLK high", self.sclk.rose, p.high)
        w.least("DAC: SYNC rises before SCLK falls", self.sync.rose, p.ignore)
        if self.sync.value == self._none:
            return
        if self._bits:
            w.least("DAC: period of SCLK", self._edge, p.period)
        else:
            w.least("DAC: SYNC falls before SCLK falls", self.sync.fell, p.sync_setup)
        w.least("DAC: DIN before SCLK falls", self.din.changed, p.setup)
        self._edge = now()
        self._word = self._word << 1 | self.din.value
        self._bits += 1

    def _moved(self, before: int) -> None:
        if self.sync.value != self._none and self._bits:
            self.watch.least("DAC: DIN after SCLK falls", self.sclk.fell, self.part.hold)

    def _framed(self, before: int) -> None:
        if self.sync.value != self._none:
            self.watch.require((self._none ^ self.sync.value).bit_count() == 1, "DAC: two chips selected")
            self.watch.require(before == self._none, "DAC: SYNC goes from chip to chip")
            self.watch.least("DAC: SYNC high between frames", self.sync.rose, self.part.sync_high)
            self._word, self._bits = 0, 0
        else:
            self.watch.require(self._bits == FRAME_BITS, f"DAC: a frame of {self._bits} bits")
            self._execute((self._none ^ before).bit_length() - 1, self._word)

    def _execute(self, chip: int, word: int) -> None:
        command, channel = word >> 24 & 15, word >> 20 & 15
        code = (word & ((1 << 20) - 1)) >> (20 - self.part.code_bits)
        self.frames.append((chip, word))
        self.watch.require(command in (LOAD, WRITE, RESET), f"DAC: command {command}")
        if command == RESET:
            self.inputs[chip], self.outputs[chip] = [0] * self.part.channels, [0] * self.part.channels
        elif channel < self.part.channels:
            self.inputs[chip][channel] = code
            if command == WRITE:
                self.outputs[chip][channel] = code
                self.stood = now() + self.part.settle
        else:
            self.watch.require(False, f"DAC: channel {channel}")

    def _updated(self, before: int) -> None:
        if before:
            self.watch.require(self.sync.value == self._none, "DAC: LDAC in a frame")
            self.watch.least("DAC: LDAC falls after SCLK falls", self.sclk.fell, self.part.ldac_after)
            self.outputs = [list(codes) for codes in self.inputs]
            self.stood = now() + self.part.settle
        else:
            self.watch.least("DAC: LDAC low", self.ldac.fell, self.part.ldac_low)


class AdcModel:
    """ADCs with common SCLK and CS.  `sample` gives their codes when CS falls; a bit is junk until it is valid."""

    def __init__(
        self,
        watch: PinWatch,
        part: SpiAdcPart,
        sclk: Any,
        cs_n: Any,
        sdata: Any,
        sample: Callable[[], list[int]],
    ):
        self.watch, self.part, self.sample = watch, part, sample
        self.sclk, self.cs, self.sdata = Pin(sclk), Pin(cs_n), sdata
        self.adcs = len(sdata)
        self.released = NEVER
        self.conversions = 0
        self._codes: list[int] = []
        self._edges, self._edge = 0, NEVER
        self.sdata.value = 0
        watch.follow(self.sclk, self._clocked)
        watch.follow(self.cs, self._selected)

    @property
    def converting(self) -> bool:
        """CS is low, and bits are to come."""
        return not self.cs.value and self._edges < self.part.clocks

    def _selected(self, before: int) -> None:
        w, p = self.watch, self.part
        if before:
            w.least("ADC: CS high", self.cs.rose, p.cs_high)
            w.least("ADC: quiet time", self.released, p.quiet)
            self._codes, self._edges = self.sample(), 0
            w.require(all(0 <= c < 1 << p.code_bits for c in self._codes), f"ADC: codes {self._codes}")
            self._put(p.first_valid)
        else:
            w.require(self._edges == p.clocks, f"ADC: {self._edges} clocks in a conversion")
            self.conversions += 1

    def _clocked(self, before: int) -> None:
        w, p = self.watch, self.part
        if self.cs.value:
            return
        if not before:
            w.least("ADC: SCLK low", self.sclk.fell, p.low)
            return
        w.least("ADC: SCLK high", self.sclk.rose, p.high)
        w.least("ADC: CS falls before SCLK falls", self.cs.fell, p.cs_setup)
        if self._edges:
            w.least("ADC: period of SCLK", self._edge, p.period)
        self._edge = now()
        self._edges += 1
        if self._edges == p.clocks:
            self.released = now() + p.release
        self._put(p.valid)

    def _put(self, delay: float) -> None:
        """The bit of this edge on all lines: what was there until `hold`, then junk (the inverse) until `delay`."""
        place = self.part.clocks - 1 - self._edges
        bits = sum((code >> place & 1) << k for k, code in enumerate(self._codes)) if place >= 0 else 0
        cocotb.start_soon(self._drive(bits, delay))

    async def _drive(self, bits: int, delay: float) -> None:
        await Timer(self.part.hold, "ns")
        self.sdata.value = ~bits & ((1 << self.adcs) - 1)
        await Timer(delay - self.part.hold, "ns")
        self.sdata.value = bits


class RegisterModel:
    """Shift registers in a chain.  `outputs`: levels by number, where the storage registers' are on; `stood`: since when."""

    def __init__(self, watch: PinWatch, part: ShiftRegisterPart, lines: int, ser: Any, srclk: Any, rclk: Any):
        self.watch, self.part = watch, part
        self.lines = -(-lines // part.outputs) * part.outputs
        self.ser, self.srclk, self.rclk = Pin(ser), Pin(srclk), Pin(rclk)
        self.shifted = self.outputs = 0
        self.stood = NEVER
        self.latches, self._edge = 0, NEVER
        watch.follow(self.ser, self._moved)
        watch.follow(self.srclk, self._clocked)
        watch.follow(self.rclk, self._latched)

    def _moved(self, before: int) -> None:
        self.watch.least("shift register: SER after SRCLK rises", self.srclk.rose, self.part.hold)

    def _clocked(self, before: int) -> None:
        w, p = self.watch, self.part
        if before:
            w.least("shift register: SRCLK high", self.srclk.rose, p.high)
            return
        w.least("shift register: SRCLK low", self.srclk.fell, p.low)
        w.least("shift register: SER before SRCLK rises", self.ser.changed, p.setup)
        w.least("shift register: next of the chain", self._edge, p.chain + p.setup)
        self.shifted = (self.shifted << 1 | self.ser.value) & ((1 << self.lines) - 1)
        self._edge = now()

    def _latched(self, before: int) -> None:
        w, p = self.watch, self.part
        if before:
            w.least("shift register: RCLK high", self.rclk.rose, p.latch_high)
            return
        w.least("shift register: SRCLK rises before RCLK rises", self._edge, p.latch_setup)
        self.outputs, self.stood = self.shifted, now() + p.valid
        self.latches += 1
