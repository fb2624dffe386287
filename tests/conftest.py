"""Profiles of Hypothesis: `--hypothesis-profile long` tries more examples."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=5_000)
settings.load_profile("default")
