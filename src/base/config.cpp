#include "base/config.hpp"

#include <algorithm>

#include <unistd.h>

#include <baozi/version.hpp>

#include "base/assert.hpp"
#include "base/config_source.hpp"
#include "base/nearest.hpp"

namespace baozi::base {
namespace {

/// "a,b,,c" -> a b c.
std::vector<std::string> split_commas(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const std::string_view text : texts) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(',', begin), text.size());
      if (end > begin) items.emplace_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return items;
}

/// Of UTF-8 text, in characters: "…" is one column and three bytes.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// Breaks at blanks; every line but the first is indented.
std::string wrapped_line(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::size_t length = columns_of(text.substr(begin, end - begin));
    if (column > indent && column + 1 + length > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(begin, end - begin);
    column += length;
    begin = end + 1;
  }
  return out;
}

/// The same of each line of a text; one that begins with a blank stays as it is, for lists and
/// examples.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  while (true) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    out += line.starts_with(' ') ? std::string{line} : wrapped_line(line, indent, width);
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
    out += '\n';
    if (!text.empty() && text[0] != '\n') out += std::string(indent, ' ');
  }
}

constexpr std::size_t help_column = 30;
constexpr std::size_t help_width = 100;

std::string help_line(const std::string& left, const std::string& right) {
  std::string line = "  " + left;
  const std::size_t columns = columns_of(line);
  line += columns + 2 > help_column ? '\n' + std::string(help_column, ' ')
                                    : std::string(help_column - columns, ' ');
  return line + wrapped(right, help_column, help_width) + '\n';
}

std::string left_of(const Option& option) {
  std::string left =
      option.short_name() == 0 ? "    " : std::string{'-', option.short_name(), ',', ' '};
  left += "--" + option.name();
  if (option.word().empty()) return left;
  if (option.implicit()) return left + "[=" + option.word() + ']';
  return left + ' ' + option.word() + (option.is_list() ? ",…" : "");
}

}  // namespace

Environment process_environment() {
  Environment found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (text.starts_with("BAOZI_") && equals != std::string_view::npos) {
      found.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return found;
}

std::string Option::environment_name() const {
  std::string variable = "BAOZI_";
  for (const char c : name_) {
    variable += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return variable;
}

OptionTable::OptionTable(std::string program, std::string summary)
    : program_{std::move(program)}, summary_{std::move(summary)} {
  add("config", config_file_, "a YAML file with options, one per line as 'name: value'")
      .word("FILE")
      .group("Common options");
}

void OptionTable::insert(std::unique_ptr<Option> option) {
  BAOZI_ASSERT(find(option->name()) == nullptr && option->name() != "help" &&
               option->name() != "version");
  options_.push_back(std::move(option));
}

Option* OptionTable::declared(std::string_view name) const {
  for (const auto& option : options_) {
    if (option->name() == name) return option.get();
  }
  return nullptr;
}
const Option* OptionTable::find(std::string_view name) const { return declared(name); }

bool OptionTable::was_given(std::string_view name) const {
  const Option* option = find(name);
  return option != nullptr && !option->source().empty();
}

std::string OptionTable::no_such_option(std::string_view name) const {
  std::vector<std::string> names{"help", "version"};
  for (const auto& option : options_) names.push_back(option->name());
  return nearest(name, names);
}

void OptionTable::apply(Option& option, const std::vector<std::string>& texts,
                        const std::string& where) {
  const auto items = option.is_list() ? split_commas(texts) : texts;
  if (items.empty() && !option.is_list()) throw ConfigError{where + " needs a value"};
  if (!option.is_list() && items.size() > 1)
    throw ConfigError{where + " takes one value, not a list"};
  if (const auto done = option.assign(items); !done) {
    throw ConfigError{where + ": " + done.error().message};
  }
  option.source_ = where;
}

void OptionTable::apply_file(const std::string& path) {
  for (const Setting& setting : read_config_file(path)) {
    const std::string place = path + ':' + std::to_string(setting.line) + ": ";
    Option* option = declared(setting.name);
    if (option == nullptr || setting.name == "config") {
      const std::string meant = no_such_option(setting.name);
      throw ConfigError{
          place + "there is no option '" + setting.name + "'" +
          (meant.empty() || meant == setting.name ? "" : "; did you mean '" + meant + "'?")};
    }
    apply(*option, setting.texts, place + setting.name);
  }
}

void OptionTable::apply_positionals(const std::vector<std::string>& arguments) {
  std::size_t next = 0;
  for (const auto& positional : positionals_) {
    if (next == arguments.size()) {
      if (positional->is_required()) throw ConfigError{positional->name() + " is missing"};
      continue;
    }
    // Not split at commas: an argument may be JSON.
    std::vector<std::string> texts{arguments[next++]};
    while (positional->is_list() && next < arguments.size()) texts.push_back(arguments[next++]);
    if (const auto done = positional->assign(texts); !done) {
      throw ConfigError{positional->name() + ": " + done.error().message};
    }
    positional->source_ = positional->name();
  }
  if (next < arguments.size()) {
    throw ConfigError{"'" + arguments[next] + "' is one argument too many"};
  }
}

Parsed OptionTable::parse(int argc, const char* const* argv, const Environment& environment) {
  return parse(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), environment);
}

Parsed OptionTable::parse(const std::vector<std::string>& arguments,
                          const Environment& environment) {
  const CommandLine line = read_command_line(arguments, options_);
  if (line.help) return Parsed::help;
  if (line.version) return Parsed::version;
  if (!line.unknown.empty()) {
    std::string bare =
        line.unknown.substr(std::min(line.unknown.find_first_not_of('-'), line.unknown.size()));
    bare = bare.substr(0, bare.find('='));
    const std::string meant = line.unknown.starts_with("--") ? no_such_option(bare) : std::string{};
    throw ConfigError{"there is no option '" + line.unknown.substr(0, line.unknown.find('=')) +
                      "'" + (meant.empty() ? "" : "; did you mean '--" + meant + "'?")};
  }

  // A list may be given in several pieces: -Q a -Q b. Of anything else the last one counts.
  std::map<std::string, std::vector<std::string>> given;
  for (const Setting& setting : line.settings) {
    auto& texts = given[setting.name];
    if (!declared(setting.name)->is_list()) texts.clear();
    texts.insert(texts.end(), setting.texts.begin(), setting.texts.end());
  }
  const auto variable_of = [&](const Option& option) -> const std::string* {
    const auto found = environment.find(option.environment_name());
    return found == environment.end() || found->second.empty() ? nullptr : &found->second;
  };

  if (const auto chosen = given.find("config"); chosen != given.end()) {
    apply_file(chosen->second.back());
  } else if (const std::string* path = variable_of(*declared("config"))) {
    apply_file(*path);
  }
  for (const auto& option : options_) {
    if (const std::string* text = variable_of(*option)) {
      apply(*option, {*text}, option->environment_name());
    }
  }
  for (const auto& [name, texts] : given) apply(*declared(name), texts, "--" + name);
  apply_positionals(line.positionals);
  for (const auto& option : options_) {
    if (option->is_required() && option->source().empty()) {
      throw ConfigError{"--" + option->name() + " is needed"};
    }
  }
  return Parsed::run;
}

std::string OptionTable::version_line() const { return program_ + ' ' + library_version(); }

std::string OptionTable::help_text() const {
  std::string text = "usage: " + program_ + " [OPTION]…";
  for (const auto& positional : positionals_) {
    const std::string word = positional->name() + (positional->is_list() ? "…" : "");
    text += positional->is_required() ? ' ' + word : " [" + word + ']';
  }
  text += "\n\n" + wrapped(summary_, 0, help_width) + '\n';
  if (!positionals_.empty()) text += "\nArguments:\n";
  for (const auto& positional : positionals_)
    text += help_line(positional->name(), positional->help());

  static const std::string common = "Common options";
  std::vector<std::string> headings;  // in the order of their first option, the common ones last
  for (const auto& option : options_) {
    if (option->group() != common &&
        std::find(headings.begin(), headings.end(), option->group()) == headings.end()) {
      headings.push_back(option->group());
    }
  }
  headings.push_back(common);
  for (const std::string& heading : headings) {
    text += '\n' + (heading.empty() ? "Options" : heading) + ":\n";
    for (const auto& option : options_) {
      if (option->group() != heading) continue;
      std::string help = option->help();
      if (option->is_required()) {
        help += " (needed)";
      } else if (!option->is_flag() && !option->default_text_.empty() && !option->is_secret()) {
        help += " (default " + option->default_text_ + ')';
      }
      text += help_line(left_of(*option), help);
    }
  }
  text += help_line("-h, --help", "print this text");
  text += help_line("    --version", "print the version");
  return text + '\n' +
         wrapped(
             "Every option may also stand in the file given to --config ('name: value') and in the "
             "environment (--config is BAOZI_CONFIG). The command line wins over the environment, "
             "the environment over the file.",
             0, help_width) +
         '\n';
}

}  // namespace baozi::base
