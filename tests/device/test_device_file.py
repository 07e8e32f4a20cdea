"""Device files: the presets, and what every wrong file is told."""

from dataclasses import replace
from importlib import resources

import pytest

from spec.device_file import (
    ConverterSpread,
    NonIdealities,
    Pulses,
    device_from_dict,
    dump_device,
    load_device,
    nonideal_from_dict,
    preset_names,
)
from spec.errors import InputError
from spec.params_file import read_toml

GOOD = {
    "name": "good",
    "source": "nobody, nowhere",
    "states_up": 50,
    "states_down": 40,
    "g_max_uS": 1.5,
    "on_off": 10,
    "law": {"kind": "neurosim", "nl_ltp": 1, "nl_ltd": -2.0},
    "c2c": {"kind": "relative", "sigma": 0.1},
}
MEASURED = {
    "name": "m",
    "source": "s",
    "law": {"kind": "measured", "up_uS": [1.0, 2.0, 2.5], "down_uS": [2.5, 2.0, 1.0]},
}


def changed(base, dotted, value):
    """A copy of a nested dict with one key set, or removed if the value is None."""
    head, _, rest = dotted.partition(".")
    copy = dict(base)
    if rest:
        copy[head] = changed(base.get(head, {}), rest, value)
    elif value is None:
        del copy[head]
    else:
        copy[head] = value
    return copy


def test_presets_are_the_published_devices():
    expected = {
        "Ag:a-Si", "TaOx/TiO2", "PCMO", "AlOx/HfO2", "TaOx/HfOx", "EpiRAM", "FeFET", "FeTFT", "AND/GSD-like",
        "extreme", "linear", "ReRAM-OM-approx", "ReRAM-OM", "ReRAM-HfO2", "ReRAM-ES", "ReRAM-SB", "ECRAM-Li", "ECRAM-MO",
        "PCM", "Gokmen-Vlasov",
    }  # fmt: skip
    assert set(preset_names()) == expected
    for entry in (resources.files("spec") / "presets").iterdir():
        stem = entry.name.removesuffix(".toml")
        assert stem == stem.lower() and stem.isascii()
        spec = load_device(stem)
        assert spec is load_device(spec.name) is load_device(spec.name.upper()) is load_device(stem.upper())


def test_example_of_the_documents_is_extreme_but_for_its_labels():
    example, extreme = load_device("docs/examples/nonlinear.toml"), load_device("extreme")
    assert (example.law["nl_ltp"], example.law["nl_ltd"]) == (9.0, -9.0)
    assert replace(example, name=extreme.name, law=extreme.law) == extreme


@pytest.mark.parametrize("name", preset_names())
def test_dump_is_read_back(name, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(dump_device(load_device(name)), encoding="utf-8")
    assert load_device(str(path)) == load_device(name)


def test_converter_spread_is_read_back(tmp_path):
    spec = replace(load_device("linear"), converter=ConverterSpread(offset_spread=0.5, gain_spread=0.05))
    path = tmp_path / "copy.toml"
    path.write_text(dump_device(spec), encoding="utf-8")
    assert load_device(str(path)) == spec


def test_a_measured_device_is_read_back(tmp_path):
    spec = device_from_dict(MEASURED)
    path = tmp_path / "m.toml"
    path.write_text(dump_device(spec), encoding="utf-8")
    assert load_device(str(path)) == spec
    assert spec.nonideal == NonIdealities() and spec.c2c_sigma == 0.0


def test_values_of_one_preset():
    spec = load_device("Ag:a-Si")
    assert (spec.states_up, spec.states_down, spec.law["nl_ltd"], spec.c2c_sigma) == (97, 100, -4.88, 0.035)
    assert spec.pulse == Pulses(v_ltp_V=3.2, t_ltp_ns=3e5, v_ltd_V=-2.8, t_ltd_ns=3e5)
    assert spec.g_min_share == pytest.approx(0.08)
    om = load_device("reram_om_approx").nonideal
    assert (om.step_sigma, om.step_distribution, om.range_sigma, om.stuck) == (0.78, "lognormal", 0.4, 0.13)
    assert "g_max_uS" in load_device("extreme").assumed


WRONG = [
    ("colour", 1, "colour: unknown key; there are name, source"),
    ("law.slope", 1, "law.slope: unknown key; there are nl_ltp, nl_ltd"),
    ("c2c.kid", 1, "c2c.kid: unknown key; there are kind, sigma"),
    ("pulse.v", 1, "pulse.v: unknown key; there are v_ltp_V"),
    ("nonideal.d2d", 1, "nonideal.d2d: unknown key; there are step_sigma"),
    ("name", None, "name: is missing"),
    ("name", 3, "name: 3 is not a text"),
    ("source", "", "source: '' is not a text"),
    ("law", None, "law: is missing: a table with kind = linear, neurosim"),
    ("law", 3, "law: is not a table"),
    ("law.kind", "cubic", "law.kind: 'cubic' is not one of linear, neurosim"),
    ("law.kind", None, "law.kind: is missing (one of linear"),
    ("law.nl_ltp", None, "law.nl_ltp: is missing (law neurosim): nonlinearity label"),
    ("law.nl_ltp", float("nan"), "law.nl_ltp: nan is outside 0..9"),
    ("law.nl_ltp", -1.0, "law.nl_ltp: -1.0 is outside 0..9"),
    ("law.nl_ltp", "1", "law.nl_ltp: '1' is not a number (0..9)"),
    ("law.nl_ltp", True, "law.nl_ltp: True is not a number"),
    ("law", {"kind": "log", "b_up": 1.0, "b_down": 0.0}, "law.b_down: 0.0 is too near 0"),
    ("states_up", 2.5, "states_up: 2.5 is not an integer in 2..65535"),
    ("states_up", 1, "states_up: 1 is not an integer in 2..65535"),
    ("states_down", None, "states_down: is missing"),
    ("g_max_uS", float("inf"), "g_max_uS: inf is outside"),
    ("on_off", 1.0, "on_off: 1.0 is outside 1.05..1e+09"),
    ("c2c.kind", "cubic", "c2c.kind: 'cubic' is not one of additive, relative"),
    ("c2c.sigma", None, "c2c.sigma: is missing (a number in 0..15)"),
    ("c2c.sigma", 16, "c2c.sigma: 16 is outside 0..15"),
    ("c2c", {"kind": "additive", "sigma": 0.6}, "c2c.sigma: 0.6 is outside 0..0.5"),
    ("cell", "cubic", "cell: 'cubic' is not one of resistive, transistor"),
    ("pulse.t_ltp_ns", 0, "pulse.t_ltp_ns: 0.0 is outside"),
    ("pulse.v_ltp_V", "3 V", "pulse.v_ltp_V: '3 V' is not a number"),
    ("assumed", ["c2c.kid"], "assumed: 'c2c.kid' is not a key of this file"),
    ("assumed", "name", "assumed: 'name' is not a key of this file (a list"),
    ("converter", {"gain": 0.1}, "converter.gain"),
    ("converter", {"gain_spread": 0.3}, "converter.gain_spread: 0.3 is outside 0..0.25"),
    ("nonideal.stuck", 1.5, "nonideal.stuck: 1.5 is outside 0..1"),
    (
        "nonideal",
        {"stuck_low": 0.6, "stuck_high": 0.6},
        "nonideal.stuck_high: stuck_low and stuck_high add up",
    ),
    (
        "nonideal.step_distribution",
        "flat",
        "nonideal.step_distribution: 'flat' is not one of normal, lognormal",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_wrong_files_are_told_in_one_line(key, value, message):
    with pytest.raises(InputError) as error:
        device_from_dict(changed(GOOD, key, value), source="x.toml")
    assert str(error.value).startswith(f"x.toml: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("law.up_uS", [1.0, 2.0, 2.0], "law.up_uS: does not rise from entry 1 (2) to entry 2 (2)"),
        ("law.down_uS", [3.0, 2.0, 2.5], "law.down_uS: does not fall from entry 1 (2) to entry 2 (2.5)"),
        ("law.up_uS", [1.0], "law.up_uS: a list of 2..4096 numbers is needed"),
        ("law.up_uS", 1.0, "law.up_uS: a list of 2..4096 numbers is needed"),
        ("law.up_uS", [1.0, float("nan")], "law.up_uS[1]: nan is outside"),
        ("law.up_uS", [-1.0, 1.0], "law.up_uS[0]: -1.0 is outside 0.."),
        ("law.up_uS", None, "law.up_uS: is missing (law measured): conductance"),
        ("law.up_pulses", [0, 1], "law.up_pulses: must start at 0 and have the 3 entries of up_uS"),
        ("law.up_pulses", [1, 2, 3], "law.up_pulses: must start at 0"),
        ("law.down_pulses", [0, 2, 2], "law.down_pulses: does not rise from entry 1 (2)"),
        ("on_off", 10.0, "on_off: is given by the measured curves; leave it out"),
    ],
)
def test_wrong_curves_are_told_where(key, value, message):
    with pytest.raises(InputError) as error:
        device_from_dict(changed(MEASURED, key, value), source="m.toml")
    assert str(error.value).startswith(f"m.toml: {message}")


def test_unknown_devices_list_those_there_are(tmp_path):
    with pytest.raises(
        InputError, match=r"unknown device 'memristor'; there are .*Ag:a-Si.* or give a \.toml file"
    ):
        load_device("memristor")
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        load_device(str(tmp_path / "none.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.toml: cannot be read"):
        load_device(str(broken))


def test_nonideal_tables_and_changes_are_checked():
    assert nonideal_from_dict({"stuck": 0}) == replace(NonIdealities(), stuck=0.0)
    with pytest.raises(InputError, match=r"run\.toml: nonideal\.read_sigma: 2\.0 is outside 0\.\.0\.5"):
        nonideal_from_dict({"read_sigma": 2}, source="run.toml")
    with pytest.raises(InputError, match=r"nonideal\.step_sigma: -1 is outside"):
        replace(NonIdealities(), step_sigma=-1)


def test_presets_mark_only_keys_they_have():
    for entry in (resources.files("spec") / "presets").iterdir():
        with resources.as_file(entry) as path:
            assert "assumed" in read_toml(path) and read_toml(path)["source"]
