#include "net/tools/listen_check.h"

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "env/byte_streams.h"
#include "net/event_loop/loop.h"
#include "net/log_tracer.h"
#include "net/streams/sockets.h"

namespace quorate::net {

absl::Status CheckListenAddresses(const std::vector<std::string>& addresses) {
  EventLoop loop{ClockOptions()};
  LogTracer tracer("addresses", env::Severity::kError);
  Sockets sockets(loop, tracer, SocketOptions());
  // All listeners exist at once, so an address that is named twice is reported.
  std::vector<std::unique_ptr<env::Listener>> listeners;
  for (const std::string& address : addresses) {
    auto listener =
        sockets.Listen(address, [](std::unique_ptr<env::Connection>) {});
    if (!listener.ok()) return listener.status();
    listeners.push_back(*std::move(listener));
  }
  return absl::OkStatus();
}

}  // namespace quorate::net
