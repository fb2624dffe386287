// Makes messages from pseudo-random numbers, by the rules of generated.py.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "program.h"

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

const std::string kWords[] = {
    "0", R"("")", R"("hé 😀")", "18446744073709551616", R"({"z":1,"a":[null]})", "true", "1e400", R"("\ud83d")",
};

bool HoldsMessages(const FieldDescriptor* field) {
  return (field->is_map() ? field->message_type()->map_value() : field)->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

class Generator {
 public:
  explicit Generator(uint64_t state) : state_(state) {}

  void Fill(Message& message, int depth) {
    const auto& descriptor = *message.GetDescriptor();
    std::vector<const FieldDescriptor*> fields;
    for (int i = 0; i < descriptor.field_count(); ++i) {
      fields.push_back(descriptor.field(i));
    }
    std::sort(fields.begin(), fields.end(), [](auto* a, auto* b) { return a->number() < b->number(); });
    if (descriptor.full_name() == "google.protobuf.Value") {
      Put(message, fields[Below(depth >= 8 ? 4 : 6)], 1, depth);
    } else if (descriptor.full_name() == "google.protobuf.Struct" ||
               descriptor.full_name() == "google.protobuf.ListValue") {
      Put(message, fields[0], Below(3), depth);
    } else {
      for (const FieldDescriptor* field : fields) {
        if (Below(2) == 1 && !(depth >= 6 && HoldsMessages(field))) {
          Put(message, field, field->is_repeated() ? 1 + Below(2) : 1, depth);
        }
      }
    }
  }

 private:
  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t mixed = state_;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
    return mixed ^ mixed >> 31;
  }

  int Below(int count) { return static_cast<int>((Next() >> 33) % count); }

  void Put(Message& message, const FieldDescriptor* field, int count, int depth) {
    const Reflection& fields = *message.GetReflection();
    for (int i = 0; i < count; ++i) {
      if (field->is_map()) {
        Message& entry = *fields.AddMessage(&message, field);
        entry.GetReflection()->SetString(&entry, field->message_type()->map_key(), "k" + std::to_string(i));
        PutValue(entry, field->message_type()->map_value(), depth);
      } else {
        PutValue(message, field, depth);
      }
    }
  }

  // Sets a field, or adds an item to it.
  void PutValue(Message& message, const FieldDescriptor* field, int depth) {
    const Reflection& fields = *message.GetReflection();
    const bool item = field->is_repeated();
    switch (field->type()) {
      case FieldDescriptor::TYPE_MESSAGE:
        return Fill(item ? *fields.AddMessage(&message, field) : *fields.MutableMessage(&message, field), depth + 1);
      case FieldDescriptor::TYPE_BOOL:
        return fields.SetBool(&message, field, Below(2) == 1);
      case FieldDescriptor::TYPE_ENUM: {
        const int number = field->enum_type()->value(Below(field->enum_type()->value_count()))->number();
        return item ? fields.AddEnumValue(&message, field, number) : fields.SetEnumValue(&message, field, number);
      }
      case FieldDescriptor::TYPE_STRING: {
        const std::string& word = kWords[Below(std::size(kWords))];
        return item ? fields.AddString(&message, field, word) : fields.SetString(&message, field, word);
      }
      default:
        break;
    }
    const uint64_t number = Next();
    switch (field->type()) {
      case FieldDescriptor::TYPE_INT32:
        return fields.SetInt32(&message, field, static_cast<int32_t>(number >> 32) >> Below(32));
      case FieldDescriptor::TYPE_INT64:
        return fields.SetInt64(&message, field, static_cast<int64_t>(number) >> Below(64));
      case FieldDescriptor::TYPE_UINT64:
        return fields.SetUInt64(&message, field, number >> Below(64));
      case FieldDescriptor::TYPE_DOUBLE: {
        const uint64_t bits = number & ~(uint64_t{1} << 62);
        double value;
        std::memcpy(&value, &bits, sizeof value);
        return fields.SetDouble(&message, field, value);
      }
      case FieldDescriptor::TYPE_BYTES: {
        std::string bytes;
        for (int i = 0; i < 8; ++i) {
          bytes.push_back(static_cast<char>(number >> (8 * i)));
        }
        bytes.resize(Below(9));
        return fields.SetString(&message, field, bytes);
      }
      default:
        throw std::logic_error("no such type in the contract: " + std::string(field->type_name()));
    }
  }

  uint64_t state_;
};

}  // namespace

void GenerateMessages(const protocol::Generate& request, protocol::Response& response) {
  for (uint64_t i = request.first(); i < request.first() + request.count(); ++i) {
    auto message = NewMessage(request.types(i % request.types_size()));
    Generator(request.seed() + i).Fill(*message, 0);
    Add(response, std::to_string(i), *message);
  }
}
