"""CommitQueue lets one sample's operations out per start, in order."""

import random
from dataclasses import replace
from itertools import accumulate

import pytest

from hw.commit_queue import LEAST_DEPTH, CommitQueue
from model.controller.commit_queue import commit_queue
from spec.params import INSTANCES
from tests.hw.streams import put, simulate

TINY = INSTANCES["TINY"]
END = {"end": 1, "row": 0, "up": 0, "down": 0}


def entries_of(p, samples: int, rng) -> list[list[dict]]:
    """Per sample the entries of its rows, some samples without any."""
    out = []
    for _ in range(samples):
        rows = sorted(rng.sample(range(p.rows), rng.choice([0, 1, min(4, p.rows)])))
        up = [rng.getrandbits(p.columns) for _ in rows]
        down = [rng.getrandbits(p.columns) & ~u for u in up]
        out.append([{"end": 0, "row": r, "up": u, "down": d} for r, u, d in zip(rows, up, down, strict=True)])
    return out


def operation(payload) -> dict:
    return {name: getattr(payload, name) for name in ("row", "up", "down", "depress")}


@pytest.mark.parametrize("pauses", [0.0, 0.5])
@pytest.mark.parametrize(
    "p",
    [TINY, replace(TINY, rows=1, queue_depth=2), replace(TINY, columns=1, adc_channels=1, update_columns=1, macro_lanes=1)],
    ids=["tiny", "one row", "one column"],
)  # fmt: skip
def test_a_start_commits_one_sample(p, pauses):
    rng = random.Random(2)
    samples = entries_of(p, 24, rng)
    order = [n for kind, n in commit_queue(len(samples), p.commit_depth) if kind == "commit"]
    assert order == list(range(len(samples)))
    dut, taken, at_end = CommitQueue(p), [], []

    async def start(ctx):
        for _ in order:
            for _ in range(rng.randrange(4)):
                await ctx.tick()
                assert not ctx.get(dut.busy)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert ctx.get(dut.busy), "not busy in the cycle after start"
            while ctx.get(dut.busy):
                await ctx.tick()
            at_end.append(len(taken))

    async def watch(ctx):
        while True:
            _, _, valid, ready, busy = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.busy)
            assert busy or not valid, "an operation outside a commit"
            if valid and ready:
                taken.append(1)

    entries = [entry for rows in samples for entry in [*rows, END]]
    expected = [
        {"row": e["row"], "up": e["up"], "down": e["down"], "depress": 0} for e in entries if not e["end"]
    ]
    run = simulate(
        dut, {"i": entries}, {"o": len(expected)}, pauses=pauses, benches=[start], watchers=[watch]
    )
    assert [operation(payload) for payload in run.outputs["o"]] == expected
    assert at_end == list(accumulate(map(len, samples))), (
        "busy fell too early, or a commit ran into the next sample"
    )


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_it_holds_its_depth(depth):
    dut = CommitQueue(replace(TINY, queue_depth=depth))

    async def host(ctx):
        ctx.set(dut.i.valid, 1)
        accepted = 0
        for _ in range(3 * depth):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            accepted += ready
        assert accepted == max(LEAST_DEPTH, depth)

    simulate(dut, {}, {"o": 0}, benches=[host])


def test_latency():
    """A waiting entry comes in the cycle after start, a new one LATENCY cycles after it went in."""
    dut = CommitQueue(TINY)
    entry = {"end": 0, "row": 1, "up": 2, "down": 4}

    async def host(ctx):
        await put(ctx, dut.i, entry)
        await ctx.tick().repeat(CommitQueue.LATENCY)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        assert ctx.get(dut.o.valid)
        assert ctx.get(dut.busy)
        await ctx.tick()
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, entry)
        valid = []
        for _ in range(CommitQueue.LATENCY):
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            valid.append(ctx.get(dut.o.valid))
        assert valid == [0] * (CommitQueue.LATENCY - 1) + [1]

    simulate(dut, {}, {"o": 2}, benches=[host])
