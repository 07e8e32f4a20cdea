"""One committed sample of the golden system, compiled: the controller's functions and the array in a row.

A sample's step is: commit the pulses of sample n-D, read, decide, update.  `run_samples` is the only composition.
"""

from typing import NamedTuple

import numpy as np

from model.controller.activation import activation
from model.controller.backprop_delta import backprop_delta
from model.controller.calibration import OFFSETS, Channels, calibration, measure
from model.controller.column_adc import column_adc
from model.controller.dac_encode import dac_encode
from model.controller.margin_error import margin_error
from model.controller.partial_sum import partial_sum
from model.controller.settings import BIT_SERIAL
from model.controller.shift_add import shift_add
from model.controller.update_rule import effective_threshold, firing, sample_key, update_rule
from model.controller.upper_layer import upper_layer
from model.device.array import array_integrate, array_strobe, macro_state
from model.jit import kernel


class ControllerState(NamedTuple):
    """Memories of the controller.  Queue slot n % D holds the rows with pulses of sample n until its commit."""

    weights: np.ndarray  # int32[columns + 1, classes]
    memory: np.ndarray  # int32[rows, columns]
    queue_count: np.ndarray  # int32[D]
    queue_row: np.ndarray  # int32[D, rows]
    queue_up: np.ndarray  # uint8[D, rows, columns]
    queue_down: np.ndarray  # uint8[D, rows, columns]
    channels: Channels


@kernel
def commit(state, array, slot, events, strobes, logged):
    """Apply the queued pulses of one slot in row order; returns the log's length."""
    for k in range(state.queue_count[slot]):
        row, up, down = state.queue_row[slot, k], state.queue_up[slot, k], state.queue_down[slot, k]
        array_strobe(array, row, up, down, 0, events)
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
    for i in range(codes.shape[0]):
        if codes[i] != 0:
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


@kernel
def read(s, channels, array, macro, codes, events, sums, conversion, column):
    """One read of row codes: the column codes, how many of them are clipped, and how many of the planes' are.

    Arguments as of `convert`, conversion and column with a place for each plane.
    """
    if s.encoding != BIT_SERIAL:
        full = (1 << s.dac_bits) - 1
        total, clipped = convert(s, channels, array, macro, codes, full, events, sums, conversion, column)
        return total, clipped, 0
    planes, planes_clipped = np.empty((s.dac_bits, sums.shape[1]), np.int32), 0
    for plane in range(s.dac_bits):
        place = slice(plane, plane + 1)
        driven = (codes >> plane) & 1
        planes[plane], clipped = convert(
            s, channels, array, macro, driven, 1, events, sums, conversion[place], column[place]
        )
        planes_clipped += clipped
    total = shift_add(planes, s.serial_shift, s.adc_bits)
    clipped = 0
    for code in total:
        clipped += code == (1 << (s.adc_bits - 1)) - 1
    return total, clipped, planes_clipped


@kernel
def run_samples(s, state, array, pixels, labels, train, first, events, t, entries, strobes):
    """Samples `first`.. of a run, one row of `pixels` each; stages go to `t`, pulses to the logs.

    events: counts of the array's macros, brought up to date.  Returns the lengths of both logs, and how many column
    codes are clipped, of reads and of planes.
    """
    logged, entered, clipped, planes_clipped = 0, 0, 0, 0
    macro = macro_state(array, 0)
    for k in range(pixels.shape[0]):
        slot = (first + k) % s.commit_depth
        logged = commit(state, array, slot, events, strobes, logged)
        codes = dac_encode(pixels[k], s.dac_bits)
        if s.measure == OFFSETS:
            codes[:] = 0
        adc, at_limit, planes_at_limit = read(
            s, state.channels, array, macro, codes, events, t.sums, t.conversion[k], t.column[k]
        )
        clipped += at_limit
        planes_clipped += planes_at_limit
        hidden = activation(adc)
        logits = upper_layer(hidden, state.weights, s.adc_bits, s.logit_shift, s.logit_bits)
        verdict = margin_error(logits, labels[k], s.margin, train)
        t.codes[k], t.adc[k], t.hidden[k], t.logits[k] = codes, adc, hidden, logits
        t.verdict[k, 0], t.verdict[k, 1], t.verdict[k, 2], t.verdict[k, 3] = verdict
        before = entered
        if verdict[0]:
            delta = backprop_delta(state.weights, hidden, verdict[1], verdict[2], s.adc_bits, s.delta_bits)
            t.delta[k] = delta
            entered = update(s, state, codes, delta, first + k, slot, entries, entered)
        t.entries[k] = entered - before
    return entered, logged, clipped, planes_clipped
