// raft/log/testing/log_harness.h: a store on a simulated disk, driven step by
// step by the tests of raft/log.
//
// Testonly. Each call runs the world until no event is left for an hour. The
// log writes a witness later than that, unless a test sets another delay.
#ifndef QUORATE_RAFT_LOG_TESTING_LOG_HARNESS_H_
#define QUORATE_RAFT_LOG_TESTING_LOG_HARNESS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/check.h"
#include "raft/log/identity.h"
#include "raft/log/log.h"
#include "raft/log/snapshot_store.h"
#include "sim/testing/test_env.h"

namespace quorate::raft {

inline constexpr ClusterId kTestCluster{0xc1};
inline constexpr NodeId kTestNode{1};

inline GroupKey TestGroup(uint32_t number) {
  return {GroupId(number), ReplicaId(1000 + number)};
}

// A log start whose times follow from its index, as those of TestEntry.
inline LogStart TestLogStart(LogPosition position) {
  const auto index = static_cast<int64_t>(position.index.value());
  if (index == 0) return {};
  return {position, WallTime(index * 1000), WallTime(index + 5)};
}

inline Entry TestEntry(uint64_t term, uint64_t index,
                       std::string_view payload) {
  Entry entry;
  entry.term = Term(term);
  entry.index = Index(index);
  entry.kind = EntryKind::kCommands;
  entry.log_time = WallTime(static_cast<int64_t>(index * 1000));
  entry.leader_wall = {WallTime(static_cast<int64_t>(index)),
                       WallTime(static_cast<int64_t>(index) + 5)};
  entry.payload = Buffer::Copy(payload);
  entry.checksum = EntryChecksum(entry);
  return entry;
}

// The bootstrap record of stores that a harness creates.
inline constexpr char kTestRecord[] = "what was decided";

class LogHarness {
 public:
  explicit LogHarness(uint64_t seed = 1) : test_(seed) { SmallSegments(); }
  explicit LogHarness(const sim::WorldOptions& options) : test_(options) {
    SmallSegments();
  }
  ~LogHarness() { Close(); }

  sim::TestEnv& test() { return test_; }
  sim::World& world() { return test_.world(); }
  LogOptions& options() { return options_; }
  Log* log() { return log_.get(); }
  SnapshotStore* snapshots() { return snapshots_.get(); }

  // Creates a store that is not founded.
  absl::StatusOr<StoreIdentity> CreateIdentity() {
    absl::StatusOr<StoreIdentity> result = absl::UnknownError("not called");
    auto operation =
        raft::CreateStore(test_.env(), kTestCluster, kTestNode,
                          [&](auto identity) { result = identity; });
    Run();
    return result;
  }
  // Creates a store and founds it, with an empty log.
  absl::Status CreateStore(const std::string& record = kTestRecord) {
    const absl::StatusOr<StoreIdentity> created = CreateIdentity();
    return created.ok() ? FoundStore(*created, record) : created.status();
  }
  // Founds a store that was created.
  absl::Status FoundStore(const StoreIdentity& store,
                          const std::string& record = kTestRecord) {
    options_.cluster = kTestCluster;
    options_.store = store.store;
    absl::StatusOr<StoreIdentity> result = absl::UnknownError("not called");
    const auto done = [&](auto identity) { result = identity; };
    auto operation = CreateLog(test_.env(), store, done);
    Run();
    if (!result.ok()) return result.status();
    result = absl::UnknownError("not called");
    operation = raft::FoundStore(test_.env(), store, record, done);
    Run();
    return result.status();
  }
  // Creates the store, or completes what an interrupted attempt left of it.
  absl::Status CompleteStore() {
    const absl::StatusOr<StoreIdentity> identity = ReadIdentity();
    if (absl::IsNotFound(identity.status())) return CreateStore();
    if (!identity.ok()) return identity.status();
    if (identity->bootstrap_record.empty()) return FoundStore(*identity);
    options_.store = identity->store;
    return absl::OkStatus();
  }
  absl::StatusOr<StoreIdentity> ReadIdentity(ClusterId cluster = kTestCluster,
                                             NodeId node = kTestNode) {
    absl::StatusOr<StoreIdentity> result = absl::UnknownError("not called");
    auto operation = ReadStore(test_.env(), cluster, node,
                               [&](auto identity) { result = identity; });
    Run();
    return result;
  }
  absl::Status Open() {
    absl::Status result = absl::UnknownError("not called");
    auto operation = Log::Open(test_.env(), options_, [&](auto log) {
      result = log.status();
      if (log.ok()) log_ = *std::move(log);
    });
    Run();
    return result;
  }
  absl::Status OpenSnapshots() {
    absl::Status result = absl::UnknownError("not called");
    auto operation = SnapshotStore::Open(test_.env(), options_, [&](auto s) {
      result = s.status();
      if (s.ok()) snapshots_ = *std::move(s);
    });
    Run();
    return result;
  }
  // Creates and opens the store; CHECKs that both succeed.
  void Start() {
    const absl::Status created = CreateStore();
    CHECK(created.ok()) << created;
    const absl::Status open = Open();
    CHECK(open.ok()) << open;
  }
  void Close() {
    log_.reset();
    snapshots_.reset();
  }
  void Crash(sim::CrashKind kind) {
    Close();
    if (running()) world().Crash(test_.machine(), kind);
    Reboot();
  }
  // Call after the machine stopped by itself (World::CrashAtDiskOperation).
  void Reboot() {
    Close();
    if (!world().running(test_.machine())) {
      world().Start(test_.machine(), nullptr);
    }
  }
  bool running() { return world().running(test_.machine()); }
  absl::Status Restart(sim::CrashKind kind = sim::CrashKind::kProcess) {
    Crash(kind);
    return Open();
  }
  // Runs the world until no event is left.
  void Run() { test_.world().RunUntilIdle(); }

  // These calls wait for their result.
  absl::Status Append(GroupKey group, std::vector<Entry> entries,
                      const HardState* hard_state = nullptr,
                      Index commit = Index()) {
    return Wait([&](Log::Done done) {
      log_->Append(group, hard_state, commit, entries, std::move(done));
    });
  }
  absl::Status SetLogStart(GroupKey group, LogPosition position,
                           bool discard_suffix = false) {
    return Wait([&](Log::Done done) {
      log_->SetLogStart(group, TestLogStart(position), discard_suffix,
                        std::move(done));
    });
  }
  absl::Status Fence(GroupKey group) {
    return Wait([&](Log::Done done) {
      log_->Fence(group, absl::InternalError("its state is wrong"),
                  std::move(done));
    });
  }
  absl::Status Drop(GroupKey group,
                    Log::Leaves leaves = Log::Leaves::kNothing) {
    return Wait(
        [&](Log::Done done) { log_->Drop(group, leaves, std::move(done)); });
  }
  absl::Status Witness() {
    return Wait([&](Log::Done done) { log_->Witness(std::move(done)); });
  }
  absl::StatusOr<EntryList> Read(GroupKey group, Index after) {
    absl::StatusOr<EntryList> result = absl::UnknownError("not called");
    test_.InTurn([&] {
      log_->Read(group, after, [&](auto entries) { result = entries; });
    });
    return result;
  }
  template <typename Call>
  absl::Status Wait(Call&& call) {
    absl::Status result = absl::UnknownError("not called");
    test_.InTurn([&] { call([&](absl::Status status) { result = status; }); });
    return result;
  }

  std::vector<std::string> LogFiles() {
    std::vector<std::string> names;
    for (const std::string& name : test_.world().DiskFiles(test_.machine())) {
      if (name.rfind("log-", 0) == 0) names.push_back(name);
    }
    return names;
  }
  std::string ReadFile(const std::string& name) {
    return test_.world().ReadDiskFile(test_.machine(), name);
  }
  uint64_t Marks(const std::string& mark) {
    const auto& marks = test_.world().marks();
    const auto found = marks.find(mark);
    return found == marks.end() ? 0 : found->second;
  }

 private:
  void SmallSegments() {
    options_.cluster = kTestCluster;
    options_.segment_bytes = 64 << 10;
    options_.witness_delay = Seconds(1'000'000'000);
  }

  sim::TestEnv test_;
  LogOptions options_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<SnapshotStore> snapshots_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_TESTING_LOG_HARNESS_H_
