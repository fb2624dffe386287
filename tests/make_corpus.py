"""Make tests/corpus, the documents that stand in where there is no recorded traffic: `python -m tests.make_corpus`.

They are those of the generator that the benchmarks use, and each kind has some that break the contract in the ways that
recorded traffic does.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, Final

from bench.records import json_blocks
from tests.support import SYNTHETIC

Json = dict[str, Any]

DOCUMENTS: Final = 40
STREAMS: Final = 12

ODD_COMPLETIONS: Final[tuple[Json, ...]] = (
    {"created": "1735689600"},
    {"created": 1735689600.5, "service_tier": "on_demand"},
    {"usage": None, "system_fingerprint": None, "x_vendor": {"seed": 18446744073709551615, "b": 1, "a": [1.0, -0.0]}},
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": ["a", {"type": "text"}]}, "finish_reason": ""}]},
    {"choices": [], "seed": 2**63 + 1, "nested": [[[]], {"": {"": None}}]},
)  # fmt: skip
ODD_CHUNKS: Final[tuple[Json, ...]] = (
    {"id": "odd", "usage": None},
    {"id": "odd", "choices": [{"index": 0, "delta": {"content": None, "reasoning": "why"}, "finish_reason": None}]},
    {"id": "odd", "choices": [{"index": 0, "delta": {}, "finish_reason": "eos"}], "usage": None, "x_cost": 1e-7},
)
ODD_REQUESTS: Final[tuple[Json, ...]] = (
    {"seed": 2**63 + 7, "temperature": None, "stop": ["a", "b"], "guided_json": {"z": {"type": "null"}, "a": {}}},
    {"messages": [], "tool_choice": {"type": "allowed_tools"}, "logit_bias": {"50256": -100}},
    {"messages": [{"role": "tool", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}], "n": "2"},
)


def main() -> None:
    kinds: dict[str, list[Json]] = {"completion": [], "chunk": [], "request": []}
    streams = 0
    for line in b"".join(islice(json_blocks(1000), 1)).splitlines():
        record = json.loads(line)
        if "response" in record and len(kinds["completion"]) < DOCUMENTS:
            kinds["completion"].append(record["response"])
        if "stream" in record and streams < STREAMS:
            kinds["chunk"] += record["stream"]["chunks"]
            streams += 1
        if len(kinds["request"]) < DOCUMENTS:
            kinds["request"].append(record["request"])
    odd = {"completion": ODD_COMPLETIONS, "chunk": ODD_CHUNKS, "request": ODD_REQUESTS}
    SYNTHETIC.mkdir(exist_ok=True)
    for kind, documents in kinds.items():
        documents += [{**documents[place], **members} for place, members in enumerate(odd[kind])]
        (SYNTHETIC / f"{kind}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents))


if __name__ == "__main__":
    main()
