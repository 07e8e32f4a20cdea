"""The host driver over the bus of a simulation, on the controller with the emulated array."""

from hw.emit import to_systemverilog
from hw.top import EmulatedTop
from sim.runner import run_bench
from sim.simulation import BUILD
from spec.params import INSTANCES


def test_host_drives_the_controller(simulator):
    params = INSTANCES["TINY"]
    build = BUILD / f"host-{params.hash32:08x}-{simulator}"
    source = to_systemverilog(EmulatedTop(params), "top", build / "top.sv")
    run_bench(simulator, "top", [source], "tests.sim.tb_bus", build)
