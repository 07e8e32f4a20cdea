"""The executor on processes: what is measured, what is resumed, and what becomes of failures, deaths and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.study.execute import execute
from model.study.processes import Shares
from model.study.store import load_results, rows_of
from tests.study import work

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "study" / "results.parquet"


def logged(tmp_path, places) -> list[dict]:
    return [{"x": x, "log": str(tmp_path / "log")} for x in places]


def log(tmp_path) -> list[int]:
    return [int(line) for line in (tmp_path / "log").read_text().split()]


def test_rows_come_in_the_order_of_the_points_from_several_processes(path):
    points = [{"x": x, "s": 0.1} for x in (5, 3, 8, 1, 9, 2)]
    seen = []
    table = execute(points, work.square, path, workers=2, progress=lambda *done: seen.append(done))
    assert table["x"].to_pylist() == [5, 3, 8, 1, 9, 2]
    assert table["square"].to_pylist() == [25, 9, 64, 1, 81, 4]
    assert len(set(table["pid"].to_pylist())) == 2 and os.getpid() not in table["pid"].to_pylist()
    assert set(table["status"].to_pylist()) == {"done"} and table["error"].null_count == 6
    assert seen == [(done, 6) for done in range(7)]
    assert load_results(path).num_rows == 6


def test_a_second_start_measures_what_is_new_and_keeps_the_rest(tmp_path, path):
    execute(logged(tmp_path, [1, 2]), work.noted, path, workers=1)
    table = execute(logged(tmp_path, [3, 2]), work.noted, path, workers=1)
    assert log(tmp_path) == [1, 2, 3]
    assert table["x"].to_pylist() == [3, 2]
    assert sorted(load_results(path)["x"].to_pylist()) == [1, 2, 3]


def test_equal_points_are_measured_once_whatever_the_order_of_their_keys(tmp_path, path):
    point = logged(tmp_path, [4])[0]
    table = execute([point, dict(reversed(point.items()))], work.noted, path, workers=2)
    assert log(tmp_path) == [4] and table.num_rows == 1


def test_nothing_to_do_starts_no_process(path, monkeypatch):
    points = [{"x": 1}]
    execute(points, work.square, path, workers=1)
    monkeypatch.setattr("model.study.processes._Worker", None)
    assert execute(points, work.square, path).num_rows == 1
    assert execute([], work.square, path).num_rows == 0


def test_a_failure_is_told_in_one_line_and_tried_again_on_the_next_start(tmp_path, path):
    broken = tmp_path / "broken"
    broken.touch()
    points = [{"x": x, "broken": str(broken)} for x in range(4)]
    table = execute(points, work.failing, path, workers=2)
    assert table["status"].to_pylist() == ["done", "failed", "done", "failed"]
    assert table["half"].to_pylist() == [0.0, None, 1.0, None]
    assert table["error"][1].as_py().startswith("ValueError: x is odd, namely 1 (work.py:")
    broken.unlink()
    table = execute(points, work.failing, path, workers=2)
    assert table["status"].to_pylist() == ["done"] * 4
    assert table["half"].to_pylist() == [0.0, 0.5, 1.0, 1.5] and table["error"].null_count == 4


def test_what_cannot_be_kept_is_a_failure(path):
    points = [{"x": 1}]
    for function, said in (
        (work.not_a_dict, "TypeError: not_a_dict gave a int, not a dict"),
        (work.not_kept, "TypeError: a object is not a result that can be kept"),
        (work.clashing, "the result has a value named as the point's x"),
    ):
        table = execute(points, function, path, workers=1)
        assert table["status"][0].as_py() == "failed" and table["error"][0].as_py().startswith(said)


def test_numpy_values_lists_and_tables_are_kept(path):
    row, other = rows_of(execute([{"x": 1}, {"x": 0}], work.odd_values, path, workers=1))
    assert (row["number"], row["curve"], row["part.a"], row["mixed"]) == (0.5, [0, 1, 2], 1, "auto")
    assert other["mixed"] == 7 and row["empty"] == {} and "part.b" not in row


def test_a_worker_computes_on_one_core(path):
    execute([{"x": 0}], work.threads, path, workers=1)  # imports numpy's library: limited from the next on
    table = execute([{"x": 0}, {"x": 1}], work.threads, path, workers=1)
    assert table["threads"].to_pylist() == [1, 1]


def dying(tmp_path, always: bool) -> list[dict]:
    return [{"x": x, "victim": 2, "always": always, "folder": str(tmp_path)} for x in range(6)]


def test_a_point_whose_process_is_killed_is_tried_once_more(tmp_path, path):
    table = execute(dying(tmp_path, always=False), work.dying, path, workers=2)
    assert (tmp_path / "died").exists()
    assert table["status"].to_pylist() == ["done"] * 6
    assert len(set(table["pid"].to_pylist())) == 3


def test_a_point_that_kills_its_process_twice_fails_and_the_others_are_done(tmp_path, path):
    table = execute(dying(tmp_path, always=True), work.dying, path, workers=2)
    assert table["status"].to_pylist() == ["done", "done", "failed", "done", "done", "done"]
    assert table["error"][2].as_py() == "the worker process was killed by signal 9"


def test_a_point_that_leaves_its_process_fails(path):
    table = execute([{"x": 0}], work.leaving, path, workers=1)
    assert table["error"].to_pylist() == ["the worker process ended with status 3"]


def test_work_that_no_process_finds_is_an_error(path, monkeypatch):
    monkeypatch.setattr(work.square, "__module__", "tests.study.nowhere")
    with pytest.raises(Exception, match="nowhere"):
        execute([{"x": 0}], work.square, path, workers=1)


SLOW = """
import signal
from pathlib import Path
from model.study.execute import execute
from tests.study import work
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    points = [{{"x": x, "s": 0.05 if x < 3 else 60}} for x in range(6)]
    execute(points, work.slow, Path({path!r}), workers=1, progress=lambda *done: print(*done, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_what_is_done_and_says_how_to_go_on(tmp_path, path, number):
    script = tmp_path / "script.py"
    script.write_text(SLOW.format(path=str(path)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        for line in program.stdout:
            if line == "3 6\n":
                break
        os.killpg(program.pid, signal.SIGINT) if number == signal.SIGINT else program.send_signal(number)
        _, told = program.communicate(timeout=120)
    assert program.returncode != 0
    assert "KeyboardInterrupt: 3 of 6 points are in" in told and "the same command goes on" in told
    assert told.count("Traceback") == 1, told  # none of a worker's
    assert load_results(path)["x"].to_pylist() == [0, 1, 2]
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # the workers are gone, too
            os.killpg(program.pid, 0)
            time.sleep(0.05)


def test_results_are_on_disk_while_the_next_is_waited_for(tmp_path, path):
    """Killed without warning: what is some seconds old is not lost."""
    script = tmp_path / "script.py"
    text = SLOW.format(path=str(path)).replace(
        "from tests", "from model.study import execute as e\nfrom tests"
    )
    script.write_text(text.replace("    points", "    e.SAVE_EVERY_S = 0.1\n    points", 1))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, text=True, stdout=subprocess.PIPE
    ) as program:
        for line in program.stdout:
            if line == "3 6\n":
                break
        for _ in range(100):
            if path.exists() and load_results(path).num_rows == 3:
                break
            time.sleep(0.05)
        program.kill()
    assert load_results(path)["x"].to_pylist() == [0, 1, 2]


def test_shares_are_stretches_and_nobody_waits_while_there_is_work():
    shares = Shares(10, 2)
    first = [shares.next(0) for _ in range(3)]
    rest = [shares.next(1) for _ in range(7)]
    assert first == [0, 1, 2] and rest == [5, 6, 7, 8, 9, 4, 3]
    assert shares.next(0) is None and shares.next(1) is None


@pytest.mark.parametrize("total, count", [(0, 3), (1, 4), (7, 3)])
def test_shares_give_each_place_once(total, count):
    shares = Shares(total, count)
    taken = [
        place for _ in range(total + 1) for share in range(count) if (place := shares.next(share)) is not None
    ]
    assert sorted(taken) == list(range(total))
