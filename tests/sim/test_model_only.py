"""What only the golden model has is refused, with its key, wherever the RTL or a board is about to run it."""

import asyncio
from dataclasses import replace

import pytest

from fpga.board_job import run_on
from sim.cosim import cosim_random, run_cosim
from sim.data_job import data_job
from sim.fast.pair import run_fast
from sim.fast.under_cocotb import run_bulk
from sim.main_job import MainSettings, main_job
from sim.stimulus import make_stimulus
from sim.write_costs import write_costs
from spec.device_file import load_device
from spec.errors import InputError
from spec.params import INSTANCES
from spec.run_file import default_run

WORN = replace(
    load_device("EpiRAM"), nonideal=replace(load_device("EpiRAM").nonideal, endurance=100.0, disturb=0.001)
)
RUN = replace(default_run("digits"), device=WORN, nonideal=WORN.nonideal)
TINY = INSTANCES["TINY"]


def nothing(*_):
    pass


WAYS = {
    "train": lambda: main_job(RUN, MainSettings(), nothing),
    "cosim --data": lambda: data_job(RUN, nothing),
    "writes": lambda: write_costs(RUN, nothing),
    "cosim": lambda: cosim_random(TINY, WORN, "accumulate", "verilator", 4, 0),
    "cocotb": lambda: run_cosim(make_stimulus(TINY, WORN, "accumulate", 4, 0), "verilator"),
    "fast": lambda: run_fast(make_stimulus(TINY, WORN, "accumulate", 4, 0)),
    "bulk": lambda: run_bulk(make_stimulus(TINY, WORN, "accumulate", 4, 0)),
    "board": lambda: asyncio.run(run_on(None, make_stimulus(TINY, WORN, "accumulate", 4, 0))),
}


@pytest.mark.parametrize("way", WAYS)
def test_effects_of_the_model_are_refused(way, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="endurance, disturb: only the golden model has these"):
        WAYS[way]()
