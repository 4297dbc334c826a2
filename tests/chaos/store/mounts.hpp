/// \file mounts.hpp
/// Small file systems for one test, in a mount namespace of this process: they vanish with it,
/// whatever happens. Needs root (CAP_SYS_ADMIN); `why_not()` says why a test cannot run.
#pragma once
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include <sched.h>
#include <sys/mount.h>

#include "support/temp_dir.hpp"

namespace baozi::store::testing {

/// Empty when this process may mount; else the cause. Call it before any thread is started.
inline const std::string& why_not() {
  static const std::string cause = []() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0) {
      return std::string{"cannot make a mount namespace (root only): "} + std::strerror(errno);
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return std::string{"cannot make mounts private: "} + std::strerror(errno);
    }
    const test::TempDir probe;
    if (::mount("tmpfs", probe.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
      return std::string{"cannot mount a tmpfs: "} + std::strerror(errno);
    }
    ::umount2(probe.path().c_str(), MNT_DETACH);
    return "";
  }();
  return cause;
}

/// A tmpfs of a given size.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size) {
    mounted_ = ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string operator/(const char* name) const { return dir_ / name; }
  bool make_read_only() { return remount(MS_RDONLY); }
  bool make_writable() { return remount(0); }

 private:
  bool remount(unsigned long flags) {
    return ::mount("tmpfs", dir_.path().c_str(), "tmpfs", MS_REMOUNT | flags, nullptr) == 0;
  }
  test::TempDir dir_;
  bool mounted_ = false;
};

}  // namespace baozi::store::testing

#define BAOZI_NEEDS_MOUNTS()                       \
  if (!::baozi::store::testing::why_not().empty()) \
  GTEST_SKIP() << ::baozi::store::testing::why_not()
