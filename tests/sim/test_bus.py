"""The host driver over the bus of a simulation, on the controller with the emulated array."""

from cocotb_test.simulator import run

from hw.emit import to_systemverilog
from hw.top import EmulatedTop
from sim.simulation import BUILD, VERILATOR_OPTIONS
from spec.params import INSTANCES


def test_host_drives_the_controller(simulator):
    params = INSTANCES["TINY"]
    build = BUILD / f"host-{params.hash32:08x}-{simulator}"
    source = to_systemverilog(EmulatedTop(params), "top", build / "top.sv")
    run(
        simulator=simulator,
        verilog_sources=[str(source)],
        toplevel="top",
        module="tests.sim.tb_bus",
        sim_build=str(build),
        timescale="1ns/1ps",
        **(VERILATOR_OPTIONS if simulator == "verilator" else {}),
    )
