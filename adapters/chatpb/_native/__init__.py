"""The native engine, in its build for the processor at hand.

`baseline` runs on every processor. `v3` is the same code compiled for x86-64-v3, which has AVX2 and BMI2 (Intel since
2013, AMD since 2015), and is taken where the processor has all of that. Without `baseline` there is no native engine;
without `v3` it is a little slower.
"""

import os
from typing import Literal

from chatpb._native import baseline as native

__all__ = ["build", "native"]

build: Literal["baseline", "v3"] = "baseline"
"""Name of the build in use. The environment variable CHATPB_ENGINE forces the first: `native-baseline`."""

if os.environ.get("CHATPB_ENGINE") != "native-baseline" and native.has_v3():
    try:
        from chatpb._native import v3 as native  # type: ignore[no-redef]
    except ImportError:
        pass
    else:
        build = "v3"
