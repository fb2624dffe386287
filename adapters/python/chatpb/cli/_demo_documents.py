"""The documents of `chatpb demo`, which are like real traffic: vendor members, nulls, numbers beyond 2^53."""

from __future__ import annotations

from typing import Final

__all__ = ["DEMO_DOCUMENTS"]

DEMO_DOCUMENTS: Final = {
    "completion": """{
  "id": "chatcmpl-7b1f",
  "object": "chat.completion",
  "created": 1767225600,
  "model": "example-large",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": null,
        "tool_calls": [
          {
            "id": "call_1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": "{\\"city\\": \\"Zürich\\"}"}
          }
        ],
        "annotations": [],
        "refusal": null
      },
      "logprobs": null,
      "finish_reason": "tool_calls"
    }
  ],
  "usage": {
    "prompt_tokens": 62,
    "completion_tokens": 17,
    "total_tokens": 79,
    "prompt_tokens_details": {"cached_tokens": 0}
  },
  "service_tier": "on_demand",
  "system_fingerprint": null,
  "seed": 15637604529353146133,
  "x_vendor": {"id": "req_01", "queue_time": 0.0125, "region": null}
}""",
    "chunk": """{
  "id": "chatcmpl-9c40",
  "object": "chat.completion.chunk",
  "created": 1767225601,
  "model": "example-large",
  "system_fingerprint": "fp_44709d6fcb",
  "choices": [
    {"index": 0, "delta": {"content": "Hello", "reasoning_content": null}, "logprobs": null, "finish_reason": null}
  ],
  "usage": null
}""",
    "request": """{
  "model": "example-large",
  "messages": [
    {"role": "system", "content": "Answer in one sentence."},
    {
      "role": "user",
      "content": [
        {"type": "text", "text": "What is the weather like here?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/window.png", "detail": "low"}}
      ]
    }
  ],
  "seed": 9007199254740993,
  "stop": ["\\n\\n", "END"],
  "temperature": 0.2,
  "tool_choice": "auto",
  "tools": [
    {
      "type": "function",
      "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
      }
    }
  ],
  "top_k": 40
}""",
    "error": """{
  "error": {
    "message": "Rate limit reached; try again in 20 seconds.",
    "type": "rate_limit_error",
    "param": null,
    "code": 429
  },
  "request_id": "req_02"
}""",
}
"""JSON texts, by the short names of their types."""
