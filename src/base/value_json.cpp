// Value to JSON text and back. The only file of the public values that knows a JSON library.
#include <nlohmann/json.hpp>

#include "baozi/value.hpp"

namespace baozi {

namespace {

using Json = nlohmann::json;

std::string base64(std::string_view bytes) {
  static constexpr char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const std::uint32_t word = (byte(i) << 16U) | (byte(i + 1) << 8U) | byte(i + 2);
    out += alphabet[word >> 18U];
    out += alphabet[(word >> 12U) & 63U];
    out += i + 1 < bytes.size() ? alphabet[(word >> 6U) & 63U] : '=';
    out += i + 2 < bytes.size() ? alphabet[word & 63U] : '=';
  }
  return out;
}

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool held) const { return held; }
  Json operator()(std::int64_t held) const { return held; }
  Json operator()(std::uint64_t held) const { return held; }
  Json operator()(double held) const { return held; }
  Json operator()(const std::string& held) const { return held; }
  Json operator()(const Binary& held) const { return base64(held.bytes); }
  Json operator()(const Value::Array& held) const {
    Json out = Json::array();
    for (const Value& element : held) out.push_back(std::visit(*this, element.held()));
    return out;
  }
  Json operator()(const Value::Object& held) const {
    Json out = Json::object();
    for (const auto& [name, field] : held) out[name] = std::visit(*this, field.held());
    return out;
  }
};

/// Builds a Value from the parser's events, so that depth is bounded before anything nests.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Value root;
  std::string error;

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::object()); }
  bool start_array(std::size_t) override { return open(Value::array()); }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& why) override {
    error = why.what();
    if (const auto at = error.find("] "); at != std::string::npos)
      error.erase(0, at + 2);  // "[json….101] "
    return false;
  }

 private:
  Value* put(Value value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (open_.back()->is_array()) return &open_.back()->as_array().emplace_back(std::move(value));
    return &open_.back()
                ->as_object()
                .insert_or_assign(std::move(key_), std::move(value))
                .first->second;
  }
  bool add(Value value) {
    put(std::move(value));
    return true;
  }
  bool open(Value container) {
    if (open_.size() >= static_cast<std::size_t>(Unpacker::depth_max)) {
      error = "nested too deeply";
      return false;
    }
    open_.push_back(
        put(std::move(container)));  // stays valid: nothing is added beside an open container
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<Value*> open_;
  std::string key_;
};

}  // namespace

std::string Value::to_json(int indent) const {
  return std::visit(ToJson{}, held_).dump(indent, ' ', false, Json::error_handler_t::replace);
}

Value Value::from_json(std::string_view text) {
  Builder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    throw DecodeError{"JSON", builder.error.empty() ? "not valid" : builder.error};
  }
  return std::move(builder.root);
}

}  // namespace baozi
