"""Benches are started so that what they share is not built twice at once, and see the ports of the top only."""

import threading
from pathlib import Path

import pytest

from sim import runner
from sim.runner import ports_config, run_bench

SHORT_S, LONG_S = 0.2, 60.0


@pytest.fixture
def together(monkeypatch, request):
    """How many benches were running, whenever one began; each waits so long for a second one."""
    running, seen, second = [], [], threading.Event()

    class Bench:
        def __init__(self, **arguments):
            self.arguments = arguments

        def run(self) -> str:
            running.append(self)
            seen.append(len(running))
            if len(running) == 2:
                second.set()
            second.wait(request.param)
            running.remove(self)
            return "results.xml"

    monkeypatch.setattr(runner, "Icarus", Bench)
    return seen


def start_two(folder: Path, **options) -> None:
    threads = [
        threading.Thread(target=run_bench, args=("icarus", "top", [], "bench", folder), kwargs=options)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("together", [SHORT_S], indirect=True)
def test_benches_of_one_folder_run_one_after_the_other(together, tmp_path):
    start_two(tmp_path)
    assert together == [1, 1]


@pytest.mark.parametrize("together", [LONG_S], indirect=True)
def test_who_has_a_lock_of_its_own_need_not_wait(together, tmp_path):
    start_two(tmp_path, alone=False)
    assert max(together) == 2


def test_the_top_alone_is_on_show(tmp_path):
    file = ports_config("macro", tmp_path / "new")
    shown = [line for line in file.read_text().splitlines() if not line.startswith("//")]
    assert shown == ["`verilator_config", 'public_flat_rw -module "macro" -var "*"']


def test_a_configuration_that_is_there_is_not_written_again(tmp_path):
    file = ports_config("macro", tmp_path)
    written = file.stat().st_mtime_ns
    assert ports_config("macro", tmp_path).stat().st_mtime_ns == written
    assert ports_config("top", tmp_path).read_text() != ports_config("macro", tmp_path).read_text()
