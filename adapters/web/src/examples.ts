// The examples that the page offers. The first one is there at the start.

export const EXAMPLES: readonly { readonly name: string; readonly text: string }[] = [
  {
    name: "A completion",
    text: `{
  "id": "chatcmpl-9lNzGMOlHoRIYo0EvuLp",
  "object": "chat.completion",
  "created": 1721075651,
  "model": "gpt-4o-mini-2024-07-18",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "Nothing is lost on the way, not even this.",
        "refusal": null,
        "annotations": []
      },
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 14,
    "completion_tokens": 11,
    "total_tokens": 25
  },
  "service_tier": "on_demand",
  "x_vendor": {
    "request": 9007199254740993,
    "region": "eu-west"
  },
  "timings": {
    "queue": 0.25,
    "decode": 1.5
  }
}
`,
  },
  {
    name: "A request with a tool",
    text: `{
  "model": "gpt-4o-mini",
  "messages": [
    { "role": "system", "content": "Answer in one sentence." },
    { "role": "user", "content": "What is the weather in Oslo?" }
  ],
  "tools": [
    {
      "type": "function",
      "function": {
        "name": "weather",
        "parameters": {
          "type": "object",
          "properties": {
            "place": { "type": "string" },
            "days": { "type": "integer", "maximum": 10 }
          },
          "required": ["place"]
        }
      }
    }
  ],
  "tool_choice": "auto",
  "temperature": 0.2,
  "stop": ["\\n\\n"],
  "seed": 7,
  "top_k": 40
}
`,
  },
  {
    name: "A stream",
    text: `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"Put"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":" together"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}

data: [DONE]
`,
  },
  {
    name: "A document that breaks the contract",
    text: `{
  "id": 17,
  "object": "chat.completion",
  "created": "2024-07-15",
  "model": null,
  "choices": [
    {
      "index": 0,
      "message": { "role": "robot", "content": ["one", "two"] },
      "finish_reason": ""
    }
  ]
}
`,
  },
  {
    name: "An error",
    text: `{
  "error": {
    "message": "Rate limit reached. Try again in 20 s.",
    "type": "tokens",
    "param": null,
    "code": "rate_limit_exceeded",
    "retry_after_ms": 20000
  }
}
`,
  },
];
