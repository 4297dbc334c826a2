#include "baozi/value.hpp"

namespace baozi {

namespace {

[[noreturn]] void wrong(const Value& value, const char* wanted) {
  Reader at{std::string_view{}};
  const std::string packed = pack(value);
  at = Reader{packed};
  throw DecodeError{"", std::string{"expected "} + wanted + ", got " + detail::describe(at)};
}

std::string key_text(Unpacker& in) {
  if (in.kind() == Reader::Kind::integer) {
    const Value number = Codec<Value>::unpack(in);
    const auto* const whole = std::get_if<std::int64_t>(&number.held());
    return whole != nullptr ? std::to_string(*whole)
                            : std::to_string(std::get<std::uint64_t>(number.held()));
  }
  if (in.kind() != Reader::Kind::str) in.expected("string as a key");
  return std::string{in.text()};
}

}  // namespace

const std::string& Value::as_string() const {
  if (!is_string()) wrong(*this, "string");
  return std::get<std::string>(held_);
}
const Value::Array& Value::as_array() const {
  if (!is_array()) wrong(*this, "array");
  return std::get<Array>(held_);
}
const Value::Object& Value::as_object() const {
  if (!is_object()) wrong(*this, "map");
  return std::get<Object>(held_);
}
Value::Array& Value::as_array() {
  if (!is_array()) wrong(*this, "array");
  return std::get<Array>(held_);
}
Value::Object& Value::as_object() {
  if (!is_object()) wrong(*this, "map");
  return std::get<Object>(held_);
}

std::size_t Value::size() const {
  if (const auto* const elements = std::get_if<Array>(&held_)) return elements->size();
  if (const auto* const fields = std::get_if<Object>(&held_)) return fields->size();
  return 0;
}

const Value* Value::find(std::string_view field) const {
  const auto* const fields = std::get_if<Object>(&held_);
  if (fields == nullptr) return nullptr;
  const auto found = fields->find(field);
  return found == fields->end() ? nullptr : &found->second;
}

const Value& Value::at(std::string_view field) const {
  if (!is_object()) wrong(*this, "map");
  const Value* const found = find(field);
  if (found == nullptr) throw DecodeError{"", "missing field '" + std::string{field} + "'"};
  return *found;
}

const Value& Value::at(std::size_t index) const {
  const Array& elements = as_array();
  if (index >= elements.size()) {
    throw DecodeError{"", "no element " + std::to_string(index) + " in an array of " +
                              std::to_string(elements.size())};
  }
  return elements[index];
}

Value& Value::operator[](std::string_view field) {
  if (is_null()) held_ = Object{};
  Object& fields = as_object();
  const auto found = fields.find(field);
  return found != fields.end() ? found->second
                               : fields.emplace(std::string{field}, Value{}).first->second;
}

void Codec<Value>::pack(Writer& out, const Value& value) {
  struct Visitor {
    Writer& out;
    void operator()(std::monostate) const { out.nil(); }
    void operator()(bool held) const { out.boolean(held); }
    void operator()(std::int64_t held) const { out.integer(held); }
    void operator()(std::uint64_t held) const { out.uinteger(held); }
    void operator()(double held) const { out.real(held); }
    void operator()(const std::string& held) const { out.str(held); }
    void operator()(const Binary& held) const { out.bin(held.bytes); }
    void operator()(const Value::Array& held) const {
      out.array(held.size());
      for (const Value& element : held) pack(out, element);
    }
    void operator()(const Value::Object& held) const {
      out.map(held.size());
      for (const auto& [name, field] : held) {
        out.str(name);
        pack(out, field);
      }
    }
  };
  std::visit(Visitor{out}, value.held());
}

Value Codec<Value>::unpack(Unpacker& in) {
  switch (in.kind()) {
    case Reader::Kind::nil: in.reader().nil(); return {};
    case Reader::Kind::boolean: return in.boolean();
    case Reader::Kind::integer: {
      const Reader mark = in.mark();
      const std::int64_t value = in.reader().integer();
      if (in.reader().ok()) return value;
      in.rewind(mark);
      return in.uinteger(UINT64_MAX);
    }
    case Reader::Kind::real: return in.real();
    case Reader::Kind::str: return in.text();
    case Reader::Kind::bin: return Binary{std::string{in.binary()}};
    case Reader::Kind::array: {
      const std::uint32_t count = in.array();
      Value::Array elements;
      for (std::uint32_t i = 0; i < count; ++i) {
        const Unpacker::Step step{in, i};
        elements.push_back(unpack(in));
      }
      return elements;
    }
    case Reader::Kind::map: {
      const std::uint32_t count = in.map();
      Value::Object fields;
      for (std::uint32_t i = 0; i < count; ++i) {
        const Unpacker::Step step{in, in.mark()};
        std::string name = key_text(in);
        fields.insert_or_assign(std::move(name), unpack(in));
      }
      return fields;
    }
    case Reader::Kind::ext:
    case Reader::Kind::end:
    case Reader::Kind::invalid: break;
  }
  in.expected("a value");
}

}  // namespace baozi
