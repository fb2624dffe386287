// Messages of google::protobuf.

#include <chatpb/messages.hpp>

#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>
#include <string_view>

#include "chatcompletion/v1/chat_completion.pb.h"
#include "support.h"

namespace {

using chatcompletion::v1::ChatCompletion;

const std::string kRoot = ROOT;

void messages_say_what_their_bytes_say() {
  for (const std::string& text : lines_of(kRoot + "/tests/corpus/completion.jsonl")) {
    const auto message = chatpb::from_json<ChatCompletion>(text);
    CHECK_EQUAL(chatpb::to_json(message), chatpb::wire_to_json(chatpb::json_to_wire(text)));
    CHECK_EQUAL(chatpb::validate(message).size(), chatpb::validate(chatpb::json_to_wire(text)).size());
  }
}

void fields_are_those_of_the_text() {
  const auto message = chatpb::from_json<ChatCompletion>(R"({"id":"c1","usage":null,"x_groq":{"id":"r1"}})");
  CHECK_EQUAL(message.id(), "c1");
  CHECK(!message.has_model());
  CHECK_EQUAL(message.null_fields(), 1ULL << ChatCompletion::kUsageFieldNumber);
  CHECK_EQUAL(message.additional_properties().fields().at("x_groq").struct_value().fields().at("id").string_value(),
              "r1");
  ChatCompletion other;
  other.set_id("c2");
  CHECK_EQUAL(chatpb::to_json(other), R"({"id":"c2"})");
}

void errors_leave_the_message() {
  ChatCompletion message;
  message.set_id("c1");
  CHECK_EQUAL(thrown_by<chatpb::JsonError>([&] { chatpb::from_json(R"({"id": tru})", message); }).path(), "/id");
  thrown_by<chatpb::ContractError>([&] { chatpb::from_json("{}", message, chatpb::strict); });
  CHECK_EQUAL(message.id(), "c1");
  (*message.mutable_verbatim_properties())["x"] = "{";
  CHECK_EQUAL(thrown_by<chatpb::WireError>([&] { chatpb::to_json(message); }).code() == chatpb::ErrorCode::wire, true);
}

void fields_of_a_newer_contract() {
  ChatCompletion message;
  CHECK(message.ParseFromString(std::string("\x0a\x01m\xa0\x06\x01", 6)));
  thrown_by<chatpb::WireError>([&] { chatpb::to_json(message); });
  CHECK_EQUAL(chatpb::to_json(message, chatpb::skip_unknown), R"({"id":"m"})");
}

/// A type that is not generated, and may end: another one may be where it was.
void dynamic_types() {
  for (const std::string number : {"1", "2"}) {
    google::protobuf::FileDescriptorProto file;
    file.set_name("own.proto");
    file.set_syntax("proto3");
    file.add_dependency(ChatCompletion::descriptor()->file()->name());
    auto& type = *file.add_message_type();
    type.set_name("Envelope");
    auto& field = *type.add_field();
    field.set_name("completion" + number);
    field.set_number(1);
    field.set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
    field.set_type(google::protobuf::FieldDescriptorProto::TYPE_MESSAGE);
    field.set_type_name(".chatcompletion.v1.ChatCompletion");
    const google::protobuf::DescriptorPool pool(google::protobuf::DescriptorPool::generated_pool());
    google::protobuf::DescriptorPool own(&pool);
    const auto* built = own.BuildFile(file);
    CHECK(built != nullptr);
    google::protobuf::DynamicMessageFactory factory;
    const auto& envelope = *built->message_type(0);
    const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(&envelope)->New());
    const std::string text = R"({"completion)" + number + R"(":{"id":"c1"}})";
    chatpb::from_json(text, *message);
    CHECK_EQUAL(chatpb::to_json(*message), text);
    chatpb::Codec kept(chatpb::schema_of(envelope));
    CHECK_EQUAL(kept.wire_to_json(message->SerializeAsString()), text);
  }
}

}  // namespace

int main() {
  return run(messages_say_what_their_bytes_say, fields_are_those_of_the_text, errors_leave_the_message,
             fields_of_a_newer_contract, dynamic_types);
}
