// Print as JSON what the Vercel AI SDK and Opper's package make of the endpoint at an address. The test compares two.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { Opper } from "opperai";

const baseURL = process.argv[2];
const provider = createOpenAICompatible({ name: "test", baseURL, apiKey: "sk-test", includeUsage: true });
const opper = new Opper({ serverURL: baseURL.replace("/v1", ""), httpBearer: "sk-test" });
const messages = [{ role: "user", content: "hello" }];
const weather = tool({ description: "The weather.", inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }) });

const vercel = async (model, extra = {}) => {
  const options = { model: provider(model), messages, maxRetries: 0, onError: () => {}, ...extra };
  const whole = await generateText(options);
  const parts = [];
  for await (const part of streamText(options).fullStream) parts.push([part.type, part.text, part.toolName, part.finishReason]);
  return { text: whole.text, reasoning: whole.reasoningText, calls: whole.toolCalls.map((each) => [each.toolName, each.input]),
           reason: whole.finishReason, usage: whole.usage, parts };
};
// One message holds the body as it is written, and its spaces mean nothing.
const failure = (error) => [error.constructor.name, error.statusCode, error.message.replaceAll(/(?<=[":,]) (?=["{n])/g, ""), error.data];

const found = {
  plain: await vercel("m"),
  tools: await vercel("m", { tools: { weather, time: weather } }),
  busy: await vercel("busy").catch(failure),
  opper: await opper.openai.createChatCompletion({ model: "m", messages }),
  "opper busy": await opper.openai.createChatCompletion({ model: "busy", messages }).catch(failure),
};
console.log(JSON.stringify(found));
