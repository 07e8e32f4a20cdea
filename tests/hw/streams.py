"""Running one block in Amaranth's simulator: streams fed, streams collected, both with random pauses."""

import random
from functools import partial

from amaranth.sim import Simulator

PERIOD = 1e-8
QUIET_CYCLES = 20


class Run:
    """What a simulation gave.

    - `outputs[name]`: the payloads of each output stream, in order.
    - `taken[name]`: the cycles of their transfers; `given[name]`: those of the inputs' transfers.
    """

    def __init__(self, names):
        self.outputs = {name: [] for name in names}
        self.taken = {name: [] for name in names}
        self.given = {}


def simulate(
    dut,
    inputs,
    expected,
    *,
    config=None,
    seed=0,
    pauses=0.0,
    after=None,
    benches=(),
    watchers=(),
    deadline=200_000,
) -> Run:
    """Feed each stream `inputs[name]` (payload values), take `expected[name]` payloads, and see that no more come.

    With `pauses` a valid or a ready is withheld in that share of the cycles.  After a transfer the payload is
    overwritten with junk.  Input stream `name` waits for the end of stream `after[name]`.  Outputs must keep valid and payload until ready.  `benches` are more testbenches,
    called as bench(ctx), `watchers` those that need not end.  Raises AssertionError when the payloads do not come within `deadline` cycles.
    """
    run = Run(expected)
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def configure(ctx):
        for name, value in (config or {}).items():
            ctx.set(getattr(dut, name), value)

    simulator.add_testbench(configure)
    cycle = [0]

    async def count(ctx):
        while True:
            await ctx.tick()
            cycle[0] += 1

    for name, payloads in inputs.items():
        run.given[name] = []
        rng = random.Random(f"{seed} {name}")
        first = (after or {}).get(name)
        waits = partial(_unfinished, run.given, inputs, first)
        feeder = _feeder(getattr(dut, name), payloads, rng, pauses, cycle, run.given[name], waits)
        simulator.add_testbench(feeder, background=True)
    for name, number in expected.items():
        rng = random.Random(f"{seed} {name}")
        simulator.add_testbench(
            _collector(
                getattr(dut, name), number, rng, pauses, cycle, run.outputs[name], run.taken[name], deadline
            )
        )
    for bench in benches:
        simulator.add_testbench(bench)
    for watcher in watchers:
        simulator.add_testbench(watcher, background=True)
    simulator.add_testbench(count, background=True)  # last: the others see the cycle before it is counted
    simulator.run()
    for name, payloads in inputs.items():
        assert len(run.given[name]) == len(payloads), f"{name}: payloads were not taken"
    return run


async def put(ctx, stream, payload):
    """One transfer; the payload's complement stays behind it."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    ready = False
    while not ready:
        _, _, ready = await ctx.tick().sample(stream.ready)
    ctx.set(stream.valid, 0)
    bits = stream.payload.as_value()
    ctx.set(bits, ~ctx.get(bits))


def _unfinished(given, inputs, name) -> bool:
    return name is not None and len(given.get(name, ())) < len(inputs[name])


def _feeder(stream, payloads, rng, pauses, cycle, given, waits):
    async def feed(ctx):
        bits = len(stream.payload.as_value())
        ctx.set(stream.payload.as_value(), rng.getrandbits(bits))
        while waits():
            await ctx.tick()
        for payload in payloads:
            while rng.random() < pauses:
                await ctx.tick()
            await put(ctx, stream, payload)
            given.append(cycle[0])
            ctx.set(stream.payload.as_value(), rng.getrandbits(bits))

    return feed


def _collector(stream, number, rng, pauses, cycle, outputs, taken, deadline):
    async def collect(ctx):
        waiting = None
        quiet = 0
        while quiet < QUIET_CYCLES:
            ready = rng.random() >= pauses
            ctx.set(stream.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
            if waiting is not None:
                assert valid and payload == waiting, "a payload was withdrawn before it was taken"
            waiting = payload if valid and not ready else None
            if valid and ready:
                outputs.append(payload)
                taken.append(cycle[0])
            assert len(outputs) <= number, f"more than {number} payloads: {payload}"
            assert cycle[0] < deadline, f"{len(outputs)} of {number} payloads in {deadline} cycles"
            quiet = quiet + 1 if len(outputs) == number else 0

    return collect
