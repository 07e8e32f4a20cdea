"""One cycle of each block from the samples to the verdicts.

A step takes the state, the constants, what flows and the pipelines, and is named for its block; all steps of a cycle
together are `model.cycles.walk`, whose order decides which of them sees the state before or after another.
"""

from model.cycles.state import (
    BACK_DRAIN,
    BACK_IDLE,
    BACK_RIVAL,
    BACK_STAGES,
    BACK_TARGET,
    LOGIT_IDLE,
    LOGIT_LAST,
    LOGIT_OFFER,
    LOGIT_SHIFT,
    MARGIN_IDLE,
    MARGIN_LAST,
    MARGIN_SCAN,
    MARGIN_VERDICT,
    PLANE_ADD,
    PLANE_GIVE,
    PLANE_TAKE,
    SUM_STAGES,
    fifo,
)
from model.jit import kernel


@kernel
def loading(s, c, w, p):
    """hw/dac_load.py and hw/input_buffer.py: one sample ahead into the array, samples into free slots."""
    l_ready = not s.loaded
    l_issue = s.waiting != 0 and (not s.lvalid or l_ready)
    if s.loaded:
        s.loaded = not s.swap
    elif s.lvalid:
        s.dac_w += 1
        if s.dac_w == c.row_words:
            s.dac_w, s.loaded = 0, True
    if l_issue or l_ready:
        s.lvalid = l_issue
    if l_issue:
        s.load_w += 1
        if s.load_w == c.row_words:
            s.load_w = 0
            s.waiting -= 1
    if s.store_n < c.samples and (s.store_w != 0 or s.occupied != c.slots):
        s.occupied += s.store_w == 0
        s.store_w += 1
        if s.store_w == c.row_words:
            s.store_w = 0
            s.store_n += 1
            s.waiting += 1
    s.occupied -= s.freed
    s.freed = s.released


@kernel
def room_for_codes(s, c):
    """Whether what comes behind the converters takes a group; room: of the FIFO of hidden codes."""
    room = s.hid_in != c.groups + 1
    takes = s.add == PLANE_TAKE if c.serial else room
    return not s.cal_valid or takes if c.calibrated else takes


@kernel
def column_codes(s, c, w, p):
    """hw/calibration.py, hw/shift_add.py as far as they are there, and the FIFO of hidden codes."""
    room = s.hid_in != c.groups + 1
    given = s.cal_valid if c.calibrated else s.adc_valid
    if c.calibrated and s.codes_ready:
        s.cal_valid = s.adc_valid
    if c.serial:
        comes, given = given, s.add == PLANE_GIVE
        if s.add == PLANE_TAKE:
            s.add = PLANE_ADD if comes else PLANE_TAKE
        elif s.add == PLANE_ADD:
            whole = s.add_plane == c.planes - 1
            s.add = PLANE_GIVE if whole else PLANE_TAKE
            s.add_group += 1
            if s.add_group == c.groups:
                s.add_group, s.add_plane = 0, 0 if whole else s.add_plane + 1
        elif room:
            s.add = PLANE_TAKE
    s.hid_in, s.hid_out = fifo(s.hid_in, s.hid_out, c.groups + 1, given, s.hid_ready)


@kernel
def converters(s, c, w, p):
    """hw/sar_adc.py, hw/ramp_adc.py: group after group."""
    a_next = s.adc_valid and not s.codes_ready
    if s.adc_busy:
        if s.adc_t:
            s.adc_t -= 1
        elif not s.adc_valid or s.codes_ready:
            a_next = True
            s.adc_t = c.conversion - 1
            s.adc_g += 1
            s.adc_busy = s.adc_g != c.groups
    elif s.adc_start:
        s.adc_busy, s.adc_t, s.adc_g = True, c.conversion - 2, 0  # the start is the first cycle
    column_codes(s, c, w, p)
    s.adc_valid = a_next


@kernel
def upper_layer(s, c, w, p):
    """hw/upper_layer.py: one hidden unit that is not zero per word of classes; sums drain beside the next sample."""
    bias = s.bias_group and s.left == 1
    issue = s.left != 0 and not (bias and s.reserved)
    unit_ends = issue and s.uword == c.weight_words - 1
    s.hid_ready = s.left == 0 or (unit_ends and s.left == 1)
    done_shift = False
    if s.drain == LOGIT_IDLE:
        s.drain_t = c.classes - 1
        if s.waits:
            s.drain = LOGIT_SHIFT
    elif s.drain == LOGIT_SHIFT:
        if s.drain_t == 0:
            done_shift = True
            s.waits = False
            s.drain = LOGIT_LAST
        else:
            s.drain_t -= 1
    elif s.drain == LOGIT_LAST:
        s.drain = LOGIT_OFFER
    elif s.logit_taken:
        s.drain = LOGIT_IDLE
    if s.complete_t == 1:
        s.waits = True
    if s.complete_t:
        s.complete_t -= 1
    if issue:
        s.uword = 0 if unit_ends else s.uword + 1
    if done_shift:
        s.reserved = False
    if unit_ends:
        s.left -= 1
        if bias:
            s.reserved = True
            s.complete_t = SUM_STAGES
    if s.hid_out and s.hid_ready:
        s.bias_group = s.up_g == c.groups - 1
        s.left = w.hidden[s.up_n, s.up_g] + s.bias_group
        s.up_g += 1
        if s.bias_group:
            s.up_g = 0
            s.up_n += 1
            s.whole += c.taught


@kernel
def margin_error(s, c, w, p):
    """hw/margin_error.py: one class per cycle, then a verdict."""
    logit = s.drain == LOGIT_OFFER
    s.logit_taken = logit and s.margin == MARGIN_IDLE
    if s.margin == MARGIN_IDLE:
        if logit:
            s.margin, s.margin_t = MARGIN_SCAN, c.classes - 1
    elif s.margin == MARGIN_SCAN:
        if s.margin_t == 0:
            s.margin = MARGIN_LAST
        else:
            s.margin_t -= 1
    elif s.margin == MARGIN_LAST:
        s.margin = MARGIN_VERDICT
    elif s.accept:
        s.margin = MARGIN_IDLE
        s.verdicts += 1
        s.results += 1


@kernel
def verdicts(s, c, w, p):
    """A verdict goes to all of its takers at once; then the backward pass and their queues move."""
    verdict = s.margin == MARGIN_VERDICT
    upd = verdict and not c.taught and w.updates[s.verdicts] == 1
    s.accept = (verdict and s.rel_in != c.slots - 1 and (not c.train or s.rule_in != c.slots - 1)
              and (not upd or s.back_idle))  # fmt: skip
    if s.back == BACK_IDLE:
        if s.accept and upd:
            s.back, s.back_w = BACK_TARGET, 0
    elif s.b_adv:
        if s.back == BACK_TARGET:
            s.back = BACK_RIVAL
        elif s.back == BACK_RIVAL:
            s.back = BACK_DRAIN if s.first_last else BACK_TARGET
            s.back_w += 1
        elif p.back_last[BACK_STAGES - 1]:
            s.back = BACK_IDLE
    if s.b_adv:
        for k in range(BACK_STAGES - 1, 1, -1):
            p.back_rival[k], p.back_last[k] = p.back_rival[k - 1], p.back_last[k - 1]
        p.back_rival[1], p.back_last[1] = s.first_rival, s.first_last
    take_fifo = not s.del_held or s.take_delta
    s.del_held = s.del_out or not take_fifo
    s.del_in, s.del_out = fifo(s.del_in, s.del_out, c.slots * c.words - 1, s.d_valid, take_fifo)
    s.d_valid = s.d_next
    s.rel_in, s.rel_out = fifo(s.rel_in, s.rel_out, c.slots - 1, s.accept, s.take_rel)
    s.rule_in, s.rule_out = fifo(s.rule_in, s.rule_out, c.slots - 1, s.accept and c.train, s.take_rule)
