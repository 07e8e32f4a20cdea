"""Measures what it costs to write the first layer in each way: the RTL's counters, beside the golden model's."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from model.data import load_data
from model.training.experiments import resolve
from model.training.hybrid import Progress
from model.training.offline import train_offline
from model.training.prepare import check_fit
from model.training.write_costs import WAYS, WriteResult, write_job
from sim.cosim import SimulationError, run_cosim
from sim.fast.pair import run_fast
from spec.run_file import RunSpec, refuse_without_model


@dataclass(frozen=True)
class WriteCost:
    """One way on one seed."""

    way: str
    seed: int
    result: WriteResult
    mismatches: int

    def total(self, counters: Iterable[str], phases: Iterable[str]) -> int:
        """Counters of the phases ("transfer", "online") together."""
        found = [getattr(self.result, phase) for phase in phases]
        return sum(phase.get(name, 0) for phase in found for name in counters)


def write_costs(run: RunSpec, progress: Progress, *, emulated: bool = False) -> list[WriteCost]:
    """Each of `WAYS` on each of the run's seeds, on the library of sim/fast.  Raises `InputError`, `SimulationError`.

    The array takes the programmed times, a reading that of a read; its conversion takes none.  With `emulated` it is
    the emulated array, in Verilator, with its own times.
    """
    refuse_without_model(run, "the RTL")
    data = load_data(run.data)
    check_fit(data, run.params)
    run = replace(run, params=replace(run.params, name=f"{run.params.name}_VERIFY", verify=1))
    nets = [train_offline(data, run.params, run.offline, seed) for seed in run.seeds]
    run = resolve(run, data, nets[0], lambda done, total: progress("thresholds", done, total))
    found = []
    for seed, net in zip(run.seeds, nets, strict=True):
        for way in WAYS:
            job = write_job(run, data, net, seed, way)
            done = run_cosim(job, "verilator") if emulated else run_fast(job)
            if done.result is None:
                raise SimulationError(f"{way}, seed {seed}: {done.differences[-1]}")
            found.append(WriteCost(way, seed, done.result, done.mismatches))
            progress("runs", len(found), len(WAYS) * len(run.seeds))
    return found
