"""A run file is read back to the same run, and whatever is wrong in it is named with its key."""

import tomllib
from dataclasses import replace

import pytest

from spec.device_file import NonIdealities, load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.run_file import PLAIN_CLIP, OfflineSettings, default_run, dump_run, load_run, run_from_dict


@pytest.mark.parametrize("data", ["digits", "mnist", "fashion-mnist", "own.npz"])
def test_defaults_survive_the_file(data, tmp_path):
    run = default_run(data)
    path = tmp_path / "run.toml"
    path.write_text(dump_run(run))
    assert load_run(path) == run


def test_everything_survives_the_file():
    device = load_device("ReRAM-OM-approx")
    run = replace(
        default_run("digits"),
        params=replace(INSTANCES["DIGITS"], name="other", columns=48, rules=("counter",)),
        device=replace(device, name="mine"),
        nonideal=replace(device.nonideal, stuck=0.2),
        offline=OfflineSettings(kind="plain", epochs=3, batch=7, learning_rate=0.01, noise=0.1, clip=3.0, hidden=(128, 64)),
        rule="counter", threshold=5, margin=17.5, x_threshold=100, delta_threshold=9, clip_sigmas=3.5,
        train_samples=11, test_samples=12, seeds=(3, 1, 4),
    )  # fmt: skip
    assert run_from_dict(tomllib.loads(dump_run(run))) == run


def test_only_the_data_need_to_be_named():
    assert run_from_dict({"data": "digits"}) == default_run("digits")


def test_a_device_brings_its_own_spread_which_the_run_may_change():
    run = run_from_dict({"data": "digits", "device": "ReRAM-OM-approx"})
    assert run.nonideal == load_device("ReRAM-OM-approx").nonideal
    run = run_from_dict({"data": "digits", "device": "ReRAM-OM-approx", "nonideal": {"stuck": 0}})
    assert run.nonideal == replace(load_device("ReRAM-OM-approx").nonideal, stuck=0.0)
    run = run_from_dict({"data": "digits", "nonideal": {"stuck": 0.05}})
    assert run.nonideal == replace(NonIdealities(), stuck=0.05)


def test_layers_follow_from_the_hardware_and_the_further_ones():
    run = run_from_dict({"data": "mnist", "offline": {"hidden": [128, 64]}})
    assert run.offline == replace(default_run("mnist").offline, hidden=(128, 64))
    assert run.offline.shapes(run.params) == [(785, 256), (257, 128), (129, 64), (65, 10)]
    assert default_run("mnist").offline.shapes(run.params) == [(785, 256), (257, 10)]


def test_files_may_be_named(tmp_path):
    from spec.device_file import dump_device
    from spec.params_file import dump

    (tmp_path / "hw.toml").write_text(dump(replace(INSTANCES["DIGITS"], name="hw", adc_bits=6)))
    (tmp_path / "dev.toml").write_text(dump_device(load_device("PCMO")))
    values = {"data": "digits", "params": str(tmp_path / "hw.toml"), "device": str(tmp_path / "dev.toml")}
    run = run_from_dict(values)
    assert run.params.adc_bits == 6 and run.device == load_device("PCMO")


BAD = {
    "dat = 'digits'": "dat: unknown key; there are data, params, device",
    "rule = 'counter'": "data: None is not a text",
    "data = 3": "data: 3 is not a text",
    "data = 'digits'\nrule = 'manhattan'": "rule: 'manhattan' is not one of accumulate, counter",
    "data = 'digits'\nthreshold = 'most'": "threshold: 'most' is neither a number nor \"auto\"",
    "data = 'digits'\nthreshold = 0": "threshold: 0 is not an integer in 1..2147483647",
    "data = 'digits'\nthreshold = 2.5": "threshold: 2.5 is not an integer",
    "data = 'digits'\nmargin = -1": "margin: -1 is outside 0..1000",
    "data = 'digits'\nclip_sigmas = 'wide'": "clip_sigmas: 'wide' is neither a number nor \"auto\"",
    "data = 'digits'\nx_threshold = 256": "x_threshold: 256 is not an integer in 0..255",
    "data = 'digits'\nx_threshold = true": "x_threshold: True is not an integer",
    "data = 'digits'\ntrain_samples = -1": "train_samples: -1 is not an integer in 0..",
    "data = 'digits'\nseeds = 3": "seeds: 3 is not a list of 1..1000 integers",
    "data = 'digits'\nseeds = []": "seeds: () is not a list of 1..1000 integers",
    "data = 'digits'\nseeds = [0, -1]": "seeds: -1 is not an integer in 0..4294967295",
    "data = 'digits'\nparams = 'DIGIT'": "params: unknown instance 'DIGIT'; there are TINY, DIGITS",
    "data = 'digits'\nparams = 3": "params: is neither a text nor a table",
    "data = 'digits'\n[params]\nrows = 0": "params: rows: 0 is outside 1..1024",
    "data = 'digits'\n[params]\nbase = 'DIGITS'\nrow = 1": "params: row: unknown parameter",
    "data = 'digits'\ndevice = 'Unobtainium'": "device: unknown device 'Unobtainium'; there are Ag:a-Si",
    "data = 'digits'\n[device]\nname = 'x'": "device: law: is missing",
    "data = 'digits'\nnonideal = 3": "nonideal: is not a table",
    "data = 'digits'\n[nonideal]\nstuck = 2": "nonideal.stuck: 2.0 is outside 0..1",
    "data = 'digits'\n[nonideal]\nstick = 0": "nonideal.stick: unknown key; there are step_sigma",
    "data = 'digits'\n[offline]\nkind = 'dropout'": "offline.kind: 'dropout' is not one of plain, noise-aware",
    "data = 'digits'\n[offline]\nepochs = 0": "offline.epochs: 0 is not an integer in 1..10000",
    "data = 'digits'\n[offline]\nlearning_rate = 0": "offline.learning_rate: 0 is outside 1e-06..1",
    "data = 'digits'\n[offline]\nhidden = 64": "offline.hidden: 64 is not a list of 1..4096",
    "data = 'digits'\n[offline]\nhidden = [64, 0]": "offline.hidden: 0 is not an integer in 1..4096",
    "data = 'digits'\n[offline]\nhidden = [4097]": "offline.hidden: 4097 is not an integer in 1..4096",
    "data = 'digits'\n[offline]\nhidden = [64.0]": "offline.hidden: 64.0 is not an integer in 1..4096",
    "data = 'digits'\n[offline]\nhidden = [8]\n[params]\nbase = 'DIGITS'\nupper_layer = 'analog'": "offline.hidden: an analog upper layer is right above the array",
    "data = 'digits'\n[offline]\nmomentum = 0": "offline.momentum: unknown key; there are kind",
    "data = ": "cannot be read:",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_named(text, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_run(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {BAD[text]}") and "\n" not in message


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        load_run(tmp_path / "none.toml")


def test_a_rule_that_the_hardware_lacks_is_refused():
    with pytest.raises(InputError, match="rule: 'accumulate' is not one of counter"):
        run_from_dict({"data": "mnist", "params": "ULX3S", "rule": "accumulate"})


def test_a_rule_that_is_not_named_is_one_that_is_built_in():
    assert run_from_dict({"data": "mnist", "params": "ULX3S"}).rule == "counter"
    assert run_from_dict({"data": "mnist", "params": "MNIST"}).rule == "accumulate"


def test_a_noise_aware_network_is_clipped_as_it_was_trained_and_a_plain_one_hardly():
    offline = {"clip": 2.0}
    assert run_from_dict({"data": "digits", "offline": offline}).clip == 2.0
    assert run_from_dict({"data": "digits", "offline": offline | {"kind": "plain"}}).clip == PLAIN_CLIP
    assert run_from_dict({"data": "digits", "offline": offline, "clip_sigmas": 3.0}).clip == 3.0
