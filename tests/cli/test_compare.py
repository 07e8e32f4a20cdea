"""`crosstrain compare`."""

import json
import shutil
from pathlib import Path

import pytest

from model.study.compare import CHOICES, RESULTS
from model.study.controls import METHODS
from model.study.methods import TRIES
from sim.report.compare_page import COLUMNS
from spec.run_file import run_from_dict
from tests.cli.conftest import save_config, save_data

ROOT = Path(__file__).parents[2]

METHODS_MEASURED = ("software", "open loop", "hybrid accumulate", "tuned online", "verify pair + hybrid")


def arguments(folder):
    config = save_config(folder / "run.toml", save_data(folder / "tiny.npz", 120))
    text = "".join(line for line in config.read_text().splitlines(True) if not line.startswith("seeds"))
    config.write_text(text)
    named = [part for name in METHODS_MEASURED for part in ("--method", name)]
    sizes = ["--nets", "1", "--arrays", "2", "--tries", "1", "--workers", "1"]
    return ["compare", "--config", config, "--device", "EpiRAM", "--device", "FeFET", *named, *sizes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compared")


def test_methods_are_compared_and_taken_up_again(program, folder):
    out = folder / "out"
    done = program(*arguments(folder), "--out", out)
    assert done.status == 0, done.err
    assert {path.name for path in out.iterdir()} >= {CHOICES, RESULTS, "compare.json", "compare.html"}
    for name in METHODS_MEASURED:
        assert done.out.count(name) >= 2  # in both tables
    page = (out / "compare.html").read_text()
    assert (
        all(column.format("hybrid accumulate") in page for column in COLUMNS)
        and page.count("<svg") == 8
        and "http" not in page.split("<svg")[0]
    )
    result = json.loads((out / "compare.json").read_text())
    lines = {(line["run"], line["method"]): line for line in result["lines"]}
    assert set(lines) == {(run, method) for run in ("EpiRAM", "FeFET") for method in METHODS_MEASURED}
    reference = lines["EpiRAM", "hybrid accumulate"]
    assert reference["settings"].keys() == {"threshold", "margin"}
    assert lines["EpiRAM", "tuned online"]["settings"] == reference["settings"]
    assert lines["EpiRAM", "verify pair + hybrid"]["settings"].keys() == {
        "threshold",
        "margin",
        "tolerance",
        "averages",
    }
    assert lines["EpiRAM", "tuned online"]["costs"]["online"]["verify_reads"] > 0
    assert reference["reference_minus"]["mean"] == 0
    assert len(reference["tried"]) == TRIES and not lines["EpiRAM", "open loop"]["tried"]
    assert max(tried["accuracy"] for tried in reference["tried"]) > 0.3
    assert "Cost at equal accuracy" in page
    equal = result["equal_accuracy"]["EpiRAM"]
    assert equal.keys() == {"hybrid accumulate", "verify pair + hybrid"}, "those with a choice of settings"
    assert 0 < equal["hybrid accumulate"]["pulses"] < 2 * reference["costs"]["all"]["pulses"]
    assert reference["costs"]["all"]["cycles"] > reference["costs"]["all"]["waiting"] > 0

    before = (out / RESULTS).read_bytes()
    again = program(*arguments(folder), "--out", out)
    assert again.status == 0 and (out / RESULTS).read_bytes() == before
    assert json.loads((out / "compare.json").read_text()) == result

    other = program(*arguments(folder), "--out", out, "--reference", "open loop")
    assert other.status == 0 and (out / RESULTS).read_bytes() == before
    paired = {
        (line["run"], line["method"]): line
        for line in json.loads((out / "compare.json").read_text())["lines"]
    }
    assert paired["FeFET", "open loop"]["reference_minus"]["mean"] == 0
    assert (
        paired["FeFET", "hybrid accumulate"]["reference_minus"]["mean"]
        == -lines["FeFET", "open loop"]["reference_minus"]["mean"]
    )
    assert "open loop minus it" in (out / "compare.html").read_text()
    assert program(*arguments(folder), "--out", out).status == 0, "as it was"


def test_reference_is_one_of_the_methods(program, folder):
    refused = program(*arguments(folder), "--out", folder / "none", "--reference", "last layer")
    assert refused.status != 0 and "reference: 'last layer' is none of the methods compared" in refused.err


def test_pages_are_drawn_again_and_joined(program, folder):
    out = folder / "out"
    before = (out / "compare.html").read_text()
    (out / "compare.html").unlink()
    assert program("report", out).status == 0
    assert (out / "compare.html").read_text() == before
    page = folder / "both.html"
    assert program("report", out, out, "--out", page).status == 0  # of the same folder: one part
    other = folder / "other"
    shutil.copytree(out, other)
    assert program("report", out, other, "--out", page).status == 0
    text = page.read_text()
    assert (
        text.count("<main") == 3 and text.count("Methods compared</h1>") == 2 and text.count("</html>") == 1
    )
    assert f'<a href="#run1">{other}</a>' in text and text.count("<style>") == 1


def test_a_broken_comparison_is_told(bad_input, tmp_path):
    (tmp_path / "compare.json").write_text("{}")
    assert bad_input("report", tmp_path) == f"{tmp_path / 'compare.json'}: is not a comparison ('format')"


def test_a_map_says_where_the_method_wins(program, folder):
    out = folder / "map"
    axes = ["--over", "nonideal.step_sigma=0,0.8", "--over", "nonideal.stuck=0.0,0.3"]
    words = [str(word) for word in arguments(folder)]
    one_device, sizes = words[: words.index("FeFET") - 1], words[words.index("--nets") :]
    methods = ["--method", "open loop", "--method", "hybrid accumulate", "--method", "bias row"]
    done = program(*one_device, *methods, *sizes, *axes, "--out", out)
    assert done.status == 0, done.err
    page, result = (out / "compare.html").read_text(), json.loads((out / "compare.json").read_text())
    labels = [
        f"nonideal.step_sigma {d2d}, nonideal.stuck {stuck}" for d2d in (0, 0.8) for stuck in (0.0, 0.3)
    ]
    assert list(result["advantages"]) == labels and all(label in page for label in labels)
    assert {found["rival"] for found in result["advantages"].values()} == {"bias row"}
    runs = result["plan"]["runs"]
    assert runs[labels[-1]]["nonideal"] == {"step_sigma": 0.8, "stuck": 0.3}
    assert page.count("<svg") == 1 + 4 * len(labels) and "Where hybrid accumulate wins" in page


def test_the_example_of_a_harsh_corner_is_of_any_device(monkeypatch):
    from crosstrain.commands.compare import _runs

    monkeypatch.chdir(ROOT)
    runs = _runs(Path("docs/examples/harsh.toml"), {"data": None, "params": None}, ["EpiRAM", "PCMO"])
    assert list(runs) == ["EpiRAM", "PCMO"]
    for name, values in runs.items():
        run = run_from_dict(values)
        assert (run.device.name, run.nonideal.stuck, run.params.adc_bits, run.data) == (
            name,
            0.05,
            6,
            "mnist",
        )


def test_the_example_of_bits_is_over_the_width_of_the_counter(monkeypatch):
    from crosstrain.commands.compare import _axes, _runs
    from model.study.compare import over_axes

    monkeypatch.chdir(ROOT)
    runs = _runs(Path("docs/examples/bits.toml"), {"data": None, "params": None}, None)
    tables = over_axes(runs["ReRAM-OM"], _axes(["params.counter_bits=3,9"]))
    assert [run_from_dict(values).params.counter_bits for values in tables.values()] == [3, 9]


def test_options_change_what_the_file_says(monkeypatch):
    from crosstrain.commands.compare import _runs

    monkeypatch.chdir(ROOT)
    runs = _runs(Path("docs/examples/harsh.toml"), {"data": "fashion-mnist", "params": "MNIST"}, ["PCMO"])
    assert (runs["PCMO"]["data"], runs["PCMO"]["params"]) == ("fashion-mnist", "MNIST")
    assert _runs(None, {"data": None, "params": None}, None)["EpiRAM"]["data"] == "digits"


def test_methods_are_listed(program):
    done = program("compare", "--list")
    assert done.status == 0
    assert all(name in done.out for name in METHODS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "tiki-taka"], "method: 'tiki-taka' is none of open loop,"),
        (["--device", "EpiRom"], "EpiRom: device: unknown device 'EpiRom'"),
        (["--over", "nonideal.stuk=0,1"], "nonideal.stuk 0: nonideal.stuk: unknown key"),
        (["--over", "nonideal.stuck"], "--over: 'nonideal.stuck' is not KEY=VALUE"),
        (["--over", "nonideal.stuck=0.1,0.1"], "nonideal.stuck 0.1: is there twice"),
        (["--nets", "0"], "--nets: 0 is outside 1..1000"),
        (["--data", "mnst"], "unknown data set 'mnst'"),
    ],
)
def test_what_cannot_be_compared_is_said_at_once(program, tmp_path, options, message):
    done = program("compare", *options, "--out", tmp_path / "out")
    assert done.status == 2 and message in done.err
    assert len(done.err.strip().splitlines()) == 1
