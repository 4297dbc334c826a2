/// \file config.hpp
/// One declaration of each option; out of it come the command line, the configuration file
/// (--config FILE, YAML, keys are the long names), the environment (BAOZI_ and the name in
/// capitals, '-' as '_') and --help. The later wins: file < environment < command line. A list is
/// replaced as a whole, never extended.
///
///     struct BrokerOptions { std::string listen = "tcp://127.0.0.1:7170"; Micros liveness = 15s;
///     }; OptionTable table{"baozi-broker", "Keeps tasks durably and hands them to workers."};
///     table.add("listen", options.listen, "where peers connect").word("ADDRESS");
///     table.add("liveness", options.liveness, "silence after which a peer is dead").range(100ms,
///     1h); table.parse(argc, argv, process_environment());   // throws ConfigError
///
/// The default of an option is what its variable holds when it is declared.
/// Threading: none; for start-up. The variables must outlive the table.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/config_value.hpp"

namespace baozi::base {

/// A mistake of the operator, as one line that names where it stands: the option, the variable, or
/// the file with its line and key. Programs print it and exit with 2.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Environment = std::map<std::string, std::string, std::less<>>;
/// The variables that begin with BAOZI_.
[[nodiscard]] Environment process_environment();

/// One option as declared. The functions that change it return it, to be written in a row.
class Option {
 public:
  Option(std::string name, std::string help) : name_{std::move(name)}, help_{std::move(help)} {}
  virtual ~Option() = default;
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] char short_name() const { return short_name_; }
  [[nodiscard]] const std::string& help() const { return help_; }
  [[nodiscard]] const std::string& word() const { return word_; }
  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] bool is_flag() const { return flag_; }
  [[nodiscard]] bool is_list() const { return list_; }
  [[nodiscard]] bool is_required() const { return required_; }
  [[nodiscard]] bool is_secret() const { return secret_; }
  /// The value that `--name` alone stands for, when it may stand alone.
  [[nodiscard]] const std::optional<std::string>& implicit() const { return implicit_; }
  /// Where its value came from: "--name", "BAOZI_NAME", "FILE:LINE: name", or "" for the default.
  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] std::string environment_name() const;

  [[nodiscard]] virtual std::string shown() const = 0;
  /// Takes one text, or for a list several. Nothing changes when it fails.
  [[nodiscard]] virtual Result<void> assign(const std::vector<std::string>& texts) = 0;

 protected:
  friend class OptionTable;
  std::string name_;
  std::string help_;
  std::string word_;
  std::string group_;
  std::string source_;
  std::string default_text_;
  std::optional<std::string> implicit_;
  char short_name_ = 0;
  bool flag_ = false;
  bool list_ = false;
  bool required_ = false;
  bool secret_ = false;
};

template <class T>
class OptionOf final : public Option {
 public:
  OptionOf(std::string name, T& target, std::string help)
      : Option{std::move(name), std::move(help)}, target_{target} {
    if constexpr (is_config_list<T>) {
      list_ = true;
      word_ = ConfigValue<typename T::value_type>::word;
    } else {
      word_ = ConfigValue<T>::word;
    }
    if constexpr (std::is_same_v<T, bool>) {
      flag_ = true;
      implicit_ = "true";
    }
    default_text_ = shown();
  }

  OptionOf& short_name(char letter) {
    short_name_ = letter;
    return *this;
  }
  /// What stands for the value in --help: --listen ADDRESS.
  OptionOf& word(const std::string& word) {
    word_ = word;
    return *this;
  }
  /// The heading in --help; without one "Options".
  OptionOf& group(const std::string& heading) {
    group_ = heading;
    return *this;
  }
  /// `--name` may stand alone on the command line and then means `--name=text`.
  OptionOf& implicit(const std::string& text) {
    implicit_ = text;
    return *this;
  }
  OptionOf& required() {
    required_ = true;
    return *this;
  }
  /// Its value is never shown (passwords in addresses).
  OptionOf& secret() {
    secret_ = true;
    return *this;
  }
  /// Both ends belong to it.
  OptionOf& range(config_inner<T> least, config_inner<T> most) {
    return check([least, most](const T& value) {
      if constexpr (is_config_optional<T>) {
        return value ? outside(*value, least, most) : std::string{};
      } else {
        return outside(value, least, most);
      }
    });
  }
  /// Any other rule: returns what is wrong with the value, or "".
  OptionOf& check(std::function<std::string(const T&)> wrong) {
    checks_.push_back(std::move(wrong));
    return *this;
  }
  /// Only these texts.
  OptionOf& choices(std::vector<std::pair<std::string, T>> allowed) {
    choices_ = std::move(allowed);
    default_text_ = shown();
    return *this;
  }
  using Option::group;
  using Option::implicit;
  using Option::short_name;
  using Option::word;

  [[nodiscard]] std::string shown() const override {
    if (secret_) return "(not shown)";
    for (const auto& [text, value] : choices_) {
      if (value == target_) return text;
    }
    if constexpr (is_config_list<T>) {
      std::string text;
      for (const auto& item : target_) {
        if (!text.empty()) text += ',';
        text += ConfigValue<typename T::value_type>::show(item);
      }
      return text;
    } else {
      return ConfigValue<T>::show(target_);
    }
  }

  [[nodiscard]] Result<void> assign(const std::vector<std::string>& texts) override {
    auto parsed = parse(texts);
    if (!parsed) return unexpected(parsed.error().code, parsed.error().message);
    for (const auto& wrong : checks_) {
      if (std::string complaint = wrong(*parsed); !complaint.empty()) {
        return unexpected(Errc::invalid, std::move(complaint));
      }
    }
    target_ = std::move(*parsed);
    return {};
  }

 private:
  template <class V>
  static std::string outside(const V& value, const V& least, const V& most) {
    if (least <= value && value <= most) return {};
    return "must be between " + ConfigValue<V>::show(least) + " and " + ConfigValue<V>::show(most) +
           ", not " + ConfigValue<V>::show(value);
  }

  [[nodiscard]] Result<T> parse(const std::vector<std::string>& texts) const {
    if constexpr (is_config_list<T>) {
      T items;
      for (const std::string& text : texts) {
        auto item = ConfigValue<typename T::value_type>::parse(text);
        if (!item) return unexpected(item.error().code, item.error().message);
        items.push_back(std::move(*item));
      }
      return items;
    } else {
      const std::string& text = texts.back();
      return choices_.empty() ? ConfigValue<T>::parse(text) : choose(text);
    }
  }

  [[nodiscard]] Result<T> choose(std::string_view text) const {
    std::string all;
    for (const auto& [name, value] : choices_) {
      const bool same =
          std::equal(name.begin(), name.end(), text.begin(), text.end(), [](char a, char b) {
            const auto lower = [](char c) {
              return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            };
            return lower(a) == lower(b);
          });
      if (same) return value;
      all += (all.empty() ? "" : ", ") + name;
    }
    return unexpected(Errc::invalid, "'" + std::string{text} + "' is not one of " + all);
  }

  T& target_;
  std::vector<std::pair<std::string, T>> choices_;
  std::vector<std::function<std::string(const T&)>> checks_;
};

/// What the command line asked for.
enum class Parsed {
  run,      ///< go on
  help,     ///< print help_text() and exit with 0; the targets were left alone
  version,  ///< print version_line() and exit with 0
};

class OptionTable {
 public:
  /// \param program  as in messages: "baozi-broker"
  /// \param summary  one or more sentences for --help
  OptionTable(std::string program, std::string summary);

  /// Declares `--name`. A name or letter that is declared twice is our bug.
  template <class T>
  OptionOf<T>& add(std::string name, T& target, std::string help) {
    auto option = std::make_unique<OptionOf<T>>(std::move(name), target, std::move(help));
    OptionOf<T>& reference = *option;
    reference.group_ = group_;
    insert(std::move(option));
    return reference;
  }
  /// The heading for what is added from now on.
  void begin_group(std::string heading) { group_ = std::move(heading); }

  /// Declares the next argument that is not an option. A vector takes all that are left.
  template <class T>
  OptionOf<T>& add_positional(std::string name, T& target, std::string help) {
    auto option = std::make_unique<OptionOf<T>>(std::move(name), target, std::move(help));
    OptionOf<T>& reference = *option;
    positionals_.push_back(std::move(option));
    return reference;
  }

  /// Reads all three sources into the variables. Throws ConfigError.
  [[nodiscard]] Parsed parse(int argc, const char* const* argv, const Environment& environment);
  [[nodiscard]] Parsed parse(const std::vector<std::string>& arguments,
                             const Environment& environment);

  [[nodiscard]] std::string help_text() const;
  [[nodiscard]] std::string version_line() const;  ///< "baozi-broker 1.2.3"
  [[nodiscard]] const std::string& program() const { return program_; }

  /// Did any source set it?
  [[nodiscard]] bool was_given(std::string_view name) const;
  [[nodiscard]] const Option* find(std::string_view name) const;
  [[nodiscard]] const std::vector<std::unique_ptr<Option>>& options() const { return options_; }

 private:
  void insert(std::unique_ptr<Option> option);
  [[nodiscard]] Option* declared(std::string_view name) const;
  void apply(Option& option, const std::vector<std::string>& texts, const std::string& where);
  void apply_file(const std::string& path);
  void apply_positionals(const std::vector<std::string>& arguments);
  [[nodiscard]] std::string no_such_option(std::string_view name) const;

  std::string program_;
  std::string summary_;
  std::string group_;
  std::string config_file_;
  std::vector<std::unique_ptr<Option>> options_;
  std::vector<std::unique_ptr<Option>> positionals_;
};

}  // namespace baozi::base
