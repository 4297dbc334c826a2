// What options of a worker say together.
#include "worker/worker_config.hpp"

#include <gtest/gtest.h>

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;

std::string refusal(const WorkerConfig& config) {
  try {
    static_cast<void>(config.core_options("w@here"));
  } catch (const base::ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST(WorkerConfigTest, WhatMakesNoSenseTogetherIsRefused) {
  EXPECT_EQ(refusal({}), "");
  WorkerConfig limits;
  limits.time_limit = 1s;
  limits.soft_time_limit = 5s;
  EXPECT_EQ(refusal(limits), "--soft-time-limit: 5s lies beyond --time-limit, 1s");
  limits.time_limit = 0s;
  EXPECT_EQ(refusal(limits), "") << "there is no hard one";
  WorkerConfig solo;
  solo.pool = PoolKind::solo;
  solo.autoscale = "4,2";
  EXPECT_EQ(refusal(solo), "--autoscale: a solo pool has one slot, always");
}

TEST(WorkerConfigTest, WhatChangesNothingIsSaid) {
  EXPECT_TRUE(WorkerConfig{}.idle_options().empty());
  WorkerConfig config;
  config.pool = PoolKind::threads;
  config.tasks_per_child_max = 5;
  ASSERT_EQ(config.idle_options().size(), 1u);
  EXPECT_EQ(config.idle_options()[0], "--max-tasks-per-child says nothing to -P threads");
  config.pool = PoolKind::prefork;
  EXPECT_TRUE(config.idle_options().empty());
  config.concurrency = 3;
  config.autoscale = "4,2";
  EXPECT_EQ(config.idle_options().size(), 1u);
}

}  // namespace
}  // namespace baozi::worker
