"""Whatever is wrong with an input: one line that says what and where, exit status 2, and no result."""

import numpy as np
import pytest

from sim.report.result import ARRAY_NAMES
from tests.cli.conftest import save_data


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def check_nothing_left(out) -> None:
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('data = "{data}"', "", "data: None is not a text"),
        ('data = "{data}"', "data = 5", "data: 5 is not a text"),
        ("seeds = [3, 4]", 'seeds = ["x"]', "seeds: 'x' is not an integer"),
        ("seeds = [3, 4]", "seeds = []", "seeds"),
        ("margin = 40", 'margin = "wide"', "margin: 'wide' is neither a number nor"),
        ("margin = 40", "margin = nan", "margin: nan is outside"),
        ("margin = 40", "marginn = 40", "marginn: unknown key"),
        ("threshold = 4096", "threshold = 0", "threshold"),
        ("threshold = 4096", "threshold = 10000000", "threshold"),
        ("epochs = 3", "epochs = 3.5", "offline.epochs: 3.5 is not an integer"),
        ("epochs = 3", "epoch = 3", "offline.epoch"),
        ('params = "TINY"', 'params = "HUGE"', "params: unknown instance 'HUGE'"),
        ('params = "TINY"', "params = {rows = 0}", "rows: 0 is outside"),
        ('params = "TINY"', 'params = {base = "TINY", rows = "9"}', "rows: '9' is not an integer"),
        ('params = "TINY"', 'params = {base = "TINY", commit_depth = 0}', "commit_depth: 0 is outside"),
        ('params = "TINY"', 'params = "DIGITS"', "rows: 65 rows take 64 inputs"),
        ('params = "TINY"', 'params = {base = "TINY", classes = 2}', "classes: 2 classes are fewer"),
        ("[offline]", "[nonideal]\nstuck = nan\n[offline]", "nonideal.stuck: nan is outside"),
        ("[offline]", "[nonideal]\nstuck = 2\n[offline]", "nonideal.stuck: 2"),
        ('device = "AlOx/HfO2"', 'device = {name = "x"}', "device: law: is missing"),
        ("[offline]", "[offline", "cannot be read"),
    ],
)
def test_run_file(bad_input, config, data, out, old, new, said):
    text = config.read_text()
    old = old.format(data=data)
    assert old in text
    config.write_text(text.replace(old, new))
    assert said in bad_input("train", "--config", config, "--no-rtl", "--out", out)
    check_nothing_left(out)


@pytest.mark.parametrize(
    "options, said",
    [
        (("--data", "cifar"), "data: unknown data set 'cifar'"),
        (("--data", "missing.npz"), "missing.npz: no such file"),
        (("--params", "HUGE"), "unknown instance 'HUGE'"),
        (("--params", "missing.toml"), "missing.toml: no such file"),
        (("--device", "unobtainium"), "unknown device 'unobtainium'"),
        (("--device", "missing.toml"), "missing.toml: no such file"),
        (("--rule", "magic"), "rule: 'magic' is not one of"),
        (("--sim", "spice"), "--sim: 'spice' is not one of"),
        (("--seeds", "0"), "--seeds: 0 is outside 1..1000"),
        (("--seeds", "many"), "'--seeds'"),
        (("--config", "missing.toml"), "missing.toml: no such file"),
        (("--speed", "9"), "No such option"),
    ],
)
def test_train_options(bad_input, out, options, said):
    assert said in bad_input("train", *options, "--out", out)
    check_nothing_left(out)


def test_out_that_is_a_file(bad_input, config, tmp_path):
    out = tmp_path / "occupied"
    out.write_text("mine")
    assert str(out) in bad_input("train", "--config", config, "--no-rtl", "--out", out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"not a zip file", None])
def test_data_file_that_cannot_be_read(bad_input, data, out, content):
    data.write_bytes(data.read_bytes()[:500] if content is None else content)
    assert f"{data}: " in bad_input("train", "--data", data, "--params", "TINY", "--no-rtl", "--out", out)
    check_nothing_left(out)


def test_data_file_without_samples(bad_input, tmp_path, out):
    data = save_data(tmp_path / "none.npz", 0)
    assert f"{data}: x_train: holds no samples" in bad_input(
        "train", "--data", data, "--params", "TINY", "--out", out
    )
    check_nothing_left(out)


@pytest.mark.parametrize(
    "name, change, said",
    [
        ("x_train", lambda x: x.astype(np.float32), "x_train: float32"),
        ("y_train", lambda y: y[:-1], "y_train"),
        ("y_test", lambda y: y - 5, "y_test"),
        ("x_test", lambda x: x[:, :-1], "x_test"),
        ("y_test", None, "must hold"),
    ],
)
def test_data_file_with_wrong_arrays(bad_input, data, out, name, change, said):
    with np.load(data) as file:
        arrays = dict(file)
    values = arrays.pop(name)
    if change:
        arrays[name] = change(values)
    np.savez(data, **arrays)
    assert said in bad_input("train", "--data", data, "--params", "TINY", "--out", out)
    check_nothing_left(out)


DEVICE = """
name = "mine"
source = "a bench"
[law]
kind = "measured"
up_uS = [1, 2, 3]
down_uS = [3, 2, 1]
"""


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('name = "mine"', "", "name: is missing"),
        ('name = "mine"', "name = 3", "name: 3 is not a text"),
        ("[1, 2, 3]", "[1, nan, 3]", "law.up_uS[1]: nan is outside"),
        ("[1, 2, 3]", "[1, inf, 3]", "law.up_uS[1]: inf is outside"),
        ("[1, 2, 3]", "[]", "law.up_uS: a list of"),
        ("[1, 2, 3]", "[1, 2, 1.5]", "law.up_uS: does not rise"),
        ("[1, 2, 3]", '"curve"', "law.up_uS"),
        ('kind = "measured"', 'kind = "guessed"', "law.kind: 'guessed' is not one of"),
        ("[law]", "[lawn]", "lawn: unknown key"),
    ],
)
def test_device_file(bad_input, tmp_path, out, old, new, said):
    path = tmp_path / "device.toml"
    path.write_text(DEVICE.replace(old, new))
    line = bad_input("devices", path)
    assert line.startswith(f"{path}: ") and said in line
    assert said in bad_input("train", "--device", path, "--no-rtl", "--out", out)
    check_nothing_left(out)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("cosim", "--params", "HUGE"), "unknown instance"),
        (("cosim", "--samples", "0"), "--samples: 0 is outside"),
        (("cosim", "--seed", "-1"), "--seed: -1 is outside"),
        (("cosim", "--sim", "spice"), "--sim"),
        (("cosim", "--engine", "steam"), "--engine: 'steam' is not one of cocotb, fast"),
        (
            ("cosim", "--data", "digits", "--waves"),
            "--waves: a job with --data writes a waveform with --engine fast",
        ),
        (("cosim", "--window", "0:4"), "--window: needs --engine fast and --waves"),
        (("cosim", "--engine", "fast", "--waves", "--window", "4"), "--window: '4' is not FIRST:END"),
        (("cosim", "--tests", "4"), "--tests: only a job with --data is tested"),
        (("cosim", "--trained", "both"), "--trained: a random job trains every layer"),
        (("cosim", "--backward", "copy"), "--backward: a random job takes errors from everywhere"),
        (("cosim", "--errors", "codes"), "--errors: a random job follows labels and codes"),
        (("run-on", "/dev/null", "--errors", "codes"), "--errors: needs --data"),
        (("train", "--errors", "words"), "errors: 'words' is not one of labels, codes"),
        (
            ("train", "--errors", "codes", "--params", "ORANGECRAB"),
            "errors: the hardware follows labels only: its parameter teacher is 0",
        ),
        (
            ("cosim", "--data", "digits", "--trained", "both"),
            "trained: only an analog upper layer is trained",
        ),
        (
            ("cosim", "--data", "digits", "--backward", "mirror"),
            "backward: 'mirror' is not one of copy, transposed",
        ),
        (("cosim", "--data", "digits", "--sim", "icarus"), "--sim: a job with --data is run with verilator"),
        (("cosim", "--engine", "fast", "--sim", "icarus"), "--sim: the fast engine is built with verilator"),
        (("cosim", "--params", "ULX3S", "--rule", "accumulate"), "is not built into ULX3S"),
        (("writes", "--seeds", "0"), "--seeds: 0 is outside"),
        (("writes", "--params", "ULX3S", "--data", "digits"), "rows: 785 rows take 784 inputs"),
        (("params", "HUGE"), "unknown instance"),
        (("params", "--dump", "HUGE"), "unknown instance"),
        (("devices", "unobtainium"), "unknown device"),
        (("build",), "give either --board NAME or --lint"),
        (("build", "--lint", "--board", "ulx3s"), "give either"),
        (("formal", "everything"), "no proof 'everything'"),
        (("report", "missing"), "result.json: no such file"),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_other_commands(bad_input, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in bad_input(*arguments)
    assert not list(tmp_path.iterdir())


def test_report_of_a_broken_result(bad_input, tmp_path):
    (tmp_path / "result.json").write_text('{"format": 1')
    assert f"{tmp_path / 'result.json'}: cannot be read" in bad_input("report", tmp_path)
    (tmp_path / "result.json").write_text('{"format": 0}')
    assert "is not a result of format 1" in bad_input("report", tmp_path)
    (tmp_path / "result.json").write_text('{"format": 1}')
    (tmp_path / "arrays.npz").write_bytes(b"PK\x03\x04")
    assert f"{tmp_path / 'arrays.npz'}: cannot be read" in bad_input("report", tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_report_of_a_result_that_lacks_something(bad_input, tmp_path):
    (tmp_path / "result.json").write_text('{"format": 1, "accuracy_per_seed": {}}')
    np.savez(tmp_path / "arrays.npz", **dict.fromkeys(ARRAY_NAMES, np.zeros(1)))
    assert f"{tmp_path / 'result.json'}: lacks something" in bad_input("report", tmp_path)
    assert not (tmp_path / "report.html").exists()
