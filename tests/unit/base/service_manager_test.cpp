#include "base/service_manager.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/notify_socket.hpp"
#include "support/temp_dir.hpp"

namespace baozi::base {
namespace {

TEST(ServiceManager, HearsTheStateOnItsSocket) {
  const test::TempDir dir;
  const std::string path = dir / "notify";
  const test::NotifySocket manager{path};
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(notify_service_manager("READY=1", path.c_str()));
  EXPECT_EQ(manager.heard(), "READY=1");
}

TEST(ServiceManager, HearsItInTheAbstractNamespaceToo) {
  const std::string name = "@baozi-test-" + std::to_string(::getpid());
  const test::NotifySocket manager{name};
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(notify_service_manager("STOPPING=1", name.c_str()));
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(ServiceManager, IsNotNeeded) {
  EXPECT_FALSE(notify_service_manager("READY=1", nullptr));
  EXPECT_FALSE(notify_service_manager("READY=1", ""));
  EXPECT_FALSE(notify_service_manager("READY=1", "relative"));
  EXPECT_FALSE(notify_service_manager("READY=1", "/nowhere/notify"));
  EXPECT_FALSE(notify_service_manager("READY=1", ("/" + std::string(200, 'x')).c_str()));
}

}  // namespace
}  // namespace baozi::base
