"""The update rules: what a sample adds to the update memory, and which cells then get a pulse."""

from model.jit import kernel, saturate
from spec.params import RULES

ACCUMULATE = RULES.index("accumulate")


@kernel
def effective_threshold(threshold, sample, double_first, double_second):
    """The threshold doubles at two samples of the run: the step size halves twice."""
    return threshold << ((1 if sample >= double_first else 0) + (1 if sample >= double_second else 0))


@kernel
def increment(rule, code, delta, x_threshold, delta_threshold):
    """What one weight's memory gains: code * delta (accumulate), or the sign of delta where both are large (counter)."""
    if rule == ACCUMULATE:
        return code * delta
    if code >= x_threshold:
        if delta >= delta_threshold:
            return 1
        if -delta >= delta_threshold:
            return -1
    return 0


@kernel
def update_rule(memory, code, delta, threshold, s, up, down):
    """Update one row; the memory, `up` and `down` are written in place.  Returns the number of pulses.

    memory: int32[columns], the row's update memory; code: the row's input code, > 0; delta: int32[columns];
    threshold: the effective one; s: Settings; up, down: uint8[columns], 1 where a pulse goes to G+ or G-.
    A weight whose |memory + increment| reaches the threshold gets one pulse and gives one threshold back; the
    rest stays and saturates symmetrically at the memory's width.
    """
    bits = s.accumulator_bits if s.rule == ACCUMULATE else s.counter_bits
    limit = (1 << (bits - 1)) - 1
    pulses = 0
    for j in range(memory.shape[0]):
        up[j] = 0
        down[j] = 0
        if delta[j] != 0:
            value = memory[j] + increment(s.rule, code, delta[j], s.x_threshold, s.delta_threshold)
            if value >= threshold:
                up[j] = 1
                value -= threshold
                pulses += 1
            elif -value >= threshold:
                down[j] = 1
                value += threshold
                pulses += 1
            memory[j] = saturate(value, -limit, limit)
    return pulses
