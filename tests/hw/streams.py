"""Running one block in Amaranth's simulator: streams fed, streams taken, both with random pauses."""

import random
from dataclasses import dataclass, field

from amaranth.sim import Simulator

PERIOD = 1e-8
QUIET_CYCLES = 20


@dataclass
class Run:
    """A simulation and what it gave.

    outputs: the payloads of each output stream, in order.  taken: the cycles of their transfers.
    given: the cycles of the inputs' transfers.
    """

    inputs: dict[str, list]
    expected: dict[str, int]
    pauses: float
    after: dict[str, str]
    deadline: int
    outputs: dict[str, list] = field(default_factory=dict)
    taken: dict[str, list[int]] = field(default_factory=dict)
    given: dict[str, list[int]] = field(default_factory=dict)
    cycle: int = 0

    def finished(self, name: str) -> bool:
        """Whether all payloads of an input stream have been taken."""
        return len(self.given[name]) == len(self.inputs[name])

    async def count(self, ctx):
        while True:
            await ctx.tick()
            self.cycle += 1

    def feeder(self, name, stream, rng):
        async def feed(ctx):
            bits = stream.payload.as_value()
            ctx.set(bits, rng.getrandbits(len(bits)))
            while name in self.after and not self.finished(self.after[name]):
                await ctx.tick()
            for payload in self.inputs[name]:
                while rng.random() < self.pauses:
                    await ctx.tick()
                await put(ctx, stream, payload)
                self.given[name].append(self.cycle)
                ctx.set(bits, rng.getrandbits(len(bits)))

        return feed

    def collector(self, name, stream, rng):
        async def collect(ctx):
            waiting, quiet, number = None, 0, self.expected[name]
            while quiet < QUIET_CYCLES:
                ready = rng.random() >= self.pauses
                ctx.set(stream.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
                if waiting is not None:
                    assert valid and payload == waiting, f"{name}: withdrawn or changed before it was taken"
                waiting = payload if valid and not ready else None
                if valid and ready:
                    self.outputs[name].append(payload)
                    self.taken[name].append(self.cycle)
                came = len(self.outputs[name])
                assert came <= number, f"{name}: more than {number} payloads: {payload}"
                assert self.cycle < self.deadline, f"{name}: {came} of {number} payloads at the deadline"
                quiet = quiet + 1 if came == number and all(map(self.finished, self.inputs)) else 0

        return collect


def simulate(dut, inputs, expected, *, config=None, seed=0, pauses=0.0, after=None, benches=(), watchers=(),
             deadline=100_000) -> Run:  # fmt: skip
    """Feed each stream `inputs[name]` (payload values), take `expected[name]` payloads, and see that no more come.

    With `pauses` a valid or a ready is withheld in that share of the cycles.  After a transfer the payload is
    overwritten with junk.  Input stream `name` waits for the end of stream `after[name]`.  `benches` are more
    testbenches, called as bench(ctx), `watchers` those that need not end.

    Raises AssertionError when an output is not kept until it is taken, or when the payloads do not come within
    `deadline` cycles.
    """
    run = Run(inputs, expected, pauses, after or {}, deadline)
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)

    async def configure(ctx):
        for name, value in (config or {}).items():
            ctx.set(getattr(dut, name), value)

    simulator.add_testbench(configure)
    for name in inputs:
        run.given[name] = []
        rng = random.Random(f"{seed} {name}")
        simulator.add_testbench(run.feeder(name, getattr(dut, name), rng), background=True)
    for name in expected:
        run.outputs[name], run.taken[name] = [], []
        simulator.add_testbench(run.collector(name, getattr(dut, name), random.Random(f"{seed} {name}")))
    for bench in benches:
        simulator.add_testbench(bench)
    for watcher in watchers:
        simulator.add_testbench(watcher, background=True)
    simulator.add_testbench(run.count, background=True)  # last: the others see a cycle before it is counted
    simulator.run()
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
