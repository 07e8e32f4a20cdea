"""What only the golden model has is refused, with its key, wherever the RTL or a board is about to run it."""

import asyncio
from dataclasses import replace

import pytest

from fpga.board_job import run_on
from model.data import load_data
from model.training.offline import untrained
from model.training.prepare import prepare
from model.training.write_costs import write_job
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
from spec.run_file import default_run, run_from_dict

WORN = replace(
    load_device("EpiRAM"), nonideal=replace(load_device("EpiRAM").nonideal, endurance=100.0, disturb=0.001)
)
RUN = replace(default_run("digits"), device=WORN, nonideal=WORN.nonideal)
TINY = INSTANCES["TINY"]


DEEP = run_from_dict({"data": "digits", "offline": {"hidden": [12]}})


def nothing(*_):
    pass


def deep_job():
    net = untrained(DEEP.params, DEEP.offline, 0)
    return prepare(replace(DEEP, train_samples=4, test_samples=4), load_data("digits"), net, 0)


def deep_writes():
    net = untrained(DEEP.params, DEEP.offline, 0)
    return write_job(DEEP, load_data("digits"), net, 0, "hybrid")


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


DEEP_WAYS = {
    "train": lambda: main_job(DEEP, MainSettings(), nothing),
    "cosim --data": lambda: data_job(DEEP, nothing),
    "writes": lambda: write_costs(DEEP, nothing),
    "cocotb": lambda: run_cosim(deep_job(), "verilator"),
    "fast": lambda: run_fast(deep_job()),
    "fast writes": lambda: run_fast(deep_writes()),
    "bulk": lambda: run_bulk(deep_job()),
    "board": lambda: asyncio.run(run_on(None, deep_job())),
}


@pytest.mark.parametrize("way", DEEP_WAYS)
def test_further_hidden_layers_are_refused(way, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError,
        match=r"offline\.hidden: only the golden model has further hidden layers, the (RTL|board) does not",
    ):
        DEEP_WAYS[way]()
