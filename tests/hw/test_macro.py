"""The behavioural macro in Amaranth's simulator, the text that is written of it, and its parts with a formula."""

import random
from dataclasses import replace
from math import isqrt

import pytest
from amaranth.hdl import Const, Fragment, Module, Signal, signed, unsigned
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from hw.bits import lowest, number
from hw.emit import to_systemverilog
from hw.lint import lint
from hw.macro import timing
from hw.macro.crossbar import CrossbarMacro
from hw.macro.device_tables import block
from hw.macro.isqrt import Isqrt
from hw.macro.pipeline import LINE_STAGES, LINE_WORDS, Pipeline
from hw.macro.state_memory import StateMemory, bank_depths
from hw.top import EmulatedTop
from sim.bad_images import plausible_image
from sim.conformance import Conformance
from spec.device_image import NODES, QUANTILES, offset
from spec.errors import InputError
from spec.numerics import draw
from spec.params import INSTANCES, HwParams

PERIOD = 1e-8


class SimulatorPins:
    """The pins of the macro port in Amaranth's simulator."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut

    def _pin(self, name):
        pin = self.dut.port
        for part in name.split("__"):
            pin = getattr(pin, part)
        return getattr(pin, "as_value", lambda: pin)()

    def set(self, name, value):
        self.ctx.set(self._pin(name), value)

    def get(self, name):
        return self.ctx.get(self._pin(name))

    async def tick(self):
        await self.ctx.tick()

    async def load_image(self, image):
        for address, value in enumerate(image.words):
            self.ctx.set(self.dut.image.payload, {"address": address, "value": value})
            self.ctx.set(self.dut.image.valid, 1)
            await self.tick()
        self.ctx.set(self.dut.image.valid, 0)


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("transposed", [0, 1])
def test_conforms_in_amaranths_simulator(transposed, seed):
    params = HwParams(
        rows=3,
        columns=3,
        dac_load_lanes=2,
        adc_channels=2,
        update_columns=1,
        macro_lanes=2,
        adc_bits=6,
        verify=1,
        transposed=transposed,
    )
    dut = CrossbarMacro(params)

    async def bench(ctx):
        pins = SimulatorPins(ctx, dut)
        image = plausible_image(params, random.Random(seed))
        await Conformance(params, image, pins, pins.load_image, seed).run(rounds=3)

    simulate(dut, bench)


@pytest.mark.parametrize(
    "params",
    [INSTANCES["TINY"], INSTANCES["DIGITS"], replace(INSTANCES["TINY"], transposed=1)],
    ids=["TINY", "DIGITS", "transposed"],
)
def test_has_no_latch_loop_or_second_driver(params, tmp_path):
    source = to_systemverilog(CrossbarMacro(params), "macro", tmp_path / "macro.sv")
    assert lint(source, "macro") == []


@pytest.mark.parametrize("bits", [1, 2, 7, 26])
def test_isqrt_equals_the_rule(bits, seed):
    rng = random.Random(seed)
    squares = [root * root for root in (rng.randrange(1 << (bits + 1) // 2) for _ in range(20))]
    values = [0, (1 << bits) - 1, *squares, *(s - 1 for s in squares)]
    dut = Isqrt(bits)

    async def bench(ctx):
        for value in values:
            if not 0 <= value < 1 << bits:
                continue
            ctx.set(dut.value, value)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.value, ~value)
            cycles = 1
            while not ctx.get(dut.done):
                await ctx.tick()
                cycles += 1
            await ctx.tick()
            assert (ctx.get(dut.root), cycles) == (isqrt(value), dut.cycles)

    simulate(dut, bench)


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_lowest_and_number_find_the_first_set_bit(size):
    m = Module()
    bits, alone, place = Signal(size), Signal(size), Signal(range(max(2, size)))
    m.d.comb += [alone.eq(lowest(bits)), place.eq(number(alone))]

    async def bench(ctx):
        for value in range(1 << size) if size < 6 else random.Random(size).sample(range(1 << size), 50):
            ctx.set(bits, value)
            first = value & -value
            assert ctx.get(alone) == first
            if value:
                assert ctx.get(place) == first.bit_length() - 1

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


class Formula(Component):
    """A rule of the spec and a sum of values of different stages, with a tag that must arrive beside them."""

    def __init__(self):
        super().__init__(
            {"enable": In(1), "a": In(16), "tag": In(signed(8)), "o": Out(34), "o_tag": Out(signed(8))}
        )

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.enable)
        a = pipe.stage(self.a)
        result = (draw(0x1234_5678, a) + a.reg()).reg()
        self.depth = result.depth
        m.d.comb += [self.o.eq(result.value), self.o_tag.eq(pipe.stage(self.tag).at(result.depth))]
        return m


def test_a_pipeline_keeps_items_apart_and_stands_still_without_enable(seed):
    rng = random.Random(seed)
    dut = Formula()
    entered = []

    async def bench(ctx):
        for _ in range(200):
            a, tag, enable = rng.getrandbits(16), rng.randrange(-128, 128), rng.random() < 0.7
            ctx.set(dut.a, a)
            ctx.set(dut.tag, tag)
            ctx.set(dut.enable, enable)
            await ctx.tick()
            if enable:
                entered.append((a, tag))
            if len(entered) >= dut.depth:
                a, tag = entered[-dut.depth]
                assert (ctx.get(dut.o), ctx.get(dut.o_tag)) == (draw(0x1234_5678, a) + a, tag)

    simulate(dut, bench)


class Delays(Component):
    """A value after delays of registers, of one line, and of several."""

    STAGES = (1, LINE_STAGES - 1, LINE_STAGES, LINE_WORDS, LINE_WORDS + 1, LINE_WORDS + 2, 3 * LINE_WORDS)

    def __init__(self):
        super().__init__({"enable": In(1), "a": In(8)} | {f"o{k}": Out(8) for k in self.STAGES})

    def elaborate(self, platform):
        m = Module()
        for k in self.STAGES:  # a pipeline of its own each, for one continues another's delay
            pipe = Pipeline(m, self.enable)
            m.d.comb += getattr(self, f"o{k}").eq(pipe.stage(self.a).at(k))
        return m


def test_a_delay_of_any_length_stands_still_without_enable(seed):
    rng = random.Random(seed)
    dut = Delays()
    entered = []

    async def bench(ctx):
        for _ in range(300):
            a, enable = rng.getrandbits(8), rng.random() < 0.7
            ctx.set(dut.a, a)
            ctx.set(dut.enable, enable)
            await ctx.tick()
            if enable:
                entered.append(a)
            for k in dut.STAGES:
                if len(entered) >= k:
                    assert ctx.get(getattr(dut, f"o{k}")) == entered[-k]

    simulate(dut, bench)


class Products(Component):
    """The product of factors of any shape, from registers and not, and that with a constant."""

    CONSTANT = 0x7FEB_352D

    def __init__(self, a, b):
        super().__init__({"a": In(a), "b": In(b), "product": Out(signed(80)), "multiple": Out(signed(80))})

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, Const(1))
        a, b = pipe.stage(self.a), pipe.stage(self.b).reg()
        product, multiple = a * b, a * self.CONSTANT
        self.depth = max(product.depth, multiple.depth)
        m.d.comb += [self.product.eq(product.at(self.depth)), self.multiple.eq(multiple.at(self.depth))]
        return m


@pytest.mark.parametrize(
    "a, b",
    [
        (unsigned(1), unsigned(18)),
        (unsigned(18), signed(18)),
        (unsigned(32), unsigned(32)),
        (signed(19), unsigned(19)),
        (signed(40), signed(12)),
    ],
)
def test_a_product_of_any_width_is_exact(a, b, seed):
    rng = random.Random(seed)
    dut = Products(a, b)

    def value(shape):
        low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
        return rng.choice((low, high - 1, rng.randrange(low, high)))

    async def bench(ctx):
        entered = []
        for _ in range(40):
            entered.append((value(a), value(b)))
            ctx.set(dut.a, entered[-1][0])
            ctx.set(dut.b, entered[-1][1])
            await ctx.tick()
            if len(entered) >= dut.depth:
                x, y = entered[-dut.depth]
                assert (ctx.get(dut.product), ctx.get(dut.multiple)) == (x * y, x * dut.CONSTANT)

    simulate(dut, bench)


def test_banks_waste_no_words():
    assert bank_depths(9) == [9]
    assert bank_depths(785) == [512, 273]
    assert bank_depths(1570) == [512, 512, 512, 34]
    assert bank_depths(12560) == [2048] * 6 + [272]


def test_words_of_all_banks_are_kept_apart(seed):
    params = HwParams(
        rows=600, columns=1, adc_channels=1, update_columns=1, macro_lanes=1, state_bits=9, read_bits=9
    )
    assert len(bank_depths(600)) > 1
    rng = random.Random(seed)
    dut = StateMemory(params)
    words = [rng.getrandbits(18) for _ in range(600)]

    async def bench(ctx):
        for address in rng.sample(range(600), 600):
            ctx.set(dut.write.address, address)
            ctx.set(dut.write.data, words[address])
            ctx.set(dut.write.enable, 1)
            await ctx.tick()
        ctx.set(dut.write.enable, 0)
        ctx.set(dut.read.enable, 1)
        asked = []
        for _ in range(100):
            asked.append(rng.choice((0, 511, 512, 599, rng.randrange(600))))
            ctx.set(dut.read.address, asked[-1])
            await ctx.tick()
            if len(asked) >= timing.STATE_STAGES:
                assert ctx.get(dut.read.data) == words[asked[-timing.STATE_STAGES]]

    simulate(dut, bench)


def test_rows_without_a_code_take_no_time():
    p = replace(INSTANCES["ULX3S"], macro_lanes=4)
    codes = [255] * 100 + [0] * (p.rows - 100)
    spread = [255 * (k % 7 == 0) for k in range(p.rows)]
    assert timing.integrate_latency(p, 0, codes) < timing.integrate_latency(p, 0, [*codes[:-1], 255])
    assert timing.integrate_latency(p, 0, codes[::-1]) - timing.integrate_latency(p, 0, codes) <= p.row_words
    assert timing.integrate_latency(p, 0, spread) < 113 * p.macro_words + 64


def test_a_pipeline_refuses_values_of_the_past():
    m = Module()
    pipe = Pipeline(m, Signal())
    with pytest.raises(ValueError, match="stage 2 is asked for at stage 1"):
        pipe.stage(Signal(), 2).at(1)
    with pytest.raises(ValueError, match="not a mask"):
        pipe.stage(Signal(4)) & 6
    Fragment.get(m, None)  # used, for Amaranth


def test_a_block_takes_neighbouring_sections_of_one_width():
    assert block(["span"]) == (offset("span"), QUANTILES, 16)
    assert block(["up_table", "down_table"]) == (0, 2 * NODES, 28)
    for names in (("up_table", "scale_up"), ("scale_down", "scale_up"), ("span", "inverse")):
        with pytest.raises(ValueError, match="not neighbours"):
            block(names)


def test_times_grow_with_what_is_done():
    p = INSTANCES["TINY"]
    none, some = [0] * p.columns, [0, 1, 0, 0, 0, 1]
    tall = INSTANCES["ULX3S"]
    assert timing.integrate_latency(tall, 0, [0] * tall.rows) < timing.integrate_latency(tall, 0)
    assert timing.integrate_latency(p, 5000) == timing.transposed_latency(p, 5000) == 5000
    more = replace(p, adc_channels=p.adc_channels + 1)
    assert timing.transposed_latency(more, 0) == timing.transposed_latency(p, 0) + p.macro_words
    idle = timing.strobe_latency(p, 1, none, none)
    assert timing.strobe_latency(p, 1, some, none) == idle + 2 * timing.WORD_CYCLES + 2
    assert timing.strobe_latency(p, 1, some, some) == idle + 2 * timing.WORD_CYCLES + 4
    assert timing.strobe_latency(p, 200, some, none) == 200


@pytest.mark.parametrize("name", INSTANCES)
def test_no_operation_is_late_for_the_watchdog(name):
    p = INSTANCES[name]
    every = [1] * p.columns
    longest = max(
        timing.erase_latency(p),
        timing.integrate_latency(p, 0),
        timing.transposed_latency(p, 0),
        timing.strobe_latency(p, 1, every, every),
    )
    assert longest < p.watchdog_cycles


def test_a_watchdog_too_short_for_the_erase_is_refused():
    p = replace(INSTANCES["TINY"], watchdog_cycles=timing.erase_latency(INSTANCES["TINY"]))
    with pytest.raises(InputError, match="too short: erasing the emulated array takes"):
        EmulatedTop(p)
