// The host's part in decision 0114: starts of this node and of its peers.
#include <string>
#include <utility>
#include <vector>

#include "raft/host/host_impl.h"

namespace quorate::raft {

std::vector<env::PeerAddress> Host::Impl::WithSeenStarts(
    std::vector<env::PeerAddress> peers) const {
  for (env::PeerAddress& peer : peers) {
    const auto found = starts_.seen.find(peer.node);
    if (found != starts_.seen.end()) peer.seen = found->second;
  }
  return peers;
}

void Host::Impl::OnStartSeen(NodeId node, const env::SeenStart& seen) {
  const auto found = starts_.seen.find(node);
  if (found == starts_.seen.end() && starts_.seen.size() >= kSeenStartsMax) {
    return;
  }
  if (found != starts_.seen.end() && found->second == seen) return;
  starts_.seen[node] = seen;
  starts_changed_ = true;
  // While the store is being founded, it is written later.
  if (log_ != nullptr && !starts_file_.has_value()) WriteStarts();
}

// After an error the starts are seen again once this node has restarted.
void Host::Impl::WriteStarts() {
  if (!std::exchange(starts_changed_, false)) {
    starts_file_.reset();
    if (starts_.gave_way) callbacks_.Add([this] { GiveWay(other_founding_); });
    return;
  }
  starts_file_.emplace(disk_, identity_.incarnation);
  starts_file_->Write(starts_, [this](absl::Status status) {
    if (!status.ok()) starts_changed_ = false;
    WriteStarts();
  });
}

void Host::Impl::OnConflict(env::HandshakeRefusal reason,
                            const std::string& story) {
  if (reason == env::HandshakeRefusal::kOtherFounding) {
    if (startup_ != nullptr && founding_.asks()) {
      env_.tracer.Sometimes("raft.founding_ended_by_a_member");
      return callbacks_.Add(
          [this, story] { founding_.OnClusterExists(story); });
    }
    // A cluster of several nodes does not end because of another program.
    if (!founded_now_ || heard_peers_) return;
    if (starts_.gave_way) return;
    // The next start has to know it, so it ends once that is durable.
    env_.tracer.Sometimes("raft.founder_gives_way");
    other_founding_ = story;
    starts_.gave_way = true;
    starts_changed_ = true;
    if (log_ != nullptr && !starts_file_.has_value()) WriteStarts();
    return;
  }
  env_.tracer.Sometimes("raft.node_gives_way");
  callbacks_.Add([this, story] { GiveWay(story); });
}

}  // namespace quorate::raft
