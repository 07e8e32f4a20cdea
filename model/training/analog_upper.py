"""An analog upper layer on its way onto its array: pulses, ranges, registers; the float part knows the nominal device."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from model.training.range_search import smallest_lsb
from model.training.transfer import (
    LOGIT_HEADROOM,
    open_loop_counts,
    scaled_weights,
    upper_codes,
    weight_limit,
)
from spec.params import HwParams
from spec.registers import fields_of
from spec.run_file import TRAINED


@dataclass(frozen=True, eq=False)
class AnalogUpper:
    """How the upper array is filled and trained."""

    pulses_to_reach: Callable
    """Share of the range, float 0..1 -> pulses on the nominal curve."""
    clip_sigmas: float
    range_codes: float
    """What a read sees of a pair at full range, on the nominal device."""
    trained: str
    """Of TRAINED."""
    transposed: bool
    """Errors of the hidden units come from transposed reads, not from a digital copy of the weights."""
    threshold: int

    def counts(self, weights: np.ndarray, full_scale: float) -> np.ndarray:
        """Open-loop pulses, int32[columns + 1, classes].

        weights: float[columns + 1, classes], bias last; full_scale: hidden value of code Q, which drives the bias row.
        """
        scaled = scaled_weights(weights, full_scale)
        return open_loop_counts(scaled, weight_limit(scaled, self.clip_sigmas), self.pulses_to_reach)

    def output_codes(
        self, outputs: np.ndarray, weights: np.ndarray, full_scale: float, lsb: int, params: HwParams
    ) -> np.ndarray:
        """What the nominal array's converters say of outputs in software, int16[n, classes]; outputs: float[n, classes].

        weights, full_scale: as of `counts`; lsb: the register UPPER_LSB.
        """
        scaled = scaled_weights(weights, full_scale)
        unit = (
            full_scale * weight_limit(scaled, self.clip_sigmas) / self.range_codes
        )  # of a sum of codes 0..1
        codes = np.floor(outputs * params.adc_limit / (unit * lsb) + 0.5)
        return np.clip(codes, -params.logit_limit, params.logit_limit).astype(np.int16)

    def registers(self, weights: np.ndarray, full_scale: float, params: HwParams) -> dict[str, int]:
        """Which layers are trained and how; one code of a transposed read is one code of the digital copy's weights."""
        built_in = {name: 1 << low for name, low in ((f.name, low) for f, low in fields_of("TRAINED"))}
        found = {
            "TRAINED": sum(built_in[name] for name in TRAINED[self.trained]),
            "UPPER_THRESHOLD": self.threshold,
        }
        if params.transposed_upper:
            scaled = scaled_weights(weights, full_scale)
            _, step = upper_codes(scaled, params)
            share = step / weight_limit(scaled, self.clip_sigmas)
            lsb = round(share * self.range_codes * params.adc_limit)
            found |= {"BACKWARD": int(self.transposed), "BACKWARD_LSB": max(1, lsb)}
        return found


async def erase_and_transfer(ctl, counts: np.ndarray, progress: Callable[[int], None] | None = None):
    """The upper array from the erased state, int[columns + 1, classes]; returns the record."""
    await ctl.configure(LAYER=1)
    await ctl.erase()
    record = await ctl.transfer(counts, progress=progress)
    await ctl.configure(LAYER=0)
    return record


async def search_upper_lsb(ctl, params: HwParams, pixels: np.ndarray) -> int:
    """The range of the upper converters from unlabelled reads: as that of the first layer, with room for training.

    ctl: golden controller or host driver; pixels: uint8[n, inputs].
    """
    return ceil(LOGIT_HEADROOM * await smallest_lsb(ctl, params.upper, pixels, "UPPER_LSB", "UPPER_CLIPPED"))
