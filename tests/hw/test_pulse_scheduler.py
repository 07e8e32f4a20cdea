"""PulseScheduler makes the strobes of its golden function, and passes training's operations through."""

import random
from dataclasses import replace

import numpy as np
import pytest

from hw.pulse_scheduler import PulseScheduler
from model.controller.pulse_scheduler import pulse_scheduler
from spec.params import INSTANCES
from tests.hw.streams import put, simulate

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
        for row, line in enumerate(counts)
        for up, down in zip(*pulse_scheduler(line), strict=True)
    ]


def operation(payload) -> dict:
    return {name: getattr(payload, name) for name in ("row", "up", "down", "depress")}


def beats(counts) -> list[dict]:
    return [{"count": int(count)} for count in counts.flat]


def watcher(dut, cycles):
    """Notes the cycles in which `done` is 1."""

    async def watch(ctx):
        cycle = 0
        while True:
            _, _, done = await ctx.tick().sample(dut.done)
            if done:
                cycles.append(cycle)
            cycle += 1

    return watch


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_transfer_equals_the_golden_function(shape, pauses):
    p = SHAPES[shape]
    counts, depress = counts_of(p, np.random.default_rng(3)), len(shape) % 2
    expected = golden(counts, depress)
    dut, done = PulseScheduler(p), []
    config = {"transfer": 1, "depress": depress}
    inputs, watchers = {"counts": beats(counts)}, [watcher(dut, done)]
    run = simulate(dut, inputs, {"o": len(expected)}, config=config, pauses=pauses, watchers=watchers)
    assert [operation(payload) for payload in run.outputs["o"]] == expected
    assert len(done) == 1
    assert done[0] > max(run.given["counts"][-1], *run.taken["o"])


def test_a_transfer_without_pulses_is_done():
    dut, done = PulseScheduler(TINY), []
    inputs, watchers = {"counts": [{"count": 0}] * (TINY.rows * TINY.columns)}, [watcher(dut, done)]
    run = simulate(dut, inputs, {"o": 0}, config={"transfer": 1}, watchers=watchers)
    assert len(done) == 1
    assert done[0] > run.given["counts"][-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_strobe_takes_a_cycle_per_word_and_two_at_least(shape):
    p = SHAPES[shape]
    strobes = 1 << (p.count_bits - 1)
    counts = np.zeros((p.rows, p.columns), int)
    counts[:, -1] = -strobes
    run = simulate(
        PulseScheduler(p), {"counts": beats(counts)}, {"o": p.rows * strobes}, config={"transfer": 1}
    )
    assert run.taken["o"][0] == run.given["counts"][p.columns - 1] + p.update_words + PulseScheduler.LATENCY
    first_row = run.taken["o"][:strobes]
    assert set(np.diff(first_row)) == {max(2, p.update_words)}
    if (
        p.rows > 1 and p.columns < strobes * p.update_words
    ):  # then the second row loads while the first one pulses
        assert run.given["counts"][2 * p.columns - 1] < first_row[-1]


def test_a_transfer_takes_its_own_counts_only_and_restart_begins_the_next():
    rng = np.random.default_rng(20)
    first, second = counts_of(TINY, rng), counts_of(TINY, rng)
    dut = PulseScheduler(TINY)

    async def host(ctx):
        await ctx.tick().until(dut.done)
        for _ in range(10):
            _, _, valid, ready = await ctx.tick().sample(dut.counts.valid, dut.counts.ready)
            assert valid and not ready
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)

    expected = golden(first, 0) + golden(second, 0)
    inputs, config = {"counts": beats(first) + beats(second)}, {"transfer": 1}
    run = simulate(dut, inputs, {"o": len(expected)}, config=config, benches=[host])
    assert [operation(payload) for payload in run.outputs["o"]] == expected


@pytest.mark.parametrize("given", [1, TINY.columns, TINY.columns + 1, 2 * TINY.columns, 2 * TINY.columns + 2])
def test_restart_forgets_a_broken_transfer(given):
    counts, dut = counts_of(TINY, np.random.default_rng(21)), PulseScheduler(TINY)

    async def host(ctx):
        for _ in range(given):
            await put(ctx, dut.counts, {"count": 0 if given > TINY.columns else 5})
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        for beat in beats(counts):
            await put(ctx, dut.counts, beat)

    expected = golden(counts, 0)
    run = simulate(dut, {}, {"o": len(expected)}, config={"transfer": 1}, benches=[host])
    assert [operation(payload) for payload in run.outputs["o"]] == expected


@pytest.mark.parametrize("pauses", [0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_online_operations_pass_at_once_and_unchanged(shape, pauses):
    p = SHAPES[shape]
    rng = random.Random(22)
    given = [
        {
            "row": rng.randrange(p.rows),
            "up": rng.getrandbits(p.columns),
            "down": rng.getrandbits(p.columns),
            "depress": rng.getrandbits(1),
        }
        for _ in range(20)
    ]
    dut = PulseScheduler(p)

    async def watch(ctx):
        while True:
            _, _, ready, done = await ctx.tick().sample(dut.counts.ready, dut.done)
            assert not ready and not done

    config = {"transfer": 0, "depress": 1}
    run = simulate(dut, {"online": given}, {"o": len(given)}, config=config, pauses=pauses, watchers=[watch])
    assert [operation(payload) for payload in run.outputs["o"]] == given
    assert run.taken["o"] == run.given["online"]


def test_online_operations_wait_during_a_transfer():
    dut = PulseScheduler(TINY)

    async def host(ctx):
        ctx.set(dut.online.valid, 1)
        ctx.set(dut.online.payload, {"row": 1, "up": 3, "down": 4, "depress": 0})
        for _ in range(10):
            _, _, ready, valid = await ctx.tick().sample(dut.online.ready, dut.o.valid)
            assert not ready and not valid

    simulate(dut, {}, {"o": 0}, config={"transfer": 1}, benches=[host])
