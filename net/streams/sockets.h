// net/streams/sockets.h: env::Streams over TCP: addresses that accept and
// connections that are dialled.
#ifndef QUORATE_NET_STREAMS_SOCKETS_H_
#define QUORATE_NET_STREAMS_SOCKETS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "env/byte_streams.h"
#include "env/tracer.h"
#include "net/event_loop/loop.h"
#include "net/streams/stream.h"

namespace quorate::net {

struct SocketOptions {
  // TCP_USER_TIMEOUT of dialled streams: a stream whose sent bytes stay
  // unacknowledged this long is closed, instead of waiting for the growing
  // pauses of the kernel.
  Duration user_timeout_dialed = Seconds(5);
  // TCP_USER_TIMEOUT of accepted streams. A stream is closed if the peer does
  // not take its sent bytes for this long, also if they fit the buffers of the
  // kernel.
  Duration user_timeout_accepted = Seconds(60);
  // Streams are probed after this time without traffic, then every third of it.
  // A dialled one is closed at the second probe, if the first has no answer for
  // user_timeout_dialed. An accepted one is closed if three probes have none.
  // 0: never.
  Duration keep_alive_dialed = Seconds(10);
  Duration keep_alive = Seconds(300);
  // A lookup of a name goes on when the dial that began it is given up, and
  // later dials use its result. If an earlier lookup had a result, a dial waits
  // at most this long for the present one.
  Duration lookup_max = Milliseconds(500);
  // A name may have several addresses. They are tried one after the other, each
  // but the last at most this long.
  Duration address_max = Seconds(1);
  int listen_backlog = 4096;
};

// Must outlive its listeners and connections.
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

  // The security of a new stream; called for each one.
  using Secure = std::function<StreamSecurity()>;
  absl::StatusOr<std::unique_ptr<env::Listener>> ListenSecurely(
      const std::string& address, Secure secure, Accept accept);
  env::Pending ConnectSecurely(const std::string& address, Secure secure,
                               Connected connected);

 private:
  struct Core;
  class Name;
  class Dial;
  class Acceptor;
  class ListenerEnd;

  const std::unique_ptr<Core> core_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_SOCKETS_H_
