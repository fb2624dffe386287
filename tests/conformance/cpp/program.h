// The declarations that the parts of the program share.

#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "conformance.pb.h"

namespace protocol = chatpb::conformance::v1;

// Returns an empty message of a type. Throws std::invalid_argument if there is no such type.
std::unique_ptr<google::protobuf::Message> NewMessage(const std::string& type);

void Add(protocol::Response& response, const std::string& name, const google::protobuf::Message& message);

// Reports what reflection finds in a message.
protocol::Report ReportOn(const google::protobuf::Message& message);

// Makes messages from pseudo-random numbers.
void GenerateMessages(const protocol::Generate& request, protocol::Response& response);

// Makes the messages of the golden files.
void BuildMessages(protocol::Response& response);

// Converts JSON with chatpb.
void ConvertInputs(const protocol::Convert& request, protocol::Response& response);
