// Streams: chunks put together, split, stored, and read from server-sent events.

#include <chatpb/chatpb.hpp>

#include <array>
#include <istream>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support.h"

namespace {

using chatpb::Accumulator;

const std::string kRoot = ROOT;
const std::string kUnknown("\x0a\x01\x61\xa0\x06\x01", 6);  // a chunk with a field that the contract does not have

static_assert(std::is_nothrow_move_constructible_v<Accumulator> && !std::is_copy_constructible_v<Accumulator>);
static_assert(!std::is_copy_constructible_v<chatpb::Splitter>);
static_assert(!std::is_constructible_v<Accumulator, decltype(chatpb::strict)>);

std::string chunk(std::string_view json) { return chatpb::json_to_wire(json, chatpb::chunk_type); }

std::vector<std::string> chunks_of(std::string_view wire, std::size_t characters) {
  std::vector<std::string> chunks;
  for (const std::string_view each : chatpb::split(wire, characters)) {
    chunks.emplace_back(each);
  }
  return chunks;
}

/// The chunks that a completion is split into are put together to the completion that it splits into again.
void a_completion_is_split_and_accumulated() {
  auto texts = lines_of(kRoot + "/tests/corpus/completion.jsonl");
  texts.emplace_back(R"({"id":"1","choices":[{"index":0,"message":{"content":"h\u00e9 \ud83d\ude00 y"}}]})");
  for (const std::string& text : texts) {
    const std::string wire = chatpb::json_to_wire(text);
    for (const std::size_t characters : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
      const auto chunks = chunks_of(wire, characters);
      Accumulator accumulator;
      for (const std::string& each : chunks) {
        accumulator.add_wire(each);
      }
      CHECK(chunks_of(accumulator.to_wire(), characters) == chunks);
      CHECK(chatpb::expand_stream(chatpb::compact_stream(chunks)) == chunks);
    }
  }
  const std::string text = R"({"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"}}]})";
  Accumulator accumulator;
  for (const std::string_view each : chatpb::split(chatpb::json_to_wire(text), 2)) {
    accumulator.add_wire(each);
  }
  CHECK_EQUAL(accumulator.to_json(), text);
}

void usage_is_left_out() {
  const std::string wire = chatpb::json_to_wire(R"({"id":"1","choices":[{"index":0}],"usage":{"total_tokens":1}})");
  std::string with;
  std::string without;
  for (const std::string_view each : chatpb::split(wire)) {
    with += chatpb::wire_to_json(each, chatpb::chunk_type);
  }
  for (const std::string_view each : chatpb::split(wire, 0, chatpb::without_usage)) {
    without += chatpb::wire_to_json(each, chatpb::chunk_type);
  }
  CHECK(with.find(R"("total_tokens":1)") != std::string::npos);
  CHECK(without.find("usage") == std::string::npos);
}

void an_accumulator_adds_nothing_of_what_it_refuses() {
  Accumulator accumulator;
  CHECK_EQUAL(accumulator.to_json(), "{}");
  accumulator.add_json(R"({"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]})");
  thrown_by<chatpb::JsonError>([&] { accumulator.add_json(R"({"id":"2")"); });
  thrown_by<chatpb::JsonError>([&] { accumulator.add_json(R"({"x":NaN})"); });
  thrown_by<chatpb::WireError>([&] { accumulator.add_wire("\xff"); });
  accumulator.add_json(R"({"choices":[{"index":0,"delta":{"content":"b"}}]})");
  CHECK_EQUAL(accumulator.to_json(), R"({"id":"1","choices":[{"index":0,"message":{"content":"ab"}}]})");
  Accumulator moved = std::move(accumulator);
  CHECK_EQUAL(chatpb::wire_to_json(moved.to_wire()), moved.to_json());
  thrown_by<std::invalid_argument>([&] { accumulator.add_wire(""); });  // NOLINT
}

void options_of_streams() {
  Accumulator refusing;
  thrown_by<chatpb::WireError>([&] { refusing.add_wire(kUnknown); });
  thrown_by<chatpb::WireError>([] { chatpb::split(kUnknown); });
  Accumulator taking(chatpb::skip_unknown | chatpb::nonfinite);
  taking.add_wire(kUnknown);
  taking.add_json(R"({"x":NaN})");
  CHECK_EQUAL(taking.to_json(), R"({"id":"a","x":NaN})");
  chatpb::Splitter skipping = chatpb::split(kUnknown, 0, chatpb::skip_unknown);
  CHECK(skipping.next().has_value());
}

void streams_are_stored() {
  const std::vector<std::string> chunks = {chunk(R"({"id":")" + std::string(40000, 'x') + "\"}"), "", chunk("{}")};
  CHECK(chatpb::expand_stream(chatpb::compact_stream(chunks)) == chunks);
  CHECK(chatpb::expand_stream("").empty());
  const std::array<std::string_view, 2> damaged = {"", "\xff"};
  CHECK_EQUAL(thrown_by<chatpb::WireError>([&] { chatpb::compact_stream(damaged); }).path(), "/1");
  thrown_by<chatpb::WireError>([] { chatpb::expand_stream("\xff"); });
}

struct EventStream {
  std::string name;
  std::string bytes;
  std::vector<std::string> chunks;
  /// The start of what ends the stream; "" if it ends well.
  std::string error;
};

const std::string kA = R"({"id":"1","choices":[]})";
const std::string kB = "{\"id\":\"\u00e4\"}";
constexpr std::size_t kMaxEvent = 200;

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

std::vector<EventStream> event_streams() {
  const std::string reported = "the stream reports an error";
  const std::string data_a = "data: " + kA;
  return {
      {"two chunks", data_a + "\n\ndata: " + kB + "\n\ndata: [DONE]\n\ndata: {]\n\n", {kA, kB}, ""},
      {"CRLF", data_a + "\r\n\r\ndata: " + kB + "\r\n\r\n", {kA, kB}, ""},
      {"CR", data_a + "\r\rdata: " + kB + "\r\r", {kA, kB}, ""},
      {"byte order mark", "\xEF\xBB\xBF" + data_a + "\n\n", {kA}, ""},
      {"no space, no end", "data:" + kA, {kA}, ""},
      {"comments and other fields", ": keep-alive\n\nid: 7\nretry: 1\n: c\n" + data_a + "\n\n:", {kA}, ""},
      {"data in lines", "data: {\"id\":\ndata: \"1\",\"choices\":[]}\n\n", {kA}, ""},
      {"no data, null, ping",
       "event: ping\ndata: {\"type\":\"ping\"}\n\ndata:\n\ndata: null\n\ndata\n\n" + data_a + "\n\n",
       {kA},
       ""},
      {"other name with choices", "event: delta\n" + data_a + "\n\n", {kA}, ""},
      {"a name that is empty", "event:\ndata: " + kB + "\n\n", {kB}, ""},
      {"an error event", data_a + "\n\nevent: error\ndata: {}\n\n", {kA}, reported},
      {"an error body", "data: {\"error\":{\"message\":\"m\"}}\n\n", {}, reported},
      {"an error body in an array", "data: [{\"error\":{\"message\":\"m\"}}]\n\n", {}, reported},
      {"an error body of a bare line", data_a + "\n{\"error\":{\"message\":\"m\"}}\n", {kA}, reported},
      {"no error", "data: {\"error\":{},\"id\":\"1\"}\n\n", {R"({"id":"1","error":{}})"}, ""},
      {"not a chunk", data_a + "\n\ndata: {]\n\n", {kA}, "an event that is not a chunk: "},
      {"cut short", data_a + "\n\ndata: {\"id\"", {kA}, "the stream ends inside an event"},
      {"not UTF-8", data_a + "\n\ndata: {\"id\":\"\xff\"}\n\n", {kA}, "an event that is not a chunk: "},
      {"too large", data_a + "\n\ndata: {\"id\":\"" + std::string(kMaxEvent, 'x') + "\"}\n\n", {kA},
       "an event of more than 200 bytes, the limit"},
      {"too many lines", data_a + "\n\n" + repeated("data: x\n", 30) + "\n", {kA},
       "an event of more than 200 bytes, the limit"},
      {"as large as may be", "data: {\"id\":\"" + std::string(kMaxEvent - 15, 'x') + "\"}\n\n",
       {"{\"id\":\"" + std::string(kMaxEvent - 15, 'x') + "\"}"}, ""},
      {"long comments", ":" + std::string(1000, 'c') + "\n" + repeated(":d\n", 500) + data_a + "\n\n", {kA}, ""},
      {"nothing", "", {}, ""},
  };
}

/// Gives the bytes of a stream in pieces, as a connection does.
class Pieces : public std::streambuf {
 public:
  Pieces(std::string_view bytes, std::size_t size) : rest_(bytes), size_(size) {}

  std::size_t given() const { return given_; }

 protected:
  int_type underflow() override {
    piece_ = std::string(rest_.substr(0, size_));
    rest_.remove_prefix(piece_.size());
    ++given_;
    setg(piece_.data(), piece_.data(), piece_.data() + piece_.size());
    return piece_.empty() ? traits_type::eof() : traits_type::to_int_type(piece_.front());
  }

 private:
  std::string_view rest_;
  std::size_t size_;
  std::string piece_;
  std::size_t given_ = 0;
};

struct Read {
  std::vector<std::string> chunks;
  std::string error;
};

template <class Work>
Read reading(Work work) {
  Read read;
  const auto take = [&](std::string_view wire) { read.chunks.push_back(chatpb::wire_to_json(wire, chatpb::chunk_type)); };
  try {
    work(take);
  } catch (const chatpb::Error& error) {
    CHECK(error.code() == chatpb::ErrorCode::stream || error.code() == chatpb::ErrorCode::event);
    read.error = error.what();
  }
  return read;
}

void events_are_read_in_any_pieces() {
  for (const auto& [name, bytes, chunks, error] : event_streams()) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, bytes.size() + 1}) {
      const std::string_view all = bytes;
      const Read fed = reading([&, &text = bytes](auto take) {
        chatpb::ChunkReader reader(kMaxEvent);
        const auto take_all = [&] {
          while (const auto wire = reader.next()) {
            take(*wire);
          }
        };
        for (std::size_t at = 0; at < text.size(); at += size) {
          reader.feed(std::string_view(text).substr(at, size));
          take_all();
        }
        reader.close();
        take_all();
      });
      const Read streamed = reading([&](auto take) {
        Pieces pieces(all, size);
        std::istream stream(&pieces);
        for (const std::string_view wire : chatpb::read_chunks(stream, kMaxEvent)) {
          take(wire);
        }
      });
      const Read whole = reading([&](auto take) {
        chatpb::ChunkReader reader(kMaxEvent);
        reader.feed(all);
        reader.close();
        while (const auto wire = reader.next()) {
          take(*wire);
        }
      });
      for (const Read& read : {fed, streamed, whole}) {
        const std::string where = name + ", in pieces of " + std::to_string(size);
        check(read.chunks == chunks, where, __FILE__, __LINE__);
        check_equal(read.error.substr(0, error.size()), error, where, __FILE__, __LINE__);
        check(!error.empty() || read.error.empty(), where + ": " + read.error, __FILE__, __LINE__);
      }
    }
  }
}

void chunks_come_as_soon_as_they_are_whole() {
  const std::string event = "data: " + kA + "\n\n";
  const std::string events = event + event;
  Pieces pieces(events, event.size());
  std::istream stream(&pieces);
  chatpb::ChunkStream chunks = chatpb::read_chunks(stream);
  for (const std::size_t given : {std::size_t{1}, std::size_t{2}}) {
    CHECK(chunks.next().has_value());
    CHECK_EQUAL(pieces.given(), given);
  }
  CHECK(!chunks.next().has_value());
  CHECK(!chunks.next().has_value());
  CHECK(stream.eof());
}

void a_stream_that_is_done_is_read_no_further() {
  std::istringstream stream("data: [DONE]\n\n" + std::string(1 << 20, 'x'));
  CHECK(!chatpb::read_chunks(stream).next().has_value());
  CHECK(stream.good());
  chatpb::ChunkReader reader;
  reader.feed("data: [DONE]\n\n");
  CHECK(!reader.is_done());
  CHECK(!reader.next().has_value());
  CHECK(reader.is_done());
}

void a_stream_that_cannot_be_read() {
  std::istringstream stream("data: " + kA + "\n\n");
  stream.setstate(std::ios_base::failbit);
  thrown_by<chatpb::StreamError>([&] { chatpb::read_chunks(stream).next(); });
}

void error_bodies() {
  const std::string body = R"({"error":{"message":"m"}})";
  std::istringstream stream("data: " + body + "\n\n");
  CHECK_EQUAL(thrown_by<chatpb::ErrorEvent>([&] { chatpb::read_chunks(stream).next(); }).body(), body);
  const std::pair<std::string_view, bool> rows[] = {
      {R"({"error":"m"})", true},
      {R"( [ {"error":{"a":[1,{"b":"}"}]},"x":"\"]"} ] )", true},
      {R"({"object":"error","message":"m"})", true},
      {R"({"x":{"error":1}})", false},
      {R"({"error":1,"choices":null})", true},
      {R"({"error":1,"choices":[]})", false},
      {R"({"error":null})", false},
      {R"({"error":false})", false},
      {R"({"error":0})", false},
      {R"({"error":-0.0e5})", false},
      {R"({"error":0.5})", true},
      {R"({"error":NaN})", true},
      {R"({"error":""})", false},
      {R"({"error":[]})", false},
      {R"({"error":{}})", false},
      {R"({"error":true})", true},
      {R"({"error":1)", false},
      {R"([{"error":1},{}])", false},
      {R"("error")", false},
      {R"(["error")", false},
      {"", false},
  };
  for (const auto& [text, expected] : rows) {
    check(chatpb::is_error(text) == expected, text, __FILE__, __LINE__);
  }
}

void chunks_of_events_and_of_the_codec_are_the_same() {
  const auto lines = lines_of(kRoot + "/tests/corpus/chunk.jsonl");
  std::string events;
  std::vector<std::string> expected;
  for (const std::string& line : lines) {
    events += "data: " + line + "\n\n";
    expected.push_back(chunk(line));
  }
  std::istringstream stream(events);
  std::vector<std::string> found;
  for (const std::string_view wire : chatpb::read_chunks(stream)) {
    found.emplace_back(wire);
  }
  CHECK(found == expected);
}

}  // namespace

int main() {
  return run(a_completion_is_split_and_accumulated, usage_is_left_out, an_accumulator_adds_nothing_of_what_it_refuses,
             options_of_streams, streams_are_stored, events_are_read_in_any_pieces,
             chunks_come_as_soon_as_they_are_whole, a_stream_that_is_done_is_read_no_further,
             a_stream_that_cannot_be_read, error_bodies, chunks_of_events_and_of_the_codec_are_the_same);
}
