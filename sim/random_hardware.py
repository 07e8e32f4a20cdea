"""Random legal hardware, for co-simulations of what nobody would choose by hand."""

from dataclasses import replace
from math import ceil

import numpy as np

from spec.choices import ADC_KINDS, ENCODINGS, MEMORY_RULES, RULES
from spec.errors import InputError
from spec.params import HwParams

LIMITS = {
    "rows": 300, "columns": 64, "classes": 12, "dac_load_lanes": 16, "sar_settle_cycles": 3, "cmp_latency_cycles": 2,
    "macs": 20, "queue_depth": 40, "guard_min_cycles": 3,
}  # fmt: skip
"""Largest values to draw; other ranges are those of the parameters."""
VERIFY_PAIRS = 1200
"""Most pairs of hardware with program-verify, which reads every one of them."""
GRID_SHARES = (1, 1, 1, 1, 1, 2, 3)
"""Macros along the rows, and along the columns: most layers are on one."""

RULE_SETS = (
    MEMORY_RULES, RULES, ("counter",), ("manhattan",), ("stochastic",), ("accumulate",), ("stochastic", "accumulate"),
)  # fmt: skip
"""What is built in, in turn."""


def random_hardware(seed: int) -> HwParams:
    """Legal parameters from a seed.

    Grid, converters, upper layer and teacher are drawn apart: see `on_a_grid`, `random_converters`, `random_upper`.
    """
    tiles = np.random.default_rng([seed, 2]).choice(GRID_SHARES, 2)
    drawn = random_converters(on_a_grid(_random_array(seed), *tiles), np.random.default_rng([seed, 1]))
    drawn = random_upper(drawn, np.random.default_rng([seed, 3]))
    return replace(drawn, teacher=int(np.random.default_rng([seed, 4]).integers(2)))


def on_a_grid(p: HwParams, rows: int, columns: int) -> HwParams:
    """The same layer on so many macros along its rows and columns, or fewer where words and columns do not allow it."""
    words = ceil(p.row_words / rows)
    macro_columns = ceil(p.columns / columns)
    return replace(
        p,
        macro_rows=words * p.dac_load_lanes,
        macro_columns=macro_columns,
        adc_channels=min(p.adc_channels, macro_columns),
    )


RAMP_CYCLES = 500
"""Cycles of all conversions of a read up to which a ramp is drawn: a simulation is to be short."""


def random_converters(params: HwParams, rng: np.random.Generator) -> HwParams:
    """The same hardware with random converters and input encodings; a ramp only where simulations stay short."""
    kind = str(rng.choice(ADC_KINDS))
    built_in = rng.random(len(ENCODINGS)) < 0.5
    encodings = tuple(name for name, there in zip(ENCODINGS, built_in, strict=True) if there)
    errors, calibration = (int(rng.random() < 0.5) for _ in range(2))
    drawn = replace(
        params,
        adc_kind=kind,
        encodings=encodings or params.encodings,
        calibration=calibration,
        converter_errors=errors,
    )
    planes = drawn.dac_bits if drawn.bit_serial else 1
    if planes * drawn.adc_groups * drawn.conversion_cycles > RAMP_CYCLES:
        drawn = replace(drawn, adc_kind="sar")
    return drawn


def random_upper(params: HwParams, rng: np.random.Generator) -> HwParams:
    """The same hardware, every other time with an analog upper layer, where it can have one that is short to simulate."""
    analog, transposed = (rng.random(2) < (0.5, 0.7)).tolist()
    try:
        drawn = replace(params, upper_layer="analog", transposed=int(transposed))
    except InputError:
        return params
    return drawn if analog and drawn.upper.conversion_cycles <= RAMP_CYCLES else params


def _random_array(seed: int) -> HwParams:
    """Rows 1-300, columns 1-64, every width, odd sizes, narrow memories half the time; five of twenty verify."""
    rng = np.random.default_rng(seed)

    def upto(high: int, low: int = 1) -> int:
        return int(rng.integers(low, high + 1))

    columns = upto(LIMITS["columns"])
    state_bits = upto(16, 8)
    params = HwParams(
        name=f"RANDOM{seed}",
        rows=upto(LIMITS["rows"]),
        columns=columns,
        classes=upto(LIMITS["classes"], 2),
        dac_bits=upto(8),
        dac_load_lanes=upto(LIMITS["dac_load_lanes"]),
        adc_bits=upto(10, 3),
        adc_channels=upto(columns),
        sar_settle_cycles=upto(LIMITS["sar_settle_cycles"]),
        cmp_latency_cycles=upto(LIMITS["cmp_latency_cycles"], 0),
        macs=upto(LIMITS["macs"]),
        weight_bits=upto(8, 3),
        logit_bits=upto(16, 4),
        delta_bits=upto(10, 3),
        rules=RULE_SETS[seed % len(RULE_SETS)],
        update_columns=upto(min(columns, 64)),
        accumulator_bits=upto(14, 8) if rng.random() < 0.5 else upto(32, 15),
        counter_bits=upto(4, 2) if rng.random() < 0.5 else upto(16, 5),
        commit_depth=upto(32),
        queue_depth=upto(LIMITS["queue_depth"], 2),
        count_bits=upto(16, 3),
        guard_min_cycles=upto(LIMITS["guard_min_cycles"]),
        state_bits=state_bits,
        read_bits=upto(min(12, state_bits), 6),
        macro_lanes=upto(columns),
    )
    banks = [bank for bank in range(1, params.update_columns + 1) if params.update_columns % bank == 0]
    params = replace(params, bank_columns=int(rng.choice(banks)))
    if seed // 5 % 4 == 1:
        return replace(params, verify=1, rows=min(params.rows, VERIFY_PAIRS // columns))
    return params
