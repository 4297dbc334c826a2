#include "client/cli/event_line.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace baozi::cli {

namespace {

constexpr std::size_t value_max = 160;

std::string shortened(std::string text, std::size_t size_max) {
  if (text.size() <= size_max) return text;
  std::size_t size = size_max;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size) + "…";
}

std::string shown(const std::string& key, const Value& value) {
  if (key.ends_with("_us") && value.is_integer()) {
    if (key == "eta_us" || key == "expires_us") {
      return key.substr(0, key.size() - 3) + " " +
             instant_text(std::chrono::sys_time<std::chrono::microseconds>{
                 std::chrono::microseconds{value.to<std::int64_t>()}});
    }
    return key.substr(0, key.size() - 3) + " " + duration_text(value.to<std::int64_t>());
  }
  return key + " " +
         shortened(printable(value.is_string() ? value.as_string() : value.to_json()), value_max);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += ' ';
    } else if (byte < 0x20 || byte == 0x7F) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", byte);
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out;
}

std::string instant_text(std::chrono::sys_time<std::chrono::microseconds> time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto us = static_cast<long>((time - seconds).count());
  const std::time_t whole = std::chrono::system_clock::to_time_t(seconds);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%06ld", us);
  return text.data();
}

std::string duration_text(std::int64_t us) {
  std::array<char, 48> text{};
  const auto value = static_cast<double>(us);
  if (us < 1'000) {
    std::snprintf(text.data(), text.size(), "%lldus", static_cast<long long>(us));
  } else if (us < 1'000'000) {
    std::snprintf(text.data(), text.size(), "%.1fms", value / 1e3);
  } else if (us < 60'000'000) {
    std::snprintf(text.data(), text.size(), "%.2fs", value / 1e6);
  } else {
    std::snprintf(text.data(), text.size(), "%lldm%02llds", static_cast<long long>(us / 60'000'000),
                  static_cast<long long>(us / 1'000'000 % 60));
  }
  return text.data();
}

std::string event_line(const Event& event) {
  std::string line = instant_text(event.time) + "  " + printable(event.node) + "  " + event.type;
  if (!event.task.empty()) line += "  " + printable(event.task);
  if (!event.task_id.empty()) line += "  " + printable(event.task_id);
  if (!event.fields.is_object()) return line;
  for (const auto& [key, value] : event.fields.as_object()) {
    if (key == "traceback") continue;  // too long for a line; --json has it
    if (value.is_string() && value.as_string().empty()) continue;
    line += "  " + shown(printable(key), value);
  }
  return line;
}

std::string event_json(const Event& event, const std::string& collector) {
  Value::Object object;
  if (event.fields.is_object()) object = event.fields.as_object();
  object["type"] = Value{event.type};
  object["timestamp_us"] = Value{event.time.time_since_epoch().count()};
  object["hostname"] = Value{event.node};
  object["collector"] = Value{collector};
  object["offset"] = Value{event.offset};
  if (!event.task_id.empty()) object["uuid"] = Value{event.task_id};
  if (!event.task.empty()) object["name"] = Value{event.task};
  return Value{object}.to_json();
}

}  // namespace baozi::cli
