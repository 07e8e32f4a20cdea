"""The commit rule: when a sample's pulses reach the array."""


def commit_queue(samples: int, commit_depth: int) -> list[tuple[str, int]]:
    """The order of reads and commits of a run: ("read", n) and ("commit", n).

    The pulses of sample n are applied between the reads of samples n+D-1 and n+D; after the last read the
    remaining samples are committed in order.
    """
    order = []
    for n in range(samples):
        if n >= commit_depth:
            order.append(("commit", n - commit_depth))
        order.append(("read", n))
    return order + [("commit", n) for n in range(max(0, samples - commit_depth), samples)]
