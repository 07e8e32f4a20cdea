"""Every block of the RTL equals its golden function, transfer by transfer, on both simulators."""

import inspect
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest
from amaranth.lib import wiring
from hypothesis import given
from hypothesis import strategies as st

import hw
from hw.update_walk import DOUBLES
from sim.blocks import BLOCKS, COMPACT_WORD, Block
from sim.cases import Pick, extremes, flagged, words
from sim.payloads import difference
from sim.simulation import Case, Simulation
from spec.params import HwParams

WAITS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
EXTREME_WAITS = ([0], [1], [0, 0, 3])

OTHERS = {
    "controller": "connects the blocks: co-simulated",
    "counter_memory": "equals counters, in a test of its own",
    "counters": "counts what the whole controller does: co-simulated",
    "delta_store": "memories of update_rule, which is in the table",
    "macro_grid": "wires a grid of macros to one port: co-simulated",
    "sequencer": "its order of reads and commits needs the whole controller: co-simulated",
    "analog_upper": "connects the blocks of an analog upper layer: co-simulated",
    "taps": "ports only",
    "top": "connects the controller and an array: co-simulated",
    "mask_lines": "masks of compact hardware, for taps and whole arrays: co-simulated",
    "register_memory": "equals register_file, in a test of its own",
    "serial_array": "the far end of serial_macro: co-simulated with it",
    "serial_macro": "an end of a link: co-simulated, and tested for conformance, with the other one",
    "sliced_memory": "memories of update_rule, which is in the table",
    "stream_register": "a register between blocks: co-simulated",
    "single_port": "memory of update_walk, which is in the table",
    "word_driver": "before word_gate: proved with it, and co-simulated",
    "word_gate": "proved, and co-simulated",
    "upper_sequencer": "its order needs the whole controller: co-simulated",
    "update_lane": "one weight of update_rule, which is in the table",
}
"""Files of hw with a component that has no entry in the table, and why."""


def check(block: Block, params: HwParams, simulation: Simulation, case: Case) -> None:
    """Play one case; the first difference is the assertion's message."""
    outputs, levels = block.golden(params, case)
    outcome = simulation.play(case, {name: len(outputs[name]) for name in simulation.sinks}, tuple(levels))
    for name, expected in outputs.items():
        got = outcome.outputs[name]
        for k, (value, other) in enumerate(zip(expected, got, strict=False)):
            found = difference(value, other)
            assert not found, f"{block.name} ({params.name}): {name}, transfer {k}: {found}"
        assert len(got) == len(expected), (
            f"{block.name} ({params.name}): {name}: expected {len(expected)} transfers, got {len(got)}"
        )
    assert outcome.levels == levels
    assert not outcome.error, f"{block.name} ({params.name}): {outcome.error}"


def with_waits(block: Block, simulation: Simulation, case: Case, wait) -> Case:
    """The case with idle cycles on inputs and stalls on outputs; `wait` gives the pattern of one stream."""
    case.gaps = {name: wait() for name in simulation.sources}
    case.stalls = {name: wait() for name in simulation.sinks if name not in block.unstalled}
    return case


@pytest.mark.parametrize(
    ("block", "params"),
    [(block, params) for block in BLOCKS for params in block.params],
    ids=lambda value: value.name,
)
def test_block_equals_its_golden_function(block, params, simulator):
    with Simulation(block.build(params), block.name, simulator, block.events) as simulation:
        for pick in extremes():
            for waits in EXTREME_WAITS:
                case = with_waits(block, simulation, block.draw(params, pick), lambda waits=waits: waits)
                check(block, params, simulation, case)

        @given(st.data())
        def drawn(data):
            pick: Pick = lambda low, high: data.draw(st.integers(low, high))
            case = block.draw(params, pick)
            check(block, params, simulation, with_waits(block, simulation, case, lambda: data.draw(WAITS)))

        drawn()


@pytest.mark.parametrize("name", ["dac_encode", "partial_sum", "activation", "weight_load"])
def test_a_block_of_latency_0_passes_an_item_on_in_its_cycle(name, simulator):
    block = next(block for block in BLOCKS if block.name == name)
    params = block.params[0]
    with Simulation(block.build(params), name, simulator, block.events) as simulation:
        case = with_waits(block, simulation, block.draw(params, lambda low, high: high), lambda: [0, 2])
        cycles = simulation.play(case, {"o": len(case.inputs["i"])}).cycles
    assert cycles["o"] == cycles["i"]
    assert len(cycles["o"]) == len(case.inputs["i"])


@pytest.mark.parametrize("name", DOUBLES)
def test_the_first_word_of_a_sample_has_its_own_threshold(name, simulator):
    """The doubling that a sample begins with is seen in time, wherever the turns of the two registers are."""
    p, block = COMPACT_WORD, next(block for block in BLOCKS if block.name == "update_walk")
    row = {"row": 0, "code": p.dac_full_scale, "last": 1}
    with Simulation(block.build(p), block.name, simulator, block.events) as simulation:
        for idle, updating in product(range(3), (1, 2)):  # 2 and 9 cycles, of a round of 6 cycles
            samples = idle + updating
            inputs = {
                "i": [{"update": 0}] * idle + [{"update": 1}] * (updating + 1),
                "deltas": flagged(words([1] * p.columns, p.update_columns), "deltas") * (updating + 1),
                "rows": [row] * (updating + 1),
            }
            case = block.draw(p, lambda low, high: low)
            config = case.config | dict.fromkeys(DOUBLES, samples + 1) | {name: samples, "threshold": 1}
            case = Case(inputs, config | {"delta_threshold": 1}, case.setup)
            check(block, p, simulation, case)


def test_every_block_is_in_the_table():
    """Every class in hw that is a component is in the table, or named here with a reason."""
    names = set()
    for path in Path(hw.__file__).parent.glob("*.py"):
        module = import_module(f"hw.{path.stem}")
        own = [v for v in vars(module).values() if inspect.isclass(v) and v.__module__ == module.__name__]
        if any(issubclass(v, wiring.Component) for v in own):
            names.add(path.stem)
    assert {block.name for block in BLOCKS} | set(OTHERS) >= names


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_block_has_its_golden_function(block):
    name = block.function or block.name
    assert callable(getattr(import_module(f"model.controller.{name}"), name))
