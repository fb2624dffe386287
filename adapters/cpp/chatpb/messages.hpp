// Messages of google::protobuf, with the classes that protoc makes of the contract or of one of your own.
//
// A codec of each generated type is made once a thread. A type of another pool, such as a dynamic one, may end, so that each
// call makes a codec of it: keep a `Codec(schema_of(type))` for many documents of such a type.
#ifndef CHATPB_MESSAGES_HPP
#define CHATPB_MESSAGES_HPP

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/message.h>

#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codec.hpp"

namespace chatpb {

namespace detail {

using Files = std::unordered_set<const google::protobuf::FileDescriptor*>;

/// Add a file to a set, after all that it imports.
inline void add_file(const google::protobuf::FileDescriptor& file, google::protobuf::FileDescriptorSet& set,
                     Files& added) {
  if (!added.insert(&file).second) {
    return;
  }
  for (int i = 0; i < file.dependency_count(); ++i) {
    add_file(*file.dependency(i), set, added);
  }
  file.CopyTo(set.add_file());
}

inline void parse(std::string_view wire, google::protobuf::Message& message) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  if (wire.size() > most || !message.ParsePartialFromArray(wire.data(), static_cast<int>(wire.size()))) {
    throw WireError("", 0, "the runtime of protobuf does not read this " + std::string(message.GetTypeName()) +
                               ", which is above 2 GiB or nested too deeply for it");
  }
}

inline std::string serialized(const google::protobuf::Message& message) {
  std::string wire;
  if (!message.SerializePartialToString(&wire)) {
    throw WireError("", 0, "the runtime of protobuf does not write this " + std::string(message.GetTypeName()) +
                               ", which is above 2 GiB");
  }
  return wire;
}

}  // namespace detail

/// Return the schema of a message type, made from its own descriptors. Throws SchemaError.
inline Schema schema_of(const google::protobuf::Descriptor& type) {
  google::protobuf::FileDescriptorSet set;
  detail::Files added;
  detail::add_file(*type.file(), set, added);
  return Schema(std::string(type.full_name()), set.SerializeAsString());
}

namespace detail {

/// Call a function with this thread's codec of a type.
template <class Use>
auto with_codec(const google::protobuf::Descriptor& type, Use use) {
  if (type.file()->pool() != google::protobuf::DescriptorPool::generated_pool()) {
    Codec codec(schema_of(type));
    return use(codec);
  }
  thread_local std::unordered_map<const google::protobuf::Descriptor*, Codec> codecs;
  auto found = codecs.find(&type);
  if (found == codecs.end()) {
    found = codecs.emplace(&type, Codec(schema_of(type))).first;
  }
  return use(found->second);
}

}  // namespace detail

/// Make a message the one that the text of a JSON object stands for. Throws JsonError, and ContractError for what `strict`
/// refuses; the message is then as it was.
inline void from_json(std::string_view text, google::protobuf::Message& message, JsonToWireOptions options = {}) {
  detail::with_codec(*message.GetDescriptor(),
                     [&](Codec& codec) { detail::parse(codec.json_to_wire(text, options), message); });
}

/// Return the message that the text of a JSON object stands for. Throws as the function above.
template <class Message>
Message from_json(std::string_view text, JsonToWireOptions options = {}) {
  Message message;
  from_json(text, message, options);
  return message;
}

/// Return the JSON text of a message. Throws WireError for a message that holds what JSON cannot, or that has a field of a
/// newer contract, unless `skip_unknown` is given.
inline std::string to_json(const google::protobuf::Message& message, WireToJsonOptions options = {}) {
  return detail::with_codec(*message.GetDescriptor(), [&](Codec& codec) {
    return std::string(codec.wire_to_json(detail::serialized(message), options));
  });
}

/// Return every way in which a message breaks the contract, in the contract's order: at most 1,000. Throws WireError.
inline std::vector<Violation> validate(const google::protobuf::Message& message, ValidateOptions options = {}) {
  return detail::with_codec(*message.GetDescriptor(),
                            [&](Codec& codec) { return codec.validate(detail::serialized(message), options); });
}

}  // namespace chatpb

#endif
