"""Errors against a teacher: the hidden codes that a sample should have, and, in the model only, its output codes.

No error is carried back then, no label and no upper layer is needed: each column follows its own target, as B. Widrow and
M. Hoff's rule does (IRE WESCON 1960); hints for a hidden layer: A. Romero et al., ICLR 2015 (FitNets).
"""

from typing import NamedTuple

import numpy as np

from model.jit import kernel, saturate
from spec.errors import InputError


class Teacher(NamedTuple):
    """What the samples of a run should give."""

    hidden: np.ndarray  # int16[n, columns], hidden codes 0..Q
    outputs: np.ndarray
    """int16[n, classes], output codes of an analog upper layer, which only the golden model follows; [0, classes]: none."""

    def of(self, samples: slice) -> "Teacher":
        """That of some samples."""
        return Teacher(self.hidden[samples], self.outputs[samples])


def check_teacher(teacher: Teacher | None, follows: bool, samples: int) -> None:
    """Raise `InputError` unless there is a teacher of so many samples where the run follows one, and else none.

    follows: whether this is a training run with register TEACHER on.
    """
    if follows != (teacher is not None):
        text = "the run follows codes, none are given" if follows else "codes are given, the run follows none"
        raise InputError(text, key="TEACHER")
    if teacher is not None and len(teacher.hidden) != samples:
        raise InputError(f"codes of {len(teacher.hidden)} samples for {samples}", key="TEACHER")


@kernel
def teacher_delta(codes, wanted, dead, delta_bits):
    """delta_j = saturate(wanted_j - codes_j) where that is more than `dead`, else 0.  codes: int32[n]; wanted: int16[n]."""
    limit = (1 << (delta_bits - 1)) - 1
    delta = np.zeros(codes.shape[0], np.int32)
    for j in range(codes.shape[0]):
        error = np.int64(wanted[j]) - np.int64(codes[j])
        if abs(error) > dead:
            delta[j] = saturate(error, -limit, limit)
    return delta
