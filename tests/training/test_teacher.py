"""Training towards the hidden codes of the offline network."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.teacher_delta import Teacher, teacher_delta
from model.study.controls import METHODS
from model.study.teacher import teacher_of
from model.system import run as golden
from model.training.trial import Trial
from spec.registers import Mode

SETTINGS = {"threshold": 1 << 16, "dead": 0}


@pytest.fixture
def trial(digits, digits_run, net):
    return Trial(digits_run, digits, net, seed=1)


def pulses(outcome) -> int:
    online = outcome.phases["online"]
    return online["PULSES_UP"] + online["PULSES_DOWN"]


def taught(trial: Trial, job, teacher: Teacher):
    """One epoch, and the states that it leaves."""
    outcome = trial.train(trial.transferred(), job, teacher=teacher)
    return outcome, trial.ctl.array.conductances()


def test_error_is_what_is_wanted_minus_what_is():
    delta, update = teacher_delta(np.array([5, 0, 9], np.int32), np.array([7, 3, 9], np.int16), 0, 8)
    assert (delta.tolist(), update) == ([2, 3, 0], 1)


def test_error_saturates_symmetrically():
    delta, _ = teacher_delta(np.array([127, 0], np.int32), np.array([0, 127], np.int16), 0, 5)
    assert delta.tolist() == [-15, 15]


def test_error_within_the_dead_zone_is_none():
    delta, update = teacher_delta(np.array([5, 1], np.int32), np.array([7, 3], np.int16), 2, 8)
    assert (delta.tolist(), update) == ([0, 0], 0)


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
        return float(np.abs(np.array(codes) - teacher.hidden).mean())

    trial.transferred()
    teacher = teacher_of(trial)
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


def test_output_codes_are_those_of_the_nominal_array(digits, ideal_run, net):
    analog = METHODS["analog both teacher"].hardware(ideal_run)
    trial = Trial(analog, digits, net, seed=1)
    trial.transferred()
    wanted, codes = teacher_of(trial).outputs, []
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
    job = trial.job_with("accumulate", SETTINGS["threshold"], 0.0)
    trial.transferred()
    teacher = teacher_of(trial)
    first, states = taught(trial, job, teacher)
    shuffled = replace(job, train_labels=np.roll(job.train_labels, 1))
    second, again = taught(trial, shuffled, teacher)
    assert np.array_equal(states, again)
    assert pulses(first) == pulses(second) > 0


def test_cycles_are_not_counted(digits, digits_run, net):
    timed = Trial(digits_run, digits, net, seed=1, timed=True)
    phases = METHODS["hybrid teacher"].measure(timed, SETTINGS).phases
    assert phases["transfer"]["CYCLES"] > 0
    assert "CYCLES" not in phases["online"]


def test_teacher_that_is_always_near_enough_gives_no_pulse(trial):
    trial.transferred()
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS | {"dead": trial.job.params.adc_limit})
    assert pulses(outcome) == 0
    assert outcome.phases["online"]["UPDATES"] == 0


def test_it_counts_every_sample_that_updates_as_one(trial):
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    samples = len(trial.job.train_labels)
    assert 0.9 * samples < outcome.phases["online"]["UPDATES"] <= samples
    driven = np.count_nonzero(trial.job.train_pixels, axis=1) + 1
    assert outcome.memory_words <= driven.sum() * trial.job.params.columns


def test_epoch_in_pieces_is_the_same(trial, monkeypatch):
    outcome = METHODS["hybrid teacher"].measure(trial, SETTINGS)
    states = trial.ctl.array.conductances()
    monkeypatch.setattr("model.system.chunk_of", lambda params: 7)
    assert METHODS["hybrid teacher"].measure(trial, SETTINGS) == outcome
    assert np.array_equal(trial.ctl.array.conductances(), states)
