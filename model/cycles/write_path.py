"""One cycle of each block from the verdicts to the strobes; as read_path."""

from model.cycles.state import (
    AHEAD,
    BACK_IDLE,
    BACK_RIVAL,
    BACK_STAGES,
    DRIVER_AFTER,
    DRIVER_BEFORE,
    DRIVER_IDLE,
    DRIVER_STROBE,
    GATE_FREE,
    GATE_GUARD,
    GATE_STROBE,
    RULE_DELTAS,
    RULE_END,
    RULE_IDLE,
    RULE_ROWS,
    TEACH_COLUMN,
    TEACH_FETCH,
    TEACH_HOLD,
    VERIFY_COMPARE,
    VERIFY_DECIDE,
    VERIFY_FIRST,
    VERIFY_IDLE,
    VERIFY_NEXT,
    VERIFY_PICK,
    VERIFY_PULSE,
    VERIFY_READ,
    VERIFY_READING,
    fifo,
)
from model.jit import kernel


@kernel
def driver_and_gate(s, c, w, p):
    """hw/pulse_driver.py and hw/pulse_gate.py: guard, strobe, guard."""
    s.op_ready = s.allow and (s.drv == DRIVER_IDLE or (s.drv == DRIVER_AFTER and s.drv_t == 0))
    request = s.drv == DRIVER_STROBE
    begins = request and not s.requested
    s.requested = request
    s.strobe_next = False
    if s.gate == GATE_FREE or (s.gate == GATE_GUARD and s.free):
        s.gate = GATE_FREE
        if begins:
            s.strobe_next = True
            s.gate = GATE_STROBE
    elif s.gate == GATE_STROBE:
        if s.g_strobe and request:
            s.strobe_next = True
        else:
            s.gate = GATE_GUARD
            s.gate_t = c.guard - 1
    elif s.gate_t != 0:
        s.gate_t -= 1
    if s.op_valid and s.op_ready:
        s.drv, s.drv_t = DRIVER_BEFORE, c.guard - 1
    elif s.drv == DRIVER_BEFORE:
        if not s.array_free:
            s.drv_t = c.guard - 1
        elif s.drv_t == 0:
            s.drv, s.drv_t = DRIVER_STROBE, c.pulse - 1
        else:
            s.drv_t -= 1
    elif s.drv == DRIVER_STROBE:
        if s.drv_t == 0:
            s.drv, s.drv_t = DRIVER_AFTER, c.guard - 1
        else:
            s.drv_t -= 1
    elif s.drv == DRIVER_AFTER:
        if s.drv_t == 0:
            s.drv = DRIVER_IDLE
        else:
            s.drv_t -= 1


@kernel
def commit_queue(s, c, w, p):
    """hw/commit_queue.py: entries in, operations out while a commit is open."""
    s.take_q = s.commit and (s.end or (s.verify == VERIFY_IDLE if c.tune else s.op_ready))
    if not s.commit:
        s.commit = s.commit_start
    elif s.end:
        s.commit = False
    s.e_ready = s.q_in != c.queue - 1
    if s.e_valid and s.e_ready:
        p.ends[s.q_tail % c.queue] = s.e_end
        s.q_tail += 1
    if s.q_out and s.take_q:
        s.q_head += 1
    s.q_in, s.q_out = fifo(s.q_in, s.q_out, c.queue - 1, s.e_valid, s.take_q)


@kernel
def verify(s, c, w, p):
    """hw/verify.py: readings and pulses of one cell or pair after the other; a loop has a reading more than pulses."""
    s.reads_cell = False
    if s.verify == VERIFY_IDLE:
        if c.tune and s.queued:
            s.pairs = w.pairs[s.entry]
            s.entry += 1
            s.verify = VERIFY_PICK
        elif not c.tune and s.loop < w.loops.shape[0]:
            s.verify = VERIFY_READ
    elif s.verify == VERIFY_PICK:
        s.verify = VERIFY_READ if s.pairs else VERIFY_IDLE
        s.tunes = s.pairs != 0
        s.pairs -= 1
    elif s.verify == VERIFY_READ:
        if not s.writing and s.allow and s.array_free:
            s.reads_cell = True
            s.verify = VERIFY_READING
    elif s.verify == VERIFY_READING:
        if s.array_free:
            s.readings += 1
            s.verify = VERIFY_READ
            if s.readings == c.averages:
                s.verify = VERIFY_FIRST if s.tunes else VERIFY_COMPARE
                s.readings = 0
    elif s.verify == VERIFY_FIRST:
        s.tunes = False
        s.verify = VERIFY_COMPARE
    elif s.verify == VERIFY_COMPARE:
        s.verify = VERIFY_DECIDE
    elif s.verify == VERIFY_DECIDE:
        s.verify = VERIFY_NEXT if s.loop_pulses == w.loops[s.loop] else VERIFY_PULSE
    elif s.verify == VERIFY_PULSE:
        if s.op_ready:
            s.loop_pulses += 1
            s.verify = VERIFY_READ
    else:
        s.loop += 1
        s.loop_pulses = 0
        s.over = s.loop == w.loops.shape[0]
        s.verify = VERIFY_PICK if c.tune else VERIFY_IDLE


@kernel
def update_rule(s, c, w, p):
    """hw/update_rule.py: deltas in, the words of each row through the lanes, entries out."""
    advance = not (s.finished and s.fin_pulse and s.e_valid and not s.e_ready)
    drained = not s.finished
    for k in range(c.stages):
        drained = drained and not p.token_valid[k]
    e_next = s.e_valid and not s.e_ready
    if advance and s.finished and s.fin_pulse:
        e_next, s.e_end = True, False
    if s.ur == RULE_END and drained and (not s.e_valid or s.e_ready):
        e_next, s.e_end = True, True
    s.rows_ready = (
        s.ur == RULE_ROWS and advance and not (p.token_valid[0] and (not p.token_last[0] or s.ur_final))
    )
    s.row_taken = s.rows_ready and s.scan and s.pending != 0
    row_final = s.final and s.pending == 1
    ends_row = p.token_valid[0] and p.token_last[0] and s.ur_final
    if advance:
        s.finished = p.token_valid[c.stages - 1] and p.token_last[c.stages - 1]
        s.fin_pulse = p.token_pulse[c.stages - 1]
        for k in range(c.stages - 1, 0, -1):
            p.token_valid[k], p.token_last[k], p.token_pulse[k] = (
                p.token_valid[k - 1],
                p.token_last[k - 1],
                p.token_pulse[k - 1],
            )
    s.take_rule = s.ur == RULE_IDLE
    s.take_delta = s.ur == RULE_DELTAS
    if s.ur == RULE_IDLE:
        if s.rule_out:
            s.ur = RULE_DELTAS if w.updates[s.ur_n] else RULE_END
            s.ordinal = 0
            s.del_taken = 0
    elif s.ur == RULE_DELTAS:
        if s.del_held:
            s.del_taken += 1
            if s.del_taken == c.words:
                s.ur = RULE_ROWS
    elif s.ur == RULE_ROWS:
        if advance:
            if p.token_valid[0] and not p.token_last[0]:
                s.ur_w += 1
                p.token_last[0] = s.ur_w == w.words[s.ur_n] - 1
            else:
                p.token_valid[0] = s.row_taken
                s.ur_w = 0
                p.token_last[0] = w.words[s.ur_n] == 1
                if s.row_taken:
                    p.token_pulse[0] = w.pulsed[s.ur_n, s.ordinal] != 0
                    s.ordinal += 1
                if s.row_taken:
                    s.ur_final = row_final
            if ends_row:
                s.ur = RULE_END
    elif drained and (not s.e_valid or s.e_ready):
        s.ur = RULE_IDLE
        s.ur_n += 1
    s.e_valid = e_next


@kernel
def row_scan(s, c, w, p):
    """hw/input_buffer.py: an updating sample's non-zero rows, then its slot is released."""
    s.released = False
    s.take_rel = not s.scan
    if not s.scan:
        if s.rel_out:
            if w.updates[s.rel_n]:
                s.scan, s.scan_t, s.scan_w, s.final = True, AHEAD, 0, False
            else:
                s.released = True
                s.rel_n += 1
    elif s.scan_t > 1:
        s.scan_t -= 1
    else:
        empty = s.pending == 0 or (s.rows_ready and s.pending == 1)
        if s.row_taken:
            s.pending -= 1
        if empty:
            if s.final:
                s.released = True
                s.scan = False
                s.rel_n += 1
            else:
                s.pending = w.rows[s.rel_n, s.scan_w]
                s.scan_w += 1
                s.final = s.scan_w == c.row_words


@kernel
def backprop_delta(s, c, w, p):
    """hw/backprop_delta.py: word by word the target's and the rival's weights, four stages."""
    d_ready = s.del_in != c.slots * c.words - 1
    s.b_adv = not (p.back_rival[BACK_STAGES - 1] and s.d_valid and not d_ready)
    s.back_idle = s.back == BACK_IDLE
    s.d_next = s.d_valid and not d_ready
    s.first_rival, s.first_last = s.back == BACK_RIVAL, s.back == BACK_RIVAL and s.back_w == c.words - 1
    if s.b_adv and p.back_rival[BACK_STAGES - 1]:
        s.d_next = True


@kernel
def teacher_delta(s, c, w, p):
    """hw/teacher_delta.py: a column per cycle, as its wanted code is never late; each group of codes is fetched before."""
    advance = not (s.d_valid and s.del_in == c.slots * c.words - 1)
    s.d_next = s.d_valid and not advance
    takes = s.teach == TEACH_COLUMN and advance
    if advance and s.step:
        s.d_next = s.step_last or s.place == c.update_columns - 1
        s.place = 0 if s.d_next else s.place + 1
    if advance:
        s.step = takes
    if s.teach == TEACH_FETCH:
        if s.whole != 0:
            s.teach = TEACH_HOLD
    elif s.teach == TEACH_HOLD:
        s.teach, s.lane = TEACH_COLUMN, 0
    elif takes:
        s.step_last = s.column == c.columns - 1
        ends = s.step_last or s.inside == c.macro_columns - 1
        if ends or s.lane == c.channels - 1:
            s.teach = TEACH_FETCH
        s.whole -= s.step_last
        s.column = 0 if s.step_last else s.column + 1
        s.inside = 0 if ends else s.inside + 1
        s.lane += 1
