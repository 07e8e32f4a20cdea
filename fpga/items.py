"""Sizes of what requests and replies are made of, on some hardware (spec/link.py)."""

from dataclasses import dataclass

from hw.interfaces import Count, Result
from spec.link import (
    ADDRESS_BYTES,
    DATA_BYTES,
    GROUP_BYTES,
    PLACE_BYTES,
    STATISTIC_BITS,
    WINDOW,
    Command,
    Statistics,
    bytes_for,
)
from spec.params import HwParams


@dataclass(frozen=True)
class Item:
    """Bytes of a command's items in the request and in the reply."""

    taken: int
    given: int


def item_sizes(p: HwParams) -> dict[Command, Item]:
    """Sizes of the commands' items; those of SAMPLES have none.  Compact hardware counts no frames."""
    statistics = {Command.STATISTICS: Item(0, len(Statistics) * bytes_for(STATISTIC_BITS))}
    return {
        Command.HELLO: Item(0, 1),
        Command.READ: Item(ADDRESS_BYTES, DATA_BYTES),
        Command.WRITE: Item(ADDRESS_BYTES + DATA_BYTES, 0),
        Command.COUNTS: Item(bytes_for(Count(p).size), 0),
        Command.RESULTS: Item(0, bytes_for(Result(p).size)),
        **({} if p.compact else statistics),
    }


@dataclass(frozen=True)
class Parts:
    """Bytes of what a request SAMPLES is made of."""

    place: int
    label: int
    group: int
    mask: int


def sample_parts(p: HwParams) -> Parts:
    label = bytes_for(p.class_bits)
    return Parts(PLACE_BYTES, label, label + GROUP_BYTES, bytes_for(p.dac_load_lanes))


def window(p: HwParams) -> int:
    """Requests SAMPLES that may be unanswered; compact hardware has room for one."""
    return 1 if p.compact else WINDOW
