"""The first difference of two traces names the block and the place."""

import copy

import numpy as np
import pytest

from model.system import GoldenController, run
from sim.scoreboard import Difference, differences, first_difference
from spec.params import INSTANCES
from spec.registers import Mode
from tests.device.reference_macro import simple_image

TINY = INSTANCES["TINY"]


@pytest.fixture(scope="module")
def trace():
    """The stages of a golden training run with pulses."""
    rng = np.random.default_rng(5)
    controller = GoldenController(TINY, simple_image())
    run(controller.configure(LSB=60000, LOGIT_SHIFT=4, MARGIN=200, THRESHOLD=1 << 10))
    run(controller.load_weights(rng.integers(-127, 128, (TINY.upper_rows, TINY.classes))))
    run(controller.transfer(rng.integers(0, 60, (TINY.rows, TINY.columns))))
    pixels, labels = rng.integers(0, 256, (30, TINY.inputs)), rng.integers(0, TINY.classes, 30)
    trace = run(controller.run(Mode.TRAIN, pixels, labels, trace=True)).trace
    assert len(trace["entry"]) > 30
    return trace


def changed(trace, stage: str, item: int, index: int):
    other = copy.deepcopy(trace)
    other[stage][item][index] += 1
    return other


def test_equal_traces_have_no_difference(trace):
    assert first_difference(trace, copy.deepcopy(trace)) is None


@pytest.mark.parametrize(
    ("stage", "block", "item", "index", "element"),
    [
        ("codes", "dac_encode", 7, 8, "element 8"),
        ("adc", "column_adc", 3, 2, "element 2"),
        ("hidden", "activation", 0, 5, "element 5"),
        ("logits", "upper_layer", 29, 1, "element 1"),
        ("verdict", "margin_error", 4, 2, "rival"),
        ("delta", "backprop_delta", 2, 0, "element 0"),
        ("entry", "update_rule", 9, 0, "row"),
        ("entry", "update_rule", 9, 3, "up[2]"),
        ("strobe", "pulse_scheduler", 11, 12, "down[5]"),
        ("strobe", "pulse_scheduler", 11, 13, "depress"),
    ],
)
def test_a_difference_is_named(trace, stage, block, item, index, element):
    found = first_difference(trace, changed(trace, stage, item, index))
    value = int(trace[stage][item][index])
    assert (found.stage, found.block, found.item, found.element) == (stage, block, item, element)
    assert (found.expected, found.got) == (value, value + 1)
    if stage == "delta":
        assert found.sample == [n for n, verdict in enumerate(trace["verdict"]) if verdict[0]][item]
    elif stage in ("entry", "strobe"):
        assert found.sample == trace["entry_sample"][item]
    else:
        assert found.sample == item
    assert f"{stage} (block {block}), sample {found.sample}, {element}: expected {value}" in str(found)


def test_the_first_sample_goes_before_the_first_stage(trace):
    """A wrong pulse of sample n is the cause of what differs in later reads."""
    entry = 5
    sample = int(trace["entry_sample"][entry])
    other = changed(changed(trace, "entry", entry, 1), "strobe", entry, 1)
    for later in range(sample + TINY.commit_depth, 30):
        other["adc"][later] = other["adc"][later] + 1
    found = differences(trace, other)
    assert [d.stage for d in found[:3]] == ["entry", "strobe", "adc"]
    assert len(found) == 2 + 30 - sample - TINY.commit_depth


def test_missing_and_extra_items(trace):
    fewer = copy.deepcopy(trace)
    del fewer["strobe"][-1]
    last = len(trace["strobe"]) - 1
    assert str(first_difference(trace, fewer)).endswith(f"item {last} is missing")
    assert str(first_difference(fewer, trace)).endswith(f"item {last} came, none was expected")


def test_a_transfer_has_only_strobes():
    strobe = [np.array([0, 1, 0, 0]), np.array([1, 0, 1, 0])]
    other = [strobe[0], np.array([1, 1, 0, 0])]
    assert first_difference({"strobe": strobe}, {"strobe": other}) == Difference(
        "strobe", "pulse_scheduler", 1, None, "up[0]", 0, 1
    )
    assert first_difference({"strobe": strobe}, {}).got is None
