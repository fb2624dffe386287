"""The build for x86-64-v3."""

from chatpb._native.baseline import *  # noqa: F403
