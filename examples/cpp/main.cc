// A gRPC service in front of a model. `chatpb gateway --target` makes it an endpoint for OpenAI's clients.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chatpb/chatpb.hpp>
#include <chatpb/messages.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>

#include "chatcompletion/v1/chat_completion_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

using namespace chatcompletion::v1;
using Question = CreateChatCompletionRequest;
using Send = std::function<bool(const ChatCompletionChunk&)>;

// The bits of two fields in null_fields.
constexpr uint64_t kLogprobs = uint64_t{1} << ChatCompletionChunkChoice::kLogprobsFieldNumber;
constexpr uint64_t kFinishReason = uint64_t{1} << ChatCompletionChunkChoice::kFinishReasonFieldNumber;

grpc::Status ModelNotFound(const std::string& model) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::NOT_FOUND);
  status.set_message("No model '" + model + "'.");
  google::rpc::ErrorInfo info;
  info.set_reason("MODEL_NOT_FOUND");  // `code` for OpenAI's clients
  info.set_domain("example.com");
  status.add_details()->PackFrom(info);
  return {grpc::StatusCode::NOT_FOUND, status.message(), status.SerializeAsString()};
}

// Sends the chunks of an answer, one by one. This model says the last message again; yours makes its tokens here.
grpc::Status Answer(const Question& asked, bool with_usage, const Send& send) {
  // A log of requests, as their callers wrote them. It leaves out fields that only a newer contract has.
  std::cout << chatpb::to_json(asked, chatpb::skip_unknown) + "\n" << std::flush;
  if (asked.model() != "parrot") return ModelNotFound(asked.model());
  const std::string text = asked.messages().empty() ? "" : asked.messages().rbegin()->content_text();
  if (text.empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "The last message has no text."};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  ChatCompletionChunk chunk;
  chunk.set_id("chatcmpl-" + std::to_string(now.count()));
  chunk.set_object(CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK);
  chunk.set_created(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  chunk.set_model(asked.model());
  // Members that no field has: the caller's `x_trace` goes back, wherever it is. What a double would change is JSON text.
  auto& vendor = *chunk.mutable_additional_properties()->mutable_fields();
  vendor["x_host"].set_string_value("gpu-7");
  const auto copy = [](const auto& from, auto& to) {
    if (const auto found = from.find("x_trace"); found != from.end()) to["x_trace"] = found->second;
  };
  copy(asked.additional_properties().fields(), vendor);
  copy(asked.verbatim_properties(), *chunk.mutable_verbatim_properties());
  int64_t count = 0;
  for (std::size_t start = 0, end; start < text.size(); start = end) {
    end = std::min(text.find(' ', start), text.size() - 1) + 1;
    const bool is_last = end == text.size();
    chunk.clear_choices();
    ChatCompletionChunkChoice& choice = *chunk.add_choices();
    choice.set_index(0);
    if (count++ == 0) choice.mutable_delta()->set_role(CHAT_COMPLETION_ROLE_ASSISTANT);
    choice.mutable_delta()->set_content(text.substr(start, end - start));
    if (is_last) choice.set_finish_reason(FINISH_REASON_STOP);
    choice.set_null_fields(is_last ? kLogprobs : kLogprobs | kFinishReason);
    if (is_last && with_usage) {
      chunk.mutable_usage()->set_prompt_tokens(count);
      chunk.mutable_usage()->set_completion_tokens(count);
      chunk.mutable_usage()->set_total_tokens(2 * count);
    }
    if (!send(chunk)) break;  // the caller left
  }
  return grpc::Status::OK;
}

class Parrot final : public ChatCompletionService::Service {
  grpc::Status CreateChatCompletion(grpc::ServerContext*, const Question* asked, ChatCompletion* completion) override {
    chatpb::Accumulator whole;
    const auto status = Answer(*asked, true, [&](const auto& chunk) {
      whole.add_wire(chunk.SerializeAsString());
      return true;
    });
    completion->ParseFromString(whole.to_wire());
    return status;
  }
  grpc::Status StreamChatCompletion(grpc::ServerContext*, const Question* asked,
                                    grpc::ServerWriter<ChatCompletionChunk>* writer) override {
    const bool with_usage = asked->stream_options().include_usage();
    return Answer(*asked, with_usage, [&](const auto& chunk) { return writer->Write(chunk); });
  }
};

int main(int argc, char** argv) {
  int port = 0;
  Parrot service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argc > 1 ? argv[1] : "127.0.0.1:50051", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  std::cerr << "listening on 127.0.0.1:" << port << std::endl;
  server->Wait();
}
