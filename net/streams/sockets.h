// net/streams/sockets.h: env::Streams over TCP: addresses that accept and connections
// that are dialled.
#ifndef QUORATE_NET_STREAMS_SOCKETS_H_
#define QUORATE_NET_STREAMS_SOCKETS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "env/byte_streams.h"
#include "env/tracer.h"
#include "net/event_loop/loop.h"

namespace quorate::net {

struct SocketOptions {
  // A dialled stream whose sent bytes are not acknowledged for so long is
  // closed, instead of waiting out the kernel's ever longer pauses.
  Duration unacknowledged_max = Seconds(5);
  // An accepted stream whose sent bytes the peer does not take for so long is
  // closed, though they fit the kernel's buffers.
  Duration untaken_max = Seconds(60);
  // Accepted streams are probed after so long without traffic, then every third
  // of it; a peer that answers none of three probes is gone. 0: never.
  Duration keep_alive = Seconds(300);
  int listen_backlog = 4096;
};

// Outlives its listeners and connections.
class Sockets final : public env::Streams {
 public:
  Sockets(EventLoop& loop, env::Tracer& tracer,
          const SocketOptions& options = SocketOptions());
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(
      const std::string& address, Accept accept) override;
  // Names are resolved without blocking the loop.
  env::Pending Connect(const std::string& address,
                       Connected connected) override;

 private:
  struct Core;
  class Dial;
  class Acceptor;
  class ListenerEnd;

  const std::unique_ptr<Core> core_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_SOCKETS_H_
