// Chunks of a stream put together into a completion, and a completion split into chunks.
#ifndef CHATPB_STREAMS_HPP
#define CHATPB_STREAMS_HPP

#include <chatpb.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec.hpp"

namespace chatpb {

namespace detail {

/// Iterates over what a source's `next` returns.
template <class Source>
class ChunkIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;
  using pointer = const value_type*;
  using reference = const value_type&;

  ChunkIterator() = default;
  explicit ChunkIterator(Source& source) : source_(&source), chunk_(source.next()) {}

  reference operator*() const { return *chunk_; }
  pointer operator->() const { return &*chunk_; }
  ChunkIterator& operator++() {
    chunk_ = source_->next();
    return *this;
  }
  void operator++(int) { ++*this; }

  friend bool operator==(const ChunkIterator& one, const ChunkIterator& other) {
    return one.chunk_.has_value() == other.chunk_.has_value();
  }
  friend bool operator!=(const ChunkIterator& one, const ChunkIterator& other) { return !(one == other); }

 private:
  Source* source_ = nullptr;
  std::optional<std::string_view> chunk_;
};

/// Append a message after its length.
inline void append_delimited(std::string& joined, std::string_view message) {
  std::size_t rest = message.size();
  for (; rest > 127; rest >>= 7) {
    joined += static_cast<char>((rest & 127) | 128);
  }
  joined += static_cast<char>(rest);
  joined += message;
}

/// Return messages that stand each after its length. The core wrote the lengths.
inline std::vector<std::string> undelimited(std::string_view joined) {
  std::vector<std::string> messages;
  while (!joined.empty()) {
    std::size_t length = 0;
    bool is_last = false;
    for (unsigned shift = 0; !is_last; shift += 7) {
      const auto byte = static_cast<unsigned char>(joined.front());
      joined.remove_prefix(1);
      length |= std::size_t{byte & 127U} << shift;
      is_last = byte < 128;
    }
    messages.emplace_back(joined.substr(0, length));
    joined.remove_prefix(length);
  }
  return messages;
}

}  // namespace detail

/// Puts chunks together: takes them one by one, and returns the completion so far at any moment. A chunk that throws adds
/// nothing.
class Accumulator {
 public:
  explicit Accumulator(AccumulatorOptions options = {})
      : options_(options), handle_(chatpb_accumulator_new(codec_of(chunk_type).schema().get())) {}

  /// Add the next chunk, given its JSON text. Throws JsonError.
  void add_json(std::string_view json) {
    add_wire(codec_of(chunk_type).json_to_wire(json, options_.only<CHATPB_NONFINITE>()));
  }

  /// Add the next chunk, given its wire bytes. Throws WireError.
  void add_wire(std::string_view wire) {
    detail::call(chatpb_accumulator_add, handle_.get(), detail::bytes_of(wire), wire.size(), options_.bits());
  }

  /// Return the wire bytes of the completion so far.
  std::string to_wire() const {
    const std::string_view json = detail::call(chatpb_accumulator_json, handle_.get());
    return json_to_wire(json, completion_type, options_.only<CHATPB_NONFINITE>());
  }

  /// Return the JSON text of the completion so far.
  std::string to_json() const { return wire_to_json(to_wire(), completion_type, options_); }

 private:
  AccumulatorOptions options_;
  std::unique_ptr<chatpb_accumulator, detail::Deleter<chatpb_accumulator_free>> handle_;
};

/// The chunks of a completion, made one by one.
class Splitter {
 public:
  /// As the function `split`.
  explicit Splitter(std::string_view wire, std::size_t characters = 0, SplitOptions options = {}) {
    chatpb_result result;
    handle_.reset(chatpb_splitter_new(codec_of(completion_type).schema().get(), codec_of(chunk_type).schema().get(),
                                      detail::bytes_of(wire), wire.size(), characters, options.bits(), &result));
    if (!handle_) {
      detail::throw_error(result);
    }
  }

  /// Return the wire bytes of the next chunk, which stay until the next call; nothing after the last one.
  std::optional<std::string_view> next() {
    chatpb_result result;
    switch (chatpb_splitter_next(handle_.get(), &result)) {
      case CHATPB_OK:
        return detail::data_of(result);
      case CHATPB_END:
        return std::nullopt;
      default:
        detail::throw_error(result);
    }
  }

  detail::ChunkIterator<Splitter> begin() { return detail::ChunkIterator<Splitter>(*this); }
  detail::ChunkIterator<Splitter> end() { return {}; }

 private:
  std::unique_ptr<chatpb_splitter, detail::Deleter<chatpb_splitter_free>> handle_;
};

/// Return the chunks of a completion, given its wire bytes, to be iterated over once. `characters` is the number of
/// characters of text in each chunk, 0 for a word in each. Throws WireError.
inline Splitter split(std::string_view wire, std::size_t characters = 0, SplitOptions options = {}) {
  return Splitter(wire, characters, options);
}

/// Return the wire bytes of the ChatCompletionStream that consists of chunks, given the wire bytes of each; what all of
/// them have is stored once. Throws WireError, whose path is the place of the chunk.
template <class Chunks>
std::string compact_stream(const Chunks& chunks) {
  std::string joined;
  for (const auto& chunk : chunks) {
    detail::append_delimited(joined, chunk);
  }
  const std::uint32_t options = 0;
  return std::string(detail::call(chatpb_compact_stream, codec_of(chunk_type).get(), detail::bytes_of(joined),
                                  joined.size(), options));
}

/// Return the wire bytes of each chunk of an encoded ChatCompletionStream. Throws WireError for bytes that are no valid
/// encoding, or that stand for more than 256 MiB of chunks.
inline std::vector<std::string> expand_stream(std::string_view stream) {
  const std::uint32_t options = 0;
  return detail::undelimited(detail::call(chatpb_expand_stream, codec_of(chunk_type).get(), detail::bytes_of(stream),
                                          stream.size(), options));
}

}  // namespace chatpb

#endif
