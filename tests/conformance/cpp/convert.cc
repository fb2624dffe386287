// Converts JSON with chatpb.

#include <chatpb/chatpb.hpp>
#include <chatpb/messages.hpp>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "program.h"

namespace {

// Returns the wire bytes, having checked that a message of google::protobuf, which reorders maps, prints the same document.
std::string ToWire(const std::string& text, const std::string& type) {
  std::string wire = chatpb::json_to_wire(text, type);
  const auto message = NewMessage(type);
  chatpb::from_json(text, *message);
  const auto canonical = [&](const std::string& json) { return chatpb::json_to_wire(json, type, chatpb::canonical); };
  if (canonical(chatpb::to_json(*message)) != canonical(text)) {
    throw std::logic_error("a message prints another document: " + text);
  }
  return wire;
}

std::string ToJson(const std::string& wire, const std::string& type, bool skip_unknown) {
  return chatpb::wire_to_json(wire, type, skip_unknown ? chatpb::skip_unknown : chatpb::none);
}

std::string Violations(const std::vector<chatpb::Violation>& violations) {
  google::protobuf::ListValue list;
  for (const auto& [path, rule, message] : violations) {
    auto& fields = *list.add_values()->mutable_struct_value()->mutable_fields();
    fields["path"].set_string_value(path);
    fields["rule"].set_string_value(rule);
    fields["message"].set_string_value(message);
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(list, &json).ok()) {
    throw std::logic_error("violations that are no JSON");
  }
  return json;
}

std::string Accumulate(std::string_view lines) {
  chatpb::Accumulator accumulator;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    accumulator.add_json(line);
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
  return accumulator.to_json();
}

std::string Output(const protocol::Convert& request, const std::string& input) {
  switch (request.conversion()) {
    case protocol::CONVERSION_JSON_TO_WIRE:
      return ToWire(input, request.type());
    case protocol::CONVERSION_WIRE_TO_JSON:
      return ToJson(input, request.type(), request.skip_unknown());
    case protocol::CONVERSION_VALIDATE:
      return Violations(chatpb::validate(input, request.type()));
    case protocol::CONVERSION_ACCUMULATE:
      return Accumulate(input);
    default:
      throw std::invalid_argument("no such conversion");
  }
}

void Refuse(protocol::Refusal& refusal, const char* code, const std::string& path, const std::string& reason,
            uint64_t offset) {
  refusal.set_code(code);
  refusal.set_path(path);
  refusal.set_reason(reason);
  refusal.set_offset(offset);
}

}  // namespace

void ConvertInputs(const protocol::Convert& request, protocol::Response& response) {
  for (const std::string& input : request.inputs()) {
    auto& outcome = *response.add_outcomes();
    try {
      outcome.set_output(Output(request, input));
    } catch (const chatpb::JsonError& error) {
      Refuse(*outcome.mutable_refusal(), "json", error.path(), error.reason(), error.offset());
      outcome.mutable_refusal()->set_line(error.line());
      outcome.mutable_refusal()->set_column(error.column());
    } catch (const chatpb::WireError& error) {
      Refuse(*outcome.mutable_refusal(), "wire", error.path(), error.reason(), error.offset());
    }
  }
}
