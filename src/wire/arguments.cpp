#include "wire/arguments.hpp"

#include "baozi/packing.hpp"
#include "wire/codec.hpp"

namespace baozi::wire {

namespace {

/// A reader that stands at the value of `name`; nullopt when it is not there.
std::optional<Reader> find(BytesView arguments, std::string_view name) {
  if (arguments.empty()) return std::nullopt;
  Reader in{arguments};
  if (in.kind() != Reader::Kind::map) return std::nullopt;
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const bool wanted = in.kind() == Reader::Kind::str ? in.str() == name : (in.skip(), false);
    if (wanted && in.ok()) return in;
    in.skip();
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> text_argument(BytesView arguments, std::string_view name) {
  auto in = find(arguments, name);
  if (!in || in->kind() != Reader::Kind::str) return std::nullopt;
  const std::string_view text = in->str();
  return in->ok() ? std::optional{text} : std::nullopt;
}

std::optional<std::uint64_t> number_argument(BytesView arguments, std::string_view name) {
  auto in = find(arguments, name);
  if (!in || in->kind() != Reader::Kind::integer) return std::nullopt;
  const std::uint64_t number = in->uinteger();
  return in->ok() ? std::optional{number} : std::nullopt;
}

std::optional<double> real_argument(BytesView arguments, std::string_view name) {
  auto in = find(arguments, name);
  if (!in) return std::nullopt;
  double number = 0;
  if (in->kind() == Reader::Kind::integer) {
    number = static_cast<double>(in->integer());
  } else if (in->kind() == Reader::Kind::real) {
    number = in->real();
  } else {
    return std::nullopt;
  }
  return in->ok() ? std::optional{number} : std::nullopt;
}

bool flag_argument(BytesView arguments, std::string_view name) {
  auto in = find(arguments, name);
  return in && in->kind() == Reader::Kind::boolean && in->boolean();
}

std::vector<std::string_view> texts_argument(BytesView arguments, std::string_view name) {
  std::vector<std::string_view> texts;
  auto in = find(arguments, name);
  if (in && in->kind() == Reader::Kind::str) {
    texts.push_back(in->str());
  } else if (in && in->kind() == Reader::Kind::array) {
    for (std::uint32_t n = in->array(); n > 0 && in->ok(); --n) {
      if (in->kind() == Reader::Kind::str) {
        texts.push_back(in->str());
      } else {
        in->skip();
      }
    }
  }
  if (in && !in->ok()) texts.clear();
  return texts;
}

std::vector<TaskId> ids_argument(BytesView arguments, std::string_view name) {
  std::vector<TaskId> ids;
  auto in = find(arguments, name);
  if (!in || in->kind() != Reader::Kind::array) return ids;
  for (std::uint32_t n = in->array(); n > 0 && in->ok(); --n) {
    if (in->kind() == Reader::Kind::str) {
      ids.push_back(TaskId::from_text(in->str()));
    } else {
      const IdView id = read_id(*in);
      if (in->ok()) ids.push_back(id.to_id());
    }
  }
  return ids;
}

}  // namespace baozi::wire
