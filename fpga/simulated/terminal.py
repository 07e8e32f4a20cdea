"""The simulated board at a pseudo-terminal: to the command line it is a serial port."""

import os
import select
import threading
import tty
from collections import Counter

from fpga.simulated.board import SimulatedBoard
from fpga.simulated.noise import PERFECT, NoisyLine, Rates

SLICE_CYCLES = 500
"""Cycles between two looks at the terminal."""
READ_BYTES = 4096
IDLE_SECONDS = 0.1
"""Between two looks at whether to stop."""


class Terminal:
    """Serves a board at the port `path` until `stop`; `to_board`, `to_host` are the lines, with what happened on them.

    rates: accidents on either line; seed: of them.
    """

    def __init__(self, board: SimulatedBoard, rates: Rates = PERFECT, seed: int = 0):
        self.board = board
        self.to_board, self.to_host = NoisyLine(rates, 2 * seed), NoisyLine(rates, 2 * seed + 1)
        self._master, self._port = os.openpty()
        tty.setraw(self._port)  # else it would echo, and take some bytes for commands
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._port)
        self._stop = threading.Event()
        self._unsent = b""

    def serve(self) -> None:
        """Run the board whenever it has something to do; returns after `stop`."""
        try:
            while not self._stop.is_set():
                pending = self.to_board.holds or self.to_host.holds or bool(self._unsent)
                idle = self.board.quiet and not pending
                select.select([self._master], [], [], IDLE_SECONDS if idle else 0)
                data = self._read()
                if data or not idle:
                    self._write(
                        self.to_host.pass_on(self.board.run(self.to_board.pass_on(data), SLICE_CYCLES))
                    )
        finally:
            os.close(self._master)
            os.close(self._port)

    def stop(self) -> None:
        """End `serve`, from another thread or a signal."""
        self._stop.set()

    def accidents(self) -> Counter[str]:
        """What happened to bytes so far, in both directions."""
        return self.to_board.accidents + self.to_host.accidents

    def _read(self) -> bytes:
        try:
            return os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""

    def _write(self, data: bytes) -> None:
        """What the terminal does not take now is kept: a host that does not read loses nothing."""
        self._unsent += data
        if self._unsent:
            try:
                self._unsent = self._unsent[os.write(self._master, self._unsent) :]
            except BlockingIOError:
                pass
