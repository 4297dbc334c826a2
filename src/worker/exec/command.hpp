/// \file command.hpp
/// The command of an exec task: words with placeholders, read once, filled in for each call. Pure.
///
/// In words, a placeholder becomes the argument itself: one word stays one word, whatever is in it.
/// In a shell's text it becomes a variable in double quotes, whose value travels in the
/// environment, so that the shell never reads an argument as a part of the command.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <baozi/value.hpp>

namespace baozi::worker::exec {

/// A call's arguments.
struct Arguments {
  Value::Array args;
  Value::Object kwargs;
};

class Command {
 public:
  /// \throws std::invalid_argument  for a text that is no command, saying why.
  Command(const std::vector<std::string>& words, bool shell);

  struct Filled {
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> variables;  ///< for the environment
  };
  /// \throws std::invalid_argument  when a placeholder has no argument, or one that is no word.
  [[nodiscard]] Filled fill(const Arguments& call) const;

  /// What the program is called in messages.
  [[nodiscard]] const std::string& program() const { return program_; }

 private:
  struct Part {
    std::string text;
    bool is_placeholder = false;  ///< then `text` is what stood between the braces
  };
  using Word = std::vector<Part>;

  std::vector<Word> words_;
  std::string shell_text_;
  std::vector<std::string> shell_names_;  ///< the placeholders of the text
  std::string program_;
};

/// An argument as a word: text as it is, numbers as decimal text, true and false, nothing for null,
/// the bytes of a binary, JSON for the rest.
[[nodiscard]] std::string word_of(const Value& value);

}  // namespace baozi::worker::exec
