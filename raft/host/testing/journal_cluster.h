// raft/host/testing/journal_cluster.h: hosts of three machines or more in the
// simulated world, over simulated disks and links, with a state machine that
// keeps a journal.
#ifndef QUORATE_RAFT_HOST_TESTING_JOURNAL_CLUSTER_H_
#define QUORATE_RAFT_HOST_TESTING_JOURNAL_CLUSTER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"
#include "raft/host/state_machine.h"
#include "sim/world/world.h"

namespace quorate::raft::testing {

// Keeps every payload in order; the result is how many there are. Payloads that
// begin with "new" need level 2.
class Journal final : public StateMachine {
 public:
  explicit Journal(Level known_level) : known_level_(known_level) {}
  Level known_level() const override { return known_level_; }
  Level LevelOf(const Buffer& payload) const override {
    return payload.view().starts_with("new") ? Level(2) : Level(1);
  }
  Buffer Apply(const Entry& entry, bool wants_result) override {
    lines_.push_back(std::string(entry.payload.view()));
    return wants_result ? Buffer::Copy(absl::StrCat(lines_.size())) : Buffer();
  }

  std::unique_ptr<SnapshotReader> TakeSnapshot() override {
    class Reader final : public SnapshotReader {
     public:
      Reader(std::string bytes, std::shared_ptr<size_t> largest)
          : bytes_(std::move(bytes)), largest_(std::move(largest)) {}
      Buffer Next(size_t size) override {
        *largest_ = std::max(*largest_, size);
        const std::string piece = bytes_.substr(at_, size);
        at_ += piece.size();
        return Buffer::Copy(piece);
      }

     private:
      std::string bytes_;
      const std::shared_ptr<size_t> largest_;
      size_t at_ = 0;
    };
    std::string bytes = "journal\n";
    for (const std::string& line : lines_) absl::StrAppend(&bytes, line, "\n");
    return std::make_unique<Reader>(std::move(bytes), largest_piece_);
  }

  std::unique_ptr<SnapshotWriter> BeginRestore(
      const SnapshotDescriptor&) override {
    class Writer final : public SnapshotWriter {
     public:
      explicit Writer(Journal* journal) : journal_(journal) {}
      absl::Status Add(std::string_view bytes) override {
        size_t& largest = *journal_->largest_piece_;
        largest = std::max(largest, bytes.size());
        bytes_ += bytes;
        return absl::OkStatus();
      }
      absl::Status Commit() override {
        if (journal_->refuses_snapshots_) {
          return absl::DataLossError("a snapshot of another state");
        }
        journal_->lines_.clear();
        std::string line;
        bool header = true;
        for (char c : bytes_) {
          if (c != '\n') {
            line += c;
            continue;
          }
          if (!header) journal_->lines_.push_back(line);
          if (journal_->LevelOf(Buffer::Copy(line)) > journal_->known_level_) {
            return absl::InvalidArgumentError("a line of a newer program");
          }
          header = false;
          line.clear();
        }
        return absl::OkStatus();
      }

     private:
      Journal* journal_;
      std::string bytes_;
    };
    return std::make_unique<Writer>(this);
  }

  uint64_t Digest() const override {
    uint64_t digest = lines_.size();
    for (const std::string& line : lines_) {
      digest = Mix64(digest ^ Site(std::string_view(line)).hash());
    }
    return digest;
  }

  const std::vector<std::string>& lines() const { return lines_; }
  // The bytes of a snapshot that it was asked for, or was given, at once.
  size_t largest_piece() const { return *largest_piece_; }
  // The state becomes another one, as by a fault of memory.
  void Damage() { lines_.push_back("damage"); }
  // It takes no snapshot from now on.
  void RefuseSnapshots() { refuses_snapshots_ = true; }

 private:
  const Level known_level_;
  std::vector<std::string> lines_;
  bool refuses_snapshots_ = false;
  // Readers share it, which may outlive this object.
  const std::shared_ptr<size_t> largest_piece_ = std::make_shared<size_t>(0);
};

class QuietObserver final : public Host::Observer {
 public:
  void OnApplied(GroupId, const Entry&) override {
    if (on_applied == nullptr) return;
    handling = true;
    on_applied();
    handling = false;
  }
  void OnStep(GroupId group, const Core&, const Output& output) override {
    if (handling) ++nested_steps;
    if (on_step != nullptr) on_step(group, output);
  }
  void OnRestored(GroupId, const SnapshotDescriptor&) override { ++restored; }
  void OnStopped(const absl::Status& why) override { stopped = why; }
  void OnStatesDiffer(GroupId, Index) override { ++alarms; }
  void OnFenced(GroupId, const absl::Status&) override {
    ++fenced;
    if (on_fenced != nullptr) on_fenced();
  }
  int restored = 0;
  int alarms = 0;
  int fenced = 0;
  absl::Status stopped;
  std::function<void()> on_fenced;
  std::function<void()> on_applied;
  std::function<void(GroupId, const Output&)> on_step;
  bool handling = false;  // on_applied is being called.
  int nested_steps = 0;
};

inline constexpr GroupId kGroup(1);
inline constexpr ClusterId kCluster(99);

// The program of one machine. Its journal knows this level; zero: it makes no
// state machine.
struct JournalProgram {
  JournalProgram(env::Env& env, HostOptions options, Level known)
      : host(
            env, std::move(options),
            [known](GroupId, const Configuration&) {
              return known == Level() ? nullptr
                                      : std::make_unique<Journal>(known);
            },
            &observer) {
    host.Start([this](absl::Status status) { started = status; });
  }
  Journal* journal(GroupId group = kGroup) {
    return static_cast<Journal*>(host.state_machine(group));
  }

  QuietObserver observer;
  absl::Status started = absl::UnknownError("not yet");
  Host host;
};

// Three machines with a voter each, in the simulated world. Further ones have
// no replica at first.
class JournalCluster {
 public:
  // Starts the nodes `first`.
  explicit JournalCluster(uint64_t seed, uint64_t snapshot_threshold_bytes = 0,
                          const std::vector<uint32_t>& first = {1, 2, 3},
                          uint32_t nodes = 3)
      : world_({.seed = seed}) {
    options_.cluster = kCluster;
    options_.bootstrap = true;
    options_.digest_interval = 4;
    options_.snapshot_threshold_bytes = snapshot_threshold_bytes;
    options_.snapshot_threshold_bytes_max = snapshot_threshold_bytes;
    options_.snapshot_trailing_bytes = snapshot_threshold_bytes / 4;
    // As fast as the simulated disk allows.
    options_.bulk = {.floor = uint64_t{1} << 40, .ceiling = uint64_t{1} << 40};
    options_.plan.groups = {
        {.group = kGroup, .voters = {NodeId(1), NodeId(2), NodeId(3)}}};
    for (uint32_t n = 1; n <= nodes; ++n) {
      machines_.push_back(world_.AddMachine({.name = absl::StrCat("n", n)}));
    }
    programs_.resize(nodes);
    for (const uint32_t n : first) StartNode(n);
  }

  // The nodes that start from now on create the groups 1 to `count`, each with
  // a voter on each node.
  void SetGroups(uint32_t count) {
    std::vector<GroupPlan>& groups = options_.plan.groups;
    groups.resize(count, groups.front());
    for (uint32_t g = 1; g <= count; ++g) groups[g - 1].group = GroupId(g);
  }
  uint32_t size() const { return static_cast<uint32_t>(machines_.size()); }
  ReplicaId ReplicaOn(uint32_t n) {
    return raft::ReplicaOn(node(leader())->host.core(kGroup)->configuration(),
                           NodeId(n));
  }
  HostOptions OptionsOf(uint32_t n) {
    HostOptions options = options_;
    options.node = NodeId(n);
    options.listen_address = Address(n);
    for (uint32_t peer = 1; peer <= size(); ++peer) {
      if (peer != n) options.peers.push_back({NodeId(peer), Address(peer)});
    }
    return options;
  }
  void StartNode(uint32_t n) {
    world_.Start(machines_[n - 1], [this, n](env::Env& env) {
      auto program =
          std::make_shared<JournalProgram>(env, OptionsOf(n), KnownBy(n));
      programs_[n - 1] = program.get();
      return program;
    });
  }
  Level KnownBy(uint32_t n) const {
    const auto known = known_.find(n);
    return known == known_.end() ? Level(1) : known->second;
  }
  static std::string Address(uint32_t n) {
    return absl::StrCat("10.0.0.", n, ":9000");
  }

  void Crash(uint32_t n, sim::CrashKind kind) {
    world_.Crash(machines_[n - 1], kind);
    programs_[n - 1] = nullptr;
  }
  // Starts the node again with a program that knows `level`.
  void Replace(uint32_t n, Level level) {
    known_[n] = level;
    Crash(n, sim::CrashKind::kProcess);
    Restart(n);
  }
  void Restart(uint32_t n) { world_.Restart(machines_[n - 1]); }

  // The number of complete snapshots on the node's disk.
  size_t SnapshotFiles(uint32_t n) {
    size_t files = 0;
    for (const std::string& name : world_.DiskFiles(machines_[n - 1])) {
      const bool staging = name.find('.') != std::string::npos;
      files += name.starts_with("snap-") && !staging;
    }
    return files;
  }

  // Null while the machine is down.
  JournalProgram* node(uint32_t n) {
    return world_.running(machines_[n - 1]) ? programs_[n - 1] : nullptr;
  }
  // Waits until the start of a node ended, well or badly.
  void AwaitStart(uint32_t n) {
    EXPECT_TRUE(world_.RunUntilTrue([this, n] {
      return node(n) != nullptr && !absl::IsUnknown(node(n)->started);
    }));
  }
  // The node that leads in the highest term, or 0.
  uint32_t leader(GroupId group = kGroup) {
    uint32_t leader = 0;
    Term term;
    for (uint32_t n = 1; n <= size(); ++n) {
      const Core* core =
          node(n) == nullptr ? nullptr : node(n)->host.core(group);
      if (core == nullptr || core->role() != RoleKind::kLeader) continue;
      if (core->CanServeReads() && core->term() > term) {
        leader = n;
        term = core->term();
      }
    }
    return leader;
  }
  bool WaitForLeader(GroupId group = kGroup) {
    const bool found = world_.RunUntilTrue([&] { return leader(group) != 0; });
    for (uint32_t n = 1; !found && n <= size(); ++n) {
      if (node(n) == nullptr) continue;
      ADD_FAILURE() << "node " << n << ": " << node(n)->started;
    }
    return found;
  }
  // Proposes through the leader until it is done.
  ProposeResult Propose(const std::string& payload, GroupId group = kGroup) {
    EXPECT_TRUE(WaitForLeader(group));
    bool done = false;
    ProposeResult result;
    node(leader(group))
        ->host.Propose(group, Buffer::Copy(payload),
                       [&](const ProposeResult& r) {
                         result = r;
                         done = true;
                       });
    EXPECT_TRUE(world_.RunUntilTrue([&] { return done; }));
    return result;
  }
  bool Converged(size_t lines, GroupId group = kGroup) {
    for (uint32_t n = 1; n <= size(); ++n) {
      if (node(n) == nullptr || node(n)->journal(group) == nullptr) {
        return false;
      }
      Journal& journal = *node(n)->journal(group);
      if (journal.lines().size() != lines ||
          journal.Digest() != node(1)->journal(group)->Digest()) {
        return false;
      }
    }
    return true;
  }
  bool WaitConverged(size_t lines, GroupId group = kGroup) {
    return world_.RunUntilTrue([&] { return Converged(lines, group); });
  }

  // The level that a node's program knows, from its next start on.
  std::map<uint32_t, Level> known_;
  sim::World world_;
  HostOptions options_;
  std::vector<sim::MachineId> machines_;
  std::vector<JournalProgram*> programs_;
};

}  // namespace quorate::raft::testing

#endif  // QUORATE_RAFT_HOST_TESTING_JOURNAL_CLUSTER_H_
