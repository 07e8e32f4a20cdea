"""Faults that a host can bring about: each is latched with its cause, nothing goes on, and clear_fault ends it.

And what a host must not bring about: a calibration that changes under a run.
"""

from collections.abc import Awaitable

import numpy as np

from sim.host import HardwareFault, Host
from sim.stimulus import Stimulus
from spec.registers import ADDRESS, NEVER, Fault, Mode, fields_of


async def provoke(host: Host, job: Stimulus) -> list[str]:
    """Bring each fault about and clear it; what was not as it should be, a line each.

    Leaves the array's states different from any model's.
    """
    lines = []
    for name, cause, act in (
        ("abort", Fault.ABORT, _abort(host)),
        ("transfer beyond the cap", Fault.STROBE_CAP, _transfer(host, job)),
        ("training beyond the cap", Fault.STROBE_CAP, _train(host, job)),
    ):
        found = await _causes(act)
        if cause not in found:
            lines.append(f"{name}: expected {cause.name}, got {[fault.name for fault in found]}")
        await host.configure(STROBE_CAP=NEVER)
        await host.clear_fault()
        if left := await host.faults():
            lines.append(f"{name}: {[fault.name for fault in left]} after clear_fault")
    if job.params.calibration:
        lines += await _late_correction(host)
    return lines


async def _late_correction(host: Host) -> list[str]:
    """A correction of a channel that comes while a run waits for its sample: it must be lost."""
    kept = await host.calibration()
    start = next(low for f, low in fields_of("CONTROL") if f.name == "start")
    await host.configure(CALIBRATION_CHANNEL=0, MODE=Mode.INFER, SAMPLES=1)
    await host.bus.write(ADDRESS["CONTROL"], 1 << start)
    await host.bus.write(ADDRESS["CALIBRATION_RESTORE"], int(kept[0, 0] == 0))
    await host.abort()
    await host.clear_fault()
    same = np.array_equal(await host.calibration(), kept)
    return [] if same else ["a correction of the converters was taken during a run"]


async def _causes(act: Awaitable[object]) -> tuple[Fault, ...]:
    try:
        await act
    except HardwareFault as fault:
        return fault.causes
    return ()


async def _abort(host: Host) -> None:
    await host.abort()
    await host.erase()


async def _transfer(host: Host, job: Stimulus) -> None:
    await host.configure(STROBE_CAP=1)
    await host.transfer(np.full_like(job.counts, 2))


async def _train(host: Host, job: Stimulus) -> None:
    await host.configure(STROBE_CAP=1, THRESHOLD=1, MARGIN=(1 << 17) - 1, X_THRESHOLD=0, DELTA_THRESHOLD=1)
    await host.run(Mode.TRAIN, job.pixels, job.labels)
