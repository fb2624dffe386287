// Reports what reflection finds in a message.

#include <stdexcept>
#include <vector>

#include "program.h"

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

void Walk(protocol::Report& found, const Message& message, const std::string& path);

// Reports a field's value, or the value of its item at an index other than -1.
void Visit(protocol::Report& found, const Message& message, const FieldDescriptor* field, int index,
           const std::string& path) {
  const Reflection& fields = *message.GetReflection();
  const bool item = index >= 0;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return Walk(found, item ? fields.GetRepeatedMessage(message, field, index) : fields.GetMessage(message, field), path);
  }
  auto& leaf = *found.add_leaves();
  leaf.set_path(path);
  switch (field->type()) {
    case FieldDescriptor::TYPE_INT32:
      return leaf.set_integer(item ? fields.GetRepeatedInt32(message, field, index) : fields.GetInt32(message, field));
    case FieldDescriptor::TYPE_INT64:
      return leaf.set_integer(item ? fields.GetRepeatedInt64(message, field, index) : fields.GetInt64(message, field));
    case FieldDescriptor::TYPE_UINT64:
      return leaf.set_unsigned_(item ? fields.GetRepeatedUInt64(message, field, index)
                                     : fields.GetUInt64(message, field));
    case FieldDescriptor::TYPE_DOUBLE:
      return leaf.set_number(item ? fields.GetRepeatedDouble(message, field, index) : fields.GetDouble(message, field));
    case FieldDescriptor::TYPE_BOOL:
      return leaf.set_boolean(item ? fields.GetRepeatedBool(message, field, index) : fields.GetBool(message, field));
    case FieldDescriptor::TYPE_STRING:
      return leaf.set_text(item ? fields.GetRepeatedString(message, field, index) : fields.GetString(message, field));
    case FieldDescriptor::TYPE_BYTES:
      return leaf.set_data(item ? fields.GetRepeatedString(message, field, index) : fields.GetString(message, field));
    case FieldDescriptor::TYPE_ENUM:
      return leaf.set_enum_number(item ? fields.GetRepeatedEnumValue(message, field, index)
                                       : fields.GetEnumValue(message, field));
    default:
      throw std::logic_error("no such type in the contract: " + std::string(field->type_name()));
  }
}

// Adds the paths of the fields whose bits are set.
template <typename Names>
void Members(Names& names, const Message& message, const char* bits, const std::string& path) {
  const auto& descriptor = *message.GetDescriptor();
  const FieldDescriptor* field = descriptor.FindFieldByName(bits);
  const uint64_t set = field == nullptr ? 0 : message.GetReflection()->GetUInt64(message, field);
  for (int number = 0; number < 64; ++number) {
    if (set >> number & 1) {
      const FieldDescriptor* named = descriptor.FindFieldByNumber(number);
      *names.Add() = path + "/" + (named == nullptr ? std::to_string(number) : named->name());
    }
  }
}

void Walk(protocol::Report& found, const Message& message, const std::string& path) {
  found.add_leaves()->set_path(path);
  Members(*found.mutable_null_members(), message, "null_fields", path);
  Members(*found.mutable_empty_members(), message, "empty_fields", path);
  const Reflection& fields = *message.GetReflection();
  std::vector<const FieldDescriptor*> set;
  fields.ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    const std::string at = path + "/" + field->name();
    if (!field->is_repeated()) {
      Visit(found, message, field, -1, at);
      continue;
    }
    for (int i = 0; i < fields.FieldSize(message, field); ++i) {
      if (field->is_map()) {
        const Message& entry = fields.GetRepeatedMessage(message, field, i);
        const auto& key = entry.GetReflection()->GetString(entry, field->message_type()->map_key());
        Visit(found, entry, field->message_type()->map_value(), -1, at + "/" + key);
      } else {
        Visit(found, message, field, i, at + "/" + std::to_string(i));
      }
    }
  }
}

}  // namespace

protocol::Report ReportOn(const Message& message) {
  protocol::Report found;
  Walk(found, message, "");
  return found;
}
