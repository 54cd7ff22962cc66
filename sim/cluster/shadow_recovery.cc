#include "sim/cluster/shadow_recovery.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/random.h"
#include "kv/store/parameters.h"
#include "node/server.h"
#include "raft/host/host.h"
#include "raft/log/identity_format.h"
#include "raft/log/snapshot_format.h"
#include "shardctrl/controller/state.h"
#include "sim/choices/choices.h"
#include "sim/choices/trace_hash.h"
#include "sim/cluster/changed_state.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kMishap("shadow.mishap");
constexpr ChoiceSite kWhichMishap("shadow.which_mishap");
constexpr ChoiceSite kOfMark("shadow.of_mark");
// The share of the marks of raft/ that are followed.
constexpr Ratio kMarksFollowed{1, 16};
// The draws of a mishap that change the states of a snapshot instead.
constexpr uint64_t kSharesOfStates = 8;
constexpr uint32_t kChangedStates = 8;
// One of so many seeds copies a disk as after a crash of the process alone.
constexpr uint64_t kSeedsOfCrashes = 4;
// A start reads a log and snapshots, on a disk without faults.
constexpr Duration kStartMax = Seconds(5);
constexpr Duration kApplyMax = Milliseconds(50);

std::string InGroup(GroupId group, const std::string& violation) {
  if (violation.empty()) return violation;
  return absl::StrCat("group ", group.value(), ": ", violation);
}

// The groups whose replica has just joined, so that the disk has nothing of it
// but an empty snapshot. Without that the node forgets the replica, which has
// promised nothing.
std::set<GroupId> JoinedGroups(const std::vector<std::string>& files) {
  std::set<GroupId> joined;
  for (const std::string& file : files) {
    const auto snapshot = raft::ParseSnapshotName(file);
    if (snapshot.has_value() && snapshot->position == raft::LogPosition()) {
      joined.insert(snapshot->group.group);
    }
  }
  return joined;
}

// The server on the copy of a disk. Null: no checker compares what it recovers.
class Shadow final : public raft::Host::Observer {
 public:
  Shadow(env::Env& env, const node::Config& config,
         const ReplicaChecker* checker)
      : node_(config.node), checker_(checker) {
    server_ = node::MakeServer(env, config, this);
    server_->Start([this](absl::Status status) {
      started_ = true;
      status_ = std::move(status);
    });
  }

  bool started() const { return started_; }
  // The result of the start.
  const absl::Status& status() const { return status_; }
  node::Server* server() const { return server_.get(); }
  const std::string& violation() const { return violation_; }
  // Keeps the first violation. An empty string is none.
  void Note(const std::string& violation) {
    if (violation_.empty()) violation_ = violation;
  }

  // raft::Host::Observer.
  void OnStopped(const absl::Status& why) override {
    Note("it stops: " + why.ToString());
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    if (checker_ == nullptr) return;
    Note(InGroup(group, checker_->CheckRecovered(group, core)));
  }

 private:
  const NodeId node_;
  const ReplicaChecker* const checker_;
  std::unique_ptr<node::Server> server_;
  bool started_ = false;
  absl::Status status_;
  std::string violation_;
};

// A copy of a machine's disk in a world of its own.
class Copy {
 public:
  // The world draws which writes a crash of the machine loses.
  Copy(const World& from, MachineId source, uint64_t seed)
      : world_({.seed = seed, .hash_bytes = false}),
        machine_(world_.AddMachine({.name = from.name(source)})) {
    world_.CopyDisk(machine_, from, source,
                    seed % kSeedsOfCrashes == 0 ? CrashKind::kProcess
                                                : CrashKind::kMachine);
  }

  // Runs the start of a server to its end.
  Shadow* Start(const node::Config& config, const ReplicaChecker* checker) {
    world_.Start(machine_, [&](env::Env& env) {
      shadow_ = std::make_shared<Shadow>(env, config, checker);
      return shadow_;
    });
    world_.RunUntilTrue(
        [&] { return shadow_ != nullptr && shadow_->started(); }, kStartMax);
    if (!shadow_->started()) shadow_->Note("it does not end its start");
    return shadow_.get();
  }

  // The first violation, or an empty string.
  std::string Violation() const {
    if (!shadow_->violation().empty() || world_.violations().empty()) {
      return shadow_->violation();
    }
    return world_.violations()[0];
  }

  World& world() { return world_; }
  MachineId machine() const { return machine_; }

 private:
  World world_;
  const MachineId machine_;
  std::shared_ptr<Shadow> shadow_;
};

// No start depends on the cache of addresses, which is never synced.
std::vector<FileContents> FilesThatCount(Copy& copy) {
  std::vector<FileContents> files = copy.world().DiskContents(copy.machine());
  std::erase_if(files,
                [](const auto& file) { return file.name == "addresses"; });
  return files;
}

}  // namespace

class ShadowRecovery::Recovered {
 public:
  Recovered(const World& from, MachineId source, uint64_t seed, bool bootstrap)
      : copy(from, source, seed),
        files(FilesThatCount(copy)),
        bootstrap(bootstrap) {}

  bool HasFilesOf(const Recovered& other) const {
    return bootstrap == other.bootstrap && files == other.files;
  }

  Copy copy;
  const std::vector<FileContents> files;  // Before the start.
  const bool bootstrap;
  const raft::Host* host = nullptr;  // Set by the start.
};

ShadowRecovery::ShadowRecovery(World* world, ReplicaChecker* checker)
    : world_(world), checker_(checker) {}

ShadowRecovery::~ShadowRecovery() = default;

void ShadowRecovery::End() {
  ended_ = true;
  last_.clear();
}

void ShadowRecovery::Follow(MachineId machine, Moment moment) {
  Followed& followed = followed_[machine];
  const bool first =
      moments_.emplace(machine, moment).second || moment == Moment::kMark;
  const bool rarest =
      moment == Moment::kReplace || (followed.rarest && followed.left > 0);
  followed = {.left = kChanges,
              .changes = world_->disk_changes(machine),
              .again = !first && !rarest,
              .rarest = rarest};
}

void ShadowRecovery::OnMark(MachineId machine, std::string_view mark) {
  const bool of_raft = mark.starts_with("raft.") || mark.starts_with("log.");
  if (!of_raft || ended_ || marks_.contains(mark)) return;
  marks_.emplace(mark);
  if (!world_->choices().Chance(kOfMark, ChoiceKey{HashBytes(mark), 0},
                                kMarksFollowed) ||
      followed_[machine].left > 0) {
    return;
  }
  Follow(machine, Moment::kMark);
}

bool ShadowRecovery::Due(MachineId machine) {
  if (ended_) return false;
  const auto it = followed_.find(machine);
  if (it == followed_.end() || it->second.left == 0) return false;
  Followed& followed = it->second;
  if (followed.rarest ? rarest_ == kRecoveriesMax
                      : recoveries_ - rarest_ >= kRecoveriesMax) {
    return false;
  }
  const uint64_t changes = world_->disk_changes(machine);
  if (changes == followed.changes) return false;
  followed.changes = changes;
  --followed.left;
  return true;
}

bool ShadowRecovery::Recovers(MachineId machine) const {
  const auto it = followed_.find(machine);
  return it == followed_.end() || !it->second.again ||
         it->second.left % kAgainOneIn == 0;
}

uint64_t ShadowRecovery::NextSeed() {
  return Mix64(world_->choices().seed() + ++worlds_);
}

void ShadowRecovery::Recover(NodeId node, MachineId machine,
                             const node::Config& config) {
  ++recoveries_;
  const auto followed = followed_.find(machine);
  if (followed != followed_.end() && followed->second.rarest) ++rarest_;
  // The draws of the run do not depend on recoveries that are left out.
  const uint64_t seed = NextSeed();
  if (Recovers(machine)) RecoverNow(node, machine, config, seed);
  DrawMishap(node, machine, config);
}

void ShadowRecovery::RecoverNow(NodeId node, MachineId machine,
                                const node::Config& config, uint64_t seed) {
  auto now =
      std::make_unique<Recovered>(*world_, machine, seed, config.bootstrap);
  std::unique_ptr<Recovered>& last = last_[node];
  std::string violation;
  if (last != nullptr && now->HasFilesOf(*last)) {
    violation = Compare(node, config, *last->host);
  } else {
    last = nullptr;
    violation = Start(node, config, now.get());
    if (violation.empty()) last = std::move(now);
  }
  if (!violation.empty()) {
    world_->Violate(absl::StrCat("shadow recovery: node ", node.value(),
                                 ", if it crashed now: ", violation));
  }
}

std::string ShadowRecovery::Start(NodeId node, const node::Config& config,
                                  Recovered* recovered) {
  ++starts_;
  Shadow* const shadow = recovered->copy.Start(config, checker_);
  if (!shadow->status().ok()) {
    shadow->Note("it does not start: " + shadow->status().ToString());
  }
  recovered->host = &shadow->server()->host();
  // OnRecovered has compared the replicas.
  shadow->Note(NotWorking(node, config, *recovered->host));
  CompareDigests(node, config, *recovered->host);
  return recovered->copy.Violation();
}

std::vector<GroupId> ShadowRecovery::GroupsOf(const node::Config& config) {
  std::vector<GroupId> groups;
  for (const node::ShardConfig& shard : config.shards) {
    groups.push_back(shard.group);
  }
  groups.push_back(shardctrl::kControllerGroup);
  return groups;
}

std::string ShadowRecovery::NotWorking(NodeId node, const node::Config& config,
                                       const raft::Host& host) const {
  for (const GroupId group : checker_->GroupsOf(node)) {
    const absl::Status status = host.group_status(group);
    if (!status.ok()) return InGroup(group, status.ToString());
  }
  // A replica that has not started in the run may be on the disk.
  for (const GroupId group : GroupsOf(config)) {
    const absl::Status status = host.group_status(group);
    if (!status.ok() && !absl::IsNotFound(status)) {
      return InGroup(group, status.ToString());
    }
  }
  return {};
}

std::string ShadowRecovery::Compare(NodeId node, const node::Config& config,
                                    const raft::Host& host) {
  const std::string not_working = NotWorking(node, config, host);
  if (!not_working.empty()) return not_working;
  CompareDigests(node, config, host);
  for (const GroupId group : GroupsOf(config)) {
    const raft::Core* const core = host.core(group);
    if (core == nullptr) continue;
    const std::string violation = checker_->CheckRecovered(group, *core);
    if (!violation.empty()) return InGroup(group, violation);
  }
  return {};
}

void ShadowRecovery::CompareDigests(NodeId node, const node::Config& config,
                                    const raft::Host& host) {
  for (const GroupId group : GroupsOf(config)) {
    const raft::Core* const core = host.core(group);
    if (core == nullptr || !host.group_status(group).ok()) continue;
    checker_->OnDigest(node, group, core->applied_index(),
                       host.state_machine(group)->Digest());
  }
}

void ShadowRecovery::DrawMishap(NodeId node, MachineId machine,
                                const node::Config& config) {
  const ChoiceKey key{node.value(), recoveries_};
  Choices& choices = world_->choices();
  if (mishaps_ == kMishapsMax || !choices.Chance(kMishap, key, {1, 3})) return;
  ++mishaps_;
  const auto mishaps = Mishaps();
  const uint64_t which =
      choices.Below(kWhichMishap, key, mishaps.size() + kSharesOfStates);
  if (which >= mishaps.size()) return ChangeStates(node, machine);
  RecoverAfter(mishaps[which], node, machine, config);
}

void ShadowRecovery::RecoverAfter(const Mishap& mishap, NodeId node,
                                  MachineId machine,
                                  const node::Config& config) {
  const uint64_t seed = NextSeed();
  Copy copy(*world_, machine, seed);
  const std::set<GroupId> joined =
      JoinedGroups(copy.world().DiskFiles(copy.machine()));
  MishandledDirectory directory(&copy.world(), copy.machine(), Random(seed));
  if (!mishap.happen(&directory)) return;
  copy.world().SetLogSink(
      env::Severity::kDebug,
      [](SimTime, MachineId, env::Severity, std::string_view) {});
  Shadow* const shadow =
      copy.Start(config, mishap.other_entries ? nullptr : checker_);
  const absl::Status& status = shadow->status();
  // Committed entries are applied after the start.
  if (mishap.other_entries) copy.world().RunFor(kApplyMax);
  using Outcome = Mishap::Outcome;
  if (mishap.outcome == Outcome::kRefused) {
    if (status.ok() ||
        !absl::StrContains(status.message(), std::string(mishap.says))) {
      shadow->Note("it is not refused: " + status.ToString());
    }
  } else if (mishap.outcome != Outcome::kContained && !status.ok()) {
    shadow->Note("it does not start: " + status.ToString());
  }
  if (status.ok()) {
    shadow->Note(
        CompareAfter(mishap, node, config, joined, shadow->server()->host()));
  }
  const std::string violation = copy.Violation();
  if (violation.empty()) {
    return world_->CountMark(machine, "node.disk_mishandled");
  }
  world_->Violate(absl::StrCat("mishap: node ", node.value(), ", ",
                               std::string(mishap.name), ": ", violation));
}

std::string ShadowRecovery::CompareAfter(const Mishap& mishap, NodeId node,
                                         const node::Config& config,
                                         const std::set<GroupId>& joined,
                                         const raft::Host& host) const {
  using Outcome = Mishap::Outcome;
  using Condition = raft::Host::Condition;
  for (const GroupId group : checker_->GroupsOf(node)) {
    if (host.condition(group) != Condition::kNotHeld ||
        checker_->LeftOut(group, node) || joined.contains(group)) {
      continue;
    }
    return InGroup(group, host.group_status(group).ToString());
  }
  for (const GroupId group : GroupsOf(config)) {
    const Condition condition = host.condition(group);
    if (condition == Condition::kNotHeld) continue;
    if (condition != Condition::kWorks) {
      const bool contained = mishap.outcome == Outcome::kHalted
                                 ? condition == Condition::kHalted
                                 : mishap.outcome != Outcome::kHarmless;
      if (!contained) return host.group_status(group).ToString();
      continue;
    }
    const raft::Core& core = *host.core(group);
    if (!checker_->DigestMatches(group, core.applied_index(),
                                 host.state_machine(group)->Digest())) {
      return absl::StrCat("another state of group ", group.value(),
                          " at index ", core.applied_index().value());
    }
  }
  return {};
}

ShadowRecovery::Promises ShadowRecovery::Recall(MachineId machine,
                                                const node::Config& config,
                                                const Files* files) {
  // The seed of a copy that has all writes of the program.
  Copy copy(*world_, machine, NextSeed() * kSeedsOfCrashes);
  if (files != nullptr) {
    for (const std::string& name : copy.world().DiskFiles(copy.machine())) {
      copy.world().RemoveDiskFile(copy.machine(), name);
    }
    for (const auto& [name, bytes] : *files) {
      copy.world().PutDiskFile(copy.machine(), name, bytes);
    }
  }
  const Shadow* const shadow = copy.Start(config, nullptr);
  Promises promises;
  if (!shadow->status().ok()) return promises;
  const raft::Host& host = shadow->server()->host();
  for (const GroupId group : host.groups()) {
    const raft::Core* const core = host.core(group);
    if (core == nullptr || !host.group_status(group).ok()) return {};
    promises[group] = {core->term(), core->voted_for(), core->last()};
  }
  return promises;
}

void ShadowRecovery::ChangeStates(NodeId node, MachineId machine) {
  const uint64_t seed = NextSeed();
  Copy copy(*world_, machine, seed);
  MishandledDirectory directory(&copy.world(), copy.machine(), Random(seed));
  const auto identity = raft::DecodeIdentity(directory.Read("identity"));
  SnapshotOnDisk snapshot;
  if (!identity.ok() || !ReadSomeSnapshot(&directory, &snapshot) ||
      snapshot.trailer.group.group == shardctrl::kControllerGroup ||
      // A replica that joins has no state.
      snapshot.trailer.descriptor.position == raft::LogPosition()) {
    return;
  }
  const auto record = raft::DecodeBootstrapRecord(identity->bootstrap_record);
  CHECK(record.ok()) << record.status().ToString();
  // A replica that joined has the parameters in its snapshot alone.
  const bool founded =
      record->plan.Find(snapshot.trailer.group.group) != nullptr;
  const auto options = kv::StoreOptionsOf(
      snapshot.trailer.group.group,
      founded ? FirstConfiguration(*record, snapshot.trailer.group.group)
              : snapshot.trailer.descriptor.configuration);
  CHECK(options.ok()) << options.status().ToString();
  const std::string violation = CheckChangedState(
      *options,
      std::string_view(snapshot.bytes).substr(0, snapshot.footer.data_bytes),
      Random(seed), kChangedStates);
  if (violation.empty()) return;
  world_->Violate(absl::StrCat("mishap: node ", node.value(), ", group ",
                               snapshot.trailer.group.group.value(), ": ",
                               violation));
}

}  // namespace quorate::sim
