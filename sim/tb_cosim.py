"""The cocotb bench of a co-simulation: plays a pickled job on `EmulatedTop` beside the golden model."""

import time
import traceback
from collections.abc import Callable

import cocotb
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles, FallingEdge, First, Timer, ValueChange

from model.system import GoldenController
from sim.bus import CocotbBus
from sim.clock import start_clock
from sim.cosim import CosimResult, leave_result, outcome, play
from sim.coverage import conditions_seen, hit
from sim.host import HardwareFault, Host, HostError
from sim.monitor import TapMonitor
from sim.paired import Comparison, PairedController
from sim.provoke import provoke
from sim.rtl_controller import RtlController
from sim.stimulus import Stimulus

CLOCK_NS = 10
RESET_CYCLES = 3
SILENT_CYCLES = 20_000
SILENT_CYCLES_PER_PAIR = 100


@cocotb.test()
async def cosim(dut):
    await leave_result(lambda job, progress: play_beside(dut, job, progress))


async def play_beside(
    dut,
    job,
    progress,
    rtl: Callable[[Host, TapMonitor], RtlController] = RtlController,
    also: Callable[[], list[str]] = list,
) -> CosimResult:
    """Play a job on the design and the golden model.  also: further differences, asked for at the end."""
    progress("start", 0, 1)
    host, monitor = await _power_up(dut, job.params)
    await host.load_image(job.image)
    comparison = Comparison()
    pair = PairedController(GoldenController(job.params, job.image), rtl(host, monitor), comparison)
    started, start_ns = time.perf_counter(), get_sim_time("ns")
    played = cocotb.start_soon(_job(pair, job, progress))
    await First(played, cocotb.start_soon(_watch(dut.clk, monitor)))
    result = played.result() if played.done() else HostError("nothing happened on any tap for too long")
    if isinstance(result, str):
        raise RuntimeError(result)
    if isinstance(result, Exception):
        pair.interrupted(str(result))
        result, counters = None, {}
    else:
        counters = await host.counters()
        if isinstance(job, Stimulus) and job.faults:
            for line in await provoke(host, job):
                comparison.add("faults", 1, line)
    for line in also():
        comparison.add("pins", 1, line)
    cycles = round((get_sim_time("ns") - start_ns) / CLOCK_NS)
    bins = hit(pair.bins + conditions_seen(_known(dut.seen))) if hasattr(dut, "seen") else {}
    return outcome(job, pair, result, counters, started, cycles=cycles, bins=bins)


def _known(handle) -> int:
    """The value of a signal; a bit that is X or Z reads as 0."""
    return int("".join(bit if bit in "01" else "0" for bit in str(handle.value)), 2)


async def _power_up(dut, params) -> tuple[Host, TapMonitor]:
    bus = CocotbBus(dut, dut.clk)
    dut.rst.value = 1
    start_clock(dut.clk, CLOCK_NS)
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0
    host = Host(bus, params)
    await host.check_identity()
    return host, TapMonitor(dut, params)


async def _job(pair, job, progress):
    """What the job returns on the RTL.

    An exception leaves as a value, since in a task it would end the simulation: one of the hardware's as it is, any
    other as its text.
    """
    try:
        return await play(pair, job, progress)
    except (HardwareFault, HostError) as error:
        return error
    except Exception:
        return traceback.format_exc()


async def _watch(clk, monitor: TapMonitor) -> None:
    """Read the taps in the middle of a cycle, when everything has settled; ends when they are silent for too long.

    Python sleeps while no tap is valid.  Silence is normal while the array is erased, the update memory cleared and
    the states are read out, and until the watchdog has found an array that hangs.
    """
    p = monitor.params
    patience = p.watchdog_cycles + SILENT_CYCLES + SILENT_CYCLES_PER_PAIR * p.rows * p.columns
    while True:
        await FallingEdge(clk)
        if not monitor.step():
            silence = Timer(patience * CLOCK_NS, "ns")
            if await First(ValueChange(monitor.valid), silence) is silence:
                return
