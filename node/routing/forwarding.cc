#include "node/routing/forwarding.h"

#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate::node {

Forwarding::Forwarding(const QueueParts& parts, GroupLeadership& leadership,
                       QueueCounters& counters, absl::AnyInvocable<void()> wake)
    : parts_(parts),
      leadership_(leadership),
      counters_(counters),
      wake_(std::move(wake)),
      peer_channels_(parts.config.bounds.forward_channels) {}

// The leader closed the channels of earlier terms. It may have restarted since,
// and then the outcome of a batch in such a channel would be unknown.
bool Forwarding::open() const {
  const auto channel = channels_.find(leadership_.known().leader);
  return channel != channels_.end() && channel->second.open &&
         channel->second.last.term >= leadership_.known().term;
}

bool Forwarding::HasRoom(size_t payload_bytes) const {
  return parts_.links.To(leadership_.known().leader).HasRoom(payload_bytes);
}

bool Forwarding::awaits_answers() const {
  return parts_.links.To(leadership_.known().leader).awaits_answers();
}

void Forwarding::Open() {
  const NodeId leader = leadership_.known().leader;
  Channel& channel = channels_[leader];
  if (channel.opening) return;
  channel.opening = true;
  Ask({.kind = PeerRequest::Kind::kOpen,
       .group = leadership_.group(),
       .stamp = channel.last},
      [this, leader](PeerResult answer) { OnOpened(leader, answer); });
}

void Forwarding::Ask(PeerRequest request, PeerDone done) {
  const Leadership& known = leadership_.known();
  const uint64_t place = next_asked_++;
  const uint64_t number =
      parts_.links.To(known.leader)
          .Ask(std::move(request), [this, place, done = std::move(done)](
                                       PeerResult answer) mutable {
            asked_.erase(place);
            done(std::move(answer));
          });
  asked_.emplace_hint(asked_.end(), place,
                      Asked{.node = known.leader,
                            .number = number,
                            .term = known.term,
                            .asked_at = MonoNow()});
}

// The terms of leaders ascend with the order of asking.
void Forwarding::GiveUpOnFormerLeaders() {
  const raft::Term term = parts_.view.leader(leadership_.group()).term;
  const MonoTime now = MonoNow();
  std::vector<Asked> given_up;
  for (auto& [place, asked] : asked_) {
    if (asked.term >= term) break;
    if (asked.give_up_at == MonoTime::Max()) {
      asked.give_up_at = now + kFormerLeaderWait;
    }
    if (asked.give_up_at > now) continue;
    given_up.push_back(asked);
    asked.give_up_at = MonoTime::Max();  // An answer may have arrived.
  }
  for (const Asked& asked : given_up) {
    parts_.links.To(asked.node)
        .GiveUp(asked.number,
                "another node leads since, and the former leader did not "
                "answer");
  }
}

void Forwarding::OnOpened(NodeId leader, const PeerResult& answer) {
  Channel& opened = channels_[leader];
  opened.opening = false;
  if (answer.channel.channel != 0) {
    opened.last = answer.channel;
    opened.open = true;
  } else {
    leadership_.Pause();
    if (!leadership_.hosted()) LearnLeader(answer);
  }
  leadership_.Refresh();
  wake_();
}

// The channel may still be open at the leader. The next channel replaces it.
void Forwarding::Close(NodeId leader, const ForwardStamp& stamp) {
  Channel& channel = channels_[leader];
  if (channel.last.term == stamp.term &&
      channel.last.channel == stamp.channel) {
    channel.open = false;
  }
}

void Forwarding::Send(Buffer payload, Done done) {
  CHECK(open()) << "leader " << leadership_.known().leader;
  const NodeId leader = leadership_.known().leader;
  ForwardStamp& stamp = channels_[leader].last;
  ++stamp.number;
  Ask({.kind = PeerRequest::Kind::kApply,
       .group = leadership_.group(),
       .stamp = stamp,
       .payload = std::move(payload)},
      [this, asked = leader, stamp,
       done = std::move(done)](PeerResult answer) mutable {
        if (!leadership_.hosted()) LearnLeader(answer);
        // The other node may have restarted, and knows no channel then.
        if (answer.result.outcome != Outcome::kDone) Close(asked, stamp);
        done(answer.result);
      });
}

void Forwarding::Read(Buffer payload, Done done) {
  Ask({.kind = PeerRequest::Kind::kRead,
       .group = leadership_.group(),
       .payload = std::move(payload)},
      [this, done = std::move(done)](PeerResult answer) mutable {
        if (!leadership_.hosted()) LearnLeader(answer);
        done(answer.result);
      });
}

void Forwarding::LearnLeader(const PeerResult& answer) {
  if (answer.result.outcome == Outcome::kDone) return;
  parts_.view.LearnLeader(leadership_.group(), answer.term, answer.leader);
  parts_.view.QuerySoon(leadership_.group());
}

PeerResult Forwarding::NotLeading() const {
  PeerResult result;
  result.result.outcome = Outcome::kNotExecuted;
  result.result.status =
      absl::UnavailableError("this node does not lead, or opened no channel");
  const LiveView::Leader known = parts_.view.leader(leadership_.group());
  result.leader = known.node;
  result.term = known.term;
  return result;
}

PeerResult Forwarding::OpenForPeer(const ForwardStamp& replaces) {
  leadership_.Refresh();
  if (leadership_.kind() != Leadership::Kind::kSelf) return NotLeading();
  PeerResult result;
  result.result.outcome = Outcome::kDone;
  result.channel = peer_channels_.Open(
      parts_.host.core(leadership_.group())->term(), replaces);
  return result;
}

bool Forwarding::MayPropose(const ForwardStamp& stamp) const {
  return leadership_.kind() == Leadership::Kind::kSelf &&
         peer_channels_.IsOpen(parts_.host.core(leadership_.group())->term(),
                               stamp);
}

bool Forwarding::Accept(const ForwardStamp& stamp) {
  leadership_.Refresh();
  return leadership_.kind() == Leadership::Kind::kSelf &&
         peer_channels_.Take(parts_.host.core(leadership_.group())->term(),
                             stamp);
}

}  // namespace quorate::node
