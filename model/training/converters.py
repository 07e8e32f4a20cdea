"""Experiment: what errors of the column converters cost, and what their calibration gives back."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from model.data import Dataset
from model.training.experiments import Comparison, compare
from spec.device_file import ConverterSpread
from spec.run_file import RunSpec


def with_converters(run: RunSpec, spread: ConverterSpread, calibrated: bool) -> RunSpec:
    """The run on hardware whose converters err by `spread`, calibrated by its controller or left alone."""
    return replace(
        run,
        params=replace(run.params, converter_errors=1, calibration=int(calibrated)),
        device=replace(run.device, converter=spread),
    )


def converter_spread(
    run: RunSpec,
    data: Dataset,
    spreads: Iterable[ConverterSpread],
    methods: Iterable[str] = ("open loop", "hybrid accumulate"),
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[tuple[ConverterSpread, bool], Comparison]:
    """`compare` for each spread of the converters, without and with calibration, on the same seeds and devices.

    Thresholds that are "auto" are chosen for each anew.  Raises as `compare` does.
    """
    methods = tuple(methods)
    return {
        (spread, calibrated): compare(with_converters(run, spread, calibrated), data, methods, progress)
        for spread in spreads
        for calibrated in (False, True)
    }
