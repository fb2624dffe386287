"""Recorded streams put together, beside the openai package's own accumulation of the same chunks."""

from __future__ import annotations

import json
import re
import warnings
from itertools import groupby

import pytest

from chatpb.accumulator import Accumulator
from compare import differences, without_null
from conftest import recording

# Where recorded streams come out otherwise than in the openai package, and why.
DIFFERENCES = {
    r"/choices/\*/message/tool_calls/\*/index": "left on by the package; a whole completion's calls have none",
    r"/choices/\*/message/role": "appended by the package where each chunk repeats it",
    r"/choices/\*/(content_filter_results|matched_stop).*": "of the package, the first chunk's alone",
    r"/(x_groq|time_info|latency_checkpoint|p)(/.*)?": "of the package, the first chunk's alone",
    r"/usage": "the package takes the last chunk's, also where that one has none",
    r"/object": "added by the package where no chunk has one",
}
# Streams that the package refuses: 2 without an index of a choice, 2 that start without choices, 1 with content in
# parts, 1 with a first index above 0, 1 without a delta.
REFUSED_BY_PACKAGE = 7


@pytest.mark.newest
def test_recorded_streams_come_out_as_in_the_openai_package() -> None:
    from openai.lib.streaming.chat import ChatCompletionStreamState
    from openai.types.chat import ChatCompletionChunk as Model

    lines = recording("chunk")
    groups = [list(group) for _, group in groupby(lines, lambda line: json.loads(line).get("id"))]
    refused, others = 0, []
    for group in groups:
        accumulator, state = Accumulator(), ChatCompletionStreamState()
        for line in group:
            accumulator.add_json(line)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for line in group:
                    state.handle_chunk(Model.construct(**json.loads(line)))
                theirs = state.current_completion_snapshot.to_dict(warnings=False)
        except (TypeError, AssertionError, RuntimeError, IndexError, AttributeError):
            refused += 1
            continue
        for path in differences(without_null(accumulator.to_dict()), without_null(theirs)):
            if not any(re.fullmatch(known, path) for known in DIFFERENCES):
                others.append((json.loads(group[0]).get("id"), path))
    assert others == []
    assert refused == REFUSED_BY_PACKAGE
