"""The report's figures: any legal arrays are drawn, and the same ones to the same bytes."""

import numpy as np
import pytest

from sim.report import figures


def test_chunks_are_merged_without_losing_any():
    ends = np.arange(1, 862) * 64
    up = np.arange(861)
    merged, total = figures._merged(ends, up)
    assert len(merged) <= 60 and merged[-1] == ends[-1] and total.sum() == up.sum()
    assert total[0] == up[: np.searchsorted(ends, merged[0]) + 1].sum()
    few = np.array([64, 128, 130])
    assert figures._merged(few, few)[0].tolist() == few.tolist()


@pytest.mark.parametrize("rows, columns, samples", [(1, 1, 1), (5, 3, 64), (785, 256, 1000)])
def test_figures_of_any_size(rows, columns, samples, seed):
    rng = np.random.default_rng(seed)
    before, after = rng.standard_normal((2, rows, columns))
    per_cell = rng.integers(0, 3, (rows, columns, 2))
    ends = np.array([samples])
    texts = (
        figures.learning_curve(rng.random(samples), min(200, samples), 0.9, 0.95),
        figures.conductance_maps(before, after),
        figures.pulse_histograms(per_cell, ends, per_cell[0, :1, 0], per_cell[0, :1, 1]),
        figures.methods(["one", "two"], [rng.random(1), rng.random(10)]),
    )
    assert all(text.startswith("<svg") and text.endswith("</svg>") for text in texts)


def test_no_pulse_at_all():
    none = np.zeros(2, np.int64)
    text = figures.pulse_histograms(np.zeros((3, 2, 2), np.int64), np.array([64, 100]), none, none)
    assert text.startswith("<svg")
    assert figures.conductance_maps(np.zeros((3, 2)), np.zeros((3, 2))).startswith("<svg")


def test_same_arrays_same_bytes():
    average = np.linspace(0.5, 1, 300)
    assert figures.learning_curve(average, 100, 0.5, 0.6) == figures.learning_curve(average, 100, 0.5, 0.6)


def test_standard_error():
    assert figures.standard_error(np.array([0.5])) == 0
    assert figures.standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / 3**0.5)
