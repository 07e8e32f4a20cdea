"""The conformance test of the macro port: what any array behind it must do, with the golden macro as the reference."""

import random
from collections.abc import Awaitable, Callable
from math import ceil

import numpy as np

from hw.interfaces import LSB_BITS
from model.controller.column_adc import column_adc
from model.device.macro import GoldenMacro
from sim.macro_driver import MacroDriver, MacroPins
from spec.device_image import DeviceImage, Readout
from spec.params import HwParams

LSB_MAX = (1 << LSB_BITS) - 1


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
        driver: type[MacroDriver] = MacroDriver,
    ):
        self.params, self.image, self.load_image = params, image, load_image
        self.rng = random.Random(seed)
        self.golden = GoldenMacro(params, image)
        self.driver = driver(params, pins, self.rng)
        self.sums = np.zeros(params.columns, np.int32)  # what the converters see, of which lines
        self.line = "column"

    async def run(self, rounds: int) -> None:
        """Erase; then rounds of read, conversions and strobes, with an erase in the middle; all cells at the end.

        Transposed reads, where the array has them, come between the planes of a read and after the strobes.
        """
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
            await self._read_transposed()
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
            self.line = "column"
            cycles = self.rng.choice((0, 20, self.rng.randrange(2, 1000)))
            await self.driver.integrate(
                cycles, driven, following if plane == loads else None, encoding, plane
            )
            if plane != planes - 1:
                await self.check_conversions()
                await self._read_transposed()
        if not overlap:
            await self.check_sums()
            if p.reads_transposed and self.rng.getrandbits(1):
                await self._read_transposed(following)
            else:
                await self.driver.load_rows(following)

    async def _read_transposed(self, following: np.ndarray | None = None) -> None:
        """A transposed read, if the array has it; the rows of the next read are loaded meanwhile, if given."""
        p, rng = self.params, self.rng
        if not p.reads_transposed:
            return
        first_row = rng.choice((0, rng.randrange(p.rows), p.rows - 1))
        place = rng.randrange(p.columns), rng.randrange(p.columns), first_row
        sums = self.golden.integrate_transposed(*place)
        await self.driver.integrate_transposed(rng.choice((0, rng.randrange(2, 200))), *place, following)
        self.sums, self.line = sums[: p.rows - first_row], f"row {first_row} +"
        await self.check_conversions()
        await self.check_sums()

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
        for k, total in enumerate(self.sums[first : first + p.adc_channels].tolist()):
            want = int(2 * total >= (2 * trials[k] - 1) * lsb)
            at = f"{self.line} {first + k}, sum {total}, trial {trials[k]}, lsb {lsb}"
            assert got[k] == want, f"{at}: compare {got[k]}, golden {want}"
        return got

    async def check_sums(self) -> None:
        """Each sum to the last bit: the references next to it on both sides, other channels at random."""
        p = self.params
        limit = p.adc_limit
        for k, total in enumerate(self.sums.tolist()):
            group, channel = divmod(k, p.adc_channels)
            trial, lsbs = self._around(2 * total)
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
        """All sums converted as the hardware's converters do, at a reference that clips some of them."""
        p = self.params
        largest = max(1, int(np.abs(self.sums.astype(np.int64)).max()))
        lsb = min(LSB_MAX, max(1, self.rng.choice((1, largest // p.adc_limit, largest // (2 * p.adc_limit)))))
        want = column_adc(self.sums.astype(np.int64), lsb, p.adc_bits)
        for group in range(ceil(len(want) / p.adc_channels)):
            codes = await (self._ramp if p.adc_kind == "ramp" else self._successive)(group, lsb)
            first = group * p.adc_channels
            for k, code in enumerate(want[first : first + p.adc_channels].tolist()):
                assert codes[k] == code, f"{self.line} {first + k}: code {codes[k]}, golden {code}"

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
