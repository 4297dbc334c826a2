// What becomes of a schedule in PostgreSQL when the server is away, stands still, or does not let
// us in.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "postgres_schedule_places.hpp"
#include "store/open_store.hpp"

namespace baozi::store {
namespace {

using test::postgres;

std::unique_ptr<ScheduleStore> opened(const std::string& url) {
  auto store = open_schedule_store(url);
  if (!store) throw std::runtime_error{store.error().message};
  return std::move(*store);
}
Error refusal(const std::string& url) {
  auto store = open_schedule_store(url);
  return store ? Error{Errc::not_found, "it was opened"} : store.error();
}
Result<void> add(ScheduleStore& store, const std::string& name) {
  const auto entry = *beat::Entry::parse(name, Value::from_json(R"({"every": 3, "task": "t"})"));
  return store.put(std::span{&entry, 1}, "add", "eva@host", wall_time(1));
}

TEST(PostgresFaults, WhatIsWrongWithAUrlIsSaidWithoutItsPassword) {
  for (const std::string url :
       {"postgresql://eva:geheim@h:xx/db?nonsense=1", "postgres://[geheim"}) {
    EXPECT_EQ(refusal(url).code, Errc::invalid);
    EXPECT_EQ(refusal(url).message.find("geheim"), std::string::npos) << refusal(url).message;
  }
  const Error nobody = refusal("postgresql://eva:geheim@127.0.0.1:1/db");
  EXPECT_EQ(nobody.code, Errc::store_failed);
  EXPECT_TRUE(nobody.message.starts_with("store postgresql://127.0.0.1:1/db: ")) << nobody.message;
  EXPECT_EQ(nobody.message.find("geheim"), std::string::npos) << nobody.message;
  EXPECT_EQ(nobody.message.find('\n'), std::string::npos);
  const Error unknown = refusal(postgres().url("nowhere"));
  EXPECT_EQ(unknown.code, Errc::store_failed);
  EXPECT_NE(unknown.message.find("database \"nowhere\" does not exist"), std::string::npos);
}

TEST(PostgresFaults, AUserWithoutTheRightToMakeTablesIsTold) {
  const std::string database = postgres().new_database();
  postgres().sql("CREATE ROLE reader LOGIN");
  std::string url = postgres().url(database);
  url.replace(url.find("postgres@"), 8, "reader");
  const Error error = refusal(url);
  EXPECT_EQ(error.code, Errc::store_read_only);
  EXPECT_NE(error.message.find("permission denied for schema public"), std::string::npos)
      << error.message;
}

TEST(PostgresFaults, ManyThatStartTogetherMakeTheTablesOnce) {
  const std::string url = postgres().url(postgres().new_database());
  std::vector<std::string> failures(4);
  {
    std::vector<std::jthread> all;
    for (std::string& failure : failures) {
      all.emplace_back([&] {
        auto store = open_schedule_store(url);
        if (!store) failure = store.error().message;
      });
    }
  }
  EXPECT_EQ(failures, std::vector<std::string>(4));
}

TEST(PostgresFaults, AServerThatWasAwayIsFoundAgain) {
  const auto store = opened(postgres().url(postgres().new_database()));
  ASSERT_TRUE(add(*store, "a"));
  postgres().stop();
  const auto away = store->version();
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, Errc::store_failed);
  EXPECT_EQ(add(*store, "b").error().code, Errc::store_failed);
  postgres().start();
  EXPECT_TRUE(store->version());
  EXPECT_TRUE((*store->find("a")).has_value());
  EXPECT_FALSE((*store->find("b")).has_value());
  EXPECT_TRUE(add(*store, "b"));
}

TEST(PostgresFaults, ARestartBetweenTwoCallsIsNoFailure) {
  const auto store = opened(postgres().url(postgres().new_database()));
  postgres().stop();
  postgres().start();
  const auto version = store->version();
  EXPECT_TRUE(version) << version.error().message;
}

TEST(PostgresFaults, AServerThatStandsStillIsGivenUpAfterSomeSeconds) {
  const auto store = opened(postgres().url(postgres().new_database(), "&connect_timeout=2"));
  postgres().freeze();
  const auto begin = std::chrono::steady_clock::now();
  const auto version = store->version();
  const auto took = std::chrono::steady_clock::now() - begin;
  postgres().thaw();
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, Errc::store_failed);
  EXPECT_LT(took, std::chrono::seconds{40});  // 10 s for the answer, then 2 s to connect
  EXPECT_TRUE(
      test::eventually([&] { return store->version().has_value(); }, std::chrono::seconds{30}));
}

TEST(PostgresFaults, AForeignTransactionIsWaitedForAndNotForEver) {
  const std::string database = postgres().new_database();
  const auto store = opened(postgres().url(database));
  ASSERT_TRUE(add(*store, "a"));
  test::Process foreign{{"/usr/bin/psql", "-X", "-d", postgres().url(database), "-c",
                         "UPDATE baozi_schedule SET description = 'x'; SELECT pg_sleep(60)"}};
  ASSERT_TRUE(test::eventually([&] {
    return postgres().sql(
               "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND "
               "relation = 'baozi_schedule_state'::regclass",
               database) != "0\n";
  }));
  const Result<void> added = add(*store, "b");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Errc::store_locked) << added.error().message;
  EXPECT_TRUE(store->version());  // reading goes on
}

}  // namespace
}  // namespace baozi::store
