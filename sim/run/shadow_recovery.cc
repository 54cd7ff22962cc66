#include "sim/run/shadow_recovery.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/random.h"
#include "node/server.h"
#include "raft/host/host.h"

namespace quorate::sim {
namespace {

// A start reads a log and snapshots, on a disk without faults.
constexpr Duration kStartMax = Seconds(5);

// The server on the copy of a disk.
class Shadow final : public raft::Host::Observer {
 public:
  Shadow(env::Env& env, const node::Config& config,
         const ReplicaChecker* checker)
      : node_(config.node), checker_(checker) {
    server_ = node::MakeServer(env, config, this);
    server_->Start([this](absl::Status status) {
      started_ = true;
      if (!status.ok()) Note("it does not start: " + status.ToString());
    });
  }

  bool started() const { return started_; }
  node::Server* server() const { return server_.get(); }
  const std::string& violation() const { return violation_; }
  void Note(const std::string& violation) {
    if (violation_.empty()) violation_ = violation;
  }

  // raft::Host::Observer.
  void OnEvent(GroupId, const raft::Event&) override {}
  void OnApplied(GroupId, const raft::Entry&) override {}
  void OnRestored(GroupId, const raft::SnapshotDescriptor&) override {}
  void OnStopped(const absl::Status& why) override {
    Note("it stops: " + why.ToString());
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    const std::string violation = checker_->CheckRecovered(node_, group, core);
    if (violation.empty()) return;
    Note(absl::StrCat("group ", group.value(), ": ", violation));
  }

 private:
  const NodeId node_;
  const ReplicaChecker* const checker_;
  std::unique_ptr<node::Server> server_;
  bool started_ = false;
  std::string violation_;
};

}  // namespace

void ShadowRecovery::Follow(MachineId machine) {
  followed_[machine] = {kChanges, world_->disk_changes(machine)};
}

bool ShadowRecovery::Due(MachineId machine) {
  if (ended_) return false;
  const auto it = followed_.find(machine);
  if (it == followed_.end() || it->second.left == 0 ||
      recoveries_ >= kRecoveriesMax) {
    return false;
  }
  Followed& followed = it->second;
  const uint64_t changes = world_->disk_changes(machine);
  if (changes == followed.changes) return false;
  followed.changes = changes;
  --followed.left;
  return true;
}

void ShadowRecovery::Recover(NodeId node, MachineId machine,
                             const node::Config& config) {
  // The world of the copy draws which writes a crash of the machine loses.
  const uint64_t seed = Mix64(world_->choices().seed() + ++recoveries_);
  World world({.seed = seed, .hash_bytes = false});
  const MachineId copy = world.AddMachine({.name = world_->name(machine)});
  world.CopyDisk(copy, *world_, machine,
                 seed % 4 == 0 ? CrashKind::kProcess : CrashKind::kMachine);
  std::shared_ptr<Shadow> shadow;
  world.Start(copy, [&](env::Env& env) {
    shadow = std::make_shared<Shadow>(env, config, checker_);
    return shadow;
  });
  world.RunUntilTrue([&] { return shadow != nullptr && shadow->started(); },
                     kStartMax);
  if (!shadow->started()) shadow->Note("it does not end its start");
  const raft::Host& host = shadow->server()->host();
  for (const node::ShardConfig& shard : config.shards) {
    const absl::Status status = host.group_status(shard.group);
    const raft::Core* core = host.core(shard.group);
    if (absl::IsNotFound(status)) continue;
    if (core == nullptr || !status.ok()) {
      shadow->Note(
          absl::StrCat("group ", shard.group.value(), ": ", status.ToString()));
      continue;
    }
    checker_->OnDigest(node, shard.group, core->applied_index(),
                       host.state_machine(shard.group)->Digest());
  }
  for (const std::string& violation : world.violations()) {
    shadow->Note(violation);
  }
  if (!shadow->violation().empty()) {
    world_->Violate(absl::StrCat("shadow recovery: node ", node.value(),
                                 ", if it crashed now: ", shadow->violation()));
  }
  shadow.reset();
}

}  // namespace quorate::sim
