// sim/harness/watched_transport.h: a transport with a hook for the requests
// that one node hands to open links to other nodes.
#ifndef QUORATE_SIM_HARNESS_WATCHED_TRANSPORT_H_
#define QUORATE_SIM_HARNESS_WATCHED_TRANSPORT_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "env/transport.h"
#include "raft/host/service.h"

namespace quorate::sim {

class WatchedTransport final : public env::Transport {
 public:
  // Called with each piece of a message.
  using Hook = std::function<void(const Buffer&)>;

  // `inner` outlives the object.
  WatchedTransport(env::Transport& inner, Hook hook)
      : inner_(inner), hook_(std::move(hook)) {}

  absl::Status Start(const env::TransportIdentity& identity,
                     const std::string& listen_address,
                     std::vector<env::PeerAddress> peers,
                     Receiver* receiver) override {
    return inner_.Start(identity, listen_address, std::move(peers), receiver);
  }
  void Stop() override { inner_.Stop(); }
  void SetIdentity(const env::TransportIdentity& identity) override {
    inner_.SetIdentity(identity);
  }
  void SetPeers(std::vector<env::PeerAddress> peers) override {
    inner_.SetPeers(std::move(peers));
  }
  void Send(NodeId to, env::Lane lane,
            absl::Span<const Buffer> pieces) override {
    const bool between_nodes =
        hook_ != nullptr && !pieces.empty() &&
        raft::IsFor(raft::Service::kNodes, pieces.front().view());
    if (between_nodes && !inner_.Congested(to, lane)) {
      for (const Buffer& piece : pieces) hook_(piece);
    }
    inner_.Send(to, lane, pieces);
  }
  bool Congested(NodeId to, env::Lane lane) const override {
    return inner_.Congested(to, lane);
  }
  env::LinkState link(NodeId peer) const override { return inner_.link(peer); }
  env::Pending AskForAdmission(const env::TransportIdentity& self,
                               const std::string& address, Buffer request,
                               AdmissionAnswered answered) override {
    return inner_.AskForAdmission(self, address, std::move(request),
                                  std::move(answered));
  }
  std::optional<env::Pending> Probe(const env::TransportIdentity& self,
                                    NodeId to, const std::string& address,
                                    ProbeAnswered answered) override {
    return inner_.Probe(self, to, address, std::move(answered));
  }

 private:
  env::Transport& inner_;
  const Hook hook_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_WATCHED_TRANSPORT_H_
