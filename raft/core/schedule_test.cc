// Random schedules over a cluster of cores in memory: messages lost, doubled
// and reordered, crashes with writes lost, partitions, compaction, transfers.
// Half of the schedules change the configuration, too.
// Every cross-replica rule is checked after every step. At the end the cluster
// is healed and must agree.
//
//   bazel test //raft/core:schedule_test --test_arg=--seeds=1000..2000
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/core_cluster.h"

namespace quorate::raft {
namespace {

uint64_t first_seed = 1;
uint64_t last_seed = 250;
constexpr int kSteps = 10000;

// Draws of one schedule, in order.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t bound) {
    return random_.Below(bound, "schedule", 0, counter_++);
  }
  bool Chance(uint32_t percent) { return Below(100) < percent; }

 private:
  Random random_;
  uint64_t counter_ = 0;
};

// The rates of faults, drawn once per seed, so that runs differ in the kinds of
// faults (swarm testing).
struct Weather {
  uint32_t lose_percent = 0;
  uint32_t double_percent = 0;
  uint32_t reorder_percent = 0;
  uint32_t replay_percent = 0;  // A message from long ago arrives again.
  uint32_t fault_permille = 0;
  uint32_t disk_percent = 0;
  uint32_t client_percent = 0;
  int64_t time_step_ms = 1;
  bool changes = false;  // The configuration changes.

  static Weather Draw(Dice& dice) {
    Weather weather;
    weather.lose_percent = dice.Chance(50) ? 0 : dice.Below(30);
    weather.double_percent = dice.Chance(50) ? 0 : dice.Below(30);
    weather.reorder_percent = dice.Chance(30) ? 0 : dice.Below(80);
    weather.replay_percent = dice.Chance(50) ? 0 : dice.Below(10);
    weather.fault_permille = dice.Chance(10) ? 0 : 1 + dice.Below(25);
    weather.disk_percent = 5 + dice.Below(25);
    weather.client_percent = 5 + dice.Below(15);
    weather.time_step_ms = 1 + static_cast<int64_t>(dice.Below(30));
    weather.changes = dice.Chance(50);
    return weather;
  }
};

class Schedule {
 public:
  explicit Schedule(uint64_t seed)
      : dice_(seed),
        weather_(Weather::Draw(dice_)),
        cluster_(DrawOptions(seed)) {}

  void RunFaults() {
    for (int step = 0; step < kSteps && ok(); ++step) Act();
  }

  // All replicas return; the cluster must agree and serve again.
  void Heal() {
    HealLinks();
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      if (!cluster_.up(id)) cluster_.Restart(id);
    }
    cluster_.Run(Seconds(10));
    ASSERT_NE(Leader(), 0u) << "no leader 10 s after healing";
    for (int i = 0; i < 20 && !HasFirstMembers(); ++i) {
      ReturnToFirstMembers();
      cluster_.Run(Seconds(2));
    }
    ASSERT_TRUE(HasFirstMembers());
    const uint32_t leader = Leader();
    ASSERT_NE(leader, 0u) << "no leader after the last change";
    cluster_.Propose(leader, "last");
    cluster_.Read(leader, ++reads_);
    cluster_.Run(Seconds(3));
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      EXPECT_EQ(cluster_.node(id).applied, cluster_.node(leader).applied)
          << "node " << id;
      EXPECT_EQ(cluster_.node(id).state, cluster_.node(leader).state);
    }
    EXPECT_TRUE(cluster_.node(leader).state.ends_with("[last]"));
    EXPECT_TRUE(cluster_.reads().at(reads_).ok);
  }

  bool ok() const { return cluster_.violation().empty(); }
  // The index of the newest configuration that is committed.
  Index committed_configuration() {
    const uint32_t leader = Leader();
    return leader == 0 ? Index() : cluster_.core(leader).configuration_index();
  }
  const CoreCluster& cluster() const { return cluster_; }

 private:
  static CoreCluster::Options DrawOptions(uint64_t seed) {
    Dice dice(~seed);
    CoreCluster::Options options;
    options.seed = seed;
    options.voters =
        dice.Chance(60) ? 3 : 1 + static_cast<uint32_t>(dice.Below(5));
    options.learners = dice.Chance(80) ? 0 : 1;
    options.wall_clock = dice.Chance(50);
    options.core.append_bytes_max = 60 + dice.Below(300);
    options.core.inflight_messages_max = 1 + dice.Below(5);
    options.core.inflight_bytes_max = 100 + dice.Below(1000);
    options.core.uncommitted_bytes_max = 200 + dice.Below(3000);
    options.core.unapplied_bytes_max = 200 + dice.Below(3000);
    options.core.unwritten_bytes_max = 100 + dice.Below(1000);
    options.core.apply_bytes_max =
        dice.Chance(50) ? 60 + dice.Below(300) : 1 << 20;
    options.core.snapshot_chunk_bytes = 1 + dice.Below(40);
    options.pulses = dice.Chance(50);
    options.lease_length = Milliseconds(dice.Chance(50) ? dice.Below(2000) : 0);
    options.core.quiet_interval =
        Milliseconds(100 + static_cast<int64_t>(dice.Below(3000)));
    return options;
  }

  uint32_t Any() {
    return 1 + static_cast<uint32_t>(dice_.Below(cluster_.size()));
  }

  uint32_t Leader() {
    uint32_t leader = 0;
    Term term;
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      if (cluster_.up(id) && cluster_.core(id).role() == RoleKind::kLeader &&
          cluster_.core(id).term() > term) {
        leader = id;
        term = cluster_.core(id).term();
      }
    }
    return leader;
  }

  void Act() {
    if (dice_.Below(1000) < weather_.fault_permille) return Faults();
    uint64_t kind = dice_.Below(100);
    if (kind < weather_.disk_percent) return Disk();
    kind -= weather_.disk_percent;
    if (kind < weather_.client_percent) return Clients();
    kind -= weather_.client_percent;
    if (kind < 10) return Time();
    Network();
  }

  void Network() {
    if (dice_.Chance(weather_.replay_percent) && !old_.empty()) {
      const Message message = old_[dice_.Below(old_.size())];
      cluster_.Step(message.to.value(), MessageReceived{message});
      return;
    }
    uint32_t from = Any();
    uint32_t to = Any();
    for (int i = 0; i < 8 && cluster_.link(from, to).empty(); ++i) {
      from = Any();
      to = Any();
    }
    std::deque<Message>& link = cluster_.link(from, to);
    if (link.empty()) return;
    const size_t position =
        dice_.Chance(weather_.reorder_percent) ? dice_.Below(link.size()) : 0;
    Remember(link[position]);
    if (dice_.Chance(weather_.lose_percent)) {
      link.erase(link.begin() + static_cast<ptrdiff_t>(position));
      return;
    }
    if (dice_.Chance(weather_.double_percent)) {
      const Message copy = link[position];
      link.push_back(copy);
    }
    cluster_.Deliver(from, to, position);
  }

  // A bounded sample of everything that was ever sent.
  void Remember(const Message& message) {
    if (weather_.replay_percent == 0) return;
    if (old_.size() < 300) {
      old_.push_back(message);
    } else {
      old_[dice_.Below(old_.size())] = message;
    }
  }

  void Disk() {
    const uint32_t id = Any();
    if (dice_.Chance(60)) {
      cluster_.FinishWrite(id);
    } else {
      cluster_.FinishWork(id);
    }
  }

  // ---- Changes of the configuration. At the beginning the first replicas
  // vote, and the others are learners.
  void Change(uint32_t id, const Configuration& target) {
    if (!cluster_.up(id)) return;
    cluster_.Step(id, ChangeConfiguration{
                          0, cluster_.core(id).configuration_index(), target});
  }

  // Each replica stays what it is with 60 %; else it is drawn.
  void ChangeSomething(uint32_t id) {
    if (!cluster_.up(id)) return;
    Configuration target = cluster_.core(id).configuration();
    target.voters.clear();
    target.learners.clear();
    target.outgoing_voters.clear();
    target.next_learners.clear();
    const Configuration& present = cluster_.core(id).configuration();
    for (uint32_t other = 1; other <= cluster_.size(); ++other) {
      const bool votes = IsVoter(present, ReplicaId(other));
      uint64_t kind = votes ? 0 : IsMember(present, ReplicaId(other)) ? 1 : 2;
      if (dice_.Chance(40)) kind = dice_.Below(3);
      if (kind == 0) target.voters.push_back(CoreCluster::MemberOf(other));
      if (kind == 1) target.learners.push_back(CoreCluster::MemberOf(other));
    }
    Change(id, target);
  }

  bool HasFirstMembers() {
    const uint32_t leader = Leader();
    if (leader == 0) return false;
    const Configuration& present = cluster_.core(leader).configuration();
    return present.voters.size() == cluster_.voters() &&
           present.voters.back() == CoreCluster::MemberOf(cluster_.voters()) &&
           present.outgoing_voters.empty() &&
           present.learners.size() == cluster_.size() - cluster_.voters() &&
           cluster_.core(leader).configuration_index() <=
               cluster_.core(leader).commit_index();
  }

  // Those that are to vote become learners first.
  void ReturnToFirstMembers() {
    const uint32_t leader = Leader();
    if (leader == 0) return;
    const Configuration& present = cluster_.core(leader).configuration();
    Configuration target = present;
    bool all = true;
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      all &= IsMember(present, ReplicaId(id));
    }
    target.learners.clear();
    if (all) target.voters.clear();
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      if (!all && IsVoter(present, ReplicaId(id))) continue;
      const bool votes = all && id <= cluster_.voters();
      (votes ? target.voters : target.learners)
          .push_back(CoreCluster::MemberOf(id));
    }
    Change(leader, target);
  }

  void Clients() {
    const uint32_t leader = Leader();
    const uint32_t id = leader == 0 || dice_.Chance(40) ? Any() : leader;
    if (weather_.changes && dice_.Chance(4)) return ChangeSomething(id);
    const uint64_t kind = dice_.Below(100);
    if (kind < 55) {
      cluster_.Propose(id, std::to_string(++payloads_));
    } else if (kind < 92) {
      cluster_.Read(id, ++reads_);
    } else if (kind < 98) {
      cluster_.Compact(Any(), dice_.Below(4));
    } else {
      cluster_.Step(id, TransferRequested{ReplicaId(Any())});
    }
  }

  void Time() {
    cluster_.Advance(Milliseconds(static_cast<int64_t>(
        dice_.Below(static_cast<uint64_t>(weather_.time_step_ms)))));
    for (uint32_t id = 1; id <= cluster_.size(); ++id) {
      if (cluster_.up(id) && cluster_.core(id).deadline() <= cluster_.now() &&
          dice_.Chance(80)) {
        cluster_.FireTimeout(id);
      }
    }
  }

  void HealLinks() {
    for (uint32_t a = 1; a <= cluster_.size(); ++a) {
      for (uint32_t b = 1; b <= cluster_.size(); ++b) cluster_.Heal(a, b);
    }
  }

  void Faults() {
    const uint32_t leader = Leader();
    const uint32_t id = leader == 0 || dice_.Chance(50) ? Any() : leader;
    switch (dice_.Below(6)) {
      case 0:
        cluster_.Crash(id, dice_.Below(3));
        return;
      case 1:  // The process returns at once.
        cluster_.Crash(id, dice_.Below(3));
        cluster_.Restart(id);
        return;
      case 2:
        for (uint32_t other = 1; other <= cluster_.size(); ++other) {
          if (dice_.Chance(70)) cluster_.Cut(id, other);
          if (dice_.Chance(70)) cluster_.Cut(other, id);
        }
        return;
      case 3:
        HealLinks();
        return;
      case 4:
        for (uint32_t other = 1; other <= cluster_.size(); ++other) {
          if (!cluster_.up(other)) cluster_.Restart(other);
        }
        return;
      case 5:  // Time passes, but only one replica's timer fires.
        cluster_.Advance(Milliseconds(600));
        cluster_.FireTimeout(Any());
        return;
    }
  }

  Dice dice_;
  Weather weather_;
  CoreCluster cluster_;
  std::vector<Message> old_;
  uint64_t payloads_ = 0;
  uint64_t reads_ = 0;
};

TEST(ScheduleTest, RandomFaults_NoRuleIsBrokenAndAllAgreeAfterwards) {
  uint64_t committed = 0;
  uint64_t answered = 0;
  uint64_t changed = 0;  // Runs in which the configuration changed.
  for (uint64_t seed = first_seed; seed <= last_seed; ++seed) {
    SCOPED_TRACE("replay: --seeds=" + std::to_string(seed) + ".." +
                 std::to_string(seed));
    Schedule schedule(seed);
    schedule.RunFaults();
    ASSERT_EQ(schedule.cluster().violation(), "");
    ASSERT_NO_FATAL_FAILURE(schedule.Heal());
    ASSERT_EQ(schedule.cluster().violation(), "");
    ASSERT_FALSE(::testing::Test::HasFailure());
    committed += schedule.cluster().node(1).applied.value();
    changed += schedule.committed_configuration() > Index(1) ? 1 : 0;
    for (const auto& [tag, read] : schedule.cluster().reads()) {
      if (read.ok) ++answered;
    }
  }
  // The schedules leave enough working to commit entries.
  const uint64_t runs = last_seed - first_seed + 1;
  std::printf("%llu runs, %llu entries, %llu reads, %llu runs with changes\n",
              static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(committed),
              static_cast<unsigned long long>(answered),
              static_cast<unsigned long long>(changed));
  EXPECT_GT(committed, runs * 10);
  EXPECT_GT(answered, runs);
  EXPECT_GT(changed, runs / 4);
}

}  // namespace

void ParseSeeds(const char* text) {
  unsigned long long first = 0;
  unsigned long long last = 0;
  if (std::sscanf(text, "--seeds=%llu..%llu", &first, &last) == 2) {
    first_seed = first;
    last_seed = last;
  }
}

}  // namespace quorate::raft

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) quorate::raft::ParseSeeds(argv[i]);
  return RUN_ALL_TESTS();
}
