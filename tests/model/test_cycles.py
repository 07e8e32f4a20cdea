"""The cycle model against the RTL: the same counters, with a host that is never late."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.commit_queue import LEAST_DEPTH
from hw.macro.timing import integrate_latency, strobe_latency
from hw.top import EmulatedTop
from hw.update_lane import UpdateLane
from model.cycles import LANE_LATENCY, LEAST_QUEUE, Array, Work, emulated_array, predict, work_of
from model.system import GoldenController, run
from sim.host import sample_words
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import ADDRESS, EMULATOR_BASE, Mode

COUNTED = ("CYCLES", "ELAPSED", "STRETCH")
START, ERASE, CLEAR_MEMORY, CLEAR_COUNTERS, REWIND = (1 << bit for bit in range(5))


def test_latencies_are_those_of_the_blocks():
    assert (LANE_LATENCY, LEAST_QUEUE) == (UpdateLane.LATENCY, LEAST_DEPTH)


def counted(stimulus, mode):
    """The counters of one run on an erased array, and what the golden model predicts."""
    s, p = stimulus, stimulus.params
    top = EmulatedTop(p)
    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    found = {}

    async def access(ctx, address, write, value=0):
        ctx.set(top.request.payload, {"address": address, "write": write, "data": value})
        ctx.set(top.request.valid, 1)
        await ctx.tick()
        ctx.set(top.request.valid, 0)
        while not ctx.get(top.response.valid):
            await ctx.tick()
        word = ctx.get(top.response.payload.data)
        await ctx.tick()
        return word

    async def command(ctx, bit):
        await access(ctx, ADDRESS["CONTROL"], 1, bit)
        while ctx.get(top.busy):
            await ctx.tick()

    async def bench(ctx):
        ctx.set(top.response.ready, 1)
        ctx.set(top.results.ready, 1)
        for k, word in enumerate(s.image.words):
            await access(ctx, EMULATOR_BASE + k, 1, int(word))
        settings = s.registers | {"MODE": int(mode), "SAMPLES": len(s.pixels)}
        for name, value in settings.items():
            await access(ctx, ADDRESS[name], 1, value)
        for bit in (ERASE, CLEAR_MEMORY, CLEAR_COUNTERS, REWIND):
            await command(ctx, bit)
        for weight in s.weights.ravel().tolist():
            await access(ctx, ADDRESS["WEIGHT_DATA"], 1, weight & 0xFF)
        await access(ctx, ADDRESS["CONTROL"], 1, START)
        while ctx.get(top.busy):
            await ctx.tick()
        assert not ctx.get(top.fault)
        for name in COUNTED:
            found[name] = await access(ctx, ADDRESS[name], 0)

    async def feed(ctx):
        for word in sample_words(p, s.pixels, s.labels):
            ctx.set(top.samples.payload.as_value(), word)
            ctx.set(top.samples.valid, 1)
            ready = False
            while not ready:
                _, _, ready = await ctx.tick().sample(top.samples.ready)
        ctx.set(top.samples.valid, 0)

    simulator.add_testbench(bench)
    simulator.add_testbench(feed, background=True)
    simulator.run()
    return found


def predicted(stimulus, mode):
    s = stimulus
    golden = GoldenController(s.params, s.image)
    for step in (golden.configure(**s.registers), golden.load_weights(s.weights), golden.erase()):
        run(step)
    trace = run(golden.run(mode, s.pixels, s.labels, trace=True)).trace
    array = emulated_array(s.params, s.registers, trace, integrate_latency, strobe_latency)
    return predict(s.params, mode, s.registers, work_of(s.params, trace), array)


def test_counters_are_predicted_for_a_ramp():
    params = replace(INSTANCES["TINY"], adc_kind="ramp", adc_bits=4, sar_settle_cycles=2)
    stimulus = make_stimulus(params, load_device("PCMO"), "accumulate", 8, 4)
    assert predicted(stimulus, Mode.TRAIN) == counted(stimulus, Mode.TRAIN)


def test_counters_are_predicted_for_pulse_width():
    params = replace(INSTANCES["TINY"], dac_bits=5, encodings=("amplitude", "pulse_width"))
    stimulus = make_stimulus(params, load_device("PCMO"), "accumulate", 8, 4, "pulse_width")
    stimulus.registers["INTEGRATE"] = 4
    assert predicted(stimulus, Mode.TRAIN) == counted(stimulus, Mode.TRAIN)


@pytest.mark.parametrize("changes", [{"encodings": ("bit_serial",)}, {"calibration": 1}])
def test_what_is_not_modelled_is_refused(changes):
    params = replace(INSTANCES["TINY"], **changes)
    work = Work(*(np.zeros((0, 1), np.int64) for _ in range(5)))
    with pytest.raises(InputError, match="not modelled"):
        predict(params, Mode.INFER, {}, work, Array(np.zeros(0, np.int64), np.zeros(0, np.int64)))


@pytest.mark.parametrize("mode", [Mode.TRAIN, Mode.INFER])
@pytest.mark.parametrize(
    "seed, depth, queue, rule",
    [(0, 1, 4, "accumulate"), (1, 2, 2, "counter"), (2, 16, 4, "accumulate"), (3, 2, 64, "counter")],
)
def test_counters_are_predicted(seed, depth, queue, rule, mode):
    params = replace(INSTANCES["TINY"], commit_depth=depth, queue_depth=queue)
    stimulus = make_stimulus(params, load_device("PCMO"), rule, 8, seed)
    assert predicted(stimulus, mode) == counted(stimulus, mode)
