"""One cycle after the other: the blocks in an order in which each sees what the others offered in the cycle before."""

from model.cycles.read_path import converters, loading, margin_error, room_for_codes, upper_layer, verdicts
from model.cycles.state import (
    DRIVER_BEFORE,
    DRIVER_IDLE,
    GATE_FREE,
    GATE_GUARD,
    SEQ_DRAIN,
    SEQ_INTEGRATE,
    SEQ_PLANE,
    SEQ_READ,
    VERIFY_IDLE,
    VERIFY_PULSE,
)
from model.cycles.write_path import (
    backprop_delta,
    commit_queue,
    driver_and_gate,
    row_scan,
    teacher_delta,
    update_rule,
    verify,
)
from model.jit import kernel


@kernel
def gate(s):
    """What hw/pulse_gate.py says of the array and of the write lines; `writing`: an operation is under way."""
    ready = s.busy == 0
    s.free = s.gate == GATE_FREE or (s.gate == GATE_GUARD and s.gate_t == 0 and ready)
    s.array_free = ready and not (s.g_int or s.g_strobe or s.g_read)
    s.writing = s.drv != DRIVER_IDLE or not s.free


@kernel
def offers(s, c, w, p):
    """What the blocks offer each other in this cycle."""
    gate(s)
    s.swap = s.g_int and s.plane == 0
    s.codes_ready = room_for_codes(s, c)
    s.end = s.q_out and p.ends[s.q_head % c.queue]
    s.queued = s.commit and s.q_out and not s.end
    s.op_valid = s.verify == VERIFY_PULSE if c.tune else s.queued
    s.pulses_busy = s.queued or s.writing or s.verify != VERIFY_IDLE
    s.committed = s.started - s.active
    s.allow = (s.state == SEQ_READ or s.state == SEQ_DRAIN) and not s.adc_busy
    s.idle = not s.commit and not s.pulses_busy
    s.converted = s.adc_t < 2 and s.adc_g == c.groups - 1 and (not s.adc_valid or s.codes_ready)
    s.converted = not s.adc_busy or s.converted
    s.cycles += 1


@kernel
def counters(s, c, w, p):
    """hw/counters.py: time since the first integrate, and the array's stretch."""
    waits_array = s.drv == DRIVER_BEFORE and not s.array_free
    stretched = s.state == SEQ_INTEGRATE and s.integrating > c.integrate_cycles and not s.array_free
    s.stretch += stretched or waits_array
    now = s.g_int or s.running
    if now and (s.adc_busy or s.g_strobe):
        s.elapsed += s.since + 1
        s.since = 0
    elif now:
        s.since += 1
    s.running = now


@kernel
def sequencer(s, c, w, p):
    """hw/sequencer.py: reads, commits, the end of the run."""
    due = s.reads >= s.started + c.depth or s.reads == c.samples
    s.commit_start = (not s.active) and c.train and s.idle and due and s.started != c.samples
    s.do_int = s.adc_start = False
    if s.state == SEQ_READ:
        if s.reads == c.samples:
            s.state = SEQ_DRAIN
        elif (
            s.loaded
            and s.converted
            and s.array_free
            and not s.pulses_busy
            and (not c.train or s.committed + c.depth > s.reads)
        ):
            s.do_int = True
            s.state = SEQ_INTEGRATE
            s.reads += 1
            s.plane = 0
    elif s.state == SEQ_INTEGRATE:
        if s.array_free and not s.int_request:
            s.adc_start = True
            s.state = SEQ_READ if s.plane == c.planes - 1 else SEQ_PLANE
    elif s.state == SEQ_PLANE:
        if not s.adc_busy and s.array_free:
            s.do_int = True
            s.state = SEQ_INTEGRATE
            s.plane += 1
    elif (not c.train or s.committed == c.samples) and s.results == c.samples and not s.adc_busy and s.idle:
        s.done = True
    if s.do_int:
        s.integrating = 0
    elif s.integrating <= c.integrate_cycles and not s.int_request:
        s.integrating += 1
    if s.active:
        s.active = not s.idle
    elif s.commit_start:
        s.started += 1
        s.active = True


@kernel
def array(s, c, w, p):
    """The array: busy with a read or a strobe, as long as it takes."""
    if s.busy:
        s.busy -= 1
    elif s.g_int:
        s.busy = w.read_time[s.array_reads]
        s.array_reads += 1
    elif s.g_strobe and not s.was_strobe:
        s.busy = w.strobe_time[s.strobes]
        s.strobes += 1
    elif s.g_read:
        s.busy = w.readout_time[s.loop]
    s.was_strobe = s.g_strobe
    s.g_int, s.g_strobe, s.g_read = s.int_request, s.strobe_next, s.reads_cell
    s.int_request = s.do_int


@kernel
def walk(s, c, w, p):
    """All cycles of a run of samples; the counts are in the state."""
    while not s.done:
        offers(s, c, w, p)
        counters(s, c, w, p)
        sequencer(s, c, w, p)
        driver_and_gate(s, c, w, p)
        commit_queue(s, c, w, p)
        if c.tune:
            verify(s, c, w, p)
        array(s, c, w, p)
        update_rule(s, c, w, p)
        row_scan(s, c, w, p)
        if c.taught:
            teacher_delta(s, c, w, p)
        else:
            backprop_delta(s, c, w, p)
        verdicts(s, c, w, p)
        margin_error(s, c, w, p)
        upper_layer(s, c, w, p)
        converters(s, c, w, p)
        loading(s, c, w, p)
