#include "bench/core_entries.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"

namespace quorate::bench {
namespace {

constexpr size_t kReplicas = 3;
constexpr size_t kPayloadBytes = 64;
// A snapshot of a follower or leader forgets entries after so many.
constexpr uint64_t kCompactEvery = 10'000;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

// Replica 1 leads.
class Group {
 public:
  Group() {
    now_.mono = MonoTime(0) + Seconds(1);
    raft::Configuration configuration;
    for (size_t i = 0; i < kReplicas; ++i) {
      configuration.voters.push_back(
          {IdOf(i), NodeId(static_cast<uint32_t>(i)), StoreIncarnation(i + 1)});
    }
    for (size_t i = 0; i < kReplicas; ++i) {
      raft::Entry first;
      first.term = raft::Term(1);
      first.index = raft::Index(1);
      first.kind = raft::EntryKind::kConfiguration;
      first.payload = raft::EncodeConfiguration(configuration);
      raft::Restored restored;
      restored.hard_state.term = raft::Term(1);
      restored.entries.push_back(std::move(first));
      raft::CoreOptions options;
      if (i > 0) {
        options.election_timeout_min = Seconds(1'000'000);
        options.election_timeout_max = Seconds(1'000'000);
      }
      replicas_[i].core = std::make_unique<raft::Core>(
          std::make_shared<const raft::CoreOptions>(options),
          raft::CoreContext{.replica = IdOf(i), .group = GroupId(1)},
          std::move(restored), Random(1), now_);
    }
    while (!leader().CanServeReads()) {
      now_.mono = leader().deadline();
      Step(0, raft::TimerFired());
      Exchange();
    }
  }

  // Returns when all replicas have applied them.
  void Commit(uint64_t entries, size_t batch) {
    const std::string payload(kPayloadBytes, 'x');
    const raft::Index last = leader().last().index + entries;
    while (leader().last().index < last) {
      raft::Proposals proposals;
      const size_t count =
          std::min<size_t>(batch, last - leader().last().index);
      for (size_t i = 0; i < count; ++i) {
        proposals.all.push_back(
            {0, raft::EntryKind::kCommands, Buffer::Copy(payload)});
      }
      Step(0, std::move(proposals));
      Exchange();
      Compact();
    }
    // The followers hear of the last commit.
    while (!Applied(last)) {
      now_.mono = leader().deadline();
      Step(0, raft::TimerFired());
      Exchange();
    }
  }

 private:
  struct Replica {
    std::unique_ptr<raft::Core> core;
    std::deque<raft::Write> writes;
  };

  static ReplicaId IdOf(size_t i) { return ReplicaId(i + 1); }
  raft::Core& leader() { return *replicas_[0].core; }
  bool Applied(raft::Index index) const {
    for (const Replica& replica : replicas_) {
      if (replica.core->applied_index() < index) return false;
    }
    return true;
  }

  void Step(size_t i, raft::Input input) {
    Replica& replica = replicas_[i];
    replica.core->Step(now_, std::move(input), &output_);
    CHECK(output_.refused.empty());
    Send(&output_.messages);
    Send(&output_.heartbeats);
    if (output_.write.has_value()) {
      replica.writes.push_back(*std::move(output_.write));
    }
  }

  void Send(std::vector<raft::Message>* messages) {
    for (raft::Message& message : *messages) {
      links_.push_back(std::move(message));
    }
    messages->clear();
  }

  // Delivers and writes until nothing is left.
  void Exchange() {
    while (DeliverAll() || WriteAll()) {
    }
  }

  bool DeliverAll() {
    if (links_.empty()) return false;
    while (!links_.empty()) {
      raft::Message message = std::move(links_.front());
      links_.pop_front();
      const size_t to = message.to.value() - 1;
      Step(to, raft::MessageReceived{std::move(message)});
    }
    return true;
  }

  bool WriteAll() {
    bool any = false;
    for (size_t i = 0; i < kReplicas; ++i) {
      std::deque<raft::Write>& writes = replicas_[i].writes;
      while (!writes.empty()) {
        any = true;
        raft::Write write = std::move(writes.front());
        writes.pop_front();
        Send(&write.after);
        Step(i, raft::WriteDone{write.token});
      }
    }
    return any;
  }

  void Compact() {
    for (size_t i = 0; i < kReplicas; ++i) {
      const raft::Core& core = *replicas_[i].core;
      const raft::Index applied = core.applied_index();
      if (applied < core.log_start().index + kCompactEvery) continue;
      raft::SnapshotTaken taken;
      taken.snapshot.position = {core.TermAt(applied), applied};
      taken.snapshot.log_time = core.applied_log_time();
      taken.snapshot.latest = core.applied_latest();
      taken.snapshot.configuration = core.configuration();
      taken.compact_index = applied - kCompactEvery / 2;
      Step(i, std::move(taken));
    }
  }

  Now now_;
  std::array<Replica, kReplicas> replicas_;
  std::deque<raft::Message> links_;
  raft::Output output_;
};

Figure Measure(const std::string& name, uint64_t entries, size_t batch) {
  Group group;
  group.Commit(entries / 10, batch);
  const double start = CpuSeconds();
  group.Commit(entries, batch);
  const double seconds = CpuSeconds() - start;
  return {name, static_cast<double>(entries) / seconds, "1/s"};
}

}  // namespace

std::vector<Figure> CoreEntriesFigures(uint64_t entries) {
  return {Measure("core_entries_per_second", entries, 64),
          Measure("core_entries_per_second_single", entries, 1)};
}

}  // namespace quorate::bench
