"""What each non-ideality of the golden model costs: open loop and hybrid at a stated level of one effect after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from model.data import Dataset
from model.system import GoldenController
from model.system import run as golden
from model.training.experiments import mean_and_error, resolve
from model.training.hybrid import Progress, hybrid
from model.training.offline import OfflineNet, train_offline
from model.training.prepare import check_fit, prepare
from spec.run_file import RunSpec

DAY, YEAR = 86_400.0, 3.156e7

LEVELS: dict[str, dict[str, float]] = {
    "none": {},
    "label": {"label_sigma": 1.0},
    "DAC INL": {"dac_inl": 2.0},
    "ADC INL": {"adc_inl": 2.0},
    "IR drop": {"wire_ohm": 5.0},
    "drift": {"drift_nu": 0.05, "drift_sigma": 0.4, "age_s": DAY},
    "drift after the epoch": {"drift_nu": 0.05, "drift_sigma": 0.4, "shelf_s": DAY},
    "retention": {"retention_s": 3 * YEAR, "retention_sigma": 1.0, "age_s": YEAR},
    "retention after the epoch": {"retention_s": 3 * YEAR, "retention_sigma": 1.0, "shelf_s": YEAR},
    "wear": {"endurance": 60.0, "endurance_sigma": 0.5},
    "disturb": {"disturb": 0.002},
    "write pulses": {"write_sigma": 0.3},
}
"""The keys of [nonideal] of each row: harsh on purpose, so that there is something to see."""
ALL = "all but time after the epoch"
LEVELS[ALL] = {k: v for keys in LEVELS.values() for k, v in keys.items() if k != "shelf_s"}


@dataclass(frozen=True, eq=False)
class LevelResult:
    """One level on all seeds."""

    name: str
    keys: dict[str, float]
    open_loop: np.ndarray
    """Test accuracy, float64[seeds]."""
    hybrid: np.ndarray
    worst_cell_pulses: int
    """The most pulses that a cell of any seed had."""

    @property
    def means(self) -> list[tuple[float, float]]:
        """Mean and standard error of open loop, of hybrid and of what the epoch adds."""
        return [mean_and_error(v) for v in (self.open_loop, self.hybrid, self.hybrid - self.open_loop)]


def effect_levels(
    run: RunSpec, data: Dataset, progress: Progress, names: Iterable[str] = tuple(LEVELS)
) -> list[LevelResult]:
    """Levels of `LEVELS` on every seed of a run, whose thresholds are chosen once, without any of them.

    Raises `InputError`, for a device that has no label among others.
    """
    check_fit(data, run.params)
    names = list(names)
    nets: list[OfflineNet] = []
    for seed in run.seeds:
        nets.append(train_offline(data, run.params, run.offline, seed))
        progress("offline training", len(nets), len(run.seeds))
    run = resolve(run, data, nets[0], lambda done, total: progress("thresholds", done, total))
    found = []
    for k, name in enumerate(names):
        own = replace(run, nonideal=replace(run.nonideal, **LEVELS[name]))  # type: ignore[arg-type]
        rows, worst = [], 0
        for seed, net in zip(run.seeds, nets, strict=True):
            job = prepare(own, data, net, seed)
            controller = GoldenController(job.params, job.image)
            result = golden(hybrid(controller, job, read_out=False))
            rows.append((result.open_loop_accuracy, result.hybrid_accuracy))
            worst = max(worst, controller.array.worst_cell_pulses)
        open_loop, after = np.array(rows).T
        found.append(LevelResult(name, LEVELS[name], open_loop, after, worst))
        progress("levels", k + 1, len(names))
    return found
