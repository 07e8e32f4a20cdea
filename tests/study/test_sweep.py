"""Sweep files: the points that they say, what is wrong with them before anything is measured, and the plot."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.study.plot import draw, groups_of, numeric_axes, picture
from model.study.points import check_point
from model.study.store import key_of
from model.study.sweep import load_sweep, sweep_from_dict
from spec.device_file import dump_device, load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.params_file import dump
from spec.run_file import run_from_dict

ROOT = Path(__file__).parents[2]
FILE = """
method = "open loop"
[base]
data = "digits"
[base.offline]
epochs = 3
[axes]
device = ["EpiRAM", "PCMO"]
nonideal.stuck = [0, 0.05]
"offline.kind" = ["plain"]
seed = [0, 1]
"""


def sweep(text: str):
    return sweep_from_dict(tomllib.loads(text))


def test_points_are_the_product_of_the_axes_in_their_order():
    found = sweep(FILE)
    assert list(found.axes) == ["device", "nonideal.stuck", "offline.kind", "seed"]
    assert len(found.points) == len(found.choices) == 8
    assert found.points[3] == {
        "run": {"data": "digits", "offline": {"epochs": 3, "kind": "plain"}, "device": "EpiRAM", "nonideal": {"stuck": 0.05}},
        "method": "open loop", "settings": {}, "net": 0, "seed": 1, "split": "test",
    }  # fmt: skip
    assert [choice["seed"] for choice in found.choices] == [0, 1] * 4


def test_depths_of_the_network_are_an_axis():
    text = '[base]\ndata = "digits"\n[axes]\noffline.hidden = [[], [16], [16, 8]]\nmethod = ["open loop", "analog both"]'
    found = sweep(text)
    assert [point["run"]["offline"]["hidden"] for point in found.points[::2]] == [[], [16], [16, 8]]
    assert [run_from_dict(point["run"]).offline.hidden for point in found.points[::2]] == [(), (16,), (16, 8)]
    assert len({key_of(point) for point in found.points}) == 6
    rows = [{"status": "done", "accuracy": 0.9}] * 6
    assert [group.choice["offline.hidden"] for group in groups_of(found, rows, "accuracy")][1::2] == [
        [],
        [16],
        [16, 8],
    ]
    with pytest.raises(InputError, match="'analog both' has an analog upper layer"):
        sweep_from_dict(tomllib.loads(text), check_point)
    with pytest.raises(InputError, match=r"offline\.hidden: 0 is not an integer in 1\.\.4096"):
        sweep(text.replace("[16]", "[0]"))


def test_axes_of_the_point_itself():
    found = sweep(
        '[base]\ndata = "digits"\n[settings]\nmargin = 12\n[axes]\nmethod = ["a", "b"]\nsettings.threshold = [3]\n'
        'net = [4]\nsplit = ["validation"]\n'
    )
    assert [point["method"] for point in found.points] == ["a", "b"]
    assert found.points[0] | {"method": ""} == {
        "run": {"data": "digits"}, "method": "", "settings": {"margin": 12, "threshold": 3},
        "net": 4, "seed": 0, "split": "validation",
    }  # fmt: skip


def test_a_sweep_without_axes_is_one_point():
    assert len(sweep('[base]\ndata = "digits"').points) == 1


def test_parts_of_hardware_and_device_change_what_is_named_or_the_default():
    found = sweep('[base]\ndata = "digits"\n[axes]\nparams.adc_bits = [6]\ndevice.c2c.sigma = [0.25]\n')
    run = run_from_dict(found.points[0]["run"])
    assert run.params == replace(INSTANCES["DIGITS"], adc_bits=6, name=run.params.name)
    assert run.device == replace(load_device("EpiRAM"), c2c_sigma=0.25)


def test_files_of_devices_and_hardware_are_put_into_the_points(tmp_path):
    (tmp_path / "dev.toml").write_text(dump_device(load_device("PCMO")))
    (tmp_path / "hw.toml").write_text(dump(replace(INSTANCES["DIGITS"], name="hw")))
    values = {
        "base": {"data": "digits", "params": str(tmp_path / "hw.toml")},
        "axes": {"device": [str(tmp_path / "dev.toml"), "PCMO"]},
    }
    point, named = sweep_from_dict(values).points
    (tmp_path / "dev.toml").unlink()
    (tmp_path / "hw.toml").unlink()
    run = run_from_dict(point["run"])
    assert run.device == load_device("PCMO") == run_from_dict(named["run"]).device
    assert run.params.name == "hw" and named["run"]["device"] == "PCMO"


def test_the_example_of_the_documents_is_one():
    found = load_sweep(ROOT / "docs" / "examples" / "sweep.toml")
    assert len(found.points) == 24 and numeric_axes(found) == ["nonideal.stuck"]
    shown = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "studies.md").read_text(), re.DOTALL)
    assert {**sweep(shown[1]).points[0]} == found.points[0]


BAD = {
    "axis = 1": "axis: unknown key; there are base, axes, method",
    "axes = 1": "axes: is not a table",
    "[axes]\nseed = 3": "axes.seed: is not a list of values",
    "[axes]\nseed = []": "axes.seed: is not a list of values",
    "[axes]\nseed = [1, 2, 1]": "axes.seed: 1 is there twice",
    "[axes]\nseeds = [1]": "axes.seeds: a point has one seed: call it `seed`",
    "seeds = [1]": "base.seeds: a point has one seed: give an axis `seed`",
    "[axes]\nseed = [0, -1]": "seed = -1: seed: -1 is not an integer in 0..4294967295",
    "[axes]\nnet = ['a']": "net = 'a': net: 'a' is not an integer",
    "[axes]\nsplit = ['train']": "split = 'train': split: 'train' is not one of test, validation",
    "[axes]\nmethod = [3]": "method = 3: method: 3 is not a text",
    "[axes]\ndevice = ['EpiRAM', 'X']\nrule = ['counter']": "device = 'X': device: unknown device 'X'; there are",
    "[axes]\nnonideal.stuck = [0, 2]\nseed = [1]": "nonideal.stuck = 2: nonideal.stuck: 2.0 is outside 0..1",
    "[axes]\nnonideal.stack = [0]": "nonideal.stack = 0: nonideal.stack: unknown key",
    "[axes]\ncolour = ['red']": "colour = 'red': colour: unknown key; there are data, params",
    "[axes]\nparams.rows = [9]": "params.rows = 9: rows: 9 rows take 8 inputs, digits has 64",
    "[axes]\ndata = ['cifar']": "data = 'cifar': data: unknown data set 'cifar'",
    "rules = 3": "base: rules: unknown key",
    "offline = {epochs = 0}": "base: offline.epochs: 0 is not an integer",
}


@pytest.mark.parametrize("text, said", BAD.items())
def test_what_is_wrong_is_told_with_its_axis_before_anything_is_measured(tmp_path, text, said):
    path = tmp_path / "s.toml"
    base = "" if text.startswith(("axis", "axes")) else '[base]\ndata = "digits"\n'
    path.write_text(base + text)
    with pytest.raises(InputError) as told:
        load_sweep(path)
    assert str(told.value).startswith(f"{path}: {said}"), told.value


def test_a_check_of_the_caller_is_part_of_it():
    def check(point: dict) -> None:
        raise InputError("'b' is none of a", key="method")

    with pytest.raises(InputError, match="method = 'b': method: 'b' is none of a"):
        sweep_from_dict({"base": {"data": "digits"}, "axes": {"method": ["b"], "seed": [1]}}, check)


def results(found, missing=()) -> list[dict]:
    """Accuracy by the axes' values."""
    rows = []
    for place, choice in enumerate(found.choices):
        numbers = [value for value in choice.values() if not isinstance(value, str)]
        row = {"status": "done", "accuracy": 0.5 + 0.01 * sum(numbers)}
        rows.append({"status": "failed", "error": "why"} if place in missing else row)
    return rows


def test_results_are_grouped_over_nets_and_seeds():
    found = sweep(FILE)
    groups = groups_of(found, results(found, missing=(3,)), "accuracy")
    assert [group.choice["device"] for group in groups] == ["EpiRAM"] * 2 + ["PCMO"] * 2
    assert (groups[0].mean, groups[0].error) == (pytest.approx(0.505), pytest.approx(0.005))
    assert (groups[1].done, groups[1].failed) == (1, 1)
    assert groups[1].mean == pytest.approx(0.5005) and np.isnan(groups[1].error)


def test_one_axis_of_numbers_is_drawn_as_lines_and_the_other_axes_as_their_names():
    found = sweep(FILE)
    figure = draw(found, groups_of(found, results(found), "accuracy"), "accuracy")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "nonideal.stuck" and axes.get_ylabel() == "mean accuracy"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["EpiRAM, plain", "PCMO, plain"]
    assert np.allclose(axes.lines[0].get_xydata(), [[0, 0.505], [0.05, 0.5055]])
    assert picture(figure, ".png").startswith(b"\x89PNG") and b"<svg" in picture(figure, ".svg")


def test_two_axes_of_numbers_are_drawn_as_maps():
    found = sweep(FILE.replace("seed =", "nonideal.step_sigma = [0.8, 0.2, 0.4]\nseed ="))
    figure = draw(found, groups_of(found, results(found, missing=(0, 1)), "accuracy"), "accuracy")
    first, second = figure.axes[:2]
    assert (first.get_xlabel(), first.get_ylabel()) == ("nonideal.stuck", "nonideal.step_sigma")
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["0.2", "0.4", "0.8"]
    grid = first.images[0].get_array().filled(np.nan)
    assert np.isnan(grid[2, 0]) and grid[0, 1] == pytest.approx(0.5 + 0.01 * (0.05 + 0.2 + 0.5))
    assert second.get_title() == "PCMO, plain"
    assert picture(figure, ".svg")


@pytest.mark.parametrize(
    "axes, numeric",
    [
        ({"device": ["EpiRAM", "PCMO"], "seed": [0, 1]}, []),
        ({"nonideal.stuck": [0.05]}, []),
        ({"nonideal.stuck": [0, 0.1], "margin": [1, 2], "clip_sigmas": [2, 3]}, ["nonideal.stuck", "margin", "clip_sigmas"]),
        ({"margin": ["auto", 2]}, []),
    ],
)  # fmt: skip
def test_without_one_or_two_axes_of_numbers_nothing_is_drawn(axes, numeric):
    found = sweep_from_dict({"base": {"data": "digits"}, "axes": axes})
    assert numeric_axes(found) == numeric
    assert draw(found, groups_of(found, results(found), "accuracy"), "accuracy") is None
