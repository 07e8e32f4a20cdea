"""The executor on a Dask cluster: a scheduler and two workers, all of them processes, one of which is killed."""

import signal

import pytest

from model.study.execute import execute
from model.study.store import load_results
from spec.errors import InputError
from tests.study import work


def test_points_of_a_worker_that_is_killed_are_done_by_the_other(cluster, tmp_path):
    points = [{"x": x, "s": 0.3} for x in range(16)]

    def kill_a_worker(done: int, total: int) -> None:
        if done == 4:
            cluster.workers[0].kill()

    table = execute(
        points, work.slow, tmp_path / "r.parquet", scheduler=cluster.address, progress=kill_a_worker
    )
    assert cluster.workers[0].wait() == -signal.SIGKILL
    assert table["status"].to_pylist() == ["done"] * 16
    assert table["x"].to_pylist() == list(range(16))
    assert cluster.workers[1].pid in table["pid"].to_pylist()


def test_a_failure_on_a_cluster_is_told_and_tried_again(cluster, tmp_path):
    broken = tmp_path / "broken"
    broken.touch()
    points = [{"x": x, "broken": str(broken)} for x in range(2)]
    path = tmp_path / "r.parquet"
    table = execute(points, work.failing, path, scheduler=cluster.address)
    assert table["status"].to_pylist() == ["done", "failed"]
    assert table["error"][1].as_py().startswith("ValueError: x is odd, namely 1")
    broken.unlink()
    table = execute(points, work.failing, path, scheduler=cluster.address)
    assert table["status"].to_pylist() == ["done"] * 2


@pytest.mark.parametrize("cluster", [{"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}], indirect=True)
def test_a_point_that_workers_die_of_fails_and_the_others_are_done(cluster, tmp_path):
    points = [{"x": x, "victim": 2, "always": True, "folder": str(tmp_path)} for x in range(6)]
    table = execute(points, work.dying, tmp_path / "r.parquet", scheduler=cluster.address)
    assert table["status"][2].as_py() == "failed"
    assert table["error"][2].as_py() == "1 worker processes that it was given to have died"
    assert table["status"].to_pylist().count("done") >= 4  # the same worker may have held one more


def test_a_scheduler_that_goes_away_loses_nothing_that_is_done(cluster, tmp_path):
    points = [{"x": x, "s": 0.1} for x in range(100)]

    def kill_the_scheduler(done: int, total: int) -> None:
        if done == 5:
            cluster.scheduler.kill()

    path = tmp_path / "r.parquet"
    with pytest.raises(InputError, match="the scheduler has gone away; the same command goes on"):
        execute(points, work.slow, path, scheduler=cluster.address, progress=kill_the_scheduler)
    assert 5 <= load_results(path).num_rows < 100


def test_a_cluster_without_workers_is_told(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("model.study.cluster._WORKERS_S", 1)
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    with pytest.raises(InputError, match="the cluster has no worker: start some with"):
        execute([{"x": 1}], work.square, tmp_path / "r.parquet", scheduler=cluster.address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_no_scheduler_is_told(tmp_path, monkeypatch, address):
    monkeypatch.setattr("model.study.cluster._CONNECT_S", 1)
    with pytest.raises(InputError, match=f"{address}: no scheduler answers"):
        execute([{"x": 1}], work.square, tmp_path / "r.parquet", scheduler=address)
