// net/streams/tls_streams.h: env::Streams whose addresses speak TLS as the
// configuration says. The code that uses them knows nothing of TLS.
#ifndef QUORATE_NET_STREAMS_TLS_STREAMS_H_
#define QUORATE_NET_STREAMS_TLS_STREAMS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "net/streams/sockets.h"
#include "net/tls/tls_keeper.h"

namespace quorate::net {

// An address that is listened on.
struct TlsListen {
  env::TlsMode mode = env::TlsMode::kOff;
  // Each peer must show a certificate.
  bool mutual = false;
  // Limit of the time of a handshake.
  Duration handshake_max = Seconds(10);
};

class TlsStreams final : public env::Streams, StreamSecurity::Observer {
 public:
  // With kOptional, an address that has refused TLS is dialled without it for
  // this time.
  static constexpr Duration kPlainAfterFailure = Seconds(10);

  // Addresses that are not in `listens` have no TLS. Streams are dialled with
  // TLS unless `dials` is kOff.
  TlsStreams(env::Loop& loop, Sockets& sockets, TlsKeeper& keeper,
             std::map<std::string, TlsListen> listens, env::TlsMode dials);
  TlsStreams(const TlsStreams&) = delete;
  TlsStreams& operator=(const TlsStreams&) = delete;

  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(
      const std::string& address, Accept accept) override;
  env::Pending Connect(const std::string& address,
                       Connected connected) override;

 private:
  void OnHandshake(const std::string& peer_address,
                   const absl::Status& status) override;
  StreamSecurity Accepted(const TlsListen& listen);
  StreamSecurity Dialled(const std::string& address);

  env::Loop& loop_;
  Sockets& sockets_;
  TlsKeeper& keeper_;
  const std::map<std::string, TlsListen> listens_;
  const env::TlsMode dials_;
  // The addresses that were dialled with kOptional and refused TLS. At most one
  // for each address that this node has dialled.
  std::map<std::string, MonoTime> plain_until_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_STREAMS_TLS_STREAMS_H_
