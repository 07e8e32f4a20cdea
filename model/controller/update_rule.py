"""The update rules: what a sample adds to the update memory, and which cells then get a pulse."""

import numpy as np

from model.jit import kernel, saturate, thinning_mask, update_draw, update_key, update_seed_key
from spec.choices import CHANCE_RULES, RULES

ACCUMULATE, STOCHASTIC = RULES.index("accumulate"), RULES.index("stochastic")
NARROW_BITS = 30
"""Width of a memory up to which 32 bits hold its sums."""
NEVER = (1 << 31) - 1
"""More than any |delta|."""
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


@kernel
def add_products(memory, factor, delta):
    """Add factor * delta to a row's memory; returns the lowest and the highest sum, or 0."""
    factor, lowest, highest = np.int32(factor), np.int32(0), np.int32(0)
    for j in range(memory.shape[0]):
        value = np.int32(memory[j] + np.int32(factor * delta[j]))
        lowest, highest = min(lowest, value), max(highest, value)
        memory[j] = value
    return lowest, highest


@kernel
def add_signs(memory, factor, delta, least):
    """As `add_products`, of the signs of those errors whose size is at least `least`."""
    factor, lowest, highest = np.int32(factor), np.int32(0), np.int32(0)
    for j in range(memory.shape[0]):
        sign = np.int32(delta[j] >= least) - np.int32(-delta[j] >= least)
        value = np.int32(memory[j] + np.int32(factor * sign))
        lowest, highest = min(lowest, value), max(highest, value)
        memory[j] = value
    return lowest, highest


@kernel
def update_quiet_rows(memory, codes, delta, threshold, s, reached):
    """`update_rule` of those rows, nearly all, in which no weight reaches the threshold; the others stay as they were.

    memory: int32[rows, columns]; codes: int32[rows]; reached: uint8[rows], is set to 1 for driven rows that are left.
    Sums are of 32 bits, for many columns at a time; where those may not do, all driven rows are left.
    """
    bits = s.accumulator_bits if s.rule == ACCUMULATE else s.counter_bits
    narrow = s.rule < FIRST_BY_CHANCE and s.accumulator_bits <= NARROW_BITS and threshold >> (bits - 1) == 0
    for i in range(codes.shape[0]):
        reached[i] = codes[i] != 0 and not narrow
        if codes[i] == 0 or not narrow:
            continue
        if s.rule == ACCUMULATE:
            factor, least = codes[i], np.int32(0)
            lowest, highest = add_products(memory[i], factor, delta)
        else:
            factor, least = np.int32(1), np.int32(s.delta_threshold if codes[i] >= s.x_threshold else NEVER)
            lowest, highest = add_signs(memory[i], factor, delta, least)
        if lowest <= -threshold or highest >= threshold:
            reached[i] = 1
            if s.rule == ACCUMULATE:
                add_products(memory[i], -factor, delta)
            else:
                add_signs(memory[i], -factor, delta, least)
