"""Layers on several macros in training: ranges are found, and rounding every partial sum costs what it should."""

from dataclasses import replace

import numpy as np
import pytest

from model.study.grids import code_error, compare_grids
from model.system import GoldenController, run
from model.training.range_search import search_lsb
from spec.device_file import NonIdealities
from spec.registers import Mode


@pytest.fixture(scope="module")
def shapes(digits_run):
    p = replace(digits_run.params, dac_load_lanes=1)
    return {"1x1": p, "4x1": replace(p, macro_rows=17), "1x4": replace(p, macro_columns=8)}


def test_each_row_of_macros_adds_the_rounding_of_its_partial_sums(digits, ideal_run, net, shapes):
    error = {name: code_error(replace(ideal_run, params=p), digits, net, 1) for name, p in shapes.items()}
    assert 0.15 < error["1x1"] < 12**-0.5  # of a uniform rounding; codes that are 0 are exact
    assert error["4x1"] == pytest.approx(2 * error["1x1"], rel=0.15)
    assert error["1x4"] == pytest.approx(error["1x1"], rel=0.05)


def test_the_range_holds_for_partial_codes_too(make_job, shapes):
    job = make_job(nonideal=NonIdealities(read_sigma=0.0))
    params, pixels = shapes["4x1"], job.calibration
    ctl = GoldenController(params, job.image)
    run(ctl.transfer(job.counts))
    lsb = run(search_lsb(ctl, params, pixels))
    run(ctl.configure(LSB=lsb))
    run(ctl.clear_counters())
    trace = run(ctl.run(Mode.INFER, pixels, np.zeros(len(pixels), np.int64), trace=True)).trace
    allowed = len(pixels) * params.columns // 1000
    partial = np.array(trace["conversion"]).reshape(len(pixels), params.grid_rows, params.columns)
    assert (partial == params.adc_limit).any(axis=1).sum() <= run(ctl.counters())["CLIPPED"] <= allowed
    exact = np.clip(partial.sum(axis=1), -params.adc_limit, params.adc_limit)
    assert np.array_equal(np.array(trace["adc"]), exact)


def test_grids_are_compared_on_the_same_networks(digits, digits_run, shapes):
    short = replace(digits_run, seeds=(1, 2), offline=replace(digits_run.offline, epochs=5))
    found = compare_grids(short, digits, {name: shapes[name] for name in ("1x1", "4x1")})
    assert np.array_equal(found["1x1"].software, found["4x1"].software)
    for cost in found.values():
        assert cost.hybrid.shape == cost.code_error.shape == (2,)
        assert (cost.hybrid > 0.5).all()
    assert (found["4x1"].code_error > found["1x1"].code_error).all()
