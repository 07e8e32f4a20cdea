"""A job on the library beside the golden model, and a second look where they differ."""

from pathlib import Path

from model.system import run as finish
from model.training.hybrid import HybridJob, Progress
from model.training.write_costs import WriteJob
from sim.cosim import WAVES, CosimResult, refuse_golden
from sim.fast.bulk import compare
from sim.fast.library import Library
from sim.fast.replay import replay
from sim.stimulus import Stimulus


def run_fast(
    job: HybridJob | WriteJob | Stimulus,
    *,
    progress: Progress | None = None,
    waveform: Path | None = None,
    window: range = range(4),
    replays: Path = WAVES,
) -> CosimResult:
    """Run a job on the library, in this process; `waveform` gets the samples `window` of its training run, as VCD.

    Where the two sides differ, the job is played again to look at the first difference, with a waveform in `replays`.
    Raises BuildError; `InputError` for a job with something that only the golden model has.
    """
    refuse_golden(job, "the RTL")
    if progress:
        progress("build", 0, 1)
    with Library(job.params, job.image, waves=waveform is not None) as library:
        if progress:
            progress("build", 1, 1)
        if waveform is None:
            found = finish(compare(job, library.harness, library.perform, progress))
        else:
            file = waveform.with_suffix(".vcd")
            file.parent.mkdir(parents=True, exist_ok=True)
            with library.waves(file):
                found = finish(compare(job, library.harness, library.perform, progress, window))
            found.waveform = file
    return replay(job, found, replays, progress)
