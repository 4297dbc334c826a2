// A real job: counts the words of every text file under a folder, one task a file, and merges what
// comes back.
//   word_count FOLDER     the network is $BAOZI_BROKER's, else tcp://127.0.0.1:7170
// `word_count FOLDER REPEAT` counts each file REPEAT times and says "HALFWAY" on its standard
// output when half is done: scripts/quickstart kills a worker then, and the counts still come out
// right.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include <baozi/client.hpp>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct WordCount {  // what text.count_words returns (examples/tasks.cpp)
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::map<std::string, std::uint64_t> counts;
};
BAOZI_FIELDS(WordCount, path, bytes, lines, words, counts)

std::vector<std::string> files_under(const fs::path& folder) {
  std::vector<std::string> paths;
  for (const auto& entry :
       fs::recursive_directory_iterator{folder, fs::directory_options::skip_permission_denied}) {
    if (entry.is_regular_file() && !entry.is_symlink())
      paths.push_back(fs::canonical(entry.path()).string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void show_progress(std::size_t done, std::size_t all) {
  if (isatty(2) == 0) return;
  constexpr std::size_t width = 40;
  const std::size_t filled = all == 0 ? width : done * width / all;
  std::fprintf(stderr, "\r  [%s%s] %zu of %zu files ", std::string(filled, '#').c_str(),
               std::string(width - filled, '.').c_str(), done, all);
  if (done == all) std::fprintf(stderr, "\n");
}

int count(const fs::path& folder, std::size_t repeat) {
  baozi::App app;
  auto count_words = app.task<WordCount(std::string)>("text.count_words");
  const std::vector<std::string> files = files_under(folder);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < repeat; ++i) paths.insert(paths.end(), files.begin(), files.end());
  const auto start = std::chrono::steady_clock::now();
  auto results = count_words.map(paths);

  std::map<std::string, std::uint64_t> words;
  std::uint64_t total = 0;
  std::size_t done = 0;
  for (const auto& result : results) {
    const WordCount one = result.get(120s);
    total += one.words;
    for (const auto& [word, times] : one.counts) words[word] += times;
    show_progress(++done, results.size());
    if (repeat > 1 && done == results.size() / 2) {
      std::printf("HALFWAY\n");
      std::fflush(stdout);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  std::vector<std::pair<std::uint64_t, std::string>> top;
  for (const auto& [word, times] : words) top.emplace_back(times, word);
  const std::size_t shown = std::min<std::size_t>(top.size(), 10);
  std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(shown), top.end(),
                    std::greater<>{});
  for (std::size_t i = 0; i < shown; ++i) {
    std::printf("  %8llu  %s\n", static_cast<unsigned long long>(top[i].first),
                top[i].second.c_str());
  }
  std::printf("  %zu files in %.2f s, %.0f tasks/s\n", paths.size(), took.count(),
              static_cast<double>(paths.size()) / took.count());
  std::printf("TOTAL %llu\n", static_cast<unsigned long long>(total));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: word_count FOLDER [REPEAT]\n");
    return 2;
  }
  try {
    return count(argv[1], argc > 2 ? std::stoul(argv[2]) : 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "word_count: %s\n", error.what());
    return 1;
  }
}
