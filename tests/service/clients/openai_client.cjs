// Print as JSON what the `openai` package for Node makes of the endpoint at an address. The test compares two endpoints.
const OpenAI = require("openai").default ?? require("openai");

const tool = { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } };
const messages = [{ role: "system", content: "Be über kind." }, { role: "user", content: "hello" }];
const cases = {
  plain: {},
  tools: { tools: [tool], tool_choice: "auto" },
  three: { n: 3, temperature: 0.5 },
  logprobs: { logprobs: true, top_logprobs: 2 },
  vendor: { vendor: { deep: [null, {}] } },
};
const errors = ["bad", "key", "denied", "missing", "conflict", "odd", "busy", "broken", "down"];

const failure = (error) => ({
  class: error.constructor.name,
  status: error.status,
  body: error.error,
  code: error.code,
  param: error.param,
  id: error.requestID,
  retry: error.headers?.get("retry-after"),
});

const sorted = (value) =>
  Array.isArray(value) ? value.map(sorted)
  : value && typeof value === "object"
    ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]))
  : value;

async function main() {
  const client = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-test", maxRetries: 0 });
  const create = (body, options) => client.chat.completions.create({ model: "m", messages, ...body }, options);
  const found = {};
  for (const [name, extra] of Object.entries(cases)) {
    found[name] = await create(extra);
    const chunks = [];
    for await (const chunk of await create({ ...extra, stream: true })) chunks.push(chunk);
    found[`${name} streamed`] = chunks;
  }
  for (const model of errors)
    for (const stream of [false, true]) found[`${model} ${stream}`] = await create({ model, stream }).catch(failure);
  const chunks = [];
  try {
    for await (const chunk of await create({ model: "breaks", stream: true })) chunks.push(chunk);
  } catch (error) {
    found.breaks = [chunks, failure(error)];
  }
  found.flaky = await create({ model: "flaky" }, { maxRetries: 2 });
  const stream = client.chat.completions.stream({ model: "m", messages, tools: [tool] });
  found.final = await stream.finalChatCompletion();
  console.log(JSON.stringify(sorted(found)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
