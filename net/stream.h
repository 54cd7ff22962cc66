// net/stream.h: one TCP byte stream as an env::Connection.
//
// Internal to the socket layer: includes Asio. Reads allocate nothing; what a
// turn writes leaves in one gathered send at its end.
#ifndef QUORATE_NET_STREAM_H_
#define QUORATE_NET_STREAM_H_

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "env/listener.h"
#include "net/loop.h"

namespace quorate::net {

using TcpSocket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                     boost::asio::io_context::executor_type>;

// A connection's read buffer grows between these as reads fill it.
inline constexpr size_t kReadBytesMin = 8 << 10;
inline constexpr size_t kReadBytesMax = 256 << 10;

class Stream;

// The streams that were written to in this turn.
class FlushQueue final : public EventLoop::TurnEnd {
 public:
  explicit FlushQueue(EventLoop& loop) : loop_(loop) {}
  ~FlushQueue();
  void Add(std::shared_ptr<Stream> stream);
  void OnTurnEnd() override;
  EventLoop& loop() { return loop_; }

 private:
  EventLoop& loop_;
  std::vector<std::shared_ptr<Stream>> streams_;
};

// Takes over a connected socket. `queue` outlives the connection.
std::unique_ptr<env::Connection> MakeConnection(FlushQueue& queue,
                                                TcpSocket socket,
                                                std::string peer_address);

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAM_H_
