"""Cycles of a run: predicts the counters CYCLES, ELAPSED and STRETCH of the hardware, exactly.

The kernel walks the controller's handshakes and timers cycle by cycle, without any data: what flows are counts of
the golden model's record.  The host is never late: a word of samples in each cycle, every result taken at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.jit import kernel
from spec.params import HwParams
from spec.registers import Mode, reset_value

LANE_LATENCY = 6
"""Stages of an update lane; held against hw/update_lane.py by a test."""
LEAST_QUEUE = 3
"""Least depth of the commit queue; held against hw/commit_queue.py by a test."""


@dataclass(frozen=True)
class Array:
    """Times of the array in cycles: how many `ready` is low in an integrate of each sample, in each strobe."""

    integrate: np.ndarray  # int64[samples]
    strobe: np.ndarray  # int64[strobes]


@dataclass(frozen=True)
class Work:
    """What the samples of a run do."""

    hidden: np.ndarray  # int64[samples, adc_groups]: hidden codes that are not zero
    updates: np.ndarray  # int64[samples]: 0 or 1
    rows: np.ndarray  # int64[samples, row_words]: input codes that are not zero; the bias row is one
    pulsed: np.ndarray  # uint8[samples, rows]: whether the k-th non-zero row of an updating sample has pulses


def ideal_array(params: HwParams, registers: dict[str, int], work: Work) -> Array:
    """The fastest array that keeps to the port: ready again in the first cycle without a strobe."""
    integrate, pulse = (max(1, registers.get(n, reset_value(n))) for n in ("INTEGRATE", "PULSE"))
    strobe = max(1, pulse - 1)  # ready falls in the cycle after the rising strobe
    return Array(
        np.full(len(work.updates), integrate, np.int64), np.full(int(work.pulsed.sum()), strobe, np.int64)
    )


def emulated_array(
    params: HwParams,
    registers: dict[str, int],
    trace: dict,
    integrate_latency: Callable,
    strobe_latency: Callable,
) -> Array:
    """The emulated array; its formulas are those of hw/macro/timing.py.  trace: of a golden run."""
    integrate, pulse = (max(1, registers.get(n, reset_value(n))) for n in ("INTEGRATE", "PULSE"))
    c = params.columns
    return Array(
        np.array([integrate_latency(params, integrate, list(codes)) for codes in trace["codes"]], np.int64),
        np.array([strobe_latency(params, pulse, e[1 : c + 1], e[c + 1 :]) for e in trace["entry"]], np.int64),
    )


def work_of(params: HwParams, trace: dict) -> Work:
    """The work of a golden run with all stages traced (`GoldenController.run(..., trace=True)`)."""
    n, p = len(trace["codes"]), params
    codes = np.zeros((n, p.row_words * p.dac_load_lanes), np.int64)
    codes[:, : p.rows] = np.array(trace["codes"])
    hidden = np.zeros((n, p.adc_groups * p.adc_channels), np.int64)
    hidden[:, : p.columns] = np.array(trace["hidden"])
    pulsed = np.zeros((n, p.rows), np.uint8)
    for sample, entry in zip(trace.get("entry_sample", ()), trace["entry"], strict=True):
        pulsed[sample, np.count_nonzero(codes[sample, : entry[0]])] = 1
    return Work(
        (hidden != 0).reshape(n, p.adc_groups, -1).sum(axis=2),
        np.array([v[0] for v in trace["verdict"]], np.int64),
        (codes != 0).reshape(n, p.row_words, -1).sum(axis=2),
        pulsed,
    )


def predict(
    params: HwParams, mode: Mode, registers: dict[str, int], work: Work, array: Array
) -> dict[str, int]:
    """CYCLES, ELAPSED and STRETCH of one run.  registers: by name, the reset value where one is missing."""
    p = params
    integrate, pulse = (max(1, registers.get(n, reset_value(n))) for n in ("INTEGRATE", "PULSE"))
    guard = max(p.guard_min_cycles, registers.get("GUARD", reset_value("GUARD")))
    shape = np.array([p.commit_depth, p.input_slots, p.row_words, p.adc_groups, p.conversion_cycles,
                      p.weight_words, p.classes, p.update_words, max(LEAST_QUEUE, p.queue_depth),
                      LANE_LATENCY + 2], np.int64)  # fmt: skip
    found = _walk(shape, int(mode is Mode.TRAIN), integrate, pulse, guard, work.hidden, work.updates, work.rows,
                  work.pulsed, array.integrate, array.strobe)  # fmt: skip
    return dict(zip(("CYCLES", "ELAPSED", "STRETCH"), map(int, found), strict=True))


@kernel
def _fifo(inner, out, capacity, write, take):
    """One cycle of a buffered FIFO: its memory's level, whether the output is valid; `capacity` is of the memory."""
    writes = write and inner != capacity
    reads = inner != 0 and (not out or take)
    if reads:
        out = True
    elif take:
        out = False
    return inner + writes - reads, out


@kernel
def _walk(
    shape, train, integrate_cycles, pulse, guard, hidden, updates, rows, pulsed, read_time, strobe_time
):
    depth, slots, row_words, groups, conversion, weight_words, classes, words, queue, stages = shape
    samples = updates.shape[0]
    store_n = store_w = occupied = waiting = load_w = dac_w = 0
    lvalid = loaded = False
    READ, INTEGRATE, DRAIN, state = 0, 1, 2, 0
    reads = results = started = integrating = 0
    active = commit = False
    adc_busy = adc_valid = False
    adc_t = adc_g = 0
    hid_in, hid_out = 0, False
    up_n = up_g = left = uword = 0
    bias_group = False
    reserved = waits = False
    complete_t = drain = drain_t = 0
    margin = margin_t = verdicts = 0
    rel_in, rel_out, rel_n = 0, False, 0
    rule_in, rule_out = 0, False
    scan = final = False
    pending = scan_w = 0
    back = back_w = 0  # 1 target, 2 rival, 3 drain
    s_rival = np.zeros(4, np.bool_)
    s_last = np.zeros(4, np.bool_)
    d_valid = False
    del_in, del_out, del_taken = 0, False, 0
    ur = ur_n = 0  # 0 idle, 1 deltas, 2 rows, 3 end
    t_valid = np.zeros(stages, np.bool_)
    t_last = np.zeros(stages, np.bool_)
    t_pulse = np.zeros(stages, np.bool_)
    ur_w = ordinal = 0
    ur_final = finished = fin_pulse = False
    e_valid = e_end = False
    q = np.zeros(queue + 1, np.bool_)
    q_in, q_out, q_head, q_tail = 0, False, 0, 0
    drv = drv_t = gate = gate_t = 0
    g_int = g_strobe = was_strobe = requested = False
    busy = strobes = array_reads = 0
    cycles = elapsed = stretch = since = 0
    running = False
    while True:
        # what is offered in this cycle
        ready = busy == 0
        free = gate == 0 or (gate == 2 and gate_t == 0 and ready)
        array_free = ready and not (g_int or g_strobe)
        end = q_out and q[q_head % queue]
        op_valid = commit and q_out and not end
        pulses_busy = op_valid or drv != 0 or not free
        committed = started - active
        allow = state != INTEGRATE and not adc_busy
        idle = not commit and not pulses_busy
        cycles += 1
        # counters
        waits_array = drv == 1 and not array_free
        stretched = state == INTEGRATE and integrating > integrate_cycles and not array_free
        stretch += stretched or waits_array
        now = g_int or running
        if now and (adc_busy or g_strobe):
            elapsed += since + 1
            since = 0
        elif now:
            since += 1
        running = now
        # sequencer
        due = reads >= started + depth or reads == samples
        commit_start = (not active) and train and idle and due and started != samples
        do_int = adc_start = finish = False
        if state == READ:
            if reads == samples:
                state = DRAIN
            elif (
                loaded
                and not adc_busy
                and array_free
                and not pulses_busy
                and (not train or committed + depth > reads)
            ):
                do_int = True
                state = INTEGRATE
        elif state == INTEGRATE:
            if array_free:
                adc_start = True
                state = READ
        elif (not train or committed == samples) and results == samples and not adc_busy and idle:
            finish = True
        if finish:
            return cycles, elapsed, stretch
        if do_int:
            reads += 1
            integrating = 0
        elif integrating <= integrate_cycles:
            integrating += 1
        if active:
            active = not idle
        elif commit_start:
            started += 1
            active = True
        # driver and gate
        drv_ready = drv == 0 or (drv == 3 and drv_t == 0)
        op_taken = op_valid and allow and drv_ready
        take_q = commit and (end or (allow and drv_ready))
        request = drv == 2
        begins = request and not requested
        requested = request
        strobe_next = False
        if gate == 0 or (gate == 2 and free):
            gate = 0
            if begins:
                strobe_next = True
                gate = 1
        elif gate == 1:
            if g_strobe and request:
                strobe_next = True
            else:
                gate = 2
                gate_t = guard - 1
        elif gate_t != 0:
            gate_t -= 1
        if op_taken:
            drv, drv_t = 1, guard - 1
        elif drv == 1:
            if not array_free:
                drv_t = guard - 1
            elif drv_t == 0:
                drv, drv_t = 2, pulse - 1
            else:
                drv_t -= 1
        elif drv == 2:
            if drv_t == 0:
                drv, drv_t = 3, guard - 1
            else:
                drv_t -= 1
        elif drv == 3:
            if drv_t == 0:
                drv = 0
            else:
                drv_t -= 1
        # array
        if busy:
            busy -= 1
        elif g_int:
            busy = read_time[array_reads]
            array_reads += 1
        elif g_strobe and not was_strobe:
            busy = strobe_time[strobes]
            strobes += 1
        was_strobe = g_strobe
        g_int, g_strobe = do_int, strobe_next
        # commit queue
        if not commit:
            commit = commit_start
        elif end:
            commit = False
        e_ready = q_in != queue - 1
        if e_valid and e_ready:
            q[q_tail % queue] = e_end
            q_tail += 1
        if q_out and take_q:
            q_head += 1
        q_in, q_out = _fifo(q_in, q_out, queue - 1, e_valid, take_q)
        # update rule
        advance = not (finished and fin_pulse and e_valid and not e_ready)
        drained = not finished
        for k in range(stages):
            drained = drained and not t_valid[k]
        e_next = e_valid and not e_ready
        if advance and finished and fin_pulse:
            e_next, e_end = True, False
        if ur == 3 and drained and (not e_valid or e_ready):
            e_next, e_end = True, True
        rows_ready = ur == 2 and advance and not (t_valid[0] and (not t_last[0] or ur_final))
        row_taken = rows_ready and scan and pending != 0
        row_final = final and pending == 1
        ends_row = t_valid[0] and t_last[0] and ur_final
        if advance:
            finished = t_valid[stages - 1] and t_last[stages - 1]
            fin_pulse = t_pulse[stages - 1]
            for k in range(stages - 1, 0, -1):
                t_valid[k], t_last[k], t_pulse[k] = t_valid[k - 1], t_last[k - 1], t_pulse[k - 1]
        take_rule = ur == 0
        take_delta = ur == 1
        if ur == 0:
            if rule_out:
                ur = 1 if updates[ur_n] else 3
                ordinal = 0
                del_taken = 0
        elif ur == 1:
            if del_out:
                del_taken += 1
                if del_taken == words:
                    ur = 2
        elif ur == 2:
            if advance:
                if t_valid[0] and not t_last[0]:
                    ur_w += 1
                    t_last[0] = ur_w == words - 1
                else:
                    t_valid[0] = row_taken
                    ur_w = 0
                    t_last[0] = words == 1
                    if row_taken:
                        t_pulse[0] = pulsed[ur_n, ordinal] != 0
                        ordinal += 1
                    if row_taken:
                        ur_final = row_final
                if ends_row:
                    ur = 3
        elif drained and (not e_valid or e_ready):
            ur = 0
            ur_n += 1
        e_valid = e_next
        # input buffer: rows and release
        released = False
        take_rel = not scan
        if not scan:
            if rel_out:
                if updates[rel_n]:
                    scan = True
                    pending, scan_w = rows[rel_n, 0], 1
                    final = row_words == 1
                else:
                    released = True
                    rel_n += 1
        else:
            empty = pending == 0 or (rows_ready and pending == 1)
            if row_taken:
                pending -= 1
            if empty:
                if final:
                    released = True
                    scan = False
                    rel_n += 1
                else:
                    pending = rows[rel_n, scan_w]
                    scan_w += 1
                    final = scan_w == row_words
        # backward pass
        d_ready = del_in != slots * words - 1
        b_adv = not (s_rival[3] and d_valid and not d_ready)
        back_idle = back == 0
        d_next = d_valid and not d_ready
        first_rival, first_last = back == 2, back == 2 and back_w == words - 1
        if b_adv and s_rival[3]:
            d_next = True
        # verdict
        verdict = margin == 3
        upd = verdict and updates[verdicts] == 1
        accept = (verdict and rel_in != slots - 1 and (not train or rule_in != slots - 1)
                  and (not upd or back_idle))  # fmt: skip
        if back == 0:
            if accept and upd:
                back, back_w = 1, 0
        elif b_adv:
            if back == 1:
                back = 2
            elif back == 2:
                back = 3 if first_last else 1
                back_w += 1
            elif s_last[3]:
                back = 0
        if b_adv:
            for k in range(3, 1, -1):
                s_rival[k], s_last[k] = s_rival[k - 1], s_last[k - 1]
            s_rival[1], s_last[1] = first_rival, first_last
        del_in, del_out = _fifo(del_in, del_out, slots * words - 1, d_valid, take_delta)
        d_valid = d_next
        rel_in, rel_out = _fifo(rel_in, rel_out, slots - 1, accept, take_rel)
        rule_in, rule_out = _fifo(rule_in, rule_out, slots - 1, accept and train, take_rule)
        # margin
        logit = drain == 3
        logit_taken = logit and margin == 0
        if margin == 0:
            if logit:
                margin, margin_t = 1, classes - 1
        elif margin == 1:
            if margin_t == 0:
                margin = 2
            else:
                margin_t -= 1
        elif margin == 2:
            margin = 3
        elif accept:
            margin = 0
            verdicts += 1
            results += 1
        # upper layer
        bias = bias_group and left == 1
        issue = left != 0 and not (bias and reserved)
        unit_ends = issue and uword == weight_words - 1
        hid_ready = left == 0 or (unit_ends and left == 1)
        done_shift = False
        if drain == 0:
            drain_t = classes - 1
            if waits:
                drain = 1
        elif drain == 1:
            if drain_t == 0:
                done_shift = True
                waits = False
                drain = 2
            else:
                drain_t -= 1
        elif drain == 2:
            drain = 3
        elif logit_taken:
            drain = 0
        if complete_t == 1:
            waits = True
        if complete_t:
            complete_t -= 1
        if issue:
            uword = 0 if unit_ends else uword + 1
        if done_shift:
            reserved = False
        if unit_ends:
            left -= 1
            if bias:
                reserved = True
                complete_t = 5
        if hid_out and hid_ready:
            bias_group = up_g == groups - 1
            left = hidden[up_n, up_g] + bias_group
            up_g += 1
            if bias_group:
                up_g = 0
                up_n += 1
        # converters
        h_ready = hid_in != groups + 1
        a_next = adc_valid and not h_ready
        if adc_busy:
            if adc_t:
                adc_t -= 1
            elif not adc_valid or h_ready:
                a_next = True
                adc_t = conversion - 1
                adc_g += 1
                adc_busy = adc_g != groups
        elif adc_start:
            adc_busy, adc_t, adc_g = True, conversion - 1, 0
        hid_in, hid_out = _fifo(hid_in, hid_out, groups + 1, adc_valid, hid_ready)
        adc_valid = a_next
        # loading
        l_ready = not loaded
        l_issue = waiting != 0 and (not lvalid or l_ready)
        if loaded:
            loaded = not do_int
        elif lvalid:
            dac_w += 1
            if dac_w == row_words:
                dac_w, loaded = 0, True
        if l_issue or l_ready:
            lvalid = l_issue
        if l_issue:
            load_w += 1
            if load_w == row_words:
                load_w = 0
                waiting -= 1
        if store_n < samples and (store_w != 0 or occupied != slots):
            occupied += store_w == 0
            store_w += 1
            if store_w == row_words:
                store_w = 0
                store_n += 1
                waiting += 1
        occupied -= released
