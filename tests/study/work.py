"""What the studies of the tests measure: functions that another process can import."""

import os
import signal
import time
from pathlib import Path


def square(point: dict) -> dict:
    time.sleep(point.get("s", 0))
    return {"square": point["x"] ** 2, "pid": os.getpid()}


def noted(point: dict) -> dict:
    """Leaves a line in a file for each call."""
    with open(point["log"], "a") as log:
        log.write(f"{point['x']}\n")
    return {"square": point["x"] ** 2}


def failing(point: dict) -> dict:
    """Fails for odd x as long as the file `broken` is there."""
    if point["x"] % 2 and Path(point["broken"]).exists():
        raise ValueError(f"x is odd,\nnamely {point['x']}")
    return {"half": point["x"] / 2}


def dying(point: dict) -> dict:
    """Kills its process at the point `victim`: the first time, or always."""
    marker = Path(point["folder"]) / "died"
    if point["x"] == point["victim"] and (point["always"] or not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"pid": os.getpid()}


def slow(point: dict) -> dict:
    time.sleep(point["s"])
    return {"pid": os.getpid()}


def leaving(point: dict) -> dict:
    raise SystemExit(3)


def odd_values(point: dict) -> dict:
    import numpy as np

    return {
        "number": np.float64(0.5),
        "curve": np.arange(3),
        "part": {"a": np.int32(1), "b": None},
        "mixed": "auto" if point["x"] else 7,
        "empty": {},
    }


def threads(point: dict) -> dict:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return {"threads": max(pool["num_threads"] for pool in threadpool_info())}


def not_a_dict(point: dict):
    return point["x"]


def clashing(point: dict) -> dict:
    return {"x": 1}


def not_kept(point: dict) -> dict:
    return {"thing": object()}
