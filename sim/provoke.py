"""Faults that a host can bring about: each is latched with its cause, nothing goes on, and clear_fault ends it."""

from collections.abc import Awaitable

import numpy as np

from sim.host import HardwareFault, Host
from sim.stimulus import Stimulus
from spec.registers import NEVER, Fault, Mode


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
    return lines


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
