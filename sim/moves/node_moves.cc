#include "sim/moves/node_moves.h"

#include "absl/strings/str_cat.h"
#include "env/host_port.h"

namespace quorate::sim {
namespace {

// Ports of one kind stay apart from those of another.
constexpr uint16_t kMovesMax = 90;

// The address of a node after so many moves.
std::string AddressAfter(uint16_t moves, const std::string& first) {
  const HostPort parts = *ParseHostPort(first);
  return FormatHostPort(parts.host, static_cast<uint16_t>(parts.port + moves));
}

std::vector<node::NodeConfig> FirstNodes(uint32_t voting, uint32_t read_only) {
  std::vector<node::NodeConfig> nodes;
  for (uint32_t i = 1; i <= voting + read_only; ++i) {
    nodes.push_back({.id = NodeId(i),
                     .resp = absl::StrCat("n", i, ":7001"),
                     .resp_cluster = absl::StrCat("n", i, ":7101"),
                     .http = absl::StrCat("n", i, ":8001"),
                     .peer = absl::StrCat("n", i, ":9001"),
                     .read_only = i > voting});
  }
  return nodes;
}

}  // namespace

NodeMoves::NodeMoves(World& world, uint32_t voting, uint32_t read_only)
    : world_(world),
      first_(FirstNodes(voting, read_only)),
      now_(first_),
      moves_(first_.size()) {}

std::string NodeMoves::AdminOf(NodeId node) const {
  return AddressAfter(moves_[node.value() - 1],
                      absl::StrCat("n", node.value(), ":8101"));
}

bool NodeMoves::Move(NodeId node) {
  const size_t index = node.value() - 1;
  if (moves_[index] == kMovesMax) return false;
  const uint16_t moves = ++moves_[index];
  node::NodeConfig& now = now_[index];
  const node::NodeConfig& first = first_[index];
  now.resp = AddressAfter(moves, first.resp);
  now.resp_cluster = AddressAfter(moves, first.resp_cluster);
  now.http = AddressAfter(moves, first.http);
  now.peer = AddressAfter(moves, first.peer);
  world_.SetName(first.resp, now.resp);
  world_.SetName(first.resp_cluster, now.resp_cluster);
  world_.SetName(first.http, now.http);
  return true;
}

void NodeMoves::FillIn(NodeId node, node::Config* file) const {
  file->nodes = first_;
  file->nodes[node.value() - 1] = now_[node.value() - 1];
  file->listen.admin = AdminOf(node);
  for (size_t i = 0; i < now_.size(); ++i) {
    if (now_[i].id != node && moves_[i] > 0)
      file->seeds.push_back(now_[i].peer);
  }
}

}  // namespace quorate::sim
