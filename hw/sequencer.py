"""The sequencer: which array operation comes when."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.interfaces import integrate_bits
from spec.params import HwParams
from spec.registers import Mode

SAMPLE_BITS = 32


class Sequencer(wiring.Component):
    """Runs reads and commits in the order of model/controller/commit_queue.py, and the single commands.

    A read of sample n starts when its codes are loaded, the converters are free, and (training) the pulses of
    sample n-D are on the array.  The commit of sample m starts as soon as read m+D-1 has begun, so that one
    without pulses costs no time; `allow_pulses` holds its strobes back until that read is converted.
    Where bit-serial encoding is built in and `serial` is 1, a read is an integrate and a conversion for each bit plane;
    the later ones, `continues`, need no codes and no commits.  No pulse comes between the planes.  `plane` is that of
    the present integrate from the cycle after `integrate` on.
    Where calibration is built in, a run of mode CALIBRATE is one of INFER that is `measuring`; then `finish` starts the
    results, and the run's end waits while `finishing`.
    After a fault the data path is flushed and the run ends; a reset flushes it, too.

    Commands: start, erase, clear_memory, readout_start (one cycle, taken when idle).  mode, samples: of the run.
    Status in: loaded (row codes), adc_busy (from the cycle after adc_start), adc_ends (in its last cycle), adc_ends_next, array_ready, commit_busy, pulses_busy (an operation is under way),
    memory_busy (the update memory is being cleared), scheduled (a transfer's last operation went out), result
    (one sample's result went out), fault.  stretched: the array integrates for longer than `integrate_cycles`.
    late: a read waits for the pulses of an earlier sample alone.
    upper_working, of an analog upper layer: a sample's update goes on there.
    With the parameter `verify`: read_wanted (of a cell), reads_cell (begins it, where a pulse may begin too);
    verifying, tuning: the run's mode, and a tune run is `training` too.
    """

    def __init__(self, params: HwParams):
        self.params = params
        commands = ("start", "erase", "clear_memory", "readout_start")
        status: tuple[str, ...] = (
            "loaded",
            "adc_busy",
            "adc_ends",
            "adc_ends_next",
            "array_ready",
            "commit_busy",
            "pulses_busy",
            "memory_busy",
            "scheduled",
        )
        outputs: tuple[str, ...] = (
            "busy", "run_active", "training", "transferring", "streaming", "run_start", "integrate",
            "adc_start", "commit_start", "window_open", "allow_pulses", "array_erase", "memory_clear", "readout", "readout_done",
            "stretched", "late",
        )  # fmt: skip
        if params.verify:
            status += ("read_wanted",)
            outputs += ("verifying", "tuning", "reads_cell")
        if params.analog_upper:
            status += ("upper_working",)
        planes = {"serial": In(1), "continues": Out(1), "plane": Out(params.plane_bits)}
        calibration = {"measuring": Out(1), "finish": Out(1), "finishing": In(1)}
        super().__init__(
            {
                **{name: In(1) for name in (*commands, *status, "result", "fault")},
                **{name: Out(1) for name in outputs},
                "flush": Out(1, init=1),  # type: ignore[call-arg]  # the stubs know no init
                "mode": In(Mode),
                "samples": In(SAMPLE_BITS),
                "integrate_cycles": In(integrate_bits(params)),
                **(planes if params.bit_serial else {}),
                **(calibration if params.calibration else {}),
            }
        )
        self._erasing = Signal()  # state ERASE, in a register: much depends on it

    def elaborate(self, platform):
        m = Module()
        asks, continues = Signal(), Signal()  # an integrate is decided on; it is that of a further bit plane
        m.d.sync += [self.integrate.eq(asks), self.flush.eq(0), self.window_open.eq(self.commit_start)]
        m.d.sync += self.run_start.eq(0)
        if self.params.bit_serial:
            m.d.sync += self.continues.eq(continues)
        sampling = Signal()  # a run that reads samples
        left = Signal(SAMPLE_BITS)  # samples of the run that are still to be read
        waiting = Signal(range(self.params.input_slots + 2))  # samples that were read and have no result yet
        begins = Signal()  # the read of a sample
        m.d.sync += waiting.eq(waiting + begins - self.result)
        all_read = Signal()
        uncommitted = self._commits(m, begins, all_read)
        modes = [Mode.INFER, Mode.TRAIN, Mode.TRANSFER]
        writing, training_modes = self.transferring, [Mode.TRAIN]
        if self.params.verify:
            modes += [Mode.VERIFY, Mode.TUNE]
            training_modes.append(Mode.TUNE)
            writing = writing | self.verifying
            m.d.comb += [
                self.tuning.eq(sampling & (self.mode == Mode.TUNE)),
                self.reads_cell.eq(self.read_wanted & self.allow_pulses & self.array_ready),
            ]
        if self.params.calibration:
            modes.append(Mode.CALIBRATE)
        self._built_in = Cat(self.mode == mode for mode in modes).any()
        trains = Signal()  # a mode is written some cycles before its run begins
        m.d.sync += trains.eq(Cat(self.mode == mode for mode in training_modes).any())
        m.d.comb += [
            self.training.eq(sampling & trains),
            self.streaming.eq(sampling),
            self.run_active.eq(sampling | writing),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            self._commands(m)
            self._run(m, asks, continues, sampling, left, waiting, begins, all_read, uncommitted)
            self._single_operations(m)
        return m

    def _commits(self, m, begins, all_read):
        """Start commits as the rule allows; returns the number of samples that were read and are not on the array."""
        depth = self.params.commit_depth
        ahead = Signal(
            range(depth + 1)
        )  # samples of a training run that were read and whose commit has not begun
        active = Signal()
        idle = ~self.commit_busy & ~self.pulses_busy
        due = (ahead == depth) | (all_read & (ahead != 0))
        m.d.sync += ahead.eq(ahead + (begins & self.training) - self.commit_start)
        with m.If(self.run_start):
            m.d.sync += [ahead.eq(0), active.eq(0)]
        with m.Elif(active):
            m.d.sync += active.eq(~idle)
        with m.Elif(self.training & idle & due):
            m.d.comb += self.commit_start.eq(1)
            m.d.sync += active.eq(1)
        return ahead + active

    def _commands(self, m):
        with m.State("IDLE"):
            with m.If(self.start & self._built_in):
                m.d.sync += [self.flush.eq(1), self.run_start.eq(1)]
                m.next = "START"
            with m.Elif(self.erase):
                m.d.sync += self._erasing.eq(1)
                m.next = "ERASE"
            with m.Elif(self.clear_memory):
                m.d.comb += self.memory_clear.eq(1)
                m.next = "CLEAR_MEMORY"
            with m.Elif(self.readout_start & (self.mode == Mode.DEBUG)):
                m.next = "READOUT"

    def _run(self, m, asks, continues, sampling, left, waiting, begins, all_read, uncommitted):
        integrating = Signal(integrate_bits(self.params))  # cycles of the present integration
        upper_working = self.upper_working if self.params.analog_upper else Const(0)
        ends = (uncommitted == 0) & (waiting == 0)
        with m.State("START"):  # run_start is 1
            m.d.sync += [left.eq(self.samples), all_read.eq(self.samples == 0), waiting.eq(0)]
            with m.If(self.mode == Mode.TRANSFER):
                m.d.sync += self.transferring.eq(1)
                m.next = "TRANSFER"
            if self.params.verify:
                with m.Elif(self.mode == Mode.VERIFY):
                    m.d.sync += self.verifying.eq(1)
                    m.next = "TRANSFER"
            with m.Else():
                m.d.sync += sampling.eq(1)
                m.next = "READ"
        with m.State("READ"):
            due = ~self.training | (uncommitted < self.params.commit_depth)
            m.d.comb += self.allow_pulses.eq(~self.adc_busy)
            # Between this and the array are two registers: the request's and the gate's.
            converted = ~self.adc_busy | self.adc_ends | self.adc_ends_next
            m.d.comb += self.late.eq(self.loaded & converted & ~due & ~all_read)
            with m.If(self.fault):
                m.d.sync += self.flush.eq(1)
                m.next = "FLUSH"
            with m.Elif(all_read):
                m.next = "DRAIN"
            with m.Elif(self.loaded & converted & self.array_ready & ~self.pulses_busy & due):
                m.d.comb += [asks.eq(1), begins.eq(1)]
                m.d.sync += [left.eq(left - 1), all_read.eq(left == 1), integrating.eq(0)]
                if self.params.bit_serial:
                    m.d.sync += self.plane.eq(0)
                m.next = "INTEGRATE"
        with m.State("INTEGRATE"):
            overdue = integrating > self.integrate_cycles  # the gate's register comes first
            started = ~self.integrate  # and the request's before it
            m.d.comb += self.stretched.eq(overdue & ~self.array_ready)
            with m.If(started & ~overdue):
                m.d.sync += integrating.eq(integrating + 1)
            with m.If(self.fault):
                m.d.sync += self.flush.eq(1)
                m.next = "FLUSH"
            with m.Elif(started & self.array_ready):
                m.d.comb += self.adc_start.eq(1)
                m.next = "READ"
                if self.params.bit_serial:
                    with m.If(self.serial & (self.plane != self.params.dac_bits - 1)):
                        m.next = "PLANE"
        if self.params.bit_serial:
            self._planes(m, asks, continues, integrating)
        with m.State("DRAIN"):
            m.d.comb += self.allow_pulses.eq(~self.adc_busy)
            with m.If(self.fault):
                m.d.sync += self.flush.eq(1)
                m.next = "FLUSH"
            with m.Elif(ends & ~self.adc_busy & ~self.pulses_busy & ~self.commit_busy & ~upper_working):
                m.d.sync += sampling.eq(0)
                m.next = "IDLE"
                if self.params.calibration:
                    with m.If(self.measuring):
                        m.d.comb += self.finish.eq(1)
                        m.next = "CALIBRATE"
        if self.params.calibration:
            m.d.comb += self.measuring.eq(sampling & (self.mode == Mode.CALIBRATE))
            with m.State("CALIBRATE"):
                with m.If(~self.finishing):
                    m.next = "IDLE"
        with m.State("TRANSFER"):
            scheduled = Signal()
            m.d.comb += self.allow_pulses.eq(1)
            m.d.sync += scheduled.eq(scheduled | self.scheduled)
            with m.If(self.fault):
                m.d.sync += self.flush.eq(1)
                m.next = "FLUSH"
            with m.Elif((scheduled | self.scheduled) & ~self.pulses_busy):
                m.d.sync += [self.transferring.eq(0), scheduled.eq(0)]
                if self.params.verify:
                    m.d.sync += self.verifying.eq(0)
                m.next = "IDLE"
        with m.State("FLUSH"):
            m.d.sync += [sampling.eq(0), self.transferring.eq(0)]
            if self.params.verify:
                m.d.sync += self.verifying.eq(0)
            m.next = "IDLE"

    def _planes(self, m, asks, continues, integrating):
        """The next bit plane of the read under way."""
        with m.State("PLANE"):
            with m.If(self.fault):
                m.d.sync += self.flush.eq(1)
                m.next = "FLUSH"
            with m.Elif(~self.adc_busy & self.array_ready):
                m.d.comb += [asks.eq(1), continues.eq(1)]
                m.d.sync += [self.plane.eq(self.plane + 1), integrating.eq(0)]
                m.next = "INTEGRATE"

    def _single_operations(self, m):
        m.d.comb += self.array_erase.eq(self._erasing & self.array_ready & ~self.fault)
        with m.State("ERASE"):
            with m.If(self.fault):
                m.d.sync += self._erasing.eq(0)
                m.next = "IDLE"
            with m.Elif(self.array_ready):
                m.d.sync += self._erasing.eq(0)
                m.next = "ARRAY"
        with m.State("READOUT"):
            with m.If(self.fault):
                m.next = "IDLE"
            with m.Elif(self.array_ready):
                m.d.comb += self.readout.eq(1)
                m.next = "ARRAY_READ"
        with m.State("ARRAY"):
            with m.If(self.array_ready | self.fault):
                m.next = "IDLE"
        with m.State("ARRAY_READ"):
            with m.If(self.array_ready):
                m.d.comb += self.readout_done.eq(1)
            with m.If(self.array_ready | self.fault):
                m.next = "IDLE"
        with m.State("CLEAR_MEMORY"):
            with m.If(~self.memory_busy):
                m.next = "IDLE"
