// Compares JSON text to wire bytes with what simdjson takes to parse the text into its DOM:
//     chatpb_bench FILE
// for documents in JSON lines. Both sides take turns, and the fastest round of each counts.

#include <chatpb/chatpb.hpp>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 300;

/// Return the seconds that some work takes.
template <class Work>
double seconds(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<simdjson::padded_string> texts;
  std::ifstream file(count == 2 ? arguments[1] : "");
  for (std::string line; std::getline(file, line);) {
    texts.emplace_back(line);
  }
  if (texts.empty()) {
    std::cerr << "usage: chatpb_bench FILE, of documents in JSON lines\n";
    return EXIT_FAILURE;
  }
  chatpb::Codec codec;
  simdjson::dom::parser parser;
  std::size_t wire_size = 0;
  std::size_t members = 0;
  double converting = std::numeric_limits<double>::infinity();
  double parsing = converting;
  double printing = converting;
  std::vector<std::string> wires;
  for (const auto& text : texts) {
    wires.emplace_back(codec.json_to_wire(text));
  }
  for (int round = 0; round < kRounds; ++round) {
    converting = std::min(converting, seconds([&] {
                            for (const auto& text : texts) {
                              wire_size += codec.json_to_wire(text).size();
                            }
                          }));
    parsing = std::min(parsing, seconds([&] {
                         for (const auto& text : texts) {
                           members += simdjson::dom::object(parser.parse(text)).size();
                         }
                       }));
    printing = std::min(printing, seconds([&] {
                          for (const auto& wire : wires) {
                            wire_size += codec.wire_to_json(wire).size();
                          }
                        }));
  }
  if (wire_size == 0 || members == 0) {
    return EXIT_FAILURE;
  }
  const double each = 1e6 / static_cast<double>(texts.size());
  std::cout << texts.size() << " documents, µs each: JSON to wire " << converting * each << ", wire to JSON "
            << printing * each << ", simdjson's DOM " << parsing * each << "\n"
            << "JSON to wire over simdjson's DOM: " << converting / parsing << "\n";
}
