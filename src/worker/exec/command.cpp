#include "worker/exec/command.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace baozi::worker::exec {

namespace {

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument{why}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// A number of up to four digits, or a name.
bool is_placeholder(std::string_view name) {
  if (name.empty()) return false;
  if (is_digit(name.front())) {
    return name.size() <= 4 && std::all_of(name.begin(), name.end(), is_digit);
  }
  return std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

std::string variable_of(const std::string& name) { return "BAOZI_ARG_" + name; }

void check_text(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) refuse("a command cannot hold a zero byte");
}

const Value& argument_of(const std::string& name, const Arguments& call) {
  if (!is_digit(name.front())) {
    const auto found = call.kwargs.find(name);
    if (found == call.kwargs.end()) refuse("needs an argument named '" + name + "'");
    return found->second;
  }
  std::size_t index = 0;
  std::from_chars(name.data(), name.data() + name.size(), index);
  if (index >= call.args.size()) {
    refuse("needs " + std::to_string(index + 1) + " positional arguments or more, got " +
           std::to_string(call.args.size()));
  }
  return call.args[index];
}

std::string filled(const std::string& name, const Arguments& call) {
  std::string word = word_of(argument_of(name, call));
  if (word.find('\0') != std::string::npos) {
    refuse("the argument for {" + name + "} holds a zero byte, which no word of a command can");
  }
  return word;
}

/// Where the text of a shell stands, as far as quotes go.
enum class Quotes { none, single_quotes, double_quotes };

}  // namespace

std::string word_of(const Value& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.as_string();
  if (value.is_binary()) return std::get<Binary>(value.held()).bytes;
  return value.to_json();
}

Command::Command(const std::vector<std::string>& words, bool shell) {
  if (words.empty()) refuse("the command is empty");
  if (shell && words.size() != 1) refuse("with a shell the command is one text, not a list");
  for (const std::string& word : words) check_text(word);
  if (shell) {
    const std::string& text = words.front();
    if (text.find_first_not_of(" \t\n") == std::string::npos) refuse("the command is empty");
    Quotes quotes = Quotes::none;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\\' && quotes != Quotes::single_quotes && i + 1 < text.size()) {
        shell_text_.append(text, i++, 2);
        continue;
      }
      if (c == '\'' && quotes != Quotes::double_quotes) {
        quotes = quotes == Quotes::none ? Quotes::single_quotes : Quotes::none;
      } else if (c == '"' && quotes != Quotes::single_quotes) {
        quotes = quotes == Quotes::none ? Quotes::double_quotes : Quotes::none;
      }
      const std::size_t end =
          c == '{' && (i == 0 || text[i - 1] != '$') ? text.find('}', i) : std::string::npos;
      const std::string name =
          end == std::string::npos ? std::string{} : text.substr(i + 1, end - i - 1);
      if (!is_placeholder(name)) {  // the shell's own
        shell_text_ += c;
        continue;
      }
      if (quotes == Quotes::single_quotes) {
        refuse("{" + name + "} stands in single quotes, where the shell fills nothing in");
      }
      const std::string variable = "${" + variable_of(name) + "}";
      shell_text_ += quotes == Quotes::none ? '"' + variable + '"' : variable;
      if (std::find(shell_names_.begin(), shell_names_.end(), name) == shell_names_.end()) {
        shell_names_.push_back(name);
      }
      i = end;
    }
    program_ = "the shell";
    return;
  }
  for (const std::string& text : words) {
    Word word;
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c != '{' && c != '}') {
        plain += c;
      } else if (i + 1 < text.size() && text[i + 1] == c) {
        plain += c;
        ++i;
      } else {
        const std::size_t end = c == '{' ? text.find('}', i) : std::string::npos;
        const std::string name =
            end == std::string::npos ? std::string{} : text.substr(i + 1, end - i - 1);
        if (!is_placeholder(name)) {
          refuse("'" + text +
                 "' has a brace that belongs to no {number} or {name}: write {{ and }} for braces");
        }
        if (!plain.empty()) word.push_back({std::move(plain), false});
        plain.clear();
        word.push_back({name, true});
        i = end;
      }
    }
    if (!plain.empty() || word.empty()) word.push_back({std::move(plain), false});
    words_.push_back(std::move(word));
  }
  for (const Part& part : words_.front()) {
    if (part.is_placeholder) refuse("the program itself cannot be an argument of the call");
    program_ += part.text;
  }
  if (program_.empty()) refuse("the program has no name");
}

Command::Filled Command::fill(const Arguments& call) const {
  Filled out;
  if (!shell_text_.empty()) {
    out.argv = {"/bin/sh", "-c", shell_text_};
    for (const std::string& name : shell_names_) {
      out.variables.emplace_back(variable_of(name), filled(name, call));
    }
    return out;
  }
  for (const Word& word : words_) {
    std::string text;
    for (const Part& part : word) {
      text += part.is_placeholder ? filled(part.text, call) : part.text;
    }
    out.argv.push_back(std::move(text));
  }
  return out;
}

}  // namespace baozi::worker::exec
