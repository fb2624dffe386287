"""Profiles of Hypothesis: `--hypothesis-profile long` tries more examples."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is slow or busy takes long to make examples, and is not at fault.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=5_000)
settings.load_profile("default")
