"""Drives the pins of a macro port, one operation after the other, and holds the array to the port's handshakes.

Everything happens between two rising edges: what is read has settled after the last, what is set is seen by the
next.  So it runs under cocotb and in Amaranth's simulator alike, through `MacroPins`.
"""

import random
from typing import NamedTuple, Protocol

import numpy as np

from hw.interfaces import AMPLITUDE_BITS, ENCODING_BITS, integrate_bits
from spec.choices import ENCODINGS
from spec.device_image import Readout
from spec.params import HwParams

PATIENCE_CYCLES = 1_000_000
"""Cycles after which an operation is given up."""
READING_CYCLES = 7


class MacroPins(Protocol):
    """The pins of a macro port, named as its members with two underscores between the parts: `write__strobe`."""

    def set(self, name: str, value: int) -> None: ...

    def get(self, name: str) -> int: ...

    async def tick(self) -> None: ...


class Busy(NamedTuple):
    """One operation that has been made: its name and arguments, and for how many cycles `ready` was low."""

    operation: str
    arguments: tuple
    cycles: int


class MacroDriver:
    """The operations of the macro port.  After each start the pins that belong to it get junk.

    Raises AssertionError when `ready` or `dac_ready` breaks the port's rules.  `log` has the operations.
    """

    INPUTS: tuple[str, ...] = ("dac_valid", "integrate", "erase", "readout", "write__strobe")

    def __init__(self, params: HwParams, pins: MacroPins, rng: random.Random):
        self.params, self.pins, self.rng = params, pins, rng
        self.log: list[Busy] = []

    def idle(self) -> None:
        """No operation; all other inputs are junk."""
        for name in self.INPUTS:
            self.pins.set(name, 0)
        self._junk_row()
        self._junk_lines()
        self._junk_readout()
        self._junk_integrate()
        self.set_trials(0, [0] * self.params.adc_channels, 1)

    def _junk_integrate(self) -> None:
        p = self.params
        self.pins.set("integrate_cycles", self.rng.getrandbits(integrate_bits(p)))
        if p.choose_encoding:
            self.pins.set("encoding", self.rng.getrandbits(ENCODING_BITS))
        if p.bit_serial:
            self.pins.set("plane", self.rng.getrandbits(p.plane_bits))
        if p.reads_transposed:
            self._set_transposed(
                self.rng.getrandbits(1), *(self.rng.randrange(n) for n in (p.columns, p.columns, p.rows))
            )

    def _set_transposed(self, transposed: int, raised: int, lowered: int, first_row: int) -> None:
        self.pins.set("transposed", transposed)
        self.pins.set("raised", raised)
        self.pins.set("lowered", lowered)
        self.pins.set("first_row", first_row)

    def _junk_row(self) -> None:
        p = self.params
        self.pins.set("dac_word", self.rng.randrange(p.row_words))
        self.pins.set("dac_codes", self.rng.getrandbits(p.dac_bits * p.dac_load_lanes))

    def _junk_lines(self) -> None:
        p = self.params
        self.pins.set("write__row", self.rng.randrange(p.rows))
        for name in ("up", "down"):
            self.pins.set(f"write__{name}", self.rng.getrandbits(p.columns))
        self.pins.set("write__depress", self.rng.getrandbits(1))
        self.pins.set("write__amplitude", self.rng.getrandbits(AMPLITUDE_BITS))

    def _junk_readout(self) -> None:
        self.pins.set("readout_row", self.rng.randrange(self.params.rows))
        self.pins.set("readout_column", self.rng.randrange(self.params.columns))
        self._set_kind(self.rng.choice(list(Readout)))

    def _set_kind(self, kind: Readout) -> None:
        if self.params.verify:
            self.pins.set("readout_kind", kind)

    async def _ticks(self, count: int) -> None:
        for _ in range(count):
            await self.pins.tick()

    async def _wait_ready(self, operation: str, *arguments, cycles: int = 0) -> int:
        """Wait until the operation is done, and log it; `cycles` are over already."""
        while not self.pins.get("ready"):
            await self.pins.tick()
            cycles += 1
            assert cycles < PATIENCE_CYCLES, f"{operation}: not ready after {cycles} cycles"
        self.log.append(Busy(operation, arguments, cycles))
        return cycles

    async def _start(self, pin: str) -> None:
        assert self.pins.get("ready"), f"{pin}: the array is busy before the start"
        self.pins.set(pin, 1)
        await self.pins.tick()
        self.pins.set(pin, 0)
        assert not self.pins.get("ready"), f"{pin}: ready did not fall"

    async def load_rows(self, codes: np.ndarray) -> None:
        """Codes (rows) into the shadow register: words in any order, some of them twice, junk in places without row."""
        p = self.params
        words = list(range(p.row_words))
        self.rng.shuffle(words)
        early = [word for word in words if self.rng.random() < 1 / 4]
        for k, word in enumerate(early + words):
            stale = k < len(early)
            value = 0
            for lane in range(p.dac_load_lanes):
                row = word * p.dac_load_lanes + lane
                code = int(codes[row]) if row < p.rows and not stale else self.rng.getrandbits(p.dac_bits)
                value |= code << (lane * p.dac_bits)
            await self._load_word(word, value)

    async def _load_word(self, word: int, value: int) -> None:
        self.pins.set("dac_word", word)
        self.pins.set("dac_codes", value)
        self.pins.set("dac_valid", 1)
        waited = 0
        while not self.pins.get("dac_ready"):
            await self.pins.tick()
            waited += 1
            assert waited < PATIENCE_CYCLES, "dac_ready does not rise"
        await self.pins.tick()
        self.pins.set("dac_valid", 0)
        self._junk_row()
        await self._ticks(self.rng.choice((0, 0, 1)))

    async def integrate(
        self, cycles: int, codes: np.ndarray, following: np.ndarray | None, encoding: str, plane: int
    ) -> None:
        """Integrate what is loaded (`codes` as they drive the rows, for the log).

        Meanwhile load the rows of the read after this one, if given; such a read is not logged.
        """
        self.pins.set("integrate_cycles", cycles)
        if self.params.choose_encoding:
            self.pins.set("encoding", ENCODINGS.index(encoding))
        if self.params.bit_serial:
            self.pins.set("plane", plane)
        if self.params.reads_transposed:
            self.pins.set("transposed", 0)
        await self._integrate("integrate", cycles, codes, following=following)

    async def integrate_transposed(
        self, cycles: int, raised: int, lowered: int, first_row: int, following: np.ndarray | None
    ) -> None:
        """A transposed read; meanwhile load rows, as with `integrate`."""
        self.pins.set("integrate_cycles", cycles)
        self._set_transposed(1, raised, lowered, first_row)
        await self._integrate("integrate_transposed", cycles, following=following)

    async def _integrate(
        self, operation: str, cycles: int, *arguments, following: np.ndarray | None = None
    ) -> None:
        await self._start("integrate")
        self._junk_integrate()
        if following is None:
            busy = await self._wait_ready(operation, cycles, *arguments)
            assert busy >= cycles, f"{operation}: {busy} cycles, {cycles} asked for"
        else:
            await self.load_rows(following)
            while not self.pins.get("ready"):
                await self.pins.tick()

    def set_trials(self, group: int, trials: list[int], lsb: int) -> None:
        p = self.params
        self.pins.set("group", group)
        self.pins.set("lsb", lsb)
        mask = (1 << p.adc_bits) - 1
        self.pins.set("trial", sum((int(t) & mask) << (k * p.adc_bits) for k, t in enumerate(trials)))

    async def compare(self, group: int, trials: list[int], lsb: int) -> list[int]:
        """The comparators' answers, one per channel, as soon as they are valid."""
        self.set_trials(group, trials, lsb)
        await self._ticks(self.params.trial_cycles)
        answer = self.pins.get("compare")
        return [answer >> k & 1 for k in range(self.params.adc_channels)]

    async def strobe(self, row: int, up: np.ndarray, down: np.ndarray, depress: int, width: int) -> None:
        """One pulse of `width` cycles; the lines keep the least guard distance and are junk beyond it."""
        guard = self.params.guard_min_cycles
        await self._set_lines(row, up, down, depress)
        await self._ticks(guard)
        assert self.pins.get("ready"), "strobe: the array is busy before the start"
        self.pins.set("write__strobe", 1)
        for cycle in range(width):
            await self.pins.tick()
            assert not self.pins.get("ready"), f"strobe: ready in cycle {cycle + 1} of a strobe"
        self.pins.set("write__strobe", 0)
        await self.pins.tick()
        cycles = width
        for _ in range(guard - 1):
            cycles += not self.pins.get("ready")
            await self.pins.tick()
        self._junk_lines()
        await self._wait_ready("strobe", width, up, down, cycles=cycles)

    async def _set_lines(self, row: int, up: np.ndarray, down: np.ndarray, depress: int) -> None:
        self.pins.set("write__row", row)
        self.pins.set("write__up", sum(int(bit) << j for j, bit in enumerate(up)))
        self.pins.set("write__down", sum(int(bit) << j for j, bit in enumerate(down)))
        self.pins.set("write__depress", depress)

    async def erase(self) -> None:
        await self._start("erase")
        await self._wait_ready("erase")

    async def readout(self, row: int, column: int) -> tuple[int, int]:
        """States of the pair: (G+, G-)."""
        await self._read_out(row, column, Readout.STATES)
        return self.pins.get("readout_plus"), self.pins.get("readout_minus")

    async def read_cell(self, row: int, column: int, kind: Readout) -> int:
        """One noisy reading."""
        await self._read_out(row, column, kind)
        bits = self.params.reading_bits
        word = self.pins.get("reading") & ((1 << bits) - 1)
        return word - (1 << bits) if word >> (bits - 1) else word

    async def _read_out(self, row: int, column: int, kind: Readout) -> None:
        self.pins.set("readout_row", row)
        self.pins.set("readout_column", column)
        self._set_kind(kind)
        self.pins.set("integrate_cycles", READING_CYCLES)  # an array may integrate a reading like a read
        await self._start("readout")
        self._junk_readout()
        await self._wait_ready("readout", column)


class WordDriver(MacroDriver):
    """Of an array behind the port of compact hardware: masks word by word, no junk before an operation is done."""

    NEWS = ("new_lsb", "new_trial")
    INPUTS = (*MacroDriver.INPUTS, "write__load", "write__select", *NEWS)

    async def compare(self, group: int, trials: list[int], lsb: int) -> list[int]:
        """As of any array; the cycle before says that there are new levels."""
        for name in self.NEWS:
            self.pins.set(name, 1)
        await self.pins.tick()
        for name in self.NEWS:
            self.pins.set(name, 0)
        return await super().compare(group, trials, lsb)

    def _junk_lines(self) -> None:
        p = self.params
        self._word(self.rng.randrange(p.rows), self.rng.randrange(p.update_words), [
            self.rng.getrandbits(p.update_columns) for _ in range(2)], self.rng.getrandbits(1))  # fmt: skip
        self.pins.set("write__first", self.rng.getrandbits(1))
        self.pins.set("write__amplitude", self.rng.getrandbits(AMPLITUDE_BITS))
        self.pins.set("write__select", 0)

    def _word(self, row: int, word: int, masks: list[int], depress: int) -> None:
        self.pins.set("write__row", row)
        self.pins.set("write__word", word)
        for name, mask in zip(("up", "down"), masks, strict=True):
            self.pins.set(f"write__{name}", mask)
        self.pins.set("write__depress", depress)

    async def _set_lines(self, row: int, up: np.ndarray, down: np.ndarray, depress: int) -> None:
        """The words with a device, in any order, and sometimes one without."""
        lanes, first = self.params.update_columns, 1
        order = list(range(self.params.update_words))
        self.rng.shuffle(order)
        for k, word in enumerate(order):
            columns = slice(word * lanes, (word + 1) * lanes)
            masks = [sum(int(bit) << j for j, bit in enumerate(mask[columns])) for mask in (up, down)]
            if any(masks) or (first and k == len(order) - 1) or self.rng.random() < 1 / 4:
                self._word(row, word, masks, depress)
                self.pins.set("write__first", first)
                self.pins.set("write__load", 1)
                await self.pins.tick()
                self.pins.set("write__load", 0)
                first = 0
                while not self.pins.get("ready"):
                    await self.pins.tick()
                self._junk_lines()
        self._word(row, self.rng.randrange(self.params.update_words), [0, 0], depress)
        self.pins.set("write__select", 1)

    def _junk_integrate(self) -> None:
        if self.pins.get("ready"):
            super()._junk_integrate()

    def _junk_readout(self) -> None:
        if self.pins.get("ready"):
            super()._junk_readout()
