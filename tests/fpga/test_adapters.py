"""The worked adapter: its blocks keep the times of their parts, and training over its pins equals the golden model."""

from dataclasses import replace

import pytest

from fpga.adapters.adapted_top import AdaptedTop
from fpga.adapters.cycles import cycles
from fpga.adapters.shift_register import ShiftRegister
from fpga.adapters.spi_adc import SpiAdc
from fpga.adapters.spi_dac import SpiDac
from hw.emit import to_systemverilog
from sim.cosim import run_cosim
from sim.runner import run_bench
from sim.simulation import BUILD
from sim.stimulus import make_stimulus
from sim.tb_cosim import CLOCK_NS
from spec.converter_parts import PARTS
from spec.device_file import load_device
from spec.params import INSTANCES

PINS = replace(
    INSTANCES["TINY"],
    name="PINS",
    dac_bits=2,
    read_bits=6,
    guard_min_cycles=cycles(PARTS.register.enable, 1e9 / CLOCK_NS),
)
"""TINY with column sums that fit 12 bits: 9 rows of codes 0..3 on differences of up to 63."""
CLOCKS = (12e6, 100e6)
LINES = 21
"""Not a multiple of a part's outputs."""
BLOCKS = {
    "spi_dac": lambda clock_hz: SpiDac(PARTS.dac, 2, clock_hz),
    "spi_adc": lambda clock_hz: SpiAdc(PARTS.adc, 3, clock_hz),
    "shift_register": lambda clock_hz: ShiftRegister(PARTS.register, LINES, clock_hz),
}


def play(
    block: str,
    clock_hz: float,
    simulator: str,
    seed: int,
    *,
    told_hz: float = 0,
    broken: tuple[str, ...] = (),
) -> None:
    """The bench of a block at a clock; the block is `told` another one where times are to be broken."""
    folder = BUILD / f"adapter-{block}-{told_hz or clock_hz:.0f}-{simulator}"
    folder.mkdir(parents=True, exist_ok=True)
    design = BLOCKS[block](told_hz or clock_hz)
    source = to_systemverilog(design, block, folder / f"{block}.sv")
    environment = {
        "PERIOD_PS": str(2 * round(5e11 / clock_hz)),
        "SEED": str(seed),
        "LATENCY": str(design.latency),
        "BROKEN": "|".join(broken),
    }
    bench = "tests.fpga.tb_adapters"
    run_bench(simulator, block, [source], bench, folder, testcase=block, extra_env=environment)


@pytest.mark.parametrize("clock_hz", CLOCKS, ids=lambda hz: f"{hz / 1e6:g}MHz")
@pytest.mark.parametrize("block", BLOCKS)
def test_block_keeps_the_times_of_its_part(block, clock_hz, seed):
    play(block, clock_hz, "icarus", seed)


BROKEN = {
    "spi_dac": ("DAC: SCLK low", "DAC: SYNC high between frames", "DAC: SYNC falls before SCLK falls"),
    "spi_adc": ("ADC: period of SCLK", "ADC: quiet time"),
    "shift_register": (
        "shift register: SER before SRCLK rises", "shift register: SRCLK rises before RCLK rises",
        "shift register: RCLK high",
    ),
}  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS)
def test_model_catches_a_clock_that_is_too_fast(block, seed):
    """A block that was built for 48 MHz runs at 500 MHz."""
    play(block, 500e6, "icarus", seed, told_hz=48e6, broken=BROKEN[block])


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_training_over_the_pins_equals_the_golden_model(simulator):
    """All stages, counters and states; the board has seen no time broken, and each pulse as wide as programmed."""
    stimulus = make_stimulus(PINS, load_device("PCMO"), "counter", 20, 10)
    found = run_cosim(stimulus, simulator, top=over_pins, variant="pins", bench="sim.tb_pins")
    assert (found.mismatches, found.differences, found.vacuous) == (0, [], False)


def over_pins(params):
    return AdaptedTop(params, 1e9 / CLOCK_NS)
