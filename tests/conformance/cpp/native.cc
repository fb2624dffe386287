// Makes the messages of the golden files by hand, as a user would.

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "chatcompletion/v1/chat_completion.pb.h"
#include "chatcompletion/v1/chat_completion_chunk.pb.h"
#include "chatcompletion/v1/chat_completion_record.pb.h"
#include "chatcompletion/v1/chat_completion_request.pb.h"
#include "chatcompletion/v1/error.pb.h"
#include "program.h"

using namespace chatcompletion::v1;

namespace {

std::string WriteCompletion() {
  // docs: write
  ChatCompletion completion;
  completion.set_id("chatcmpl-1");
  completion.set_object(CHAT_COMPLETION_OBJECT_CHAT_COMPLETION);
  completion.set_created(1721075651);
  completion.set_model("m-1");
  ChatCompletionChoice& choice = *completion.add_choices();
  choice.set_index(0);  // zero, but present
  choice.mutable_message()->set_role(CHAT_COMPLETION_ROLE_ASSISTANT);
  choice.mutable_message()->set_content("Hello");
  choice.set_finish_reason(FINISH_REASON_STOP);

  completion.set_null_fields(uint64_t{1} << ChatCompletion::kUsageFieldNumber);  // "usage": null
  auto& vendor = *completion.mutable_additional_properties()->mutable_fields();
  (*vendor["x_groq"].mutable_struct_value()->mutable_fields())["id"].set_string_value("req_1");
  (*completion.mutable_verbatim_properties())["seed"] = "18446744073709551615";  // too large for a double
  return completion.SerializeAsString();
  // docs: end
}

std::vector<std::string> ReadCompletion(const std::string& wire) {
  std::vector<std::string> lines;
  // docs: read
  ChatCompletion completion;
  if (!completion.ParseFromString(wire)) {
    throw std::runtime_error("not a ChatCompletion");
  }
  for (const ChatCompletionChoice& choice : completion.choices()) {
    if (choice.finish_reason() == FINISH_REASON_STOP) {
      lines.push_back(choice.message().content());
    }
  }
  if (!completion.has_usage() && completion.null_fields() >> ChatCompletion::kUsageFieldNumber & 1) {
    lines.push_back("usage is null, not absent");
  }
  const auto& vendor = completion.additional_properties().fields().at("x_groq").struct_value();
  lines.push_back(vendor.fields().at("id").string_value());
  lines.push_back(completion.verbatim_properties().at("seed"));  // JSON text
  // docs: end
  return lines;
}

uint64_t Bit(int number) { return uint64_t{1} << number; }

// docs: expand
// Returns the chunks of a stream, each of them whole.
std::vector<ChatCompletionChunk> Expand(const ChatCompletionStream& stream) {
  std::vector<ChatCompletionChunk> chunks;
  for (const ChatCompletionChunk& kept : stream.chunks()) {
    chunks.push_back(stream.common());
    chunks.back().MergeFrom(kept);
  }
  return chunks;
}
// docs: end

ChatCompletionStream Stream() {
  ChatCompletionStream stream;
  auto& common = *stream.mutable_common();
  common.set_id("chatcmpl-1");
  common.set_model("m-1");
  common.set_object(CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK);
  common.set_null_fields(Bit(ChatCompletionChunk::kUsageFieldNumber));
  auto& vendor = *common.mutable_additional_properties()->mutable_fields();
  (*vendor["x_groq"].mutable_struct_value()->mutable_fields())["id"].set_string_value("req_1");
  for (const char* piece : {"Hel", "lo"}) {
    auto& choice = *stream.add_chunks()->add_choices();
    choice.set_index(0);
    choice.mutable_delta()->set_content(piece);
  }
  stream.mutable_chunks(1)->set_model("m-2");
  return stream;
}

ChatCompletion ToolCall() {
  ChatCompletion completion;
  auto& choice = *completion.add_choices();
  choice.set_index(0);
  choice.set_finish_reason(FINISH_REASON_TOOL_CALLS);
  auto& message = *choice.mutable_message();
  message.set_role(CHAT_COMPLETION_ROLE_ASSISTANT);
  message.set_null_fields(Bit(ChatCompletionMessage::kContentFieldNumber) |
                          Bit(ChatCompletionMessage::kRefusalFieldNumber));
  auto& call = *message.add_tool_calls();
  call.set_id("call_1");
  call.set_type(TOOL_TYPE_FUNCTION);
  call.mutable_function()->set_name("get_weather");
  call.mutable_function()->set_arguments(R"({"city": "Oslo"})");
  return completion;
}

ChatCompletionChunk StreamUsage() {
  ChatCompletionChunk chunk;
  chunk.set_id("chatcmpl-1");
  chunk.set_object(CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK);
  chunk.set_empty_fields(Bit(ChatCompletionChunk::kChoicesFieldNumber));
  auto& usage = *chunk.mutable_usage();
  usage.set_prompt_tokens(9);
  usage.set_completion_tokens(12);
  usage.set_total_tokens(21);
  usage.mutable_completion_tokens_details()->set_reasoning_tokens(0);
  return chunk;
}

CreateChatCompletionRequest RequestParts() {
  CreateChatCompletionRequest request;
  request.set_model("m-1");
  auto& developer = *request.add_messages();
  developer.set_role(CHAT_COMPLETION_ROLE_DEVELOPER);
  developer.set_content_text("Be brief.");
  auto& user = *request.add_messages();
  user.set_role(CHAT_COMPLETION_ROLE_USER);
  auto& parts = *user.mutable_content_parts();
  auto& text = *parts.add_items();
  text.set_type(CONTENT_PART_TYPE_TEXT);
  text.set_text("What is this? é😀");
  auto& image = *parts.add_items();
  image.set_type(CONTENT_PART_TYPE_IMAGE_URL);
  image.mutable_image_url()->set_url("https://example.com/a.png");
  image.mutable_image_url()->set_detail(IMAGE_DETAIL_LOW);
  auto& audio = *parts.add_items();
  audio.set_type(CONTENT_PART_TYPE_INPUT_AUDIO);
  audio.mutable_input_audio()->set_data(std::string("\0\1\xfe\xff", 4));
  audio.mutable_input_audio()->set_format(INPUT_AUDIO_FORMAT_WAV);
  request.set_temperature(0.1);
  request.set_seed(std::numeric_limits<int64_t>::min());
  request.set_stream(true);
  request.mutable_stream_options()->set_include_usage(true);
  request.mutable_stop_list()->add_items("END");
  request.mutable_stop_list()->add_items("");
  (*request.mutable_logit_bias())["50256"] = -100;
  (*request.mutable_logit_bias())["7"] = 0;
  auto& tool = *request.add_tools();
  tool.set_type(TOOL_TYPE_FUNCTION);
  tool.mutable_function()->set_name("f");
  tool.mutable_function()->set_parameters(R"({"type":"object","properties":{"z":{},"a":{}}})");
  request.set_tool_choice_mode(TOOL_CHOICE_MODE_AUTO);
  return request;
}

ChatCompletion ZeroAndEmpty() {
  ChatCompletion completion;
  completion.set_id("");
  completion.set_created(0);
  completion.set_empty_fields(Bit(ChatCompletion::kMetadataFieldNumber));
  auto& message = *completion.add_choices()->mutable_message();
  message.set_empty_fields(Bit(ChatCompletionMessage::kToolCallsFieldNumber));
  message.set_null_fields(Bit(ChatCompletionMessage::kAnnotationsFieldNumber));
  completion.mutable_usage()->set_prompt_tokens(0);
  return completion;
}

CreateChatCompletionRequest Enums() {
  CreateChatCompletionRequest request;
  request.set_service_tier(SERVICE_TIER_FLEX);
  request.set_reasoning_effort(REASONING_EFFORT_NONE);
  request.set_verbosity(VERBOSITY_LOW);
  request.set_prompt_cache_retention(PROMPT_CACHE_RETENTION_ONE_DAY);
  request.add_modalities(CHAT_COMPLETION_MODALITY_TEXT);
  request.add_modalities(CHAT_COMPLETION_MODALITY_AUDIO);
  auto& format = *request.mutable_response_format();
  format.set_type(RESPONSE_FORMAT_TYPE_JSON_SCHEMA);
  format.mutable_json_schema()->set_name("n");
  format.mutable_json_schema()->set_schema(R"({"minimum":1.0})");
  format.mutable_json_schema()->set_strict(false);
  return request;
}

ChatCompletion Vendor() {
  ChatCompletion completion;
  auto& properties = *completion.add_choices()->mutable_additional_properties()->mutable_fields();
  auto& timings = *properties["timings"].mutable_struct_value()->mutable_fields();
  timings["queue"].set_number_value(0.025);
  auto& steps = *timings["steps"].mutable_list_value();
  steps.add_values()->set_number_value(1);
  steps.add_values()->set_bool_value(true);
  steps.add_values()->set_null_value(google::protobuf::NULL_VALUE);
  steps.add_values()->set_string_value("x");
  steps.add_values()->mutable_struct_value();
  steps.add_values()->mutable_list_value();
  (*completion.mutable_verbatim_properties())["budget"] = "9007199254740993";
  (*completion.mutable_verbatim_properties())["limits"] = R"({"max":1e400})";
  (*completion.mutable_metadata())["b"] = "1";
  (*completion.mutable_metadata())["a"] = "";
  return completion;
}

}  // namespace

void BuildMessages(protocol::Response& response) {
  const std::string completion = WriteCompletion();
  for (const auto& line : ReadCompletion(completion)) {
    response.add_lines(line);
  }
  auto* encoded = response.add_messages();
  encoded->set_type("chatcompletion.v1.ChatCompletion");
  encoded->set_name("completion");
  encoded->set_wire(completion);
  Add(response, "tool-call", ToolCall());
  Add(response, "stream-usage", StreamUsage());
  Add(response, "request-parts", RequestParts());
  Add(response, "zero-and-empty", ZeroAndEmpty());
  Add(response, "enums", Enums());
  Add(response, "vendor", Vendor());
  Add(response, "chunk-of-stream", Expand(Stream())[1]);
}
