// What the parts of the program share.

#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "conformance.pb.h"

namespace protocol = chatpb::conformance::v1;

// An empty message of a type; throws std::invalid_argument where there is none.
std::unique_ptr<google::protobuf::Message> NewMessage(const std::string& type);

void Add(protocol::Response& response, const std::string& name, const google::protobuf::Message& message);

// What reflection finds in a message.
protocol::Report ReportOn(const google::protobuf::Message& message);

// Messages from pseudo-random numbers.
void GenerateMessages(const protocol::Generate& request, protocol::Response& response);

// The messages of the golden files.
void BuildMessages(protocol::Response& response);
