#include <boost/make_shared.hpp>
#include <boost/program_options.hpp>

#include "base/config_source.hpp"

namespace baozi::base {
namespace {

namespace po = boost::program_options;

po::options_description describe(const std::vector<std::unique_ptr<Option>>& declared) {
  po::options_description description;
  const auto add = [&](const std::string& name, char letter) {
    const std::string names = letter == 0 ? name : name + ',' + letter;
    description.add(boost::make_shared<po::option_description>(
        names.c_str(), po::value<std::vector<std::string>>()));
  };
  for (const auto& option : declared) add(option->name(), option->short_name());
  return description;
}

/// "--detach" -> "--detach=true" for options that may stand alone. Boost has implicit values too,
/// but it gives the next argument to such an option: in `baozi call --wait c.add` that would be the
/// task's name.
std::vector<std::string> spelled_out(std::vector<std::string> arguments,
                                     const std::vector<std::unique_ptr<Option>>& declared) {
  for (std::string& argument : arguments) {
    if (argument == "--") break;
    for (const auto& option : declared) {
      const bool alone =
          argument == "--" + option->name() ||
          (option->short_name() != 0 && argument == std::string{'-', option->short_name()});
      if (alone && option->implicit()) argument = "--" + option->name() + '=' + *option->implicit();
    }
  }
  return arguments;
}

std::string as_written(const po::option& token) {
  return token.original_tokens.empty() ? token.string_key : token.original_tokens.front();
}

}  // namespace

CommandLine read_command_line(const std::vector<std::string>& arguments,
                              const std::vector<std::unique_ptr<Option>>& declared) {
  namespace style = po::command_line_style;
  const po::options_description description = describe(declared);
  CommandLine line;
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    line.help = line.help || argument == "--help" || argument == "-h";
    line.version = line.version || argument == "--version";
  }
  if (line.help || line.version) return line;
  try {
    const auto parsed = po::command_line_parser(spelled_out(arguments, declared))
                            .options(description)
                            .style(style::unix_style & ~style::allow_guessing)
                            .allow_unregistered()
                            .run();
    for (const po::option& token : parsed.options) {
      if (token.unregistered) {
        if (line.unknown.empty()) line.unknown = as_written(token);
      } else if (token.position_key >= 0) {
        line.positionals.insert(line.positionals.end(), token.value.begin(), token.value.end());
      } else {
        line.settings.push_back({token.string_key, token.value, 0});
      }
    }
  } catch (const po::error& error) {
    throw ConfigError{error.what()};
  }
  return line;
}

}  // namespace baozi::base
