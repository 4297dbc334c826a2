#include "worker/symbols.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <backtrace.h>
#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

namespace baozi::worker {

namespace {

constexpr std::size_t cached_max = 4096;
constexpr std::size_t name_bytes_max = 400;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

void ignore_error(void*, const char*, int) {}

/// Code of this process whose file has gone from its place, as when a new version of a library was
/// installed there: what stands there now says nothing about this code.
class Replaced {
 public:
  void look() {
    ranges_.clear();
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
      unsigned long long from = 0;
      unsigned long long to = 0;
      if (!line.ends_with(" (deleted)") || line.find(" /") == std::string::npos) continue;
      if (std::sscanf(line.c_str(), "%llx-%llx", &from, &to) == 2) ranges_.emplace_back(from, to);
    }
  }
  [[nodiscard]] bool has(std::uintptr_t address) const {
    return std::any_of(ranges_.begin(), ranges_.end(), [address](const auto& range) {
      return address >= range.first && address < range.second;
    });
  }

 private:
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges_;
};

/// libbacktrace looks at the list of loaded files once in the life of a state, and a state cannot
/// be freed. So a new one is made when plug-ins came since, but not for ever: a task that keeps
/// loading libraries stops at a few.
class States {
 public:
  backtrace_state* current() {
    const unsigned long long now = loads_so_far();
    if (state_ == nullptr || (now != loads_ && made_ < made_max)) {
      state_ = backtrace_create_state(nullptr, 1, &ignore_error, nullptr);
      replaced_.look();  // the files are read with the first question, which follows
      loads_ = now;
      ++made_;
    }
    return state_;
  }
  [[nodiscard]] bool knows(std::uintptr_t address) const { return !replaced_.has(address); }

 private:
  static constexpr int made_max = 8;
  Replaced replaced_;
  backtrace_state* state_ = nullptr;
  unsigned long long loads_ = 0;
  int made_ = 0;
};

/// By what is in memory alone: the function if it is exported, and the library.
CodePlace place_without_files(std::uintptr_t address) {
  CodePlace place;
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address), &info) != 0 && info.dli_sname != nullptr) {
    place.function = demangle(info.dli_sname);
  }
  return place;
}

std::string module_of(std::uintptr_t address) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string_view path{info.dli_fname};
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%zx",
                address - reinterpret_cast<std::uintptr_t>(info.dli_fbase));
  return std::string{path.substr(path.rfind('/') + 1)} + offset;
}

std::vector<CodePlace> look_up(backtrace_state* state, std::uintptr_t address) {
  std::vector<CodePlace> places;
  if (state != nullptr) {
    backtrace_pcinfo(
        state, address,
        [](void* out, std::uintptr_t, const char* file, int line, const char* function) {
          if (function == nullptr && file == nullptr) return 0;
          auto& found = *static_cast<std::vector<CodePlace>*>(out);
          found.push_back({function != nullptr ? demangle(function) : "",
                           file != nullptr ? file : "", line, ""});
          return 0;
        },
        &ignore_error, &places);
    if (places.empty()) places.emplace_back();
    // Debug information calls a static function "parse" where the symbol table knows
    // "shop::parse(std::string)". Only the outermost place has a symbol; the others were inlined
    // into it.
    CodePlace& outermost = places.back();
    if (outermost.function.find('(') == std::string::npos) {
      backtrace_syminfo(
          state, address,
          [](void* out, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
            auto& function = *static_cast<std::string*>(out);
            if (symbol == nullptr) return;
            std::string full = demangle(symbol);
            if (full.find(function) != std::string::npos) function = std::move(full);
          },
          &ignore_error, &outermost.function);
    }
  } else {
    places.push_back(place_without_files(address));
  }
  if (places.back().file.empty()) places.back().module = module_of(address);
  return places;
}

}  // namespace

unsigned long long loads_so_far() {
  unsigned long long count = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<unsigned long long*>(out) = info->dlpi_adds;
        return 1;
      },
      &count);
  return count;
}

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text{
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free};
  std::string readable{status == 0 && text != nullptr ? text.get() : name};
  replace_all(readable,
              "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
              "std::string");
  replace_all(readable, "std::basic_string_view<char, std::char_traits<char> >",
              "std::string_view");
  replace_all(readable, "std::__cxx11::", "std::");
  if (readable.size() > name_bytes_max) {
    readable.resize(name_bytes_max);
    readable += "...";
  }
  return readable;
}

std::vector<CodePlace> places_of(std::uintptr_t address) {
  static std::mutex mutex;
  static States states;
  static std::unordered_map<std::uintptr_t, std::vector<CodePlace>> cache;
  const std::lock_guard lock{mutex};
  if (const auto known = cache.find(address); known != cache.end()) return known->second;
  if (cache.size() >= cached_max) cache.clear();
  backtrace_state* const state = states.current();
  return cache.emplace(address, look_up(states.knows(address) ? state : nullptr, address))
      .first->second;
}

}  // namespace baozi::worker
