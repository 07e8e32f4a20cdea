"""PulseScheduler makes the strobes of its golden function, and passes training's operations through."""

from dataclasses import replace

import numpy as np
import pytest

from hw.pulse_scheduler import PulseScheduler
from model.controller.pulse_scheduler import pulse_scheduler
from spec.params import INSTANCES
from tests.hw.streams import simulate

TINY = replace(INSTANCES["TINY"], count_bits=5)

SHAPES = {
    "tiny": TINY,
    "one row": replace(TINY, rows=1),
    "one column": replace(TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1),
    "one word": replace(TINY, update_columns=6),
    "many words": replace(TINY, columns=7, update_columns=2, count_bits=2),
    "one lane": replace(TINY, update_columns=1),
}


def counts_of(p, rng):
    """Random counts with extremes, rows without pulses, one of these the last."""
    low, high = -(1 << (p.count_bits - 1)), (1 << (p.count_bits - 1)) - 1
    counts = rng.choice(
        [0, 0, 1, -1, low, high, high + 1], (p.rows, p.columns), p=[0.3, 0.2, 0.1, 0.1, 0.02, 0.02, 0.26]
    )
    counts = np.where(counts > high, rng.integers(low, high + 1, counts.shape) // 3, counts)
    if p.rows > 1:
        counts[[0, p.rows - 1]] = 0
    return counts


def bits(mask) -> int:
    return sum(int(bit) << k for k, bit in enumerate(mask))


def golden(counts, depress) -> list[dict]:
    return [
        {"row": row, "up": bits(up), "down": bits(down), "depress": depress}
        for number, line in enumerate(counts)
        for row, up, down in pulse_scheduler(number, line)
    ]


def operation(payload) -> dict:
    return {name: getattr(payload, name) for name in ("row", "up", "down", "depress")}


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_transfer_equals_the_golden_function(shape, pauses):
    p = SHAPES[shape]
    counts = counts_of(p, np.random.default_rng(3))
    depress = len(shape) % 2
    expected = golden(counts, depress)
    dut, done = PulseScheduler(p), []

    async def watch(ctx):
        cycle = 0
        while True:
            _, _, now = await ctx.tick().sample(dut.done)
            if now:
                done.append(cycle)
            cycle += 1

    run = simulate(
        dut,
        {"counts": [{"count": int(count)} for count in counts.flat]},
        {"o": len(expected)},
        config={"transfer": 1, "depress": depress},
        pauses=pauses,
        watchers=[watch],
    )
    assert [operation(payload) for payload in run.outputs["o"]] == expected
    assert len(done) == 1
    assert done[0] > max(run.given["counts"][-1], *run.taken["o"])
