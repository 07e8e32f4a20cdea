"""What the cycle model keeps of the controller: handshakes, timers and counts, no data."""

from typing import NamedTuple

import numpy as np

from model.jit import kernel

SEQ_READ, SEQ_INTEGRATE, SEQ_PLANE, SEQ_DRAIN = range(4)
DRIVER_IDLE, DRIVER_BEFORE, DRIVER_STROBE, DRIVER_AFTER = range(4)
GATE_FREE, GATE_STROBE, GATE_GUARD = range(3)
RULE_IDLE, RULE_DELTAS, RULE_ROWS, RULE_END = range(4)
BACK_IDLE, BACK_TARGET, BACK_RIVAL, BACK_DRAIN = range(4)
MARGIN_IDLE, MARGIN_SCAN, MARGIN_LAST, MARGIN_VERDICT = range(4)
LOGIT_IDLE, LOGIT_SHIFT, LOGIT_LAST, LOGIT_OFFER = range(4)
TEACH_FETCH, TEACH_HOLD, TEACH_COLUMN = range(3)
PLANE_TAKE, PLANE_ADD, PLANE_GIVE = range(3)
SCHEDULE_ROW, SCHEDULE_STROBES, SCHEDULE_REPORT, SCHEDULE_DONE = range(4)
(
    VERIFY_IDLE,
    VERIFY_PICK,
    VERIFY_READ,
    VERIFY_READING,
    VERIFY_FIRST,
    VERIFY_COMPARE,
    VERIFY_DECIDE,
    VERIFY_PULSE,
    VERIFY_NEXT,
) = range(9)

BACK_STAGES = 4
"""Stages of the backward pass from a word of weights to a word of errors."""

AHEAD = 2
"""Cycles of the scan of an updating sample's words from an address to its codes; held against hw/input_buffer.py by a
test."""

SUM_STAGES = 5
"""Cycles of the upper layer from its last product to a complete sum."""

STATE = np.dtype(
    [
        (name, np.int64)
        for name in """
    store_n store_w occupied waiting load_w dac_w lvalid loaded state reads results started
    integrating active commit adc_busy adc_valid adc_t adc_g hid_in hid_out up_n up_g left uword
    bias_group reserved waits complete_t drain drain_t margin margin_t verdicts rel_in rel_out rel_n
    rule_in rule_out scan scan_t freed final pending scan_w back back_w d_valid del_in del_out del_held del_taken ur ur_n
    ur_w ordinal ur_final finished fin_pulse e_valid e_end q_in q_out q_head q_tail drv drv_t gate
    gate_t g_int g_strobe was_strobe requested busy strobes array_reads cycles elapsed stretch since
    running accept adc_start converted allow array_free b_adv back_idle commit_start committed d_next do_int int_request
    e_ready end first_last first_rival free hid_ready idle logit_taken op_valid pulses_busy released
    row_taken rows_ready strobe_next take_delta take_q take_rel take_rule done
    plane swap codes_ready cal_valid add add_plane add_group op_ready queued writing g_read reads_cell
    verify loop loop_pulses readings tunes pairs entry over
    full_0 full_1 count_bank count_column count_row sched sched_bank sched_row sched_strobe sched_word
    issued issued_last read_out read_out_last compared compared_last finished_row offered
    teach whole column lane inside place step step_last
    """.split()
    ]
)
"""Registers and wires of all blocks, one integer each; 0 is how they start.  `_t`: timers, `_n`: counts of samples,
`_w`: of words, `_in`, `_out`: level of a FIFO's memory and whether its output is valid."""


class Constants(NamedTuple):
    """Sizes from the parameters and times from the registers."""

    train: int
    depth: int
    slots: int
    row_words: int
    groups: int
    conversion: int
    weight_words: int
    classes: int
    words: int
    queue: int
    stages: int
    samples: int
    integrate_cycles: int
    pulse: int
    guard: int
    planes: int
    """Integrates of a read."""
    serial: int
    """1: a read is planes that are added."""
    calibrated: int
    """1: calibration is built in."""
    tune: int
    """1: the pulses of a commit are tuned."""
    verifies: int
    """1: a verify run."""
    averages: int
    columns: int
    rows: int
    taught: int
    """1: the run follows a teacher."""
    channels: int
    update_columns: int
    macro_columns: int


class Flow(NamedTuple):
    """What flows: `Work` and `Array` of model/cycles/work.py."""

    hidden: np.ndarray
    updates: np.ndarray
    rows: np.ndarray
    pulsed: np.ndarray
    words: np.ndarray
    strobes: np.ndarray
    loops: np.ndarray
    pairs: np.ndarray
    read_time: np.ndarray
    strobe_time: np.ndarray
    readout_time: np.ndarray


class Pipes(NamedTuple):
    """Pipelines and the commit queue, a flag per stage or entry."""

    back_rival: np.ndarray
    back_last: np.ndarray
    token_valid: np.ndarray
    token_last: np.ndarray
    token_pulse: np.ndarray
    ends: np.ndarray


def empty_pipes(c: Constants) -> Pipes:
    back, tokens = (BACK_STAGES, BACK_STAGES), (c.stages, c.stages, c.stages)
    return Pipes(*(np.zeros(length, np.bool_) for length in (*back, *tokens, c.queue + 1)))


@kernel
def fifo(inner, out, capacity, write, take):
    """One cycle of a buffered FIFO: its memory's level, whether the output is valid; `capacity` is of the memory."""
    writes = write and inner != capacity
    reads = inner != 0 and (not out or take)
    if reads:
        out = 1
    elif take:
        out = 0
    return inner + writes - reads, out
