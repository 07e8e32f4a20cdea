"""The behavioural macro passes the conformance test of the macro port, on both simulators."""

from dataclasses import replace

import pytest

from hw.emit import to_systemverilog
from hw.macro.crossbar import CrossbarMacro
from sim.fast.build import HERE, write_sizes
from sim.runner import run_bench
from sim.simulation import BUILD
from spec.params import INSTANCES, HwParams
from spec.params_file import dump

SHAPES = (
    INSTANCES["TINY"],
    replace(INSTANCES["TINY"], name="READ", verify=1),
    HwParams(
        name="ONE", transposed=1, rows=1, columns=1, dac_load_lanes=1, adc_channels=1, update_columns=1, macro_lanes=1,
    ),
    HwParams(
        name="RAGGED", rows=13, columns=7, dac_bits=5, dac_load_lanes=4, adc_channels=3, cmp_latency_cycles=2,
        update_columns=1, guard_min_cycles=3, state_bits=12, read_bits=8, macro_lanes=3,
    ),
    HwParams(
        name="NARROW", verify=1, rows=20, columns=5, dac_bits=1, dac_load_lanes=8, adc_kind="ramp", adc_bits=3, adc_channels=5,
        encodings=("pulse_width",),
        update_columns=1, state_bits=8, read_bits=6, macro_lanes=5,
    ),
    HwParams(
        name="PLANES", rows=9, columns=4, dac_bits=3, dac_load_lanes=4, adc_bits=4, adc_channels=2,
        encodings=("amplitude", "bit_serial"), converter_errors=1, update_columns=1, macro_lanes=2,
    ),
    HwParams(
        name="SERIAL", verify=1, converter_errors=1, rows=8, columns=6, dac_load_lanes=8, adc_bits=10, adc_channels=1,
        sar_settle_cycles=3, cmp_latency_cycles=3,
        update_columns=1, state_bits=9, read_bits=9, macro_lanes=1,
    ),
    HwParams(
        name="GROUPED", rows=7, columns=11, dac_bits=4, dac_load_lanes=2, adc_bits=5, adc_channels=2, cmp_latency_cycles=2,
        update_columns=1, state_bits=9, read_bits=9, macro_lanes=4, transposed=1,
    ),
    replace(INSTANCES["TINY"], upper_layer="analog", transposed=1).upper,
    HwParams(
        name="TRANSPOSED", transposed=1, rows=10, columns=7, dac_bits=4, dac_load_lanes=3, adc_bits=4, adc_channels=4,
        encodings=("amplitude", "bit_serial"), verify=1, update_columns=1, state_bits=12, read_bits=10, macro_lanes=3,
    ),
)  # fmt: skip


def conform(params: HwParams, simulator: str, seed: int, rounds: int) -> None:
    folder = BUILD / f"macro-{params.hash32:08x}-{simulator}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "params.toml"
    settings.write_text(dump(params))
    source = to_systemverilog(CrossbarMacro(params), "macro", folder / "macro.sv")
    environment = {"MACRO_PARAMS": str(settings), "MACRO_SEED": str(seed), "MACRO_ROUNDS": str(rounds)}
    run_bench(simulator, "macro", [source], "tests.hw.tb_macro", folder, extra_env=environment)


@pytest.mark.parametrize("params", SHAPES, ids=lambda params: params.name)
def test_conforms(params: HwParams, simulator: str, seed: int):
    conform(params, simulator, seed, rounds=6)


@pytest.mark.parametrize("params", SHAPES, ids=lambda params: params.name)
def test_array_of_the_bench_conforms(params: HwParams, seed: int):
    """The golden model's kernels behind the port, as whole epochs are simulated with them."""
    folder = BUILD / f"twin-{params.hash32:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    write_sizes(params, folder)
    settings = folder / "params.toml"
    settings.write_text(dump(params))
    include = f"-I{folder.resolve()}"
    run_bench(
        "verilator",
        "array_twin",
        [HERE / name for name in ("array.sv", "harness.cpp")],
        "tests.hw.tb_macro",
        folder,
        extra_args=["-Wno-fatal", include, "-CFLAGS", include, "-LDFLAGS", "-rdynamic"],
        extra_env={
            "MACRO_PARAMS": str(settings),
            "MACRO_SEED": str(seed),
            "MACRO_ROUNDS": "6",
            "MACRO_TWIN": "1",
        },
    )


@pytest.mark.slow
def test_digits_conforms(seed: int):
    # not on Icarus, which makes some hundred cycles a second of 32 lanes
    conform(INSTANCES["DIGITS"], "verilator", seed, rounds=2)
