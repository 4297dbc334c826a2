/// \file config_source.hpp
/// The two sources that a library reads for us: the command line (Boost.Program_options) and the
/// file (yaml-cpp). Both become plain text here; what the text means is config.cpp's business. Part
/// of config.hpp.
#pragma once
#include <string>
#include <vector>

#include "base/config.hpp"

namespace baozi::base {

/// One option set in one place.
struct Setting {
  std::string name;
  std::vector<std::string> texts;
  int line = 0;  ///< in a file, from 1
};

struct CommandLine {
  std::vector<Setting> settings;         ///< in the order given; only names that are declared
  std::vector<std::string> positionals;  ///< what is no option, and all that follows "--"
  std::string unknown;                   ///< the first option that is not declared, or ""
  bool help = false;
  bool version = false;
};

/// Throws ConfigError for an option without its value and the like.
[[nodiscard]] CommandLine read_command_line(const std::vector<std::string>& arguments,
                                            const std::vector<std::unique_ptr<Option>>& declared);

/// The entries of a YAML map of scalars and lists of scalars. Throws ConfigError with file and line
/// for anything else, for a key that stands twice, and for a file that cannot be read.
[[nodiscard]] std::vector<Setting> read_config_file(const std::string& path);

}  // namespace baozi::base
