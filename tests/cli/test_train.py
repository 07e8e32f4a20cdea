"""`crosstrain train` and `crosstrain report`."""

import io
import json
import re
import shutil
from contextlib import redirect_stdout

import numpy as np
import pytest

from crosstrain.cli import main
from sim.cosim import CosimResult
from spec.run_file import load_run
from tests.cli.conftest import save_config, save_data

ACCURACIES = {"software", "open_loop", "hybrid", "last_layer", "program_verify"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a finished run without RTL, its result, and what was printed."""
    folder = tmp_path_factory.mktemp("finished")
    config = save_config(folder / "run.toml", save_data(folder / "tiny.npz", 240))
    printed = io.StringIO()
    arguments = ["crosstrain", "train", "--config", str(config), "--no-rtl", "--out", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), pytest.raises(SystemExit) as left:
        patch.setattr("sys.argv", arguments)
        main()
    assert left.value.code == 0
    return folder / "out", json.loads((folder / "out" / "result.json").read_text()), printed.getvalue()


def test_result_says_what_was_run_and_what_came_out(finished):
    out, result, printed = finished
    assert "Hybrid" in printed and str(out / "report.html") in printed.replace("\n", "")
    assert {path.name for path in out.iterdir()} == {"result.json", "report.html", "arrays.npz", "run.toml"}
    assert result["rule"] == "accumulate" and result["device"] == "AlOx/HfO2" and result["seeds"] == [3, 4]
    assert result["params"]["name"] == "TINY" and result["samples"] == load_samples(result)
    assert set(result["accuracy"]) == ACCURACIES
    assert all(0 <= share <= 1 for share in result["accuracy"].values())
    assert {len(values) for values in result["accuracy_per_seed"].values()} == {2}
    assert set(result["hybrid_minus"]) == ACCURACIES - {"hybrid"}
    assert set(result["pulses"]) == {"transfer", "online_up", "online_down", "program_verify"}
    assert result["verify_reads"]["online"] == 0 < result["verify_reads"]["program_verify"]
    assert result["samples_per_s"]["golden"] > 0
    assert {"python", "numpy", "amaranth", "crosstrain"} <= set(result["versions"])
    for name in ("mismatches", "array_utilisation", "simulator", "rtl"):
        assert result[name] is None, "there was no RTL"


def load_samples(result: dict) -> int:
    return result["data_samples"]["train"]


def test_run_file_repeats_the_run(finished, program, tmp_path):
    out, result, _ = finished
    again = tmp_path / "again"
    assert program("train", "--config", out / "run.toml", "--no-rtl", "--out", again).status == 0
    repeated = json.loads((again / "result.json").read_text())
    timed = {"samples_per_s"}
    assert {k: v for k, v in repeated.items() if k not in timed} == {
        k: v for k, v in result.items() if k not in timed
    }
    assert load_run(again / "run.toml") == load_run(out / "run.toml")


def test_a_network_of_further_hidden_layers_is_trained_on_the_model_alone(
    program, bad_input, data, config, tmp_path
):
    config.write_text(config.read_text() + "hidden = [5, 4]\n")
    out = tmp_path / "out"
    assert program("train", "--config", config, "--no-rtl", "--out", out).status == 0
    result = json.loads((out / "result.json").read_text())
    assert result["hidden"] == [5, 4] and set(result["accuracy"]) == ACCURACIES
    assert "8-6-5-4-3 network" in (out / "report.html").read_text()
    assert load_run(out / "run.toml").offline.hidden == (5, 4)
    told = bad_input("train", "--config", config, "--out", tmp_path / "refused")
    assert told.startswith("offline.hidden: only the golden model has further hidden layers")


def test_report_needs_nothing_but_itself(finished):
    page = (finished[0] / "report.html").read_text()
    # namespaces of SVG are names, not addresses
    addresses = set(re.findall(r"""["'(]((?:https?:)?//[^"')\s]+)""", page)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not addresses
    assert not re.search(r"<(script|link|iframe)\b", page)
    assert all(source.startswith(("data:", "#")) for source in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert page.count("<svg") == 5
    assert "abstract" in page and "analog" in page and "digital" in page


@pytest.mark.parametrize(
    ("upper", "said"),
    [("digital", ") is digital."), ("analog", "pairs) is on a second one of the same device.")],
)
def test_report_says_where_the_upper_layer_is(finished, program, tmp_path, upper, said):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    result = json.loads((out / "result.json").read_text())
    result["params"]["upper_layer"] = upper
    (out / "result.json").write_text(json.dumps(result))
    assert program("report", out).status == 0
    page = (out / "report.html").read_text()
    assert said in page and ("Hence accuracies do not compare" in page) is (upper == "digital")


def test_report_is_drawn_again_from_the_files(finished, program):
    page = finished[0] / "report.html"
    first = page.read_text()
    page.unlink()
    assert program("report", finished[0]).status == 0
    assert page.read_text() == first


def test_pulses_of_the_figures_are_all_of_the_pulses(finished):
    out, result, _ = finished
    with np.load(out / "arrays.npz") as arrays:
        up, down = result["pulses"]["online_up"], result["pulses"]["online_down"]
        assert arrays["per_cell"].sum(axis=(0, 1)).tolist() == [up, down]
        assert (arrays["chunk_up"].sum(), arrays["chunk_down"].sum()) == (up, down)
        assert arrays["chunk_ends"][-1] == result["samples"]


def test_options_change_what_the_run_file_says(program, config, tmp_path):
    out = tmp_path / "out"
    options = ("--device", "FeFET", "--rule", "counter", "--seeds", 1)
    # the file's threshold is in the other rule's units: 16 counts
    config.write_text(config.read_text().replace("4096", "16"))
    assert program("train", "--config", config, *options, "--no-rtl", "--out", out).status == 0
    result = json.loads((out / "result.json").read_text())
    assert (result["device"], result["rule"], result["seeds"]) == ("FeFET", "counter", [0])


def test_epoch_follows_codes_where_it_is_told_to(program, config, tmp_path):
    options = "--config", config, "--seeds", "1", "--errors", "codes", "--no-rtl", "--out", tmp_path
    left = program("train", *options)
    assert left.status == 0, left
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["updates"] == result["samples"]
    assert "accumulate towards codes" in left.out.replace("\n", "")
    assert "towards the offline network" in (tmp_path / "report.html").read_text()
    assert load_run(tmp_path / "run.toml").errors == "codes"


def test_codes_are_refused_by_hardware_without_a_teacher(program, config, tmp_path):
    hardware = tmp_path / "hardware.toml"
    hardware.write_text(program("params", "--dump", "TINY").out.replace("teacher = 1", "teacher = 0"))
    options = "--config", config, "--params", hardware, "--errors", "codes", "--out", tmp_path
    left = program("train", *options)
    assert (left.status, len(left.err.splitlines())) == (2, 1)
    assert "errors: the hardware follows labels only: its parameter teacher is 0" in left.err


@pytest.mark.slow
def test_rtl_runs_the_first_seed_without_a_mismatch(program, config, tmp_path):
    out = tmp_path / "out"
    outcome = program("train", "--config", config, "--out", out)
    assert outcome.status == 0, outcome.err
    result = json.loads((out / "result.json").read_text())
    assert result["mismatches"] == 0 and result["simulator"] == "verilator"
    assert result["rtl"]["samples"] == result["samples"] and result["rtl"]["whole_epoch"]
    assert min(result["rtl"]["online_up"], result["rtl"]["online_down"]) >= 20, "proves little"
    assert (result["rtl"]["online_up"], result["rtl"]["online_down"]) == (
        result["pulses"]["online_up"],
        result["pulses"]["online_down"],
    )
    assert result["rtl"]["hybrid_accuracy"] == result["accuracy_per_seed"]["hybrid"][0]
    assert 0 < result["array_utilisation"] <= 1
    assert result["samples_per_s"]["rtl"] > 0


def test_an_rtl_run_that_broke_off_is_a_result_and_a_failure(program, config, tmp_path, monkeypatch):
    broken = CosimResult(None, 1, ["run 1 (infer): the hardware makes no end"], {"CYCLES": 5}, 1.0, 100)
    monkeypatch.setattr("sim.main_job.run_cosim", lambda *args, **kwargs: broken)
    outcome = program("train", "--config", config, "--out", tmp_path / "out")
    assert outcome.status == 1 and "makes no end" in outcome.out
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["mismatches"] == 1 and result["array_utilisation"] is None
    assert "broke off" in (tmp_path / "out" / "report.html").read_text()
