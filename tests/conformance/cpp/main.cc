// Answers run.py: reads, reports, writes, builds, generates and converts messages of the contract.

#include <array>
#include <cstdint>
#include <iostream>
#include <stdexcept>

#include "program.h"

using google::protobuf::Message;

std::unique_ptr<Message> NewMessage(const std::string& type) {
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (descriptor == nullptr) {
    throw std::invalid_argument("no such message type: " + type);
  }
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

void Add(protocol::Response& response, const std::string& name, const Message& message) {
  auto* encoded = response.add_messages();
  encoded->set_type(message.GetDescriptor()->full_name());
  encoded->set_name(name);
  encoded->set_wire(message.SerializeAsString());
}

namespace {

void Rewrite(const protocol::Rewrite& request, protocol::Response& response) {
  for (const auto& encoded : request.messages()) {
    auto message = NewMessage(encoded.type());
    if (!message->ParseFromString(encoded.wire())) {
      throw std::runtime_error("not a valid encoding");
    }
    if (request.report()) {
      *response.add_reports() = ReportOn(*message);
    }
    Add(response, encoded.name(), *message);
  }
}

void Answer(const protocol::Request& request, protocol::Response& response) {
  switch (request.action_case()) {
    case protocol::Request::kRewrite:
      return Rewrite(request.rewrite(), response);
    case protocol::Request::kBuild:
      return BuildMessages(response);
    case protocol::Request::kGenerate:
      return GenerateMessages(request.generate(), response);
    case protocol::Request::kConvert:
      return ConvertInputs(request.convert(), response);
    default:
      throw std::invalid_argument("no such action");
  }
}

}  // namespace

int main() {
  std::array<char, 4> head;
  while (std::cin.read(head.data(), head.size())) {
    uint32_t size = 0;
    for (int i = 3; i >= 0; --i) {
      size = size << 8 | static_cast<unsigned char>(head[i]);
    }
    std::string frame(size, '\0');
    if (!std::cin.read(frame.data(), size)) {
      return 1;
    }
    protocol::Request request;
    protocol::Response response;
    try {
      if (!request.ParseFromString(frame)) {
        throw std::runtime_error("not a request");
      }
      Answer(request, response);
    } catch (const std::exception& error) {
      response.Clear();
      response.set_error(error.what());
    }
    frame = response.SerializeAsString();
    for (int i = 0; i < 4; ++i) {
      std::cout.put(static_cast<char>(frame.size() >> (8 * i)));
    }
    std::cout << frame << std::flush;
  }
}
