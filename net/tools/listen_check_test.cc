#include "net/tools/listen_check.h"

#include <memory>
#include <string>

#include "env/byte_streams.h"
#include "gtest/gtest.h"
#include "net/event_loop/loop.h"
#include "net/log_tracer.h"
#include "net/streams/sockets.h"

namespace quorate::net {
namespace {

TEST(CheckListenAddresses, AddressInUse_IsNamed) {
  EventLoop loop{ClockOptions()};
  LogTracer tracer("test", env::Severity::kError);
  Sockets sockets(loop, tracer, SocketOptions());
  const auto taken =
      sockets.Listen("127.0.0.1:0", [](std::unique_ptr<env::Connection>) {});
  ASSERT_TRUE(taken.ok()) << taken.status();
  const std::string address = (*taken)->address();
  const absl::Status status = CheckListenAddresses({"127.0.0.1:0", address});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(std::string(status.message()).find(address), std::string::npos);
  EXPECT_TRUE(CheckListenAddresses({"127.0.0.1:0", "127.0.0.1:0"}).ok());
}

}  // namespace
}  // namespace quorate::net
