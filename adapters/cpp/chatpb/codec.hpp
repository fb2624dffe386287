// Conversions of JSON text to wire bytes and back. Text and bytes are std::string_view when given.
//
// A codec belongs to one thread at a time, and returns views of memory of its own, which its next call overwrites. The
// functions beside it return strings; each thread has codecs of its own behind them.
#ifndef CHATPB_CODEC_HPP
#define CHATPB_CODEC_HPP

#include <chatpb.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "options.hpp"

namespace chatpb {

/// The full name of a completion, the type of documents unless another one is given.
inline constexpr std::string_view completion_type = "chatcompletion.v1.ChatCompletion";
/// The full name of a chunk of a stream.
inline constexpr std::string_view chunk_type = "chatcompletion.v1.ChatCompletionChunk";

namespace detail {

template <auto Free>
struct Deleter {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    Free(handle);
  }
};

inline const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

inline std::string string_of(const char* start, std::uint64_t size) {
  return size == 0 ? std::string() : std::string(start, static_cast<std::size_t>(size));
}

inline std::string_view data_of(const chatpb_result& result) {
  return {reinterpret_cast<const char*>(result.data), static_cast<std::size_t>(result.size)};
}

/// Reads the violations that the core prints: an array of objects, each with three strings in a fixed order.
class ViolationReader {
 public:
  explicit ViolationReader(std::string_view json) : rest_(json) {}

  std::vector<Violation> read() {
    std::vector<Violation> violations;
    while (rest_.find('{') != std::string_view::npos) {
      std::string path = value();
      std::string rule = value();
      violations.push_back({std::move(path), std::move(rule), value()});
    }
    return violations;
  }

 private:
  /// Return the next member's value.
  std::string value() {
    rest_.remove_prefix(rest_.find(':') + 2);
    std::string text;
    for (; rest_.front() != '"'; rest_.remove_prefix(1)) {
      text += rest_.front() == '\\' ? escaped() : rest_.front();
    }
    rest_.remove_prefix(1);
    return text;
  }

  /// Return the character of an escape, all of which but its last byte is read. Those by number are control characters.
  char escaped() {
    constexpr std::string_view letters = "bfnrt";
    constexpr std::string_view characters = "\b\f\n\r\t";
    rest_.remove_prefix(1);
    if (rest_.front() == 'u') {
      const auto code = std::stoul(std::string(rest_.substr(1, 4)), nullptr, 16);
      rest_.remove_prefix(4);
      return static_cast<char>(code);
    }
    const std::size_t index = letters.find(rest_.front());
    return index == std::string_view::npos ? rest_.front() : characters[index];
  }

  std::string_view rest_;
};

[[noreturn]] inline void throw_error(const chatpb_result& result) {
  std::string reason = string_of(result.reason, result.reason_size);
  std::string path = string_of(result.path, result.path_size);
  switch (result.code) {
    case CHATPB_JSON_ERROR:
      throw JsonError(std::move(path), result.line, result.column, result.offset, std::move(reason));
    case CHATPB_WIRE_ERROR:
      throw WireError(std::move(path), result.offset, std::move(reason));
    case CHATPB_DESCRIPTOR_ERROR:
    case CHATPB_SCHEMA_ERROR:
      throw SchemaError(reason);
    case CHATPB_ARGUMENT_ERROR:
      throw std::invalid_argument(reason.empty() ? "an object that was moved from" : reason);
    case CHATPB_BUSY:
      throw std::logic_error("another thread is in a call with this codec, accumulator or splitter");
    case CHATPB_CONTRACT_ERROR:
      throw ContractError(ViolationReader(data_of(result)).read());
    default:
      throw InternalError(reason);
  }
}

/// Call a function that takes some arguments and a result. Return what the result points to.
template <class Function, class... Arguments>
std::string_view call(Function function, Arguments... arguments) {
  chatpb_result result;
  if (function(arguments..., &result) != CHATPB_OK) {
    throw_error(result);
  }
  return data_of(result);
}

}  // namespace detail

/// A message type, made from descriptors. It never changes, and threads share it; to copy it is cheap.
class Schema {
 public:
  /// Make the schema of a type of the contract by its full name, without a dot in front. Throws SchemaError.
  explicit Schema(std::string_view type) : Schema(type, nullptr, 0) {}

  /// Make the schema of a type, given an encoded FileDescriptorSet that has it and all that it needs.
  Schema(std::string_view type, std::string_view descriptors)
      : Schema(type, descriptors.empty() ? detail::bytes_of("") : detail::bytes_of(descriptors), descriptors.size()) {}

  /// Return the schema as the C interface takes it; null after a move.
  const chatpb_schema* get() const noexcept { return handle_.get(); }

 private:
  Schema(std::string_view type, const std::uint8_t* descriptors, std::size_t size) {
    if (const std::uint32_t version = chatpb_abi_version(); version != CHATPB_ABI_VERSION) {
      throw InternalError("the library that is loaded has version " + std::to_string(version) +
                          " of the C interface, and this program was compiled with " +
                          std::to_string(CHATPB_ABI_VERSION) + ": compile it anew");
    }
    chatpb_result result;
    handle_.reset(chatpb_schema_new(descriptors, size, type.data(), type.size(), &result), chatpb_schema_free);
    if (!handle_) {
      detail::throw_error(result);
    }
  }

  std::shared_ptr<chatpb_schema> handle_;
};

/// Converts documents of one type, one at a time. What it returns stays until its next call.
class Codec {
 public:
  explicit Codec(Schema schema) : schema_(std::move(schema)), handle_(chatpb_codec_new(schema_.get())) {}
  /// Make the codec of a type of the contract by its full name. Throws SchemaError.
  explicit Codec(std::string_view type = completion_type) : Codec(Schema(type)) {}

  const Schema& schema() const noexcept { return schema_; }

  /// Return the wire bytes of the message that the text of a JSON object stands for. Throws JsonError, and ContractError
  /// for what `strict` refuses.
  std::string_view json_to_wire(std::string_view text, JsonToWireOptions options = {}) & {
    return convert(chatpb_json_to_wire, text, options.bits());
  }

  /// Return the JSON text of an encoded message. Throws WireError for bytes that are no valid encoding, that hold what
  /// JSON cannot, or that have a field of a newer contract, unless `skip_unknown` is given.
  std::string_view wire_to_json(std::string_view wire, WireToJsonOptions options = {}) & {
    return convert(chatpb_wire_to_json, wire, options.bits());
  }

  /// Return every way in which an encoded message breaks the contract, in the contract's order: at most 1,000. Throws
  /// WireError.
  std::vector<Violation> validate(std::string_view wire, ValidateOptions options = {}) {
    return detail::ViolationReader(convert(chatpb_validate, wire, options.bits())).read();
  }

  /// Return the wire bytes of each line, each after its length as a varint. Lines of whitespace alone are skipped.
  /// `threads` is the most threads to use, 0 for one for each processor. Throws JsonError, whose line and offset count
  /// from the start of the text, and ContractError, whose paths start with the place of the document.
  std::string_view json_lines_to_wire(std::string_view text, JsonToWireOptions options = {},
                                      std::uint32_t threads = 0) & {
    return convert(chatpb_json_lines_to_wire, text, options.bits(), threads);
  }

  /// Return the JSON text of each message, each with a newline behind it. The messages stand each after its length.
  std::string_view wire_to_json_lines(std::string_view wire, WireToJsonOptions options = {},
                                      std::uint32_t threads = 0) & {
    return convert(chatpb_wire_to_json_lines, wire, options.bits(), threads);
  }

  /// Return the codec as the C interface takes it; null after a move.
  chatpb_codec* get() const noexcept { return handle_.get(); }

 private:
  template <class Function, class... More>
  std::string_view convert(Function function, std::string_view input, More... more) {
    return detail::call(function, handle_.get(), detail::bytes_of(input), input.size(), more...);
  }

  Schema schema_;
  std::unique_ptr<chatpb_codec, detail::Deleter<chatpb_codec_free>> handle_;
};

/// Return this thread's codec of a type of the contract.
inline Codec& codec_of(std::string_view type) {
  thread_local std::map<std::string, Codec, std::less<>> codecs;
  auto found = codecs.find(type);
  if (found == codecs.end()) {
    found = codecs.emplace(type, Codec(type)).first;
  }
  return found->second;
}

/// As `Codec::json_to_wire`, of a type of the contract.
inline std::string json_to_wire(std::string_view text, std::string_view type = completion_type,
                                JsonToWireOptions options = {}) {
  return std::string(codec_of(type).json_to_wire(text, options));
}

/// As `Codec::wire_to_json`, of a type of the contract.
inline std::string wire_to_json(std::string_view wire, std::string_view type = completion_type,
                                WireToJsonOptions options = {}) {
  return std::string(codec_of(type).wire_to_json(wire, options));
}

/// As `Codec::validate`, of a type of the contract.
inline std::vector<Violation> validate(std::string_view wire, std::string_view type = completion_type,
                                       ValidateOptions options = {}) {
  return codec_of(type).validate(wire, options);
}

}  // namespace chatpb

#endif
