"""The table of effects: each row has its own effect on, the first is the plain run."""

from dataclasses import replace

import numpy as np

from model.system import GoldenController
from model.system import run as golden
from model.training.effect_levels import ALL, LEVELS, effect_levels
from model.training.hybrid import hybrid
from model.training.offline import train_offline
from model.training.prepare import prepare
from spec.device_file import NonIdealities


def test_every_level_has_an_effect_on():
    on = {name: replace(NonIdealities(), **keys).model_only for name, keys in LEVELS.items()}
    assert on.pop("none") == ()
    assert all(len(keys) == 1 for name, keys in on.items() if name != ALL)
    assert set(on[ALL]) == {key for keys in on.values() for key in keys}


def test_rows_are_runs_with_the_effect(digits, digits_run):
    run = replace(digits_run, seeds=(1, 2), train_samples=200, test_samples=100)
    plain, bent = effect_levels(run, digits, lambda *_: None, ("none", "ADC INL"))
    assert plain.open_loop.shape == plain.hybrid.shape == (2,)
    nets = [train_offline(digits, run.params, run.offline, seed) for seed in run.seeds]
    worn = replace(run, nonideal=replace(run.nonideal, adc_inl=2.0))
    for level, own in ((plain, run), (bent, worn)):
        for k, seed in enumerate(run.seeds):
            job = prepare(own, digits, nets[k], seed)
            result = golden(hybrid(GoldenController(job.params, job.image), job))
            assert level.open_loop[k] == result.open_loop_accuracy
            assert level.hybrid[k] == result.hybrid_accuracy
    assert plain.worst_cell_pulses >= run.device.states_up
    (mean, error), _, (added, _) = plain.means
    assert mean == plain.open_loop.mean() and error >= 0
    assert np.isclose(added, plain.hybrid.mean() - mean)
