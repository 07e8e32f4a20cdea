"""The conformance test of the macro port: what any array behind it must do, with the golden macro as the reference.

It drives pins through `MacroPins`, so that it runs under cocotb and in Amaranth's simulator alike.  Everything
happens between two rising edges: what is read has settled after the last, what is set is seen by the next.
"""

import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import numpy as np

from hw.interfaces import AMPLITUDE_BITS, ENCODING_BITS, LSB_BITS, integrate_bits
from model.controller.column_adc import column_adc
from model.device.macro import GoldenMacro
from spec.device_image import SECTIONS, DeviceImage, Readout
from spec.params import ENCODINGS, HwParams

PATIENCE_CYCLES = 1_000_000
"""Cycles after which an operation is given up."""
READING_CYCLES = 7
LSB_MAX = (1 << LSB_BITS) - 1


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

    INPUTS = ("dac_valid", "integrate", "erase", "readout", "write__strobe")

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
        await self._start("integrate")
        self._junk_integrate()
        if following is None:
            busy = await self._wait_ready("integrate", cycles, codes)
            assert busy >= cycles, f"integrate: {busy} cycles, {cycles} asked for"
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
        self.pins.set("write__row", row)
        self.pins.set("write__up", sum(int(bit) << j for j, bit in enumerate(up)))
        self.pins.set("write__down", sum(int(bit) << j for j, bit in enumerate(down)))
        self.pins.set("write__depress", depress)
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


EXTREMES = ("low", "high", "ends", "any")
"""What an extreme image fills a section with: one limit, the other, both, or anything between."""


def _image(params: HwParams, values: dict[str, list[int]]) -> DeviceImage:
    values["inverse"] = [round((65535 << params.state_bits) / span) for span in values["span"]]
    return DeviceImage.from_sections(
        params.state_bits, **{k: v[0] if len(v) == 1 else v for k, v in values.items()}
    )


def plausible_image(params: HwParams, rng: random.Random) -> DeviceImage:
    """A device with all its non-idealities, a bad one."""
    full = (1 << params.state_bits) - 1
    ranges = {
        "up_table": (0, 1 << 23), "down_table": (0, 1 << 23), "scale_up": (1 << 11, 1 << 13),
        "scale_down": (1 << 11, 1 << 13), "span": (full // 2, full), "low": (0, full // 2),
        "noise_add": (0, 1 << 21), "noise_rel": (0, 1 << 12), "stuck_threshold": (1 << 13, 1 << 15),
        "stuck_low": (0, 64), "stuck_high": (0, 64), "read_noise": (0, 1 << 12),
    }  # fmt: skip
    return _image(
        params,
        {s.name: [rng.randint(*ranges.get(s.name, (0, s.high))) for _ in range(s.depth)] for s in SECTIONS},
    )


def extreme_images(params: HwParams, rng: random.Random) -> list[DeviceImage]:
    """Legal images with whole sections at their limits: each section gets each of `EXTREMES` in one of them."""
    full = (1 << params.state_bits) - 1
    ranges = {"span": (1 << (params.state_bits - 5), full), "low": (0, full), "stuck_threshold": (0, 1 << 16)}
    images: list[dict[str, list[int]]] = [{} for _ in EXTREMES]
    for section in SECTIONS:
        low, high = ranges.get(section.name, (0, section.high))
        for values, kind in zip(images, rng.sample(EXTREMES, len(EXTREMES)), strict=True):
            choice = {"low": range(low, low + 1), "high": range(high, high + 1), "ends": (low, high)}
            entries = rng.choices(choice.get(kind, range(low, high + 1)), k=section.depth)
            values[section.name] = entries
    return [_image(params, values) for values in images]


class Conformance:
    """Random operations on a macro, each compared with the golden macro that gets the same ones.

    The macro comes out of reset, `load_image` gives it the device.  Raises AssertionError on the first difference.
    """

    def __init__(
        self,
        params: HwParams,
        image: DeviceImage,
        pins: MacroPins,
        load_image: Callable[[DeviceImage], Awaitable[None]],
        seed: int,
    ):
        self.params, self.image, self.load_image = params, image, load_image
        self.rng = random.Random(seed)
        self.golden = GoldenMacro(params, image)
        self.driver = MacroDriver(params, pins, self.rng)
        self.sums = np.zeros(params.columns, np.int32)

    async def run(self, rounds: int) -> None:
        """Erase; then rounds of read, conversions and strobes, with an erase in the middle; all cells at the end."""
        self.driver.idle()
        await self.load_image(self.image)
        await self.driver.erase()
        await self.check_cells()
        codes = self._codes()
        await self.driver.load_rows(codes)
        for number in range(rounds):
            following = self._codes()
            await self._read(codes, following, overlap=bool(number % 2))
            await self.check_conversions()
            for _ in range(self.rng.randint(1, 6)):
                await self._strobe()
                await self.check_reading()
            await self.check_sums()
            if number == rounds // 2:
                await self.driver.erase()
                self.golden.erase()
            codes = following
        await self.check_cells()

    def _codes(self) -> np.ndarray:
        """Input codes: all zero, all full scale, few or many of any value."""
        p, rng = self.params, self.rng
        share = rng.choice((0, 0.1, 0.5, 1))
        high = rng.choice((1, p.dac_full_scale))
        codes = [rng.randint(1, high) if rng.random() < share else 0 for _ in range(p.rows)]
        return np.array([p.dac_full_scale] * p.rows if rng.random() < 1 / 5 else codes, np.int64)

    async def _read(self, codes: np.ndarray, following: np.ndarray, overlap: bool) -> None:
        """One read; the rows of the next are loaded after it or, with `overlap`, meanwhile."""
        encoding = self.rng.choice(self.params.encodings)
        serial, p = encoding == "bit_serial", self.params
        planes = p.dac_bits if serial else 1
        loads = self.rng.randrange(planes) if overlap else planes  # the plane during which the next is loaded
        for plane in range(planes):
            driven = (codes >> plane) & 1 if serial else codes
            self.sums = self.golden.integrate(driven, 1 if serial else p.dac_full_scale)
            cycles = self.rng.choice((0, 20, self.rng.randrange(2, 1000)))
            await self.driver.integrate(
                cycles, driven, following if plane == loads else None, encoding, plane
            )
            if plane != planes - 1:
                await self.check_conversions()
        if not overlap:
            await self.check_sums()
            await self.driver.load_rows(following)

    def _mask(self) -> np.ndarray:
        share = self.rng.choice((0, 1 / self.params.columns, 0.5, 1))
        return np.array([self.rng.random() < share for _ in range(self.params.columns)])

    async def _strobe(self) -> None:
        p, rng = self.params, self.rng
        row, depress = rng.randrange(p.rows), rng.getrandbits(1)
        up, down = self._mask(), self._mask()
        width = rng.choice((1, 2, rng.randint(1, min(p.pulse_max_cycles, 100))))
        for _ in range(rng.choice((1, 1, 4))):  # the same cells again: they reach the ends of their ranges
            await self.driver.strobe(row, up, down, depress, width)
            self.golden.strobe(row, up, down, depress)
        await self.check_pair(row, rng.randrange(p.columns))

    async def check_pair(self, row: int, column: int) -> None:
        """The states of one pair."""
        want = tuple(int(g) for g in self.golden.state.g[row, column])
        got = await self.driver.readout(row, column)
        assert got == want, f"states of pair ({row}, {column}): {got}, golden {want}"

    async def check_reading(self) -> None:
        """One noisy reading, where the array gives any."""
        p, rng = self.params, self.rng
        if p.verify:
            kind = rng.choice((Readout.PLUS, Readout.MINUS, Readout.PAIR))
            place = rng.randrange(p.rows), rng.randrange(p.columns), kind
            want, got = self.golden.read_cell(*place), await self.driver.read_cell(*place)
            assert got == want, f"reading {kind.name} of pair {place[:2]}: {got}, golden {want}"

    async def check_cells(self) -> None:
        """The states of all cells."""
        for row in range(self.params.rows):
            for column in range(self.params.columns):
                await self.check_pair(row, column)

    async def _compare(self, group: int, trials: list[int], lsb: int) -> list[int]:
        """One set of comparisons; channels without a column may answer anything."""
        p = self.params
        got = await self.driver.compare(group, trials, lsb)
        first = group * p.adc_channels
        for k in range(min(p.adc_channels, p.columns - first)):
            total = int(self.sums[first + k])
            want = int(2 * total >= (2 * trials[k] - 1) * lsb)
            at = f"column {first + k}, sum {total}, trial {trials[k]}, lsb {lsb}"
            assert got[k] == want, f"{at}: compare {got[k]}, golden {want}"
        return got

    async def check_sums(self) -> None:
        """Each column sum to the last bit: the references next to it on both sides, other channels at random."""
        p = self.params
        limit = p.adc_limit
        for column in range(p.columns):
            group, channel = divmod(column, p.adc_channels)
            trial, lsbs = self._around(2 * int(self.sums[column]))
            for lsb in lsbs:
                trials = [self.rng.randint(-limit, limit) for _ in range(p.adc_channels)]
                trials[channel] = trial
                await self._compare(group, trials, lsb)

    def _around(self, double: int) -> tuple[int, tuple[int, ...]]:
        """A trial code and two neighbouring `lsb`: double the sum lies between their references (2 trial - 1) lsb.

        With the trials 1 and 0 (factors 1 and -1) that is exact; others serve where `lsb` is too narrow for these.
        """
        if double >= 0:
            factors = (f for f in range(1, 2 * self.params.adc_limit, 2) if double // f < LSB_MAX)
            factor = next(factors)
            lsb = double // factor
            return (factor + 1) // 2, tuple(x for x in (lsb, lsb + 1) if x)
        factors = (f for f in range(1, 2 * self.params.adc_limit, 2) if -(double // f) <= LSB_MAX)
        factor = next(factors)
        lsb = -(double // factor)
        return (1 - factor) // 2, tuple(x for x in (lsb - 1, lsb) if x)

    async def check_conversions(self) -> None:
        """All columns converted as the hardware's converters do, at a reference that clips some of them."""
        p = self.params
        largest = max(1, int(np.abs(self.sums.astype(np.int64)).max()))
        lsb = min(LSB_MAX, max(1, self.rng.choice((1, largest // p.adc_limit, largest // (2 * p.adc_limit)))))
        want = column_adc(self.sums.astype(np.int64), lsb, p.adc_bits)
        for group in range(p.adc_groups):
            codes = await (self._ramp if p.adc_kind == "ramp" else self._successive)(group, lsb)
            first = group * p.adc_channels
            for k in range(min(p.adc_channels, p.columns - first)):
                assert codes[k] == want[first + k], (
                    f"column {first + k}: code {codes[k]}, golden {want[first + k]}"
                )

    async def _successive(self, group: int, lsb: int) -> list[int]:
        p = self.params
        codes = [-(1 << (p.adc_bits - 1))] * p.adc_channels
        for bit in reversed(range(p.adc_bits)):
            trials = [code + (1 << bit) for code in codes]
            answers = await self._compare(group, trials, lsb)
            codes = [t if a else c for c, t, a in zip(codes, trials, answers, strict=True)]
        return [max(code, -p.adc_limit) for code in codes]

    async def _ramp(self, group: int, lsb: int) -> list[int]:
        p = self.params
        codes = [-p.adc_limit] * p.adc_channels
        for trial in range(1 - p.adc_limit, p.adc_limit + 1):
            answers = await self._compare(group, [trial] * p.adc_channels, lsb)
            codes = [trial if answer else code for code, answer in zip(codes, answers, strict=True)]
        return codes
