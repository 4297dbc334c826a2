/// \file engines.hpp
/// The two engines of a store as a test parameter: what one promises, the other must keep.
#pragma once
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "store/open_store.hpp"
#include "support/temp_dir.hpp"

namespace baozi::store::testing {

/// Opens, or fails the test with the message that an operator would see.
template <class Store>
std::unique_ptr<Store> opened(Result<std::unique_ptr<Store>> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message;
    return nullptr;
  }
  return std::move(*result);
}

class EngineTest : public ::testing::TestWithParam<const char*> {
 protected:
  [[nodiscard]] std::string url() const {
    const std::string engine = GetParam();
    return engine == "memory" ? "memory:" : "sqlite:" + dir_ / "store.db";
  }
  [[nodiscard]] std::unique_ptr<TaskStore> open_tasks() const {
    return opened(open_task_store(url()));
  }
  [[nodiscard]] std::unique_ptr<ResultStore> open_results() const {
    return opened(open_result_store(url()));
  }

 private:
  test::TempDir dir_{test::TempDir::fast_parent()};
};

inline std::string engine_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

}  // namespace baozi::store::testing
