"""Networks with further hidden layers: trained in software, made integers, and repaired on the array as those without."""

from dataclasses import replace

import numpy as np
import pytest

from model.controller.between_layers import LAYER_ERROR_BITS
from model.study.compare import Plan
from model.study.controls import METHODS
from model.study.points import measure
from model.system import run as golden
from model.training.hybrid import code_step
from model.training.kept import kept_net
from model.training.offline import AT_ONCE, accuracy, gradients, train_offline, untrained, with_bias
from model.training.transfer import hidden_codes, quantise_layers, quantise_upper
from model.training.trial import Outcome, Trial
from spec.errors import InputError
from spec.registers import Mode
from spec.run_file import OfflineSettings, default_run

HIDDEN = (24, 16)
TRAINED = {"threshold": 1 << 15, "margin": 20.0}
SETTINGS = TRAINED | {"rate": 3e-3, "unit": 1 / 8, "tolerance": 0.02, "averages": 1}
MEASURED = ("software", "open loop", "hybrid accumulate", "last layer", "hybrid + last layer", "bias row", "verify pair",
            "tuned online", "shuffled labels", "calibration", "error softmax", "pair both")  # fmt: skip
OTHERS = {"tuned online": {"threshold": 1 << 17}}
REFUSED = {
    "analog open loop",
    "analog first",
    "analog last",
    "analog both",
    "analog both teacher",
    "from scratch",
}


@pytest.fixture(scope="module")
def deep_run(digits_run):
    return replace(digits_run, offline=replace(digits_run.offline, hidden=HIDDEN))


@pytest.fixture(scope="module")
def deep_net(digits, deep_run):
    return train_offline(digits, deep_run.params, deep_run.offline, seed=1)


@pytest.fixture(scope="module")
def ideal(digits, deep_run, ideal_run, deep_net):
    """After the transfer to an array without spread or noise, whose codes are those of the floats but for rounding."""
    trial = Trial(replace(ideal_run, offline=deep_run.offline), digits, deep_net, 1)
    trial.transferred()
    return trial


def test_a_deep_network_learns(deep_net, deep_run, digits):
    assert [w.shape for w in deep_net.layers] == deep_run.offline.shapes(deep_run.params)
    assert [w.shape for w in deep_net.layers] == [(65, 32), (33, 24), (25, 16), (17, 10)]
    assert deep_net.train_accuracy > 0.95 and deep_net.test_accuracy > 0.92
    assert deep_net.test_accuracy == accuracy(deep_net.layers, digits.test)
    for weights in deep_net.layers:
        assert np.abs(weights).max() <= 1.05 * deep_run.offline.clip * weights.std()


def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal(shape) for shape in ((5, 6), (7, 4), (5, 3))]
    x, targets = with_bias(rng.random((8, 4))), np.eye(3)[rng.integers(0, 3, 8)]

    def loss() -> float:
        h = x
        for weights in layers[:-1]:
            h = with_bias(np.maximum(h @ weights, 0))
        z = h @ layers[-1]
        return float((np.log(np.exp(z).sum(axis=1)) - (z * targets).sum(axis=1)).mean())

    for weights, found in zip(layers, gradients(layers, x, targets), strict=True):
        for place in np.ndindex(weights.shape):
            kept = weights[place]
            weights[place] = kept + 1e-6
            above = loss()
            weights[place] = kept - 1e-6
            assert found[place] == pytest.approx((above - loss()) / 2e-6, abs=1e-6)
            weights[place] = kept


def test_without_further_layers_the_upper_layer_is_as_before(make_job, net):
    job = make_job()
    full_scale = job.full_scale(40_000)
    codes = hidden_codes(job.calibration_hidden.sum(axis=1), full_scale, job.params)
    one, other = (
        quantise_layers([net.upper], full_scale, codes, job.params),
        quantise_upper(net.upper, full_scale, codes, job.params),
    )
    assert np.array_equal(one.weights, other.weights) and one[1:] == other[1:] and one.between is None


def test_samples_worked_out_in_parts_are_those_of_one_part(ideal, deep_net, digits, monkeypatch):
    job = ideal.job
    full_scale = job.full_scale(code_step(ideal.ctl.registers))
    codes = hidden_codes(job.calibration_hidden.sum(axis=1), full_scale, job.params)
    layers = (*deep_net.between, deep_net.upper)

    def worked_out():
        return quantise_layers(layers, full_scale, codes, job.params), accuracy(deep_net.layers, digits.train)

    whole = worked_out()
    assert 100 < len(codes) < AT_ONCE and 100 < len(digits.train) < AT_ONCE
    for module in ("offline", "transfer"):
        monkeypatch.setattr(f"model.training.{module}.AT_ONCE", 100)
    np.testing.assert_equal(worked_out(), whole)


def test_integers_decide_as_the_float_network(ideal, deep_net, digits):
    assert ideal.accuracy() > deep_net.test_accuracy - 0.02
    record = golden(ideal.ctl.run(Mode.INFER, digits.test.pixels, digits.test.labels))
    h = with_bias(digits.test.pixels.astype(np.float32) / 255)
    for weights in deep_net.layers[:-1]:
        h = with_bias(np.maximum(h @ weights, 0))
    assert np.mean(record.predictions == (h @ deep_net.upper).argmax(axis=1)) > 0.95


def test_codes_use_their_range_and_few_are_clipped(ideal):
    job, ctl = ideal.job, ideal.ctl
    upper, q = job.upper(code_step(ctl.registers)), job.params.adc_limit
    codes = hidden_codes(
        job.calibration_hidden.sum(axis=1), job.full_scale(code_step(ctl.registers)), job.params
    )
    first = 0
    for below, units, shift in zip(
        upper.between.units[:-1], upper.between.units[1:], upper.between.forward, strict=True
    ):
        weights = upper.between.weights[first : first + (below + 1) * units].reshape(below + 1, units)
        sums = with_bias(codes / q) @ weights * q
        codes = np.clip(np.floor(sums / 2.0**shift + 0.5), 0, q)
        assert (codes >= q).mean() <= 0.001 and codes.max() > q // 2
        first += (below + 1) * units


@pytest.fixture(scope="module")
def online(ideal):
    """Pixels, verdicts, hidden codes and errors of the samples that update on the ideal array."""
    job = ideal.job_with("accumulate", 1 << 19, 100.0)
    golden(ideal.ctl.configure(**job.settings(job.upper(code_step(ideal.ctl.registers)))))
    trace = golden(
        ideal.ctl.run(Mode.TRAIN, job.train_pixels[:400], job.train_labels[:400], trace=True)
    ).trace
    ideal.transferred()
    verdict = np.array(trace["verdict"])
    updates = verdict[:, 0] == 1
    return (
        job.train_pixels[:400][updates],
        verdict[updates],
        np.array(trace["hidden"])[updates],
        trace["delta"],
    )


def test_errors_have_the_signs_of_the_float_gradient(online, deep_net, deep_run):
    pixels, verdict, hidden, delta = online
    x, targets = with_bias(pixels.astype(np.float32) / 255), np.eye(10)
    wanted = []
    for one, (_, target, rival, _) in zip(x, verdict, strict=True):
        taken = [one[None]]
        for weights in deep_net.layers[:-1]:
            taken.append(with_bias(np.maximum(taken[-1] @ weights, 0)))
        error = (targets[target] - targets[rival])[None]
        for k in (3, 2, 1):
            error = (error @ deep_net.layers[k][:-1].T) * (taken[k][:, :-1] > 0)
        wanted.append(error[0])
    large = np.abs(wanted) > np.std(wanted) / 4
    alive = large & (hidden > 0) & (hidden < deep_run.params.adc_limit)
    assert len(x) > 100 and alive.sum() > 1000
    assert (np.sign(delta)[alive] == np.sign(wanted)[alive]).mean() > 0.95


def test_errors_are_about_as_large_as_with_one_layer(online, ideal, make_job):
    """As the differences of the last layer's weights that they come from: thresholds mean the same."""
    _, verdict, _, delta = online
    upper = ideal.job.upper(code_step(ideal.ctl.registers)).weights[:-1]
    limit = ideal.job.params.delta_limit
    differences = np.clip(upper[:, verdict[:, 1]] - upper[:, verdict[:, 2]], -limit, limit)
    sizes = [
        np.sqrt(np.mean(np.square(np.array(v)[np.array(v) != 0], dtype=float))) for v in (delta, differences)
    ]
    assert 0.5 < sizes[0] / sizes[1] < 2
    assert upper.max() < 1 << (LAYER_ERROR_BITS - 2)


@pytest.mark.parametrize("hidden", [(24,), HIDDEN])
def test_the_online_epoch_repairs_a_harsh_device(digits, deep_run, hidden):
    run = replace(deep_run, offline=replace(deep_run.offline, hidden=hidden))
    net = train_offline(digits, run.params, run.offline, seed=1)
    before, after, shuffled = [], [], []
    for seed in (1, 2):
        trial = Trial(run, digits, net, seed)
        for found, name in (
            (before, "open loop"),
            (after, "hybrid accumulate"),
            (shuffled, "shuffled labels"),
        ):
            found.append(METHODS[name].measure(trial, TRAINED).accuracy)
    assert np.mean(before) < net.test_accuracy - 0.03  # there is something to repair
    assert np.mean(after) > np.mean(before) + 0.02 and np.mean(shuffled) < np.mean(before)


@pytest.fixture(scope="module")
def trials(digits, deep_run, deep_net):
    """One for each hardware that the methods need."""
    made = {}

    def trial(name: str) -> Trial:
        run = METHODS[name].hardware(deep_run)
        return made.setdefault(repr(run), Trial(run, digits, deep_net, 1))

    return trial


def test_a_method_gives_the_same_after_all_others(trials):
    def measured() -> dict[str, Outcome]:
        return {
            name: METHODS[name].measure(trials(name), SETTINGS | OTHERS.get(name, {})) for name in MEASURED
        }

    first = measured()
    assert measured() == first
    accuracy_of = {name: outcome.accuracy for name, outcome in first.items()}
    for name in (
        "hybrid accumulate",
        "last layer",
        "hybrid + last layer",
        "tuned online",
        "error softmax",
        "pair both",
    ):
        assert accuracy_of[name] > accuracy_of["open loop"], name
    assert first["hybrid accumulate"].phases["online"]["STROBES"] > 100


def test_methods_with_an_analog_upper_layer_are_refused_by_name(deep_run):
    values = {"data": "digits", "offline": {"hidden": list(HIDDEN)}}
    refused = set()
    for name in METHODS:
        try:
            Plan({"deep": values}, (name,))
        except InputError as error:
            refused.add(name)
            assert str(error).startswith(f"method: '{name}' has an analog upper layer") and "\n" not in str(
                error
            )
    assert refused == REFUSED
    for name in REFUSED:
        Plan({"flat": {"data": "digits"}}, (name,))
        with pytest.raises(
            InputError, match=r"offline\.hidden: an analog upper layer is right above the array"
        ):
            METHODS[name].hardware(deep_run)


def test_a_point_of_a_study_may_be_deep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = {"data": "digits", "offline": {"epochs": 3, "hidden": [12]}, "nonideal": {"stuck": 0.1}}
    point = {"task": "measure", "run": run, "method": "hybrid accumulate", "settings": TRAINED, "net": 0, "seed": 0, "split": "test"}  # fmt: skip
    deep, flat = (measure(p) for p in (point, point | {"run": run | {"offline": {"epochs": 3}}}))
    assert deep["accuracy"] > 0.5 and deep != flat
    assert len(list((tmp_path / "build" / "nets").iterdir())) == 2


def test_kept_networks_of_other_depths_are_others(digits, digits_run, tmp_path):
    settings = [OfflineSettings(epochs=1, batch=200, hidden=hidden) for hidden in ((), (8,), (8, 8), (9,))]
    for _ in range(2):
        nets = [kept_net(digits, digits_run.params, s, 5, folder=tmp_path) for s in settings]
        assert [[w.shape for w in net.layers] for net in nets] == [
            s.shapes(digits_run.params) for s in settings
        ]
        assert len(list(tmp_path.iterdir())) == len(settings)
    again = train_offline(digits, digits_run.params, settings[2], 5)
    assert all(np.array_equal(a, b) for a, b in zip(again.layers, nets[2].layers, strict=True))
    assert again[2:5] == nets[2][2:5]


def test_an_untrained_network_has_the_layers_of_its_settings():
    run = default_run("digits")
    flat, deep = (untrained(run.params, OfflineSettings(hidden=hidden), 3) for hidden in ((), (7,)))
    assert np.array_equal(flat.hidden, deep.hidden) and [w.shape for w in deep.between] == [(33, 7)]
    assert deep.between[0][:-1].std() == pytest.approx(np.sqrt(2 / 33), rel=0.2)
