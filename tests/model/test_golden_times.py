"""The times that the golden model counts while it runs: those of the cycle model on its full trace."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.between_layers import between_of
from model.controller.counters import TIMES
from model.cycles import ideal_array, predict, transfer_work, verify_work, work_of
from model.device.array import GoldenArray
from model.system import GoldenController, run
from sim.stimulus import make_stimulus
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.registers import VERIFY_WAYS, Mode

TINY = INSTANCES["TINY"]
SAMPLES = 600
"""More than a chunk of the golden model."""
HARDWARE = {
    "plain": replace(TINY, verify=1),
    "grid": replace(TINY, verify=1, macro_rows=4, macro_columns=4),
    "groups": replace(TINY, verify=1, adc_channels=3),
}


@pytest.fixture(params=HARDWARE)
def stimulus(request):
    return make_stimulus(HARDWARE[request.param], load_device("PCMO"), "accumulate", SAMPLES, 4, "")


def golden(stimulus, *, timed: bool) -> GoldenController:
    made = GoldenController(stimulus.params, stimulus.image, timed=timed)
    for step in (
        made.configure(**stimulus.registers), made.load_weights(stimulus.weights), made.erase(),
    ):  # fmt: skip
        run(step)
    return made


def times(ctl: GoldenController) -> dict[str, int]:
    counters = run(ctl.counters())
    return {name: counters[name] for name in TIMES}


def expected(traced: GoldenController, mode: Mode, work) -> dict[str, int]:
    array = ideal_array(traced.params, traced.registers, work)
    return predict(traced.params, mode, traced.registers, work, array)


def test_an_untimed_model_has_no_times(stimulus):
    assert not set(TIMES) & set(run(golden(stimulus, timed=False).counters()))


def test_layers_that_the_cycle_model_does_not_know_are_refused(stimulus):
    units = stimulus.params.columns
    between = between_of([np.zeros((units + 1, units), np.int64)], [0], [0])
    run(golden(stimulus, timed=False).load_between(between))
    with pytest.raises(InputError, match=r"offline\.hidden: .* not modelled"):
        run(golden(stimulus, timed=True).load_between(between))


@pytest.mark.parametrize("mode", [Mode.TRAIN, Mode.INFER, Mode.TUNE])
def test_times_of_samples_are_those_of_their_trace(stimulus, mode):
    timed, traced = (golden(stimulus, timed=timed) for timed in (True, False))
    n = SAMPLES if mode is not Mode.TUNE else 150
    samples = stimulus.pixels[:n], stimulus.labels[:n]
    run(timed.run(mode, *samples))
    work = work_of(stimulus.params, run(traced.run(mode, *samples, trace=True)).trace)
    assert work.updates.sum() > 5 or mode is Mode.INFER
    assert (len(work.loops) > 2) == (mode is Mode.TUNE)
    assert times(timed) == expected(traced, mode, work)
    run(timed.run(mode, *samples))
    assert times(timed)["CYCLES"] > expected(traced, mode, work)["CYCLES"], "the next run adds to them"
    run(timed.clear_counters())
    assert times(timed) == dict.fromkeys(TIMES, 0)


@pytest.mark.parametrize("depth, refresh", [(2, 0), (4, 0), (4, 7)])
def test_pieces_of_a_tune_run_are_its_samples_one_after_the_other(depth, refresh, monkeypatch):
    params = replace(TINY, verify=1, commit_depth=depth)
    stimulus = make_stimulus(params, load_device("PCMO"), "accumulate", SAMPLES, 4, "")
    monkeypatch.setattr(GoldenArray, "refresh_samples", refresh)
    longest = 0
    cut = GoldenController._tune_parts

    def noted(ctl, *of_run):
        nonlocal longest
        for piece in cut(ctl, *of_run):
            longest = max(longest, len(piece))
            yield piece

    monkeypatch.setattr(GoldenController, "_tune_parts", noted)

    def left(ctl):
        n = range(150)
        record = run(ctl.run(Mode.TUNE, stimulus.pixels[n], stimulus.labels[n], trace=True))
        sent = {name: np.concatenate([[], *map(np.ravel, items)]) for name, items in record.trace.items()}
        return sent | run(ctl.counters()) | {"states": run(ctl.conductances()), "events": ctl.array.events}

    pieces = left(golden(stimulus, timed=False))
    assert longest == depth
    monkeypatch.setattr(
        GoldenController, "_tune_parts", lambda ctl, n, *_: [range(k, k + 1) for k in range(n)]
    )
    single = left(golden(stimulus, timed=False))
    assert pieces["VERIFY_READS"] > 0
    assert pieces.keys() == single.keys() and all(np.array_equal(pieces[k], single[k]) for k in pieces)


def test_times_of_writing_are_those_of_its_pulses(stimulus):
    timed, traced = (golden(stimulus, timed=timed) for timed in (True, False))
    run(timed.transfer(stimulus.counts))
    assert times(timed) == expected(traced, Mode.TRANSFER, transfer_work(stimulus.counts))
    for way in VERIFY_WAYS:
        run(timed.erase())
        run(timed.clear_counters())
        run(traced.erase())
        before = timed.array.pulses()
        run(timed.verify(stimulus.targets[way], way))
        work = verify_work(stimulus.params, way, timed.array.pulses() - before)
        found = run(timed.counters())
        assert np.sum(work.loops) == found["PULSES_UP"] + found["PULSES_DOWN"]
        assert times(timed) == expected(traced, Mode.VERIFY, work)


@pytest.mark.parametrize("registers", [{}, {"VERIFY_AVERAGES": 3, "GUARD": 7, "PULSE": 1, "INTEGRATE": 1}])
@pytest.mark.parametrize("most", [0, 1, 40])
def test_times_of_many_cells_add_up(registers, most, seed, monkeypatch):
    p = replace(TINY, verify=1)
    pulses = np.random.default_rng(seed).integers(0, most + 1, (p.rows, p.columns, 2))
    for way in VERIFY_WAYS:
        work = verify_work(p, way, pulses)
        array = ideal_array(p, registers, work)
        added = predict(p, Mode.VERIFY, registers, work, array)
        with monkeypatch.context() as patch:
            patch.setattr("model.cycles.FEWEST", len(work.loops))
            assert predict(p, Mode.VERIFY, registers, work, array) == added
