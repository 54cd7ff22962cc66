// net/streams/stream.h: one TCP byte stream as an env::Connection.
//
// Reading allocates nothing. Bytes written during a turn leave in one gathered
// send at its end. A stream with TLS encrypts them there, right before the
// send, so at most one part of them waits in encrypted form.
#ifndef QUORATE_NET_STREAMS_STREAM_H_
#define QUORATE_NET_STREAMS_STREAM_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "env/byte_streams.h"
#include "net/disk/posix_file.h"
#include "net/streams/stream_poller.h"
#include "net/tls/tls_role.h"

namespace quorate::net {

class TlsContext;

// Whether a stream has TLS.
struct StreamSecurity {
  class Observer {
   public:
    // The handshake of a stream has ended.
    virtual void OnHandshake(const std::string& peer_address,
                             const absl::Status& status) = 0;

   protected:
    ~Observer() = default;
  };

  // Null: the stream has none.
  std::shared_ptr<const TlsContext> context = nullptr;
  TlsRole role = TlsRole::kServer;
  // An accepted stream has TLS only if the first byte that arrives begins it.
  bool optional = false;
  // Limit of the time of the handshake. It begins with the stream, and with the
  // first byte if TLS is optional.
  Duration handshake_max = Seconds(10);
  // Outlives the stream. Not null if there is a context.
  Observer* observer = nullptr;
};

// Takes ownership of a connected socket. `poller` must outlive the connection.
// At the end of a turn, streams that this process dialled send first: other
// nodes work while the turn sends to its clients.
std::unique_ptr<env::Connection> MakeConnection(StreamPoller& poller,
                                                OwnedFd socket,
                                                std::string peer_address,
                                                bool dialed,
                                                StreamSecurity security);

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_STREAM_H_
