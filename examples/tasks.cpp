// A library of tasks: built as libtasks.so, run by `baozi-worker -A libtasks.so`.
#include <cctype>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <baozi/worker.hpp>

namespace {

std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }

std::int64_t xsum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error{message}; }

/// A long task looks now and then whether anybody still wants it.
double sleep_for(baozi::Context& context, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto whole = std::chrono::duration<double>{seconds};
  for (auto slept = Clock::duration{}; slept < whole; slept = Clock::now() - start) {
    context.check();
    context.progress(std::chrono::duration<double>{slept} / whole);
    std::this_thread::sleep_for(
        std::min<std::chrono::duration<double>>(whole - slept, std::chrono::milliseconds{50}));
  }
  return seconds;
}

struct WordCount {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t words = 0;  ///< as `wc -w` counts them: what stands between white space
  std::map<std::string, std::uint64_t> counts;  ///< lower-case words, without the signs around them
};
BAOZI_FIELDS(WordCount, path, bytes, lines, words, counts)

/// "(Software)," to "software"; empty where there is no letter and no digit.
std::string plain_word(const std::string& raw) {
  const auto is_part = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0;  // UTF-8's letters stay whole
  };
  std::size_t first = 0;
  std::size_t last = raw.size();
  while (first < last && !is_part(raw[first])) ++first;
  while (last > first && !is_part(raw[last - 1])) --last;
  std::string word = raw.substr(first, last - first);
  for (char& c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) c = static_cast<char>(std::tolower(byte));
  }
  return word;
}

WordCount count_words(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) throw std::runtime_error{"cannot read " + path};
  WordCount result;
  result.path = path;
  std::string raw;
  const auto finish_word = [&] {
    if (raw.empty()) return;
    ++result.words;
    if (const std::string word = plain_word(raw); !word.empty()) ++result.counts[word];
    raw.clear();
  };
  for (char c = 0; file.get(c);) {
    ++result.bytes;
    if (c == '\n') ++result.lines;
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      finish_word();
    } else {
      raw += c;
    }
  }
  finish_word();
  return result;
}

}  // namespace

BAOZI_TASKS(registry) {
  registry.task("c.add", add, {"a", "b"});
  registry.task("c.xsum", xsum, {"numbers"});
  registry.task("c.echo", [](const baozi::Value& x) { return x; }, {"x"});
  registry.task("c.fail", fail, {baozi::arg("message") = "boom"});
  registry.task("c.sleep", sleep_for, {"seconds"});
  registry.task("text.count_words", count_words, {"path"});
}
