"""CommitQueue lets one sample's operations out per start, in order."""

import random
from dataclasses import replace

import pytest

from hw.commit_queue import CommitQueue
from model.controller.commit_queue import commit_queue
from spec.params import INSTANCES
from tests.hw.streams import simulate

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
    dut, commits, trace = CommitQueue(p), [], []

    async def start(ctx):
        for n in order:
            for _ in range(rng.randrange(4)):
                await ctx.tick()
                assert not ctx.get(dut.busy)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert ctx.get(dut.busy), "busy from the cycle after start"
            cycles = 0
            while ctx.get(dut.busy):
                await ctx.tick()
                cycles += 1
            commits.append((n, len(trace), cycles))

    async def watch(ctx):
        while True:
            _, _, valid, ready, busy = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.busy)
            assert busy or not valid, "an operation outside a commit"
            if valid and ready:
                trace.append(1)

    flat = [entry for entries in samples for entry in [*entries, END]]
    expected = [{**entry, "depress": 0} for entries in samples for entry in entries]
    for entry in expected:
        del entry["end"]
    run = simulate(dut, {"i": flat}, {"o": len(expected)}, pauses=pauses, benches=[start], watchers=[watch])
    assert [operation(payload) for payload in run.outputs["o"]] == expected
    taken = 0
    for n, operations, _ in commits:
        taken += len(samples[n])
        assert operations == taken, f"busy fell with operations of sample {n} left, or ran into the next"
