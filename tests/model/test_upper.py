"""The analog upper layer of the golden system: what it reads, what trains, where errors come from."""

from dataclasses import replace

import numpy as np
import pytest

from model.device.compile import compile_device
from model.system import GoldenController, run
from spec.device_file import NonIdealities, load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import Mode

PARAMS = replace(INSTANCES["TINY"], upper_layer="analog", transposed=1)
SAMPLES = 12
FIRST, LAST = 1, 2
"""Bits of the register TRAINED."""


def controller(params=PARAMS):
    """Both arrays of a device without noise or spread, filled at random; every sample updates, every update pulses."""
    device = load_device("linear")
    image = compile_device(device, NonIdealities.ideal(), params.state_bits, 1, 0.0, params.read_bits)
    ctl, rng = GoldenController(params, image), np.random.default_rng(2)
    for layer, p in enumerate((params, params.upper)):
        run(ctl.configure(LAYER=layer))
        run(ctl.transfer(rng.integers(-8, 25, (p.rows, p.columns))))
    run(ctl.load_weights(rng.integers(-60, 61, (params.upper_rows, params.classes))))
    run(ctl.configure(LAYER=0, LSB=40_000, UPPER_LSB=1_000, MARGIN=1 << 16, THRESHOLD=1, UPPER_THRESHOLD=1))
    return ctl


def samples(params=PARAMS):
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (SAMPLES, params.inputs), np.uint8), rng.integers(0, params.classes, SAMPLES)


def states(ctl):
    found = []
    for layer in (0, 1):
        run(ctl.configure(LAYER=layer))
        found.append(run(ctl.conductances()))
    run(ctl.configure(LAYER=0))
    return found


def test_output_codes_are_those_of_the_hidden_codes_on_the_upper_array():
    ctl = controller()
    record = run(ctl.run(Mode.INFER, *samples(), trace=True))
    upper = states(ctl)[1].astype(np.int64) >> PARAMS.state_bits - PARAMS.read_bits
    full = PARAMS.upper.dac_full_scale
    for hidden, logits in zip(record.trace["hidden"], record.trace["logits"], strict=True):
        sums = np.append(hidden, full) @ (upper[..., 0] - upper[..., 1])
        assert np.array_equal(
            logits, np.clip((2 * sums + 1_000) // 2_000, -PARAMS.logit_limit, PARAMS.logit_limit)
        )
    assert len({tuple(logits) for logits in record.trace["logits"]}) > 3


@pytest.mark.parametrize(
    ("trained", "moves"), [(0, (0, 0)), (FIRST, (1, 0)), (LAST, (0, 1)), (FIRST + LAST, (1, 1))]
)
def test_registers_say_which_layers_are_trained(trained, moves):
    ctl = controller()
    before = states(ctl)
    run(ctl.configure(TRAINED=trained))
    record = run(ctl.run(Mode.TRAIN, *samples(), trace=True))
    moved = tuple(int(not np.array_equal(a, b)) for a, b in zip(before, states(ctl), strict=True))
    assert moved == moves
    assert (len(record.strobes) > 0, len(record.upper) > 0) == moves
    assert record.updates.all()  # the margin's verdict does not depend on who is trained
    assert len(record.trace["delta"]) == SAMPLES * moves[0]


def test_transposed_reads_see_the_weights_of_the_array():
    """Without noise, at a fine scale, the errors are the differences of the columns of the array."""
    ctl = controller()
    upper = states(ctl)[1].astype(np.int64) >> PARAMS.state_bits - PARAMS.read_bits
    weights = (upper[..., 0] - upper[..., 1])[:-1]
    lsb = int(np.abs(weights).max() * PARAMS.upper.dac_full_scale / 60)
    run(ctl.configure(BACKWARD=1, BACKWARD_LSB=lsb, TRAINED=FIRST))
    trace = run(ctl.run(Mode.TRAIN, *samples(), trace=True)).trace
    for hidden, (_, target, rival, _), delta in zip(
        trace["hidden"], trace["verdict"], trace["delta"], strict=True
    ):
        sums = PARAMS.upper.dac_full_scale * (weights[:, target] - weights[:, rival])
        active = (hidden > 0) & (hidden < PARAMS.adc_limit)
        assert np.array_equal(delta, np.where(active, (2 * sums + lsb) // (2 * lsb), 0))
    assert np.count_nonzero(trace["delta"]) > 10


def test_transposed_reads_are_counted_as_reads_and_the_copy_needs_none():
    reads = {}
    for backward in (0, 1):
        ctl = controller()
        run(ctl.configure(BACKWARD=backward, TRAINED=FIRST))
        run(ctl.run(Mode.TRAIN, *samples()))
        counters = run(ctl.counters())
        reads[backward] = counters["UPPER_INTEGRATES"]
        assert counters["VERIFY_READS"] == 0
    steps = -(-PARAMS.columns // PARAMS.transposed_rows)
    assert reads == {0: SAMPLES, 1: SAMPLES * (1 + steps)}


def test_pulses_of_a_sample_are_on_the_upper_array_before_the_next_read():
    """One run of two samples, or two runs of one: nothing is deferred."""
    pixels, labels = samples()
    together, apart = controller(), controller()
    for ctl in (together, apart):
        run(ctl.configure(TRAINED=LAST))
    whole = run(together.run(Mode.TRAIN, pixels[:2], labels[:2], trace=True)).trace["logits"]
    parts = [run(apart.run(Mode.TRAIN, pixels[k : k + 1], labels[k : k + 1], trace=True)) for k in range(2)]
    assert np.array_equal(whole, [part.trace["logits"][0] for part in parts])
    assert len(parts[0].upper) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upper_layer": "optical"}, "is not one of digital, analog"),
        ({"adc_bits": 10}, "adc_bits: 10 is more than 9"),
        ({"logit_bits": 12}, "logit_bits: 12 is more than 10"),
        ({"macro_columns": 4}, "macro_columns: hidden codes of several columns"),
    ],
)
def test_hardware_that_cannot_have_an_analog_upper_layer_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(PARAMS, **change)
