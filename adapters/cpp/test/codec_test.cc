// Conversions, options and errors.

#include <chatpb/chatpb.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support.h"

namespace {

using chatpb::Codec;

const std::string kRoot = ROOT;
const std::string kUnknown("\x0a\x01m\xa0\x06\x01", 6);  // a completion with a field that the contract does not have

// A codec is moved, not copied; a view of a codec that is gone cannot be had; options that a function lacks do not compile.
static_assert(std::is_nothrow_move_constructible_v<Codec> && !std::is_copy_constructible_v<Codec>);
static_assert(std::is_copy_constructible_v<chatpb::Schema>);
template <class T, class Option, class = void>
constexpr bool kPrints = false;
template <class T, class Option>
constexpr bool kPrints<T, Option,
                       std::void_t<decltype(std::declval<T>().wire_to_json(std::string_view(), Option()))>> = true;
static_assert(kPrints<Codec&, decltype(chatpb::fill_required | chatpb::nonfinite)>);
static_assert(!kPrints<Codec&, std::remove_const_t<decltype(chatpb::canonical)>>);
static_assert(!kPrints<Codec, std::remove_const_t<decltype(chatpb::nonfinite)>>);

/// Return the type of a vector: the value of "message" in its case.json.
std::string type_of(const std::filesystem::path& folder) {
  const std::string text = read_file(folder / "case.json");
  const std::size_t start = text.find("chatcompletion.v1.", text.find("\"message\""));
  return text.substr(start, text.find('"', start) - start);
}

void vectors() {
  int count = 0;
  for (const auto& folder : std::filesystem::directory_iterator(kRoot + "/tests/vectors")) {
    const std::string type = type_of(folder);
    const std::string wire = read_file(folder.path() / "wire.binpb");
    CHECK_EQUAL(chatpb::wire_to_json(wire, type, chatpb::skip_unknown), read_file(folder.path() / "expected.json"));
    if (const auto input = folder.path() / "input.json"; std::filesystem::exists(input)) {
      CHECK(chatpb::json_to_wire(read_file(input), type) == wire);
    }
    ++count;
  }
  CHECK(count > 100);
}

void errors_in_text() {
  struct Row {
    std::string_view text, path;
    std::uint64_t line, column, offset;
    std::string_view what;
  };
  const Row rows[] = {
      {"", "", 1, 1, 0, "unexpected end of the text at line 1, column 1 (byte 0)"},
      {R"({"id": tru})", "/id", 1, 8, 7, "expected a value at line 1, column 8 (byte 7), in /id"},
      {"{\n \"\u00e4\":1,\"\u00e4\":2}", "/\u00e4", 2, 8, 10,
       "a second member of this name; JSON objects here have each name once at line 2, column 8 (byte 10), in /\u00e4"},
  };
  for (const Row& row : rows) {
    const auto error = thrown_by<chatpb::JsonError>([&] { chatpb::json_to_wire(row.text); });
    CHECK(error.code() == chatpb::ErrorCode::json);
    CHECK_EQUAL(error.path(), row.path);
    CHECK_EQUAL(error.line(), row.line);
    CHECK_EQUAL(error.column(), row.column);
    CHECK_EQUAL(error.offset(), row.offset);
    CHECK_EQUAL(std::string_view(error.what()), row.what);
    CHECK_EQUAL(std::string(error.what()).find(error.reason()), 0U);
  }
}

void errors_in_wire_bytes() {
  const auto error = thrown_by<chatpb::WireError>([] { chatpb::wire_to_json(std::string_view("\x32\x02\x0a\x09", 4)); });
  CHECK(error.code() == chatpb::ErrorCode::wire);
  CHECK_EQUAL(error.path(), "/usage");
  CHECK_EQUAL(error.offset(), 2U);
  CHECK_EQUAL(std::string(error.what()), error.reason() + " at byte 2, in /usage");
  thrown_by<chatpb::WireError>([] { chatpb::wire_to_json(kUnknown); });
  CHECK_EQUAL(chatpb::wire_to_json(kUnknown, chatpb::completion_type, chatpb::skip_unknown), R"({"id":"m"})");
  thrown_by<chatpb::WireError>([] { chatpb::validate("\xff"); });
}

void options() {
  Codec codec;
  const auto json = [&](std::string_view text, chatpb::JsonToWireOptions encode, chatpb::WireToJsonOptions print) {
    return std::string(codec.wire_to_json(std::string(codec.json_to_wire(text, encode)), print));
  };
  CHECK_EQUAL(json(R"({"x":NaN})", chatpb::nonfinite, chatpb::nonfinite), R"({"x":NaN})");
  thrown_by<chatpb::JsonError>([&] { json(R"({"x":NaN})", {}, {}); });
  CHECK(json("{}", {}, chatpb::fill_required | chatpb::nonfinite).find(R"("choices":[])") != std::string::npos);
  CHECK(std::string(codec.json_to_wire(R"({"z":1,"a":2})", chatpb::canonical)) ==
        codec.json_to_wire(R"({"a":2,"z":1})", chatpb::canonical));
  const bool is_strict = false;
  CHECK_EQUAL(json("{}", is_strict ? chatpb::strict : chatpb::none, {}), "{}");
}

void violations() {
  const std::string_view text = R"({"choices":[{"message":{"role":"nobody","content":5}},7],"created":"x"})";
  const auto found = chatpb::validate(chatpb::json_to_wire(text));
  CHECK(found.size() > 4);
  CHECK_EQUAL(found[0].path, "/id");
  CHECK_EQUAL(found[0].rule, "required");
  CHECK_EQUAL(found[0].message, "id is missing");
  const auto error =
      thrown_by<chatpb::ContractError>([&] { chatpb::json_to_wire(text, chatpb::completion_type, chatpb::strict); });
  CHECK(error.code() == chatpb::ErrorCode::contract);
  const auto strict = chatpb::validate(chatpb::json_to_wire(text), chatpb::completion_type, chatpb::strict);
  CHECK_EQUAL(error.violations().size(), strict.size());
  for (std::size_t i = 0; i < strict.size(); ++i) {
    CHECK_EQUAL(error.violations()[i].path, strict[i].path);
  }
  const std::string head = std::to_string(strict.size()) + " violations of the contract: /id: id is missing [required]; ";
  CHECK_EQUAL(std::string(error.what()).substr(0, head.size()), head);

  // Names of members, in a contract of one's own, have any characters.
  const auto read = chatpb::detail::ViolationReader(R"([{"path":"/{\"q\":\\,}\b\f\n\r\t\u0001\u001f)"
                                                    "\x7f\u00e4\U0001f600"
                                                    R"(","rule":"","message":"]"},{"path":"","rule":"r","message":""}])")
                        .read();
  CHECK_EQUAL(read.size(), 2U);
  CHECK_EQUAL(read[0].path, "/{\"q\":\\,}\b\f\n\r\t\x01\x1f\x7f\u00e4\U0001f600");
  CHECK_EQUAL(read[0].rule + read[0].message + read[1].path + read[1].rule + read[1].message, "]r");

  std::string choices = "[";
  for (int i = 0; i < 30; ++i) {
    choices += i == 0 ? "{}" : ",{}";
  }
  const std::string many = "{\"choices\":" + choices + "]}";
  const std::string what = thrown_by<chatpb::ContractError>([&] {
                             chatpb::json_to_wire(many, chatpb::completion_type, chatpb::strict);
                           }).what();
  CHECK(what.size() > 9 && what.substr(what.size() - 5) == " more");
}

void schemas() {
  const std::string descriptors = read_file(kRoot + "/adapters/core/src/schema/contract.binpb");
  Codec own{chatpb::Schema(chatpb::chunk_type, descriptors)};
  CHECK_EQUAL(own.wire_to_json(chatpb::json_to_wire(R"({"id":"1"})", chatpb::chunk_type)), R"({"id":"1"})");
  for (const std::string_view type : {"", "no.Such", ".chatcompletion.v1.ChatCompletion"}) {
    CHECK(thrown_by<chatpb::SchemaError>([&] { Codec{type}; }).code() == chatpb::ErrorCode::schema);
    thrown_by<chatpb::SchemaError>([&] { chatpb::json_to_wire("{}", type); });
    thrown_by<chatpb::SchemaError>([&] { chatpb::Schema(type, descriptors); });
  }
  thrown_by<chatpb::SchemaError>([] { chatpb::Schema(chatpb::chunk_type, std::string_view()); });
  thrown_by<chatpb::SchemaError>([] { chatpb::Schema(chatpb::chunk_type, "\xff"); });
  thrown_by<std::invalid_argument>([] { chatpb::Schema("\xff"); });
}

void lines() {
  Codec codec;
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += R"({"id":")" + std::to_string(i) + "\"}\n";
  }
  for (const std::uint32_t threads : {0U, 1U, 3U}) {
    const std::string wire(codec.json_lines_to_wire(text, {}, threads));
    CHECK(codec.wire_to_json_lines(wire, {}, threads) == text);
    const auto error = thrown_by<chatpb::JsonError>([&] { codec.json_lines_to_wire(text + "{]", {}, threads); });
    CHECK_EQUAL(error.line(), 5001U);
    CHECK_EQUAL(error.offset(), text.size() + 1);
    thrown_by<chatpb::WireError>([&] { codec.wire_to_json_lines("\x05", {}, threads); });
    const auto broken =
        thrown_by<chatpb::ContractError>([&] { codec.json_lines_to_wire("{}\n", chatpb::strict, threads); });
    CHECK_EQUAL(broken.violations().at(0).path, "/0/id");
  }
}

void moves() {
  Codec first(chatpb::chunk_type);
  Codec second = std::move(first);
  CHECK_EQUAL(second.wire_to_json(""), "{}");
  const std::string message = thrown_by<std::invalid_argument>([&] { first.wire_to_json(""); }).what();  // NOLINT
  CHECK_EQUAL(message, "an object that was moved from");
  first = std::move(second);
  CHECK_EQUAL(first.wire_to_json(""), "{}");
  std::vector<Codec> codecs;
  for (int i = 0; i < 9; ++i) {
    codecs.emplace_back(first.schema());
  }
  CHECK_EQUAL(codecs.front().wire_to_json(""), "{}");
}

/// Threads share a schema, and the functions have codecs of each thread.
void threads() {
  const chatpb::Schema schema(chatpb::completion_type);
  const auto texts = lines_of(kRoot + "/tests/corpus/completion.jsonl");
  std::array<std::size_t, 8> right{};
  std::vector<std::thread> workers;
  for (std::size_t& count : right) {
    workers.emplace_back([&] {
      Codec codec(schema);
      for (const std::string& text : texts) {
        count += codec.json_to_wire(text) == chatpb::json_to_wire(text) ? 1 : 0;
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  for (const std::size_t count : right) {
    CHECK_EQUAL(count, texts.size());
  }
}

}  // namespace

int main() {
  return run(vectors, errors_in_text, errors_in_wire_bytes, options, violations, schemas, lines, moves, threads);
}
