"""The codes that a software network's units say to samples: what an online epoch can follow instead of labels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from model.controller.teacher_delta import Teacher
from model.training.offline import AT_ONCE, with_bias
from model.training.transfer import hidden_codes, preactivations
from spec.run_file import TRAINED

if TYPE_CHECKING:
    from model.training.hybrid import HybridJob


def teacher_of(
    job: "HybridJob", step: int, registers: Mapping[str, int], *, outputs: bool = False
) -> Teacher | None:
    """The hidden codes of the job's teacher for its online samples, at the ranges that the converters have; None without one.

    step: of `code_step`; registers: by name.  outputs: also the output codes, where the job trains an analog upper layer.
    """
    if job.hidden_weights is None:
        return None
    full_scale = job.full_scale(step)
    above = job.analog_upper if outputs else None
    last = above if above and "last" in TRAINED[above.trained] else None
    codes = [np.zeros((0, job.params.columns), np.int16)]
    logits = [np.zeros((0, job.params.classes), np.int16)]
    for first in range(0, len(job.train_pixels), AT_ONCE):
        part = job.train_pixels[first : first + AT_ONCE]
        hidden = np.maximum(preactivations(part, job.hidden_weights, np.inf, job.params).sum(axis=1), 0)
        codes.append(hidden_codes(hidden, full_scale, job.params).astype(np.int16))
        if last:
            given = job.upper_weights, full_scale, registers["UPPER_LSB"], job.params
            logits.append(last.output_codes(with_bias(hidden) @ job.upper_weights, *given))
    return Teacher(np.concatenate(codes), np.concatenate(logits))
