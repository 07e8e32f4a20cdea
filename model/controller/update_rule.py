"""The update rules: what a sample adds to the update memory, and which cells then get a pulse."""

import numpy as np

from model.jit import kernel, saturate, thinning_mask, update_draw, update_key, update_seed_key
from spec.choices import CHANCE_RULES, RULES

ACCUMULATE, STOCHASTIC = RULES.index("accumulate"), RULES.index("stochastic")
FIRST_BY_CHANCE = RULES.index(CHANCE_RULES[0])
"""Rules from this one on have no memory."""


@kernel
def effective_threshold(threshold, sample, double_first, double_second):
    """The threshold doubles at two samples of the run: the step size halves twice."""
    return threshold << ((1 if sample >= double_first else 0) + (1 if sample >= double_second else 0))


@kernel
def increment(rule, code, delta, x_threshold, delta_threshold):
    """What one weight's memory gains: code * delta (accumulate), or the sign of delta where both are large (counter)."""
    if rule == ACCUMULATE:
        return code * delta
    rises = 1 if code >= x_threshold and delta >= delta_threshold else 0
    return rises - (1 if code >= x_threshold and -delta >= delta_threshold else 0)


@kernel
def sample_key(s, sample):
    """What the draws of one sample of a run depend on; s: Settings."""
    return update_key(update_seed_key(s.update_seed), sample)


@kernel
def firing(delta, key, s):
    """The errors that the update sees: all of them, but only those of columns that fire under a rule without memory.

    A column fires where |delta| >= DELTA_THRESHOLD (manhattan), or with the chance |delta| / 2**(delta_bits - 1)
    (stochastic).  delta: int32[columns]; key: see `sample_key`.
    """
    if s.rule < FIRST_BY_CHANCE:
        return delta
    out = np.zeros_like(delta)
    for j in range(delta.shape[0]):
        magnitude = abs(np.int64(delta[j]))
        if s.rule == STOCHASTIC:
            fires = update_draw(key, j, 1) >> (33 - s.delta_bits) < magnitude
        else:
            fires = magnitude >= s.delta_threshold
        out[j] = delta[j] if fires else 0
    return out


@kernel
def row_fires(row, code, threshold, key, s):
    """Whether a row gets pulses under a rule without memory, with the chance 1/threshold (see `thinning_mask`).

    Manhattan: where code >= X_THRESHOLD; stochastic: with the further chance code / 2**dac_bits.
    """
    draw = update_draw(key, row, 0)
    if draw & thinning_mask(threshold) != 0:
        return False
    if s.rule == STOCHASTIC:
        return draw >> (32 - s.dac_bits) < code
    return code >= s.x_threshold


@kernel
def coincidences(row, code, delta, threshold, key, s, up, down):
    """`update_rule` of a rule without memory: a pulse, by the sign of delta, where the row and the column fire."""
    fires, pulses = row_fires(row, code, threshold, key, s), 0
    for j in range(delta.shape[0]):
        up[j] = 1 if fires and delta[j] > 0 else 0
        down[j] = 1 if fires and delta[j] < 0 else 0
        pulses += up[j] + down[j]
    return pulses


@kernel
def update_rule(memory, row, code, delta, threshold, key, s, up, down):
    """Update one row; the memory, `up` and `down` are written in place.  Returns the number of pulses.

    memory: int32[columns], the row's update memory; row: its index; code: its input code, > 0; delta: int32[columns],
    from `firing`; threshold: the effective one; key: see `sample_key`; s: Settings; up, down: uint8[columns], 1 where
    a pulse goes to G+ or G-.
    A weight whose |memory + increment| reaches the threshold gets one pulse and gives one threshold back; the
    rest stays and saturates symmetrically at the memory's width.  Rules without memory: see `coincidences`.
    """
    if s.rule >= FIRST_BY_CHANCE:
        return coincidences(row, code, delta, threshold, key, s, up, down)
    bits = s.accumulator_bits if s.rule == ACCUMULATE else s.counter_bits
    limit = (1 << (bits - 1)) - 1
    pulses = 0
    for j in range(memory.shape[0]):  # without a branch: then many columns are taken at once
        moves = delta[j] != 0
        value = memory[j] + increment(s.rule, code, delta[j], s.x_threshold, s.delta_threshold)
        rises = 1 if moves and value >= threshold else 0
        falls = 1 if moves and -value >= threshold else 0
        up[j], down[j] = rises, falls
        value = value - threshold if rises else value
        value = value + threshold if falls else value
        memory[j] = saturate(value, -limit, limit) if moves else memory[j]
        pulses += rises + falls
    return pulses
