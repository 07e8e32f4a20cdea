"""Training towards the hidden codes of the offline network."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.settings import teacher_register
from model.controller.teacher_delta import Teacher, teacher_delta
from model.study.controls import METHODS
from model.study.methods import TRIES
from model.system import GoldenController
from model.system import run as golden
from model.training.hybrid import code_step, hybrid
from model.training.offline import AT_ONCE
from model.training.prepare import prepare
from model.training.teacher import teacher_of
from model.training.trial import Trial
from spec.errors import InputError
from spec.registers import Mode

SETTINGS = {"threshold": 1 << 16, "dead": 0}


@pytest.fixture
def trial(digits, digits_run, net):
    return Trial(digits_run, digits, net, seed=1)


def pulses(outcome) -> int:
    online = outcome.phases["online"]
    return online["PULSES_UP"] + online["PULSES_DOWN"]


def taught(trial: Trial, job):
    """One epoch, and the states that it leaves."""
    outcome = trial.train(trial.transferred(), job)
    return outcome, trial.ctl.array.conductances()


def teacher(trial: Trial) -> Teacher:
    """Of the trial's samples, at the ranges of the array that was transferred."""
    trial.transferred()
    registers = trial.ctl.registers
    found = teacher_of(trial.taught_job("accumulate", 1), code_step(registers), registers, outputs=True)
    assert found is not None
    return found


def test_samples_worked_out_in_parts_are_those_of_one_part(trial, monkeypatch):
    whole = teacher(trial).hidden
    assert 100 < len(whole) < AT_ONCE
    monkeypatch.setattr("model.training.teacher.AT_ONCE", 100)
    assert np.array_equal(teacher(trial).hidden, whole)


def test_error_is_what_is_wanted_minus_what_is():
    delta = teacher_delta(np.array([5, 0, 9], np.int32), np.array([7, 3, 9], np.int16), 0, 8)
    assert delta.tolist() == [2, 3, 0]


def test_error_saturates_symmetrically():
    delta = teacher_delta(np.array([127, 0], np.int32), np.array([0, 127], np.int16), 0, 5)
    assert delta.tolist() == [-15, 15]


def test_error_within_the_dead_zone_is_none():
    delta = teacher_delta(np.array([5, 1, 6], np.int32), np.array([7, 3, 3], np.int16), 2, 8)
    assert delta.tolist() == [0, 0, -3]


def test_epoch_brings_back_most_of_what_the_transfer_lost(trial, net):
    start = trial.transferred()
    before = trial.accuracy()
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    assert start.phases == {name: outcome.phases[name] for name in start.phases}
    assert outcome.accuracy - before > (net.test_accuracy - before) / 2


def test_hidden_codes_come_closer_to_the_teacher(trial):
    def distance() -> float:
        codes: list[np.ndarray] = []
        reads = trial.job.train_pixels, trial.job.train_labels
        golden(trial.ctl.run(Mode.INFER, *reads, watch=lambda stages: codes.extend(stages["hidden"])))
        return float(np.abs(np.array(codes) - wanted).mean())

    wanted = teacher(trial).hidden
    before = distance()
    METHODS["hybrid teacher"].measure(trial, SETTINGS)
    assert distance() < 0.7 * before


def test_whole_epoch_after_a_whole_transfer_is_that_of_the_full_method(trial):
    whole = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    states = trial.ctl.array.conductances()
    settings = {"threshold": SETTINGS["threshold"], "share": 1.0, "quiet": 0.0}
    part = METHODS["hybrid teacher short"].measure(trial, settings)
    assert (part.accuracy, part.phases["online"]) == (whole.accuracy, whole.phases["online"])
    assert np.array_equal(trial.ctl.array.conductances(), states)


def test_part_of_the_epoch_reads_as_many_samples_as_it_is(trial):
    outcome = METHODS["hybrid teacher short"].measure(
        trial, {"threshold": 1 << 16, "share": 0.25, "quiet": 1e-3}
    )
    assert outcome.phases["online"]["SAMPLES_DONE"] == round(len(trial.job.train_labels) / 4)


def test_coarse_pulses_are_counted_before_part_of_the_epoch(trial):
    settings = {"threshold": 1 << 16, "share": 0.25, "quiet": 0.0}
    outcome = METHODS["hybrid teacher coarse"].measure(trial, settings)
    assert outcome.phases["transfer"]["WIDE_PULSES"] > 0


def test_small_weights_are_left_to_part_of_the_epoch(trial):
    settings = {"threshold": 1 << 16, "share": 0.25, "quiet": 0.0, "skip": 0.2}
    method = METHODS["hybrid teacher sparse"]
    sparse, whole = method.measure(trial, settings), method.measure(trial, settings | {"skip": 0.0})
    assert sparse.phases["transfer"]["PULSES_UP"] < whole.phases["transfer"]["PULSES_UP"]
    assert sparse.phases["online"]["PULSES_UP"] > whole.phases["online"]["PULSES_UP"]


def test_shares_of_the_sparse_method_reach_below_those_of_the_others(digits_run):
    method = METHODS["hybrid teacher sparse"]
    tried = [settings["share"] for settings in method.candidates(digits_run, 1000)]
    others = [settings["share"] for settings in METHODS[method.settings_of].candidates(digits_run, 1000)]
    assert min(tried) < min(others) <= max(tried)


def test_output_codes_are_those_of_the_nominal_array(digits, ideal_run, net):
    analog = METHODS["analog both teacher"].hardware(ideal_run)
    trial = Trial(analog, digits, net, seed=1)
    wanted, codes = teacher(trial).outputs, []
    reads = trial.job.train_pixels, trial.job.train_labels
    golden(trial.ctl.run(Mode.INFER, *reads, watch=lambda stages: codes.extend(stages["logits"])))
    error = np.abs(np.array(codes) - wanted)
    assert error.mean() < 0.05 * np.abs(wanted).mean()  # clipped and rounded weights, coarse codes


def test_both_layers_of_an_analog_network_learn_without_labels(digits, digits_run, net):
    method = METHODS["analog both teacher"]
    trial = Trial(method.hardware(digits_run), digits, net, seed=1)
    trial.transferred()
    before = trial.accuracy()
    settings = {"threshold": 1 << 16, "upper": 40 * trial.job.params.adc_limit}
    first = method.measure(trial, settings)
    assert first.accuracy - before > (net.test_accuracy - before) / 2
    assert first.phases["online"]["UPPER_PULSES_UP"] > 0
    trial.job = replace(trial.job, train_labels=np.roll(trial.job.train_labels, 1))
    second = method.measure(trial, settings)
    same = ("PULSES_UP", "PULSES_DOWN", "UPPER_PULSES_UP", "UPPER_PULSES_DOWN")
    assert [first.phases["online"][n] for n in same] == [second.phases["online"][n] for n in same]


def test_labels_are_not_needed(trial):
    job = trial.taught_job("accumulate", SETTINGS["threshold"])
    first, states = taught(trial, job)
    shuffled = replace(job, train_labels=np.roll(job.train_labels, 1))
    second, again = taught(trial, shuffled)
    assert np.array_equal(states, again)
    assert pulses(first) == pulses(second) > 0


def test_run_file_that_follows_codes_trains_as_the_method_does(digits, digits_run, net):
    run = replace(digits_run, errors="codes", threshold=SETTINGS["threshold"], dead=2)
    trial = Trial(digits_run, digits, net, seed=1)
    start = trial.transferred()
    trial.accuracy()  # the job tests the open loop, too: reads draw noise
    outcome = trial.train(start, trial.taught_job("accumulate", SETTINGS["threshold"], 2))
    job = prepare(run, digits, net, 1)
    result = golden(hybrid(GoldenController(job.params, job.image), job))
    assert result.hybrid_accuracy == outcome.accuracy
    assert np.array_equal(result.conductances, trial.ctl.array.conductances())


def test_method_with_labels_follows_labels_whatever_the_run_says(digits, digits_run, net):
    settings = {"threshold": 1 << 16, "margin": 8.0}
    states = []
    for errors in ("labels", "codes"):
        trial = Trial(replace(digits_run, errors=errors), digits, net, seed=1)
        METHODS["hybrid accumulate"].measure(trial, settings)
        states.append(trial.ctl.array.conductances())
    assert np.array_equal(*states)


def test_comparison_refuses_a_run_that_follows_codes(digits_run):
    with pytest.raises(InputError, match="errors: a method says itself what its epoch follows"):
        METHODS["hybrid accumulate"].check(replace(digits_run, errors="codes"))


def test_hardware_without_a_teacher_is_refused(digits_run):
    params = replace(digits_run.params, teacher=0)
    with pytest.raises(InputError, match="errors: the hardware follows labels only"):
        replace(digits_run, params=params, errors="codes")


@pytest.mark.parametrize(
    ("on", "given", "message"),
    [
        (1, None, "the run follows codes, none are given"),
        (0, 4, "codes are given, the run follows none"),
        (1, 3, "codes of 3 samples for 4"),
    ],
)
def test_run_and_codes_that_do_not_belong_together_are_refused(trial, on, given, message):
    p = trial.job.params
    golden(trial.ctl.configure(TEACHER=on * teacher_register(0)))
    wanted = given and Teacher(np.zeros((given, p.columns), np.int16), np.zeros((0, p.classes), np.int16))
    samples = trial.job.train_pixels[:4], trial.job.train_labels[:4]
    with pytest.raises(InputError, match=f"TEACHER: {message}"):
        golden(trial.ctl.run(Mode.TRAIN, *samples, teacher=wanted))


def test_teacher_that_is_always_near_enough_gives_no_pulse(trial):
    trial.transferred()
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS | {"dead": trial.job.params.adc_limit})
    assert pulses(outcome) == 0


def test_every_sample_updates(trial):
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    assert outcome.phases["online"]["UPDATES"] == len(trial.job.train_labels)
    driven = np.count_nonzero(trial.job.train_pixels, axis=1) + 1
    assert outcome.memory_words == driven.sum() * trial.job.params.columns


def test_epoch_in_pieces_is_the_same(trial, monkeypatch):
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    states = trial.ctl.array.conductances()
    monkeypatch.setattr("model.system.chunk_of", lambda params: 7)
    assert METHODS["hybrid teacher"].measure(trial, SETTINGS) == outcome
    assert np.array_equal(trial.ctl.array.conductances(), states)


def test_counted_signs_of_large_errors_are_enough(trial, net):
    trial.transferred()
    before = trial.accuracy()
    settings = {"threshold": 4, "x": 192, "delta": 1 / 16}
    outcome = METHODS["hybrid teacher counter"].measure(trial, settings)
    assert outcome.accuracy - before > (net.test_accuracy - before) / 2


def test_without_a_memory_pulses_come_at_once(digits, digits_run, net):
    method = METHODS["hybrid teacher manhattan"]
    trial = Trial(method.hardware(digits_run), digits, net, seed=1)
    outcome = method.measure(trial, {"threshold": 64, "x": 192, "delta": 1 / 8})
    assert pulses(outcome) > 0
    assert outcome.memory_words == 0 == method.bits(digits_run)


@pytest.mark.parametrize("name", [n for n in METHODS if n.startswith("hybrid teacher")])
def test_every_form_has_as_many_tries_as_other_methods(name, digits_run):
    method = METHODS[name]
    tries = method.candidates(method.hardware(digits_run), 1000)
    assert 6 <= len(tries) <= TRIES
