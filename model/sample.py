"""One committed sample of the golden system, compiled: the controller's functions and the array in a row.

A sample's step is: commit the pulses of sample n-D, read, decide, update.  `run_samples` is the only composition.
"""

import numpy as np

from model.controller.activation import activation
from model.controller.backprop_delta import backprop_delta
from model.controller.between_layers import LAYER_ERROR_BITS, between_delta, between_layers
from model.controller.calibration import OFFSETS
from model.controller.dac_encode import dac_encode
from model.controller.margin_error import margin_error
from model.controller.settings import BIT_SERIAL
from model.controller.shift_add import shift_add
from model.controller.teacher_delta import teacher_delta
from model.controller.upper_layer import upper_layer
from model.controller.upper_rows import upper_rows
from model.device.array import macro_state
from model.jit import kernel
from model.layer import commit, convert, update
from model.upper import output_error, transposed_error, upper_read, upper_update


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
def run_samples(
    s, state, array, pixels, labels, train, first, events, t, entries, strobes, upper, between, teacher
):
    """Samples `first`.. of a run, one row of `pixels` each; stages go to `t` if it has places for them, pulses to the logs.

    events: counts of the array's macros, brought up to date.  upper: `UpperState`, or None where the upper layer is
    digital: then nothing of it is compiled.  between: `Between`, or None where nothing is between the columns and a
    digital upper layer, in the same way.  teacher: `Teacher` of these samples where s.teacher is set, whose errors take the
    place of those that come back from the upper layer; or None.  Returns the lengths of both logs, and how many column
    codes are clipped, of reads and of planes.
    """
    logged, entered, clipped, planes_clipped = 0, 0, 0, 0
    macro = macro_state(array, 0)
    for k in range(pixels.shape[0]):
        slot = (first + k) % s.commit_depth
        logged = commit(state, array, macro, slot, events, strobes, logged)
        codes = dac_encode(pixels[k], s.dac_bits)
        if s.measure == OFFSETS:
            codes[:] = 0
        adc, at_limit, planes_at_limit = read(
            s, state.channels, array, macro, codes, events, t.sums, t.conversion[k], t.column[k]
        )
        clipped += at_limit
        planes_clipped += planes_at_limit
        hidden = activation(adc)
        top = hidden
        if between is not None:
            top = between_layers(between, hidden, s.adc_bits)
        if upper is None:
            logits = upper_layer(top, state.weights, s.adc_bits, s.logit_shift, s.logit_bits)
        else:
            driven = upper_rows(hidden, (1 << (s.adc_bits - 1)) - 1)
            logits = upper_read(upper, driven)
        verdict = margin_error(logits, labels[k], s.margin, train, s.teacher)
        whole = t.codes.shape[0] > 0
        if whole:
            t.codes[k], t.adc[k], t.hidden[k], t.logits[k] = codes, adc, hidden, logits
        t.verdict[k, 0], t.verdict[k, 1] = verdict[0], verdict[1]
        t.verdict[k, 2], t.verdict[k, 3] = verdict[2], verdict[3]
        before = entered
        if verdict[0] and (upper is None or upper.trains_first):
            if teacher is not None:
                delta = teacher_delta(hidden, teacher.hidden[k], s.dead, s.delta_bits)
            elif upper is not None and upper.transposed:
                delta = transposed_error(upper, hidden, verdict[1], verdict[2], s.delta_bits)
            elif between is not None:
                error = backprop_delta(
                    state.weights, top, verdict[1], verdict[2], s.adc_bits, LAYER_ERROR_BITS
                )
                delta = between_delta(between, hidden, error, s.adc_bits, s.delta_bits)
            else:
                delta = backprop_delta(
                    state.weights, hidden, verdict[1], verdict[2], s.adc_bits, s.delta_bits
                )
            if whole:
                t.delta[k] = delta
            entered = update(s, state, codes, delta, first + k, slot, entries, entered)
        if upper is not None:
            upper.rows[k] = 0
            if upper.trains_last and train and teacher is not None and teacher.outputs.shape[0] > 0:
                error = teacher_delta(logits, teacher.outputs[k], 0, upper.s.delta_bits)
                upper_update(upper, driven, error, first + k, k)
            elif verdict[0] and upper.trains_last:
                error = output_error(verdict[1], verdict[2], logits.shape[0], upper.s.delta_bits)
                upper_update(upper, driven, error, first + k, k)
        t.entries[k] = entered - before
    return entered, logged, clipped, planes_clipped
