/// The n-th call of the store's file layer fails, for every n until a run has no such call any
/// more. After each: nothing that was reported is lost, no commit is there in parts, and a sync
/// that failed is never tried again.
#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "faulty_vfs.hpp"
#include "script.hpp"
#include "store/open_store.hpp"
#include "support/temp_dir.hpp"

namespace baozi::store {
namespace {

using testing::arm;
using testing::Call;
using testing::Fault;

struct Case {
  const char* name;
  Fault fault;  ///< nth is the test's
  Errc expected;
};
const Case cases[] = {
    {"OpenFails", {.call = Call::open, .error = EMFILE}, Errc::store_failed},
    {"ReadFails", {.call = Call::read, .error = EIO}, Errc::store_failed},
    {"WriteFails", {.call = Call::write, .error = EIO}, Errc::store_failed},
    {"WriteFailsOnce", {.call = Call::write, .error = EIO, .once = true}, Errc::store_failed},
    {"SyncFails", {.call = Call::sync, .error = EIO}, Errc::store_failed},
    {"SyncFailsOnce", {.call = Call::sync, .error = EIO, .once = true}, Errc::store_failed},
    {"SyncFindsNoSpace", {.call = Call::sync, .error = ENOSPC, .once = true}, Errc::store_failed},
    {"TruncateFails", {.call = Call::truncate, .error = EIO}, Errc::store_failed},
    {"DiskIsFull", {.call = Call::write, .error = ENOSPC}, Errc::store_full},
    {"DiskIsFullForAMoment",
     {.call = Call::write, .error = ENOSPC, .once = true},
     Errc::store_full},
    {"NoSpaceForTheLogsIndex",
     {.call = Call::index, .error = ENOSPC, .once = true},
     Errc::store_full},
};

constexpr std::uint64_t commits = 30;

struct Outcome {
  std::uint64_t reported = 0;  ///< the last commit that succeeded
  std::uint64_t tried = 0;
};

class IoFaults : public ::testing::TestWithParam<Case> {
 protected:
  /// Opens and commits until something fails for good.
  Outcome run(const std::string& url) {
    Outcome result;
    auto store = open_task_store(url, options_);
    if (!store) {
      check(store.error());
      return result;
    }
    while (result.tried < commits) {
      const auto batch = testing::scripted(++result.tried);
      auto done = (*store)->commit({&batch, 1});
      // No space: the same again, as the store's thread would. Once there is space it must work.
      for (int again = 0; !done && done.error().code == Errc::store_full && again < 3; ++again) {
        if (GetParam().fault.once) done = (*store)->commit({&batch, 1});
      }
      if (!done) {
        check(done.error());
        EXPECT_FALSE(GetParam().expected == Errc::store_full && GetParam().fault.once)
            << "a store must work again once there is space: " << done.error().message;
        const auto after = (*store)->commit({});
        if (done.error().code == Errc::store_failed) {
          EXPECT_FALSE(after) << "a store must stay failed";
        }
        return result;
      }
      result.reported = result.tried;
    }
    return result;
  }
  void check(const Error& error) {
    EXPECT_EQ(error.code, GetParam().expected) << error.message;
    EXPECT_NE(error.message.find("store"), std::string::npos);
    EXPECT_EQ(error.message.find('\n'), std::string::npos);
  }
  const StoreOptions options_{
      .cache_kib = 32, .checkpoint_pages = 12, .vfs = testing::faulty_vfs()};
};

TEST_P(IoFaults, NothingReportedIsLostWhicheverCallFails) {
  std::uint64_t nth = 1;
  for (int clean_runs = 0; clean_runs < 2; ++nth) {
    const test::TempDir dir{test::TempDir::fast_parent()};
    const std::string url = "sqlite:" + dir / "store.db";
    Fault fault = GetParam().fault;
    fault.nth = nth;
    arm(fault);
    const Outcome result = run(url);
    const bool happened = testing::fault_happened();
    EXPECT_EQ(testing::syncs_retried(), 0U);
    arm({});

    SCOPED_TRACE("call " + std::to_string(nth));
    auto store = open_task_store(url);
    ASSERT_TRUE(store) << store.error().message;
    const auto n = testing::checked_state(**store);
    EXPECT_GE(n, result.reported);
    EXPECT_LE(n, result.tried);
    if (happened) {
      clean_runs = 0;
    } else {
      EXPECT_EQ(result.reported, commits);
      ++clean_runs;  // how many calls there are varies a little with the checkpointer's thread
    }
    ASSERT_LT(nth, 5000U);
    if (HasFailure()) return;
  }
  EXPECT_GT(nth, 2U) << "the call never happens, so the case tests nothing";
}

INSTANTIATE_TEST_SUITE_P(NthCall, IoFaults, ::testing::ValuesIn(cases),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace baozi::store
