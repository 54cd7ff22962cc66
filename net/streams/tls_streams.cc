#include "net/streams/tls_streams.h"

#include <utility>

namespace quorate::net {

using env::TlsMode;

TlsStreams::TlsStreams(env::Loop& loop, Sockets& sockets, TlsKeeper& keeper,
                       std::map<std::string, TlsListen> listens, TlsMode dials)
    : loop_(loop),
      sockets_(sockets),
      keeper_(keeper),
      listens_(std::move(listens)),
      dials_(dials) {}

absl::StatusOr<std::unique_ptr<env::Listener>> TlsStreams::Listen(
    const std::string& address, Accept accept) {
  const auto found = listens_.find(address);
  if (found == listens_.end() || found->second.mode == TlsMode::kOff) {
    return sockets_.Listen(address, std::move(accept));
  }
  return sockets_.ListenSecurely(
      address, [this, listen = found->second] { return Accepted(listen); },
      std::move(accept));
}

env::Pending TlsStreams::Connect(const std::string& address,
                                 Connected connected) {
  if (dials_ == TlsMode::kOff) {
    return sockets_.Connect(address, std::move(connected));
  }
  return sockets_.ConnectSecurely(
      address, [this, address] { return Dialled(address); },
      std::move(connected));
}

StreamSecurity TlsStreams::Accepted(const TlsListen& listen) {
  return {.context = keeper_.context(),
          .role = listen.mutual ? TlsRole::kMutualServer : TlsRole::kServer,
          .optional = listen.mode == TlsMode::kOptional,
          .handshake_max = listen.handshake_max,
          .observer = this};
}

StreamSecurity TlsStreams::Dialled(const std::string& address) {
  const auto plain = plain_until_.find(address);
  if (plain != plain_until_.end() && loop_.ReadClock().mono < plain->second) {
    return {};
  }
  return {
      .context = keeper_.context(), .role = TlsRole::kClient, .observer = this};
}

void TlsStreams::OnHandshake(const std::string& peer_address,
                             const absl::Status& status) {
  keeper_.CountHandshake(status);
  if (dials_ != TlsMode::kOptional) return;
  plain_until_.erase(peer_address);
  if (status.ok()) return;
  plain_until_[peer_address] = loop_.ReadClock().mono + kPlainAfterFailure;
}

}  // namespace quorate::net
