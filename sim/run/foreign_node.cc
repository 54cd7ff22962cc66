#include "sim/run/foreign_node.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "node/server.h"
#include "raft/host/host.h"
#include "sim/harness/program_env.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kForeignNode("foreign_node.runs");
constexpr ChoiceSite kMistake("foreign_node.mistake");
// More than any run has (RunOptions::kNodesMax, and its read-only nodes).
constexpr uint32_t kOwnNumber = 100;
constexpr const char* kStrangeAddress = "strange:9001";

// The mistake in the file.
enum class Mistake : uint8_t {
  kOtherCluster,    // The node belongs to another cluster.
  kUnknownNode,     // No other file names the node.
  kOtherNodes,      // The addresses of two nodes are exchanged.
  kOtherBootstrap,  // A second node 1, with another division of the slots.
  kOtherPorts,      // Ports of one node are exchanged.
};
constexpr uint64_t kMistakes = 5;

}  // namespace

class ForeignNode::Program {
 public:
  Program(env::Env& env, World* world, const raft::TransportOptions& options,
          const node::Config& config)
      : env_(env, options, env.random.Fork("sim.foreign_node", 0)),
        server_(node::MakeServer(env_.env(), config, nullptr)) {
    env_.env().tracer.Sometimes("node.foreign_node_started");
    server_->Start([world](const absl::Status& status) {
      std::string violation = CheckStart(status);
      if (!violation.empty()) world->Violate(std::move(violation));
    });
  }

  node::Server& server() { return *server_; }
  void End() {
    env::Env& env = env_.env();
    end_ = env.loop.At(env.loop.ReadClock().mono, [this, &env] {
      server_.reset();
      env.transport.Stop();
    });
  }

 private:
  ProgramEnv env_;
  std::unique_ptr<node::Server> server_;
  env::Pending end_;
};

node::Config ForeignNode::DrawConfig() const {
  const auto mistake = static_cast<Mistake>(
      world_->choices().Below(kMistake, ChoiceKey{}, kMistakes));
  node::Config config;
  config.cluster = ClusterId(0x51);
  config.node = NodeId(kOwnNumber);
  config.data_dir = "foreign";
  config.bootstrap = true;
  config.listen.allow_non_loopback = true;
  config.nodes = cluster_.nodes();
  std::vector<node::NodeConfig>& nodes = config.nodes;
  node::EvenSharding sharding{
      .groups = static_cast<uint32_t>(cluster_.shards().size())};
  switch (mistake) {
    case Mistake::kOtherCluster:
      config.cluster = ClusterId(0x52);
      break;
    case Mistake::kUnknownNode:
      break;
    case Mistake::kOtherNodes:
      std::swap(nodes.front().id, nodes.back().id);
      break;
    case Mistake::kOtherBootstrap:
      config.node = nodes.front().id;
      nodes.erase(nodes.begin());
      ++sharding.groups;
      break;
    case Mistake::kOtherPorts:
      for (size_t i = 0; i < nodes.size(); ++i) {
        std::swap(i % 2 == 0 ? nodes[i].peer : nodes[i].resp, nodes[i].http);
      }
      break;
  }
  nodes.push_back({.id = config.node,
                   .resp = "foreign:7001",
                   .resp_cluster = "foreign:7101",
                   .http = "foreign:8001",
                   .peer = "foreign:9001"});
  nodes.push_back({.id = NodeId(kOwnNumber + 1),
                   .resp = "strange:7001",
                   .resp_cluster = "strange:7101",
                   .http = "strange:8001",
                   .peer = kStrangeAddress});
  const absl::Status status = node::CompleteConfig(&config, sharding);
  CHECK(status.ok()) << status.ToString();
  return config;
}

void ForeignNode::Start() {
  if (cluster_.peer_streams().empty() ||
      !world_->choices().Chance(kForeignNode, ChoiceKey{}, {1, 4})) {
    return;
  }
  config_ = DrawConfig();
  const MachineId machine =
      world_->AddMachine({.name = "foreign", .client = true});
  world_->Start(machine, [this](env::Env& env) {
    auto program = std::make_shared<Program>(
        env, world_, cluster_.peer_streams().front(), config_);
    program_ = program.get();
    return program;
  });
  StartStrangePeer();
}

void ForeignNode::StartStrangePeer() {
  StrangePeerOptions options{.listen_address = kStrangeAddress};
  std::vector<NodeId> nodes;
  for (const node::NodeConfig& node : cluster_.nodes()) {
    options.addresses.push_back(node.peer);
    nodes.push_back(node.id);
  }
  options.hello = [this, nodes](size_t address, raft::Hello* hello) {
    return HelloTo(nodes[address], hello);
  };
  options.violate = [this](const std::string& what) { world_->Violate(what); };
  const MachineId machine =
      world_->AddMachine({.name = "strange", .client = true});
  world_->Start(machine, [this, options](env::Env& env) {
    auto peer = std::make_shared<StrangePeer>(env, options);
    strange_peer_ = peer.get();
    return peer;
  });
}

bool ForeignNode::HelloTo(NodeId to, raft::Hello* hello) const {
  for (const node::NodeConfig& node : cluster_.nodes()) {
    const node::Server* const server = cluster_.server(node.id);
    if (node.id == to || server == nullptr) continue;
    *hello = {.from = server->host().identity(), .to = to};
    return true;
  }
  return false;
}

std::string ForeignNode::CheckStart(const absl::Status& status) {
  if (!status.ok()) return "";
  return "foreign: it founded a cluster without the other nodes";
}

std::string ForeignNode::CheckRoles(
    const node::Server& server, const std::vector<node::ShardConfig>& shards) {
  for (const node::ShardConfig& shard : shards) {
    const raft::Core* const core = server.host().core(shard.group);
    if (shard.replicas.size() > 1 && core != nullptr &&
        core->role() == raft::RoleKind::kLeader) {
      return absl::StrCat("foreign: it leads group ", shard.group.value(),
                          " with votes of other nodes");
    }
  }
  return "";
}

void ForeignNode::Stop() {
  if (program_ == nullptr) return;
  std::string violation = CheckRoles(program_->server(), config_.shards);
  if (!violation.empty()) world_->Violate(std::move(violation));
  std::exchange(program_, nullptr)->End();
  strange_peer_->Stop();
}

}  // namespace quorate::sim
