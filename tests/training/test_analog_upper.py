"""The hybrid job with an analog upper layer: each way of training it repairs a harsh device."""

from dataclasses import replace

import numpy as np
import pytest

from model.system import GoldenController, run
from model.training.hybrid import UPPER_TRANSFER, hybrid
from spec.errors import InputError


@pytest.fixture(scope="module")
def analog(digits_run):
    return replace(digits_run.params, upper_layer="analog", transposed=1)


@pytest.mark.parametrize(
    ("trained", "backward", "gain"),
    [
        ("first", "copy", 0.05),
        ("first", "transposed", 0.05),
        ("last", "copy", 0.02),
        ("both", "transposed", 0.05),
    ],
)
def test_training_improves_on_open_loop(make_job, analog, trained, backward, gain):
    job = make_job(
        params=analog, threshold=1 << 16, trained=trained, backward=backward, upper_threshold=1 << 13
    )
    result = run(hybrid(GoldenController(job.params, job.image), job, read_out=False))
    assert result.hybrid_accuracy >= result.open_loop_accuracy + gain
    online = result.counters["online"]
    assert (online["STROBES"] > 0) == (trained != "last")
    assert (online["UPPER_STROBES"] > 0) == (trained != "first")
    assert result.counters[UPPER_TRANSFER]["UPPER_STROBES"] > 0 == result.counters[UPPER_TRANSFER]["STROBES"]
    assert result.transfer_pulses > abs(job.counts).sum()


def test_states_of_both_arrays_are_read_out(make_job, analog):
    job = make_job(params=analog, threshold=1 << 16, trained="both", upper_threshold=1 << 13)
    controller = GoldenController(job.params, job.image)
    result = run(hybrid(controller, job))
    assert np.array_equal(result.conductances, controller.array.conductances())
    assert np.array_equal(result.upper_conductances, controller.upper.array.conductances())


def test_a_digital_upper_layer_is_not_trained_by_the_hardware(digits_run):
    with pytest.raises(InputError, match="trained: only an analog upper layer"):
        replace(digits_run, trained="last")
    with pytest.raises(InputError, match="backward: the hardware has no upper array"):
        replace(digits_run, backward="transposed")
