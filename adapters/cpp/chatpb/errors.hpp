// The errors that chatpb throws for bad data, worded as those of the Python library. Wrong arguments are
// std::invalid_argument, and a codec in two threads at once is std::logic_error.
#ifndef CHATPB_ERRORS_HPP
#define CHATPB_ERRORS_HPP

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace chatpb {

/// What kind of error it is.
enum class ErrorCode { json, wire, contract, stream, event, schema, internal };

/// The base of every error about data that chatpb was given.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

namespace detail {

inline std::string in(const std::string& path) { return path.empty() ? path : ", in " + path; }

}  // namespace detail

/// Text is not acceptable JSON: RFC 8259, and the limits of the mapping.
class JsonError : public Error {
 public:
  JsonError(std::string path, std::uint64_t line, std::uint64_t column, std::uint64_t offset, std::string reason)
      : Error(ErrorCode::json, reason + " at line " + std::to_string(line) + ", column " + std::to_string(column) +
                                   " (byte " + std::to_string(offset) + ")" + detail::in(path)),
        path_(std::move(path)),
        reason_(std::move(reason)),
        line_(line),
        column_(column),
        offset_(offset) {}

  /// JSON Pointer (RFC 6901) of the value being read; "" is the document itself.
  const std::string& path() const noexcept { return path_; }
  /// What is wrong, in one sentence.
  const std::string& reason() const noexcept { return reason_; }
  /// The line of the character where the text is wrong, from 1.
  std::uint64_t line() const noexcept { return line_; }
  /// The column of that character in code points, from 1.
  std::uint64_t column() const noexcept { return column_; }
  /// The offset of that character in bytes, from 0.
  std::uint64_t offset() const noexcept { return offset_; }

 private:
  std::string path_;
  std::string reason_;
  std::uint64_t line_;
  std::uint64_t column_;
  std::uint64_t offset_;
};

/// Bytes are not a valid protobuf encoding, or hold what JSON cannot.
class WireError : public Error {
 public:
  WireError(std::string path, std::uint64_t offset, std::string reason)
      : Error(ErrorCode::wire, reason + " at byte " + std::to_string(offset) + detail::in(path)),
        path_(std::move(path)),
        reason_(std::move(reason)),
        offset_(offset) {}

  /// JSON Pointer (RFC 6901) of the message being read; "" is the outermost one.
  const std::string& path() const noexcept { return path_; }
  /// What is wrong, in one sentence.
  const std::string& reason() const noexcept { return reason_; }
  /// The offset in bytes of the field that is wrong, from the start of the input.
  std::uint64_t offset() const noexcept { return offset_; }

 private:
  std::string path_;
  std::string reason_;
  std::uint64_t offset_;
};

/// One way in which a message breaks the contract.
struct Violation {
  /// JSON Pointer (RFC 6901) of the member.
  std::string path;
  /// The id of the broken rule, from the list in docs/mapping.md.
  std::string rule;
  /// What is wrong, in one sentence. It names types and members, but never a value.
  std::string message;
};

/// A message breaks the contract, and the caller asked for `strict`.
class ContractError : public Error {
 public:
  explicit ContractError(std::vector<Violation> violations)
      : Error(ErrorCode::contract, describe(violations)), violations_(std::move(violations)) {}

  /// The violations found, in the contract's order, but those that `strict` lets pass.
  const std::vector<Violation>& violations() const noexcept { return violations_; }

 private:
  static std::string describe(const std::vector<Violation>& violations) {
    constexpr std::size_t most_shown = 20;
    const std::size_t count = violations.size();
    std::string text = std::to_string(count) + (count == 1 ? " violation" : " violations") + " of the contract: ";
    for (std::size_t i = 0; i < std::min(count, most_shown); ++i) {
      const auto& [path, rule, message] = violations[i];
      text += (i > 0 ? "; " : "") + (path.empty() ? "document" : path) + ": " + message + " [" + rule + "]";
    }
    return count > most_shown ? text + "; and " + std::to_string(count - most_shown) + " more" : text;
  }

  std::vector<Violation> violations_;
};

/// A stream that cannot be read further: an event is too large, not a chunk, or cut short.
class StreamError : public Error {
 public:
  explicit StreamError(const std::string& message) : Error(ErrorCode::stream, message) {}
};

/// An error that the sender reports in the stream.
class ErrorEvent : public Error {
 public:
  explicit ErrorEvent(std::string body)
      : Error(ErrorCode::event, "the stream reports an error"), body_(std::move(body)) {}

  /// The data of the event, usually the JSON text of an error response.
  const std::string& body() const noexcept { return body_; }

 private:
  std::string body_;
};

/// Descriptors are malformed, lack the message type, or describe what the mapping cannot hold.
class SchemaError : public Error {
 public:
  explicit SchemaError(const std::string& message) : Error(ErrorCode::schema, message) {}
};

/// A defect of chatpb, or a library of another version than this header. Later calls are not affected.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(ErrorCode::internal, message) {}
};

}  // namespace chatpb

#endif
