"""What one array and its memories do for a sample, compiled: pulses of the queue, a conversion, an update."""

from typing import NamedTuple

import numpy as np

from model.controller.calibration import Channels, calibration, channels, measure
from model.controller.column_adc import column_adc
from model.controller.partial_sum import partial_sum
from model.controller.update_rule import (
    effective_threshold,
    firing,
    sample_key,
    update_quiet_rows,
    update_rule,
)
from model.device.array import array_bend, array_integrate, array_strobe
from model.jit import kernel
from spec.params import HwParams


class ControllerState(NamedTuple):
    """Memories of the controller.  Queue slot n % D holds the rows with pulses of sample n until its commit."""

    weights: np.ndarray
    """int32[columns + 1, classes], in Fortran order; of further layers, units of the last one + 1."""
    memory: np.ndarray  # int32[rows, columns]
    queue_count: np.ndarray  # int32[D]
    queue_row: np.ndarray  # int32[D, rows]
    queue_up: np.ndarray  # uint8[D, rows, columns]
    queue_down: np.ndarray  # uint8[D, rows, columns]
    channels: Channels


def new_state(p: HwParams) -> ControllerState:
    """As after a reset and a clearing of the memory."""
    return ControllerState(
        weights=np.zeros((p.upper_rows, p.classes), np.int32, order="F"),
        memory=np.zeros((p.rows, p.columns), np.int32),
        queue_count=np.zeros(p.commit_depth, np.int32),
        queue_row=np.zeros((p.commit_depth, p.rows), np.int32),
        queue_up=np.zeros((p.commit_depth, p.rows, p.columns), np.uint8),
        queue_down=np.zeros((p.commit_depth, p.rows, p.columns), np.uint8),
        channels=channels(p),
    )


@kernel
def commit(state, array, macro, slot, events, strobes, logged):
    """Apply the queued pulses of one slot in row order; macro: the state of macro 0.  Returns the log's length."""
    for k in range(state.queue_count[slot]):
        row, up, down = state.queue_row[slot, k], state.queue_up[slot, k], state.queue_down[slot, k]
        array_strobe(array, macro, row, up, down, 0, events)
        strobes.row[logged] = row
        strobes.up[logged] = up
        strobes.down[logged] = down
        logged += 1
    state.queue_count[slot] = 0
    return logged


@kernel
def update(s, state, codes, delta, sample, slot, entries, logged):
    """One sample's update of the memory, rows in order; queues and logs the rows with pulses."""
    threshold = effective_threshold(s.threshold, sample, s.double_first, s.double_second)
    key, count = sample_key(s, sample), 0
    delta = firing(delta, key, s)
    left = np.empty(codes.shape[0], np.uint8)
    update_quiet_rows(state.memory, codes, delta, threshold, s, left)
    for i in range(codes.shape[0]):
        if left[i]:
            up, down = state.queue_up[slot, count], state.queue_down[slot, count]
            if update_rule(state.memory[i], i, codes[i], delta, threshold, key, s, up, down) > 0:
                state.queue_row[slot, count] = i
                entries.row[logged] = i
                entries.up[logged] = up
                entries.down[logged] = down
                count += 1
                logged += 1
    state.queue_count[slot] = count
    return logged


@kernel
def convert(s, channels, array, macro, driven, full, events, sums, conversion, column):
    """One integrate and conversion of an array: column codes, and how many of them are clipped.

    driven: what drives the rows, 0..full; macro: the state of macro 0; sums: scratch; conversion, column: places for
    the codes of every row of macros and for their sum, empty where they are not looked at.
    """
    array_integrate(array, macro, driven, full, events, sums)
    array_bend(array.effects, array.places, sums, s.lsb, s.adc_bits)
    raw = column_adc(sums.reshape(-1), s.lsb, s.adc_bits)
    if s.measure:
        measure(channels, raw, s.measure, s.offset_shift)
    partial = calibration(raw, channels, s.calibrate, s.adc_bits)
    codes, clipped = partial_sum(partial, sums.shape[0], s.adc_bits)
    if conversion.shape[0] > 0:
        conversion[0] = raw
    if column.shape[0] > 0:
        column[0] = codes
    return codes, clipped
