#include "worker/plugin.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <dlfcn.h>
#include <elf.h>

#include "baozi/plugin.hpp"
#include "baozi/version.hpp"
#include "worker/exec/exec_file.hpp"
#include "worker/symbols.hpp"

namespace baozi::worker {

namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw PluginError{"cannot load tasks from " + file + ": " + why};
}

/// The path to open: with a slash, dlopen takes it as it is; without one, it searches where the
/// linker searches.
std::string locate(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const bool bare = name.find('.') == std::string::npos;
  std::string file = bare ? "lib" + name + ".so" : name;
  std::error_code ignored;
  if (std::filesystem::exists("./" + file, ignored)) return "./" + file;
  return file;
}

/// The linker's own messages for these are many lines, or speak of things that an operator did not
/// do.
void check_file(const std::string& path) {
  if (path.find('/') == std::string::npos) return;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) refuse(path, "no such file");
  if (status.type() == std::filesystem::file_type::directory) refuse(path, "it is a folder");
  std::ifstream file{path, std::ios::binary};
  if (!file) refuse(path, std::strerror(errno));
  std::array<char, sizeof(Elf64_Ehdr)> head{};
  file.read(head.data(), head.size());
  Elf64_Ehdr elf{};
  std::memcpy(&elf, head.data(), head.size());
  if (file.gcount() < EI_NIDENT || std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0) {
    refuse(path, "not a shared library (no ELF header)");
  }
  if (static_cast<std::size_t>(file.gcount()) < head.size()) refuse(path, "the file is cut off");
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB) {
    refuse(path, "a shared library for another kind of machine");
  }
  if (elf.e_type != ET_DYN) refuse(path, "not a shared library");
}

/// What the dynamic linker says, with the symbol that it misses as C++ and the likely cause.
std::string open_error(const char* said, const std::string& path) {
  std::string text = said != nullptr ? said : "the dynamic linker does not say why";
  if (text.starts_with(path + ": ")) text.erase(0, path.size() + 2);
  constexpr std::string_view missing = "undefined symbol: ";
  if (const auto at = text.find(missing); at != std::string::npos) {
    const std::string symbol = text.substr(
        at + missing.size(), text.find_first_of(" ,", at + missing.size()) - at - missing.size());
    const std::string readable = demangle(symbol.c_str());
    if (readable.find("baozi::") != std::string::npos) {
      return "built against another version of baozi (it wants " + readable + "): build it again";
    }
    return "it lacks a library that defines " + readable;
  }
  return text;
}

void check_descriptor(const std::string& path, const PluginDescriptor& plugin) {
  constexpr PluginDescriptor ours = make_plugin_descriptor(nullptr);
  if (std::memcmp(plugin.magic, ours.magic, sizeof ours.magic) != 0) {
    refuse(path, "its symbol baozi_plugin is not a description of tasks");
  }
  if (plugin.abi != ours.abi) {
    refuse(path, "built for plug-in ABI " + std::to_string(plugin.abi) + ", this is baozi " +
                     std::string{version_text} + " with ABI " + std::to_string(ours.abi) +
                     ": build it again");
  }
  if (plugin.cxx_abi != ours.cxx_abi) {
    refuse(path,
           "built with another C++ standard library ABI (_GLIBCXX_USE_CXX11_ABI): build it again");
  }
  if (plugin.bytes != ours.bytes || std::memcmp(plugin.sizes, ours.sizes, sizeof ours.sizes) != 0) {
    refuse(path, "built by another compiler or with other headers of baozi (" +
                     std::string{plugin.compiler} + ", this is " + ours.compiler +
                     "): build it again");
  }
}

}  // namespace

namespace {

void load_exec_file(const std::string& path, TaskTable& tasks) {
  try {
    tasks.add(exec::read_exec_file(path), path);
  } catch (const std::exception& why) {
    const std::string text = why.what();  // it begins with the file, where there is a line
    if (text.starts_with(path + ':')) throw PluginError{text};
    refuse(path, text);
  }
}

}  // namespace

void load_plugin(const std::string& name, TaskTable& tasks) {
  constexpr std::string_view programs = "exec:";
  if (name.starts_with(programs)) return load_exec_file(name.substr(programs.size()), tasks);
  const std::string path = locate(name);
  check_file(path);
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse(path, open_error(dlerror(), path));
  const auto* const plugin = static_cast<const PluginDescriptor*>(dlsym(library, "baozi_plugin"));
  if (plugin == nullptr) refuse(path, "a shared library without tasks (no BAOZI_TASKS in it)");
  check_descriptor(path, *plugin);

  Registry registry;
  std::string error;
  if (!plugin->fill(registry, error)) refuse(path, error);
  try {
    tasks.add(std::move(registry), path);
  } catch (const RegistrationError& why) {
    refuse(path, why.what());
  }
}

void load_plugins(std::string_view names, TaskTable& tasks) {
  while (!names.empty()) {
    const std::size_t comma = names.find(',');
    const std::string_view name = names.substr(0, comma);
    if (!name.empty()) load_plugin(std::string{name}, tasks);
    names = comma == std::string_view::npos ? std::string_view{} : names.substr(comma + 1);
  }
}

}  // namespace baozi::worker
