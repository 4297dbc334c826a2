/// \file faulty_vfs.hpp
/// An SQLite file layer on top of the system's that can fail the n-th call of a kind, or take syncs
/// without doing them. One per process; threads are welcome.
#pragma once
#include <cstdint>
#include <string>

namespace baozi::store::testing {

enum class Call : std::uint8_t { open, read, write, sync, truncate, index };  ///< index: xShmMap

struct Fault {
  Call call{};
  std::uint64_t nth = 0;  ///< from 1; 0 never
  int error = 0;          ///< errno: EIO, ENOSPC
  bool once = false;      ///< else every later call of the kind fails too
};

/// Registers the layer (once) and returns its name for StoreOptions::vfs.
[[nodiscard]] std::string faulty_vfs();

/// Counts from zero again. Calls with Fault{} count and never fail.
void arm(const Fault& fault);
/// Whether the armed fault has happened.
[[nodiscard]] bool fault_happened();
/// Syncs of a store's files after a sync through the same handle had failed. Through another handle
/// (the checkpointer's, a commit's) the kernel tells of the failure once more.
[[nodiscard]] std::uint64_t syncs_retried();
/// From now on syncs say that they are done and do nothing: a disk that lies.
void drop_syncs(bool drop);

}  // namespace baozi::store::testing
