"""The cocotb bench of a co-simulation: plays a pickled job on `EmulatedTop` beside the golden model."""

import os
import pickle
import time
import traceback
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles, FallingEdge

from model.system import GoldenController
from model.training.hybrid import HybridJob, hybrid
from sim.bus import CocotbBus
from sim.cosim import CosimResult
from sim.host import Host
from sim.monitor import TapMonitor
from sim.paired import Comparison, PairedController
from sim.rtl_controller import RtlController
from sim.stimulus import exercise

CLOCK_NS = 10
RESET_CYCLES = 3


@cocotb.test()
async def cosim(dut):
    """Leaves a `CosimResult`, or the text of an exception, in result.pickle."""
    folder = Path(os.environ["CROSSTRAIN_COSIM"])
    job = pickle.loads((folder / "job.pickle").read_bytes())
    try:
        with (folder / "progress").open("a", buffering=1) as lines:
            outcome = await _play(dut, job, lambda *step: lines.write("\t".join(map(str, step)) + "\n"))
    except Exception:
        outcome = traceback.format_exc()
    partial = folder / "result.partial"
    partial.write_bytes(pickle.dumps(outcome))
    partial.rename(folder / "result.pickle")


async def _play(dut, job, progress) -> CosimResult:
    progress("start", 0, 1)
    bus = CocotbBus(dut, dut.clk)
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0

    monitor = TapMonitor(dut, job.params)
    cocotb.start_soon(_watch(dut.clk, monitor))
    host = Host(bus, job.params)
    await host.check_identity()
    await host.load_image(job.image)
    comparison = Comparison()
    pair = PairedController(GoldenController(job.params, job.image), RtlController(host, monitor), comparison)
    started, start_ns = time.perf_counter(), get_sim_time("ns")
    if isinstance(job, HybridJob):
        result = await hybrid(pair, job, progress=progress)
    else:
        result = await exercise(pair, job, progress=lambda n: progress("samples", n, len(job.pixels)))
    return CosimResult(
        result=result,
        mismatches=comparison.mismatches,
        differences=comparison.lines,
        counters=await host.counters(),
        seconds=time.perf_counter() - started,
        cycles=round((get_sim_time("ns") - start_ns) / CLOCK_NS),
        coverage=pair.coverage,
    )


async def _watch(clk, monitor: TapMonitor) -> None:
    """Taps are read in the middle of a cycle, when everything has settled."""
    while True:
        await FallingEdge(clk)
        monitor.step()
