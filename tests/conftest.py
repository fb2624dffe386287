"""How many workers run the tests, and profiles of Hypothesis: `--hypothesis-profile long` tries more examples."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# A machine that is slow or busy takes long to make examples, and is not at fault.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=5_000)
settings.load_profile("default")


def pytest_xdist_auto_num_workers() -> int:
    """Return half as many workers again as there are cores: a third of the time, tests wait for what they started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (3 * cores + 1) // 2


# A shell that starts the tests in the background, and nohup, have signals ignored; what the tests start would ignore them too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
