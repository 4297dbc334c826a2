#include "base/node_name.hpp"

#include <algorithm>

#include <unistd.h>

namespace baozi::base {
namespace {

std::string_view first_part(std::string_view host) { return host.substr(0, host.find('.')); }
std::string_view domain(std::string_view host) {
  const std::size_t dot = host.find('.');
  return dot == std::string_view::npos ? std::string_view{} : host.substr(dot + 1);
}

/// Replaces %x by `meaning(x)`; what has no meaning (nullptr data) stays as it is.
template <class Meaning>
std::string expand(std::string_view pattern, Meaning meaning) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char letter = pattern[++i];
    const std::string_view text = letter == '%' ? std::string_view{"%"} : meaning(letter);
    if (text.data() == nullptr) {
      out += '%';
      out += letter;
    } else {
      out += text;
    }
  }
  return out;
}

std::string_view or_empty(std::string_view text) { return text.data() == nullptr ? "" : text; }

}  // namespace

std::string expand_node_name(std::string_view pattern, std::string_view host) {
  std::string name = expand(pattern, [&](char letter) -> std::string_view {
    switch (letter) {
      case 'h': return host;
      case 'n': return first_part(host);
      case 'd': return or_empty(domain(host));
      default: return {};
    }
  });
  if (name.find('@') == std::string::npos) name.append("@").append(host);
  return name;
}

std::string expand_file_name(std::string_view pattern, std::string_view node_name) {
  const std::size_t at = std::min(node_name.find('@'), node_name.size());
  const std::string_view name = node_name.substr(0, at);
  const std::string_view host = at == node_name.size() ? "" : node_name.substr(at + 1);
  return expand(pattern, [&](char letter) -> std::string_view {
    switch (letter) {
      case 'p': return node_name;
      case 'n': return name;
      case 'h': return host;
      case 'd': return or_empty(domain(host));
      case 'i': return "0";
      case 'I': return "";
      default: return {};
    }
  });
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

}  // namespace baozi::base
