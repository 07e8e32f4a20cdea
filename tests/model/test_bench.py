"""The benchmark of golden runs side by side."""

from model import bench
from spec.params import INSTANCES


def test_processes_are_measured_alone_and_together(monkeypatch):
    monkeypatch.setattr(bench, "_TOGETHER_S", 0.5)
    found = bench.scaling(INSTANCES["TINY"], 200, 2)
    assert found.processes == 2 and found.alone > 0
    assert found.ratio == found.together / found.alone > 0
