#include "faulty_vfs.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>
#include <set>

#include <sqlite3.h>

namespace baozi::store::testing {
namespace {

struct State {
  std::mutex mutex;
  Fault fault;
  std::uint64_t calls = 0;
  bool happened = false;
  std::set<const sqlite3_file*> failed_syncs;
  std::uint64_t syncs_retried = 0;
  std::atomic<bool> drop_syncs{false};
};
State& state() {
  static State the_state;
  return the_state;
}

/// True when this call is to fail.
bool fails(Call call) {
  auto& s = state();
  const std::lock_guard guard{s.mutex};
  if (s.fault.call != call || s.fault.nth == 0) return false;
  ++s.calls;
  const bool fail = s.fault.once ? s.calls == s.fault.nth : s.calls >= s.fault.nth;
  s.happened = s.happened || fail;
  return fail;
}
bool is_full() {
  auto& s = state();
  const std::lock_guard guard{s.mutex};
  return s.fault.error == ENOSPC;
}

/// SQLite allocates szOsFile bytes; the system's file lies behind ours.
struct File {
  sqlite3_file base;
  const char* name;
  sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* inner(sqlite3_file* file) { return reinterpret_cast<File*>(file)->inner(); }

int close_file(sqlite3_file* f) {
  {
    const std::lock_guard guard{state().mutex};
    state().failed_syncs.erase(f);
  }
  return inner(f)->pMethods->xClose(inner(f));
}
int read_file(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  if (fails(Call::read)) return SQLITE_IOERR_READ;
  return inner(f)->pMethods->xRead(inner(f), to, n, at);
}
int write_file(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  if (!fails(Call::write)) return inner(f)->pMethods->xWrite(inner(f), from, n, at);
  // Half of it arrives, as on a disk that fills up; but what fits in a sector arrives whole or not
  // at all.
  if (n >= 512) inner(f)->pMethods->xWrite(inner(f), from, n / 2, at);
  return is_full() ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  if (fails(Call::truncate)) return SQLITE_IOERR_TRUNCATE;
  return inner(f)->pMethods->xTruncate(inner(f), size);
}
int sync_file(sqlite3_file* f, int flags) {
  const std::string name = reinterpret_cast<File*>(f)->name;
  const bool fail = fails(Call::sync);
  {
    auto& s = state();
    const std::lock_guard guard{s.mutex};
    // SQLite rolls a failed creation back with a sync; that draft is thrown away, so it promises
    // nothing.
    const bool draft = name.ends_with(".creating");
    if (!draft && s.failed_syncs.contains(f)) ++s.syncs_retried;
    if (fail) s.failed_syncs.insert(f);
  }
  if (fail) return SQLITE_IOERR_FSYNC;
  if (state().drop_syncs) return SQLITE_OK;
  return inner(f)->pMethods->xSync(inner(f), flags);
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return inner(f)->pMethods->xFileSize(inner(f), size);
}
int lock_file(sqlite3_file* f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
int unlock_file(sqlite3_file* f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
int check_lock(sqlite3_file* f, int* out) {
  return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}
int control(sqlite3_file* f, int op, void* arg) {
  return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}
int sector_size(sqlite3_file* f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
int traits(sqlite3_file* f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** at) {
  if (extend != 0 && fails(Call::index)) return SQLITE_IOERR_SHMSIZE;
  return inner(f)->pMethods->xShmMap(inner(f), page, size, extend, at);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { inner(f)->pMethods->xShmBarrier(inner(f)); }
int shm_unmap(sqlite3_file* f, int remove) {
  return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods the_methods = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = close_file;
    m.xRead = read_file;
    m.xWrite = write_file;
    m.xTruncate = truncate_file;
    m.xSync = sync_file;
    m.xFileSize = file_size;
    m.xLock = lock_file;
    m.xUnlock = unlock_file;
    m.xCheckReservedLock = check_lock;
    m.xFileControl = control;
    m.xSectorSize = sector_size;
    m.xDeviceCharacteristics = traits;
    m.xShmMap = shm_map;
    m.xShmLock = shm_lock;
    m.xShmBarrier = shm_barrier;
    m.xShmUnmap = shm_unmap;
    return m;
  }();
  return the_methods;
}

sqlite3_vfs* system_vfs() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  auto* file = new (f) File{};
  file->name = name == nullptr ? "" : name;
  if (fails(Call::open)) return SQLITE_CANTOPEN;
  const int code = system_vfs()->xOpen(system_vfs(), name, file->inner(), flags, out_flags);
  file->base.pMethods = file->inner()->pMethods == nullptr ? nullptr : &methods();
  return code;
}

int last_error(sqlite3_vfs*, int n, char* text) {
  {
    auto& s = state();
    const std::lock_guard guard{s.mutex};
    if (s.happened) return s.fault.error;
  }
  return system_vfs()->xGetLastError(system_vfs(), n, text);
}

}  // namespace

std::string faulty_vfs() {
  static const char* const name = "faulty";
  static const bool registered = [] {
    static sqlite3_vfs vfs = *system_vfs();
    vfs.pNext = nullptr;
    vfs.zName = name;
    vfs.szOsFile = static_cast<int>(sizeof(File)) + system_vfs()->szOsFile;
    vfs.xOpen = open_file;
    vfs.xGetLastError = last_error;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  return registered ? name : "";
}

void arm(const Fault& fault) {
  auto& s = state();
  const std::lock_guard guard{s.mutex};
  s.fault = fault;
  s.calls = 0;
  s.happened = false;
  s.failed_syncs.clear();
  s.syncs_retried = 0;
}

bool fault_happened() {
  const std::lock_guard guard{state().mutex};
  return state().happened;
}

std::uint64_t syncs_retried() {
  const std::lock_guard guard{state().mutex};
  return state().syncs_retried;
}

void drop_syncs(bool drop) { state().drop_syncs = drop; }

}  // namespace baozi::store::testing
