"""Co-simulation: the simulators, the cocotb benches, the host driver and its buses."""
