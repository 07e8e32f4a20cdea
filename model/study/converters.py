"""Experiment: what errors of the column converters cost, and what their calibration gives back."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from model.data import Dataset
from model.study.methods import hybrid, transferred
from model.training.experiments import resolve
from model.training.offline import train_offline
from model.training.trial import Trial
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
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[tuple[ConverterSpread, bool], dict[str, np.ndarray]]:
    """Accuracies, float64[seeds], of "open loop" and "hybrid" for each spread, without and with calibration.

    The same seeds and devices for all.  Thresholds that are "auto" are chosen for each anew, with the first seed's
    network.  Raises `InputError`.
    """
    cases = [(spread, calibrated) for spread in spreads for calibrated in (False, True)]
    runs = {case: with_converters(run, *case) for case in cases}
    found: dict[tuple[ConverterSpread, bool], list[tuple[float, float]]] = {case: [] for case in cases}
    for k, seed in enumerate(run.seeds):
        net = train_offline(data, run.params, run.offline, seed)
        for case in cases:
            if k == 0:
                runs[case] = resolve(runs[case], data, net)
            own = runs[case]
            trial, chosen = Trial(own, data, net, seed), {"threshold": own.threshold, "margin": own.margin}
            found[case].append((transferred(trial, {}).accuracy, hybrid(own.rule)(trial, chosen).accuracy))
        if progress:
            progress("seeds", k + 1, len(run.seeds))
    return {
        case: dict(zip(("open loop", "hybrid"), np.array(rows).T, strict=True))
        for case, rows in found.items()
    }
