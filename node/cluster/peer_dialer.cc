#include "node/cluster/peer_dialer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "env/check.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr Duration kInterval = Milliseconds(500);

}  // namespace

PeerDialer::PeerDialer(env::Env& env, raft::Host& host, const Config& config,
                       const ClusterMap& cluster)
    : env_(env), host_(host), config_(config), cluster_(cluster) {
  // The host dials these from its start on.
  for (const NodeConfig& node : config.nodes) {
    if (node.id != config.node) targets_[node.id].address = node.peer;
  }
}

void PeerDialer::Start() {
  started_ = true;
  for (auto& [node, target] : targets_) target.since = MonoNow();
  Tick();
}

void PeerDialer::Tick() {
  Choose();
  timer_ = env_.loop.At(MonoNow() + kInterval, [this] { Tick(); });
}

// Not at once: the change may come with a message of a peer.
void PeerDialer::OnClusterChanged() {
  if (started_) deferred_ = env_.loop.Defer([this] { Choose(); });
}

void PeerDialer::Choose() {
  const auto before = targets_;
  absl::erase_if(targets_, [this](const auto& target) {
    return cluster_.FindNode(target.first) == nullptr;
  });
  const MonoTime now = MonoNow();
  std::vector<env::PeerAddress> peers;
  bool changed = before.size() != targets_.size();
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id == config_.node) continue;
    ChooseFor(node.id, now);
    Target& target = targets_[node.id];
    const auto given_up = cluster_.given_up().find(node.id);
    if (given_up != cluster_.given_up().end()) {
      target.given_up = given_up->second;
    }
    const auto old = before.find(node.id);
    changed |= old == before.end() || old->second.address != target.address ||
               old->second.given_up != target.given_up;
    peers.push_back({.node = node.id,
                     .address = target.address,
                     .given_up = target.given_up});
  }
  if (!changed) return;
  const absl::Status status = host_.SetPeers(std::move(peers));
  CHECK(status.ok()) << Message(status);
}

void PeerDialer::ChooseFor(NodeId node, MonoTime now) {
  const auto [found, added] = targets_.try_emplace(node);
  Target& target = found->second;
  const auto report = cluster_.reports().find(node);
  if (report != cluster_.reports().end() &&
      std::exchange(target.newest, report->second.peer) !=
          report->second.peer &&
      (cluster_.heard(node) || !env_.transport.link(node).open)) {
    target.address = report->second.peer;
    target.since = now;
    target.patience = kPatienceMin;
    return;
  }
  if (env_.transport.link(node).open) {
    target.since = now;
    target.patience = kPatienceMin;
    return;
  }
  if (!added && !target.address.empty() &&
      now < target.since + target.patience) {
    return;
  }
  const std::vector<std::string> addresses = AddressesOf(node);
  target.since = now;
  if (addresses.empty()) return;
  const auto tried = std::ranges::find(addresses, target.address);
  const bool next = tried != addresses.end() && tried + 1 != addresses.end();
  if (!next) target.patience = std::min(target.patience * 2, kPatienceMax);
  target.address = next ? *(tried + 1) : addresses.front();
}

std::vector<std::string> PeerDialer::AddressesOf(NodeId node) const {
  std::vector<std::string> addresses;
  const auto add = [&](const std::string& address) {
    if (address.empty() || address == cluster_.self().peer ||
        std::ranges::count(addresses, address) > 0 ||
        AnotherAnswers(node, address)) {
      return;
    }
    addresses.push_back(address);
  };
  const auto report = cluster_.reports().find(node);
  if (report != cluster_.reports().end()) add(report->second.peer);
  for (const NodeConfig& row : config_.nodes) {
    if (row.id == node) add(row.peer);
  }
  for (const shardctrl::Node& row : cluster_.shards().nodes()) {
    if (row.id == node) add(row.peer_address);
  }
  for (const std::string& seed : config_.seeds) add(seed);
  return addresses;
}

bool PeerDialer::AnotherAnswers(NodeId node, const std::string& address) const {
  return std::ranges::any_of(targets_, [&](const auto& target) {
    return target.first != node && target.second.address == address &&
           env_.transport.link(target.first).open;
  });
}

}  // namespace quorate::node
