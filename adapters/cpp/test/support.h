// Checks of the test programs, and the files that they read. ROOT is the folder of the repository.
#ifndef CHATPB_TEST_SUPPORT_H
#define CHATPB_TEST_SUPPORT_H

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

inline int failures = 0;

inline void check(bool is_right, std::string_view what, std::string_view file, int line) {
  if (!is_right) {
    std::cerr << file << ":" << line << ": " << what << "\n";
    ++failures;
  }
}

template <class Value, class Expected>
void check_equal(const Value& value, const Expected& expected, std::string_view what, std::string_view file, int line) {
  if (!(value == expected)) {
    std::cerr << file << ":" << line << ": " << what << " is " << value << ", not " << expected << "\n";
    ++failures;
  }
}

#define CHECK(condition) check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(value, expected) check_equal(value, expected, #value, __FILE__, __LINE__)

/// Return the error of this type that some work throws.
template <class Thrown, class Work>
Thrown thrown_by(Work work) {
  try {
    work();
  } catch (const Thrown& error) {
    return error;
  }
  throw std::logic_error("nothing was thrown");
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  if (lines.empty()) {
    throw std::runtime_error("no lines in " + path);
  }
  return lines;
}

/// Run some tests. Return the exit status of the program.
template <class... Tests>
int run(Tests... tests) {
  const auto one = [](auto test) {
    try {
      test();
    } catch (const std::exception& error) {
      check(false, error.what(), "a test that ended by an exception", 0);
    }
  };
  (one(tests), ...);
  std::cerr << sizeof...(tests) << " tests, " << failures << " failures\n";
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
