"""What happens inside the controller between its stages: conditions that functional coverage counts.

A condition is 1 in the cycles in which it holds.  Nothing reads them outside a simulation, where they cost nothing.
"""

from operator import attrgetter
from typing import Any

from amaranth.hdl import Value
from amaranth.lib import stream

from spec.registers import Fault

STREAMS = {
    "encode": ("dac_encode.i", "samples into the encoder"),
    "load": ("dac_load.i", "codes to the array's rows"),
    "activation": ("activation.i", "column codes"),
    "logits": ("margin_error.i", "output codes"),
    "verdict": ("margin_error.o", "verdicts to all their consumers"),
    "backward": ("backprop_delta.i", "verdicts to the backward pass"),
    "update": ("update_rule.i", "whether a sample updates"),
    "delta": ("update_rule.deltas", "errors to the update rule"),
    "rows": ("update_rule.rows", "rows of an updating sample"),
    "entry": ("commit_queue.i", "rows with pulses into the commit queue"),
    "commit": ("pulse_scheduler.online", "rows with pulses out of the commit queue"),
    "counts": ("pulse_scheduler.counts", "pulse counts of a transfer"),
    "operation": ("driver.i", "strobes to the pulse driver"),
}
"""Streams that are watched: where each is in the controller, and what it carries."""

_OTHERS = {
    "late commit": "a read waits for the pulses of an earlier sample",
    "array stretch": "the array takes longer than the programmed time",
    "commit queue full": "the update rule waits for room in the commit queue",
    "commit queue empty": "a commit waits for the update rule",
}

CONDITIONS: dict[str, str] = {
    **{f"stall {name}": f"{doc}: valid and not taken" for name, (_, doc) in STREAMS.items()},
    **{f"idle {name}": f"{doc}: wanted in a run and not there" for name, (_, doc) in STREAMS.items()},
    **_OTHERS,
    **{f"fault {fault.name}": "the fault is latched" for fault in Fault},
}
"""Every condition by its name, in the order of the bits, and what it means."""


def conditions(controller: Any) -> list[Value]:
    """The conditions of a controller whose blocks are in place, in the order of `CONDITIONS`."""
    active = controller.sequencer.run_active
    left_out = ("logits", "backward") if controller.params.compact else ()  # inside the classifier
    streams = [
        stream.Signature(1).create() if name in left_out else attrgetter(path)(controller)
        for name, (path, _) in STREAMS.items()
    ]
    queue = controller.commit_queue
    values = {
        "late commit": controller.sequencer.late,
        "array stretch": controller.sequencer.stretched | controller.driver.waiting,
        "commit queue full": queue.i.valid & ~queue.i.ready,
        "commit queue empty": queue.busy & queue.o.ready & ~queue.o.valid,
    }
    return [
        *(s.valid & ~s.ready for s in streams),
        *(active & s.ready & ~s.valid for s in streams),
        *(values[name] for name in _OTHERS),
        *controller.gate.fault,
    ]
