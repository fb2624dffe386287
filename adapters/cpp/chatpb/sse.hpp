// Reads `text/event-stream`, the form of streamed completions over HTTP. No code here opens a connection.
//
// Rules, from the WHATWG specification of server-sent events and from what providers send:
//
// - The bytes may be split anywhere. Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading
//   byte order mark, comments, and fields other than `event` and `data`. Several data lines are joined by LF.
// - An event with the data `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
// - The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
// - An event named `error` is thrown as an error. So is one whose data is an error body.
// - A line that begins with `{` is no field of the specification, but what some servers write when they fail. With the
//   lines after it, up to the empty line, it is the data of an event of its own.
// - Not chunks, and left out: events without data or with `null`, and those with another name than `message` whose data
//   has no `choices`, such as `ping`.
// - At most one event is buffered. An event above the limit is refused.
#ifndef CHATPB_SSE_HPP
#define CHATPB_SSE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "codec.hpp"
#include "streams.hpp"

namespace chatpb {

/// Bytes of one event, unless the caller sets another limit.
inline constexpr std::size_t default_max_event = 16 << 20;

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view whitespace = " \t\n\v\f\r";
  const std::size_t start = text.find_first_not_of(whitespace);
  return start == std::string_view::npos ? std::string_view()
                                         : text.substr(start, text.find_last_not_of(whitespace) + 1 - start);
}

inline bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// One event: its data lines, joined by LF, and its name.
struct Event {
  std::string data;
  std::string name;
  /// Whether no empty line came after it: the stream has ended.
  bool is_last;
};

/// Finds events in the bytes of a stream.
class EventReader {
 public:
  explicit EventReader(std::size_t limit) : limit_(limit) {}

  /// Take the next bytes.
  void feed(std::string_view bytes) {
    if (is_after_cr_ && !bytes.empty()) {
      is_after_cr_ = false;
      bytes.remove_prefix(bytes.front() == '\n' ? 1 : 0);
    }
    buffer_.append(bytes);
  }

  /// End the stream.
  void close() { is_closed_ = true; }

  /// Return the next event; nothing if it takes more bytes.
  std::optional<Event> next() {
    if (bare_) {
      return std::exchange(bare_, std::nullopt);
    }
    while (const auto line = next_line()) {
      if (!line->empty()) {
        add(*line);
      } else if (auto event = end_event(false)) {
        return event;
      }
    }
    return is_closed_ ? end_event(true) : std::nullopt;
  }

 private:
  /// Return the next line, without its end; nothing if it takes more bytes.
  std::optional<std::string_view> next_line() {
    const auto from = buffer_.begin() + static_cast<std::ptrdiff_t>(searched_);
    const auto found = std::find_if(from, buffer_.end(), [](char each) { return each == '\n' || each == '\r'; });
    const auto end = static_cast<std::size_t>(found - buffer_.begin());
    if (found == buffer_.end() && !(is_closed_ && start_ < end)) {
      keep_rest();
      return std::nullopt;
    }
    const std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
    start_ = std::min(end + 1, buffer_.size());
    if (found != buffer_.end() && *found == '\r') {
      is_after_cr_ = start_ == buffer_.size();
      start_ += !is_after_cr_ && buffer_[start_] == '\n' ? 1 : 0;
    }
    searched_ = start_;
    const bool has_mark = std::exchange(is_first_line_, false) && starts_with(line, "\xEF\xBB\xBF");
    return line.substr(has_mark ? 3 : 0);
  }

  /// Keep the start of a line that has not ended. Of a comment, which a server may send for hours, the colon stays.
  void keep_rest() {
    buffer_.erase(0, start_);
    start_ = 0;
    const bool is_comment = starts_with(buffer_, ":");
    if (is_comment) {
      buffer_.resize(1);
    }
    searched_ = buffer_.size();
    refuse_above(lines_.size() + (is_comment ? 0 : buffer_.size()));
  }

  void add(std::string_view line) {
    if (line.front() != ':') {
      lines_ += lines_.empty() ? "" : "\n";
      lines_ += line;
      refuse_above(lines_.size());
    }
  }

  void refuse_above(std::size_t size) const {
    if (size > limit_) {
      throw StreamError("an event of more than " + std::to_string(limit_) + " bytes, the limit");
    }
  }

  /// Return the event that the lines since the last one stand for, if they have data.
  std::optional<Event> end_event(bool is_last) {
    const std::string lines = std::exchange(lines_, std::string());
    std::string name = "message";
    std::optional<std::string> data;
    for (std::string_view rest = lines; !rest.empty();) {
      if (rest.front() == '{') {
        bare_ = Event{std::string(rest), "message", is_last};
        break;
      }
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      const std::string_view field = line.substr(0, line.find(':'));
      std::string_view value = line.substr(std::min(field.size() + 1, line.size()));
      value.remove_prefix(starts_with(value, " ") ? 1 : 0);
      if (field == "data") {
        data = data ? *data + '\n' : std::string();
        *data += value;
      } else if (field == "event") {
        name = value.empty() ? "message" : value;
      }
    }
    return data ? Event{std::move(*data), std::move(name), is_last} : std::exchange(bare_, std::nullopt);
  }

  std::size_t limit_;
  /// The bytes that are not read yet, from `start_` on. There is no end of a line before `searched_`.
  std::string buffer_;
  std::size_t start_ = 0;
  std::size_t searched_ = 0;
  /// The lines of the event being read, without comments, joined by LF.
  std::string lines_;
  /// The second event that the lines of the last one stood for.
  std::optional<Event> bare_;
  bool is_after_cr_ = false;
  bool is_first_line_ = true;
  bool is_closed_ = false;
};

/// Return the length of a string at the start of JSON text that chatpb printed, its quotes included.
inline std::size_t string_size(std::string_view json) {
  std::size_t at = 1;
  while (json[at] != '"') {
    at += json[at] == '\\' ? 2 : 1;
  }
  return at + 1;
}

/// Return the length of a member's value at the start of JSON text that chatpb printed.
inline std::size_t value_size(std::string_view json) {
  std::size_t at = 0;
  for (std::size_t depth = 0; depth > 0 || (json[at] != ',' && json[at] != '}');) {
    depth += json[at] == '{' || json[at] == '[' ? 1 : 0;
    depth -= json[at] == '}' || json[at] == ']' ? 1 : 0;
    at += json[at] == '"' ? string_size(json.substr(at)) : 1;
  }
  return at;
}

/// Return whether JSON text that chatpb printed is neither null, false, zero nor empty.
inline bool is_truthy(std::string_view json) {
  const bool is_number = json.front() == '-' || (json.front() >= '0' && json.front() <= '9');
  if (is_number) {
    const std::string_view digits = json.substr(0, json.find_first_of("eE"));
    return digits.find_first_of("123456789") != std::string_view::npos;
  }
  return !(json == "null" || json == "false" || json == R"("")" || json == "[]" || json == "{}");
}

}  // namespace detail

/// Return whether JSON text is an error body: it has `error` and no `choices`, or its `object` is "error".
inline bool is_error(std::string_view data) {
  if (data.find(R"("error")") == std::string_view::npos) {
    return false;
  }
  std::string_view body = detail::trimmed(data);
  if (body.front() == '[' && body.back() == ']') {
    body = body.substr(1, body.size() - 2);
  }
  std::string text;
  try {
    text = wire_to_json(json_to_wire(body, chunk_type, nonfinite), chunk_type, nonfinite);
  } catch (const JsonError&) {
    return false;
  }
  std::string_view error = "null";
  std::string_view choices = "null";
  std::string_view object;
  for (std::string_view rest = text; rest.size() > 2;) {
    rest.remove_prefix(1);
    const std::string_view name = rest.substr(0, detail::string_size(rest));
    rest.remove_prefix(name.size() + 1);
    const std::string_view value = rest.substr(0, detail::value_size(rest));
    rest.remove_prefix(value.size());
    if (name == R"("error")") {
      error = value;
    } else if (name == R"("choices")") {
      choices = value;
    } else if (name == R"("object")") {
      object = value;
    }
  }
  return object == R"("error")" || (detail::is_truthy(error) && choices == "null");
}

/// Reads chunks from the bytes of a stream, given piece by piece.
///
///     reader.feed(piece);
///     while (auto wire = reader.next()) { ... }
///
/// and the same after `close()`, at the end of the stream.
class ChunkReader {
 public:
  /// `max_event` is the largest event that is accepted, in bytes.
  explicit ChunkReader(std::size_t max_event = default_max_event)
      : codec_(codec_of(chunk_type).schema()), events_(max_event) {}

  /// Whether the event `[DONE]` was read.
  bool is_done() const noexcept { return is_done_; }

  /// Take the next bytes.
  void feed(std::string_view bytes) {
    if (!is_done_) {
      events_.feed(bytes);
    }
  }

  /// End the stream: the event that has no empty line after it is whole.
  void close() { events_.close(); }

  /// Return the wire bytes of the next chunk, which stay until the next call; nothing if it takes more bytes. Throws
  /// ErrorEvent for an error that the sender reports, and StreamError for an event that is too large, not a chunk or cut
  /// short, each after the chunks before it.
  std::optional<std::string_view> next() {
    while (!is_done_) {
      auto event = events_.next();
      if (!event) {
        break;
      }
      const std::string_view data = detail::trimmed(event->data);
      if (data.empty() || data == "null") {
        continue;
      }
      if (data == "[DONE]") {
        is_done_ = true;
      } else if (event->name == "error" || is_error(data)) {
        throw ErrorEvent(std::move(event->data));
      } else if (event->name == "message" || data.find(R"("choices")") != std::string_view::npos) {
        return chunk(*event);
      }
    }
    return std::nullopt;
  }

 private:
  std::string_view chunk(const detail::Event& event) {
    try {
      return codec_.json_to_wire(event.data);
    } catch (const JsonError& error) {
      throw StreamError(event.is_last ? std::string("the stream ends inside an event")
                                      : std::string("an event that is not a chunk: ") + error.what());
    }
  }

  Codec codec_;
  detail::EventReader events_;
  bool is_done_ = false;
};

/// The chunks of a stream, read as they come.
class ChunkStream {
 public:
  /// As the function `read_chunks`.
  explicit ChunkStream(std::istream& stream, std::size_t max_event = default_max_event)
      : stream_(&stream), reader_(max_event) {}

  /// Return the wire bytes of the next chunk, which stay until the next call; nothing at the end.
  std::optional<std::string_view> next() {
    auto chunk = reader_.next();
    for (; !chunk && !reader_.is_done() && !is_ended_; chunk = reader_.next()) {
      read();
    }
    return chunk;
  }

  detail::ChunkIterator<ChunkStream> begin() { return detail::ChunkIterator<ChunkStream>(*this); }
  detail::ChunkIterator<ChunkStream> end() { return {}; }

 private:
  /// Read what has come, and wait only if that is nothing.
  void read() {
    using Traits = std::istream::traits_type;
    if (!std::istream::sentry(*stream_, true)) {
      throw StreamError("the stream cannot be read: it is not open, or an error came before");
    }
    std::streambuf& buffer = *stream_->rdbuf();
    if (Traits::eq_int_type(buffer.sgetc(), Traits::eof())) {
      is_ended_ = true;
      reader_.close();
      stream_->setstate(std::ios_base::eofbit);
      return;
    }
    std::array<char, 1 << 14> piece;
    const auto most = std::clamp(buffer.in_avail(), std::streamsize{1}, static_cast<std::streamsize>(piece.size()));
    const std::streamsize size = buffer.sgetn(piece.data(), most);
    reader_.feed({piece.data(), static_cast<std::size_t>(size)});
  }

  std::istream* stream_;
  ChunkReader reader_;
  bool is_ended_ = false;
};

/// Return the chunks of an event stream, to be iterated over once. The stream stays the caller's. What is thrown is that of
/// `ChunkReader::next`, and StreamError for a stream that cannot be read.
inline ChunkStream read_chunks(std::istream& stream, std::size_t max_event = default_max_event) {
  return ChunkStream(stream, max_event);
}

}  // namespace chatpb

#endif
