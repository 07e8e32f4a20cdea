"""Runs without samples, transfer and program-verify: what gives the driver its operations, cycle by cycle."""

from model.cycles.state import (
    DRIVER_BEFORE,
    SCHEDULE_DONE,
    SCHEDULE_REPORT,
    SCHEDULE_ROW,
    SCHEDULE_STROBES,
    VERIFY_IDLE,
    VERIFY_PULSE,
)
from model.cycles.walk import array, gate
from model.cycles.write_path import driver_and_gate, verify
from model.jit import kernel


@kernel
def load(s, c, w, p):
    """hw/pulse_scheduler.py: a count in each cycle into the bank that is free."""
    if s.count_row == c.rows or (s.full_1 if s.count_bank else s.full_0):
        return
    s.count_column += 1
    if s.count_column == c.columns:
        s.count_column = 0
        s.count_row += 1
        if s.count_bank:
            s.full_1 = True
        else:
            s.full_0 = True
        s.count_bank = not s.count_bank


@kernel
def schedule(s, c, w, p):
    """hw/pulse_scheduler.py: of the full bank one strobe after the other, word by word."""
    full = s.full_1 if s.sched_bank else s.full_0
    load(s, c, w, p)
    advance = not (s.finished_row and s.offered)
    taken = not (s.read_out or s.compared or s.finished_row or s.offered)
    s.offered = (s.offered and not s.op_ready) or (advance and s.finished_row)
    if advance:
        s.finished_row = s.compared and s.compared_last
        s.compared, s.compared_last = s.read_out, s.read_out_last
        s.read_out, s.read_out_last = s.issued, s.issued_last
    row_ends = False
    if s.sched == SCHEDULE_ROW:
        s.sched_word = s.sched_strobe = 0
        s.issued_last = c.words == 1
        if s.sched_row == c.rows:
            s.sched = SCHEDULE_REPORT
        elif full and w.strobes[s.sched_row] == 0:
            row_ends = True
        elif full:
            s.issued = True
            s.sched = SCHEDULE_STROBES
    elif s.sched == SCHEDULE_STROBES:
        if advance and not s.issued_last:
            s.sched_word += 1
            s.issued_last = s.sched_word == c.words - 1
        elif advance:
            s.sched_word = 0
            s.issued_last = c.words == 1
            s.sched_strobe += 1
            if s.sched_strobe == w.strobes[s.sched_row]:
                s.issued = False
                s.sched = SCHEDULE_ROW
                row_ends = True
    elif s.sched == SCHEDULE_REPORT and taken:
        s.over = True
        s.sched = SCHEDULE_DONE
    if row_ends:
        if s.sched_bank:
            s.full_1 = False
        else:
            s.full_0 = False
        s.sched_bank = not s.sched_bank
        s.sched_row += 1


@kernel
def walk_writing(s, c, w, p):
    """All cycles of a transfer, or of a verify run where there are loops; the counts are in the state."""
    s.allow = True
    while not s.done:
        gate(s)
        s.op_valid = s.offered or s.verify == VERIFY_PULSE
        s.pulses_busy = s.offered or s.writing or s.verify != VERIFY_IDLE
        s.cycles += 1
        s.stretch += s.drv == DRIVER_BEFORE and not s.array_free
        driver_and_gate(s, c, w, p)
        if c.verifies:
            verify(s, c, w, p)
        else:
            schedule(s, c, w, p)
        array(s, c, w, p)
        s.done = s.over and not s.pulses_busy
