"""`crosstrain sweep` on small hardware: table, file and plot, going on, failures, a cluster that loses a worker."""

import signal
import threading
import time

import pytest

from model.study.store import load_results
from tests.cli.conftest import bad_input, program, save_data  # noqa: F401

AXES = "nonideal.stuck = [0, 0.1, 0.2]\nseed = [3, 4]\n"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A sweep file; the folder of the test is the working folder, for the networks that are kept there."""
    monkeypatch.chdir(tmp_path)
    data = save_data(tmp_path / "tiny.npz", 240)
    path = tmp_path / "small.toml"
    path.write_text(
        f'method = "hybrid accumulate"\n[base]\ndata = "{data}"\nparams = "TINY"\ndevice = "AlOx/HfO2"\n'
        "train_samples = 100\n[base.offline]\nepochs = 3\n[settings]\nthreshold = 4096\nmargin = 40\n[axes]\n"
        + AXES
    )
    return path


def test_a_sweep_gives_table_file_and_plot_and_is_measured_once(program, config, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    outcome = program("sweep", config, "--out", out, "--workers", 2)
    assert outcome.status == 0, outcome.err
    assert "points: 6 in" in outcome.err and "6 done, 0 failed" in outcome.out
    assert str(out / "results.parquet") in outcome.out and str(out / "sweep.png") in outcome.out
    lines = [line.split("│") for line in outcome.out.splitlines() if line.startswith("│")]
    assert [float(line[1]) for line in lines] == [0, 0.1, 0.2] and {line[4].strip() for line in lines} == {
        "2"
    }
    table = load_results(out / "results.parquet")
    assert sorted(zip(table["run.nonideal.stuck"].to_pylist(), table["seed"].to_pylist(), strict=True)) == [
        (stuck, seed) for stuck in (0, 0.1, 0.2) for seed in (3, 4)
    ]
    assert all(0 < accuracy <= 1 for accuracy in table["accuracy"].to_pylist())
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    before = (out / "results.parquet").stat().st_mtime_ns
    again = program("sweep", config, "--out", out)
    assert (again.status, again.out) == (0, outcome.out)
    assert (out / "results.parquet").stat().st_mtime_ns == before


def test_failed_points_are_told_and_the_others_are_there(program, config, tmp_path):  # noqa: F811
    config.write_text(config.read_text().replace(AXES, "settings.threshold = [4096, 1e9]\n"))
    outcome = program("sweep", config, "--out", tmp_path / "out", "--workers", 1)
    assert outcome.status == 1
    assert "1 done, 1 failed" in outcome.out and "failed     1 times: " in outcome.out


def test_what_is_shown_is_a_column_of_the_results(program, bad_input, config, tmp_path):  # noqa: F811
    config.write_text(config.read_text().replace(AXES, ""))
    outcome = program("sweep", config, "--out", tmp_path / "out", "--workers", 1, "--value", "online_pulses")
    assert outcome.status == 0 and "mean online_pulses" in outcome.out and "plot" not in outcome.out
    outcome = program("sweep", config, "--out", tmp_path / "out", "--value", "pulse")
    assert outcome.status == 2 and "--value: no numbers are in 'pulse'; there are key, method" in outcome.err


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("0.2]", "2]", "small.toml: nonideal.stuck = 2: nonideal.stuck: 2.0 is outside 0..1"),
        ('"hybrid accumulate"', '"hybrid"', "small.toml: method: 'hybrid' is none of"),
        ("[3, 4]", "[3, 3]", "small.toml: axes.seed: 3 is there twice"),
        ("[axes]", "[axes", "small.toml: cannot be read"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_measured(bad_input, config, tmp_path, old, new, said):  # noqa: F811
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert said in bad_input("sweep", config, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_sweep_file_and_scheduler(bad_input, config, tmp_path, monkeypatch):  # noqa: F811
    assert "none.toml: no such file" in bad_input("sweep", tmp_path / "none.toml")
    monkeypatch.setattr("model.study.cluster._CONNECT_S", 1)
    options = ("--scheduler", "tcp://127.0.0.1:1", "--out", tmp_path / "out")
    assert "tcp://127.0.0.1:1: no scheduler answers" in bad_input("sweep", config, *options)


def test_an_interrupted_sweep_says_how_to_go_on(program, config, tmp_path, monkeypatch):  # noqa: F811
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("model.study.execute.in_processes", interrupted)
    outcome = program("sweep", config, "--out", tmp_path / "out")
    assert outcome.status == 130
    assert (
        "crosstrain: interrupted: 0 of 6 points are in" in outcome.err and "goes on from there" in outcome.err
    )


def test_a_sweep_on_a_cluster_survives_the_death_of_a_worker(program, config, cluster, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("model.study.execute.SAVE_EVERY_S", 0.05)
    config.write_text(config.read_text().replace("[3, 4]", str(list(range(8)))))
    results = tmp_path / "out" / "results.parquet"
    left: list[int] = []

    def kill_a_worker_on_the_way() -> None:
        while not results.exists():
            time.sleep(0.02)
        cluster.workers[0].kill()
        left.append(24 - load_results(results).num_rows)

    killer = threading.Thread(target=kill_a_worker_on_the_way)
    killer.start()
    outcome = program("sweep", config, "--out", tmp_path / "out", "--scheduler", cluster.address)
    killer.join()
    assert outcome.status == 0, outcome.err
    assert cluster.workers[0].wait() == -signal.SIGKILL and left[0] > 0
    assert "24 done, 0 failed" in outcome.out
