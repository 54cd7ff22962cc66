// Every state that three replicas can reach with few faults. The search copies
// cores, and visits each state once, by its digest. Links keep their order, but
// may lose their oldest message; disks write in order; a replica may crash with
// any number of its writes done. A leader may remove a voter, also itself.
// Budgets limit the timeouts, proposals, losses, crashes and removals, so the
// states are finitely many.
//
// A longer search, with the numbers of these moves in this order:
//
//   bazel run //raft/core:explore_test -- --budget=2,1,0,0,0
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"
#include "raft/core/core_digest.h"

namespace quorate::raft {
namespace {

constexpr size_t kReplicas = 3;
constexpr Duration kTimeout = Milliseconds(300);

ReplicaId IdOf(size_t replica) { return ReplicaId(replica + 1); }

Entry FirstEntry() {
  Configuration configuration;
  for (size_t i = 0; i < kReplicas; ++i) {
    configuration.voters.push_back(
        {IdOf(i), NodeId(static_cast<uint32_t>(i)), StoreIncarnation(i + 1)});
  }
  Entry entry;
  entry.term = Term(1);
  entry.index = Index(1);
  entry.kind = EntryKind::kConfiguration;
  entry.payload = EncodeConfiguration(configuration);
  return entry;
}

// How often each kind of move may still be made.
struct Budget {
  uint64_t timeouts = 0;
  uint64_t proposals = 0;
  uint64_t losses = 0;
  uint64_t crashes = 0;
  uint64_t removals = 0;
};

// A fault that no replica can survive, so that the search must find what it
// does.
enum class Betrayal : uint8_t {
  kNone,
  // A crash loses the vote that was durable.
  kVoteForgotten,
  // A write is reported as durable and is lost in a crash.
  kWriteLost,
};

struct Replica {
  Core core;
  // The contents of its disk.
  HardState hard_state;
  Index commit;
  std::vector<Entry> entries;
  std::deque<Write> writes;  // Not durable yet, the oldest first.
};

// A state of the group, with the part of its history that the rules need.
struct State {
  std::vector<Replica> replicas;
  std::array<std::array<std::deque<Message>, kReplicas>, kReplicas> links;
  MonoTime now{1'000'000'000};
  Budget budget;
  std::vector<Entry> committed;       // In the order of indexes.
  std::vector<Term> committed_in;     // The term in which each was committed.
  std::map<Term, ReplicaId> leaders;  // One for each term.

  uint64_t Digest() const;
};

uint64_t State::Digest() const {
  CoreDigest digest(now, kTimeout * 2);
  digest.Add(budget.timeouts);
  digest.Add(budget.proposals);
  digest.Add(budget.losses);
  digest.Add(budget.crashes);
  digest.Add(budget.removals);
  for (const Replica& replica : replicas) {
    digest.Add(replica.core.Digest(now));
    digest.Add(replica.hard_state);
    digest.Add(replica.commit);
    digest.Add(uint64_t{replica.entries.size()});
    for (const Entry& entry : replica.entries) digest.Add(entry);
    digest.Add(uint64_t{replica.writes.size()});
    for (const Write& write : replica.writes) {
      digest.Add(write.token.epoch);
      digest.Add(write.token.last);
      digest.Add(write.hard_state);
      digest.Add(write.commit);
      for (const Message& message : write.after) digest.Add(message);
    }
  }
  for (const auto& row : links) {
    for (const std::deque<Message>& link : row) {
      digest.Add(uint64_t{link.size()});
      for (const Message& message : link) digest.Add(message);
    }
  }
  for (size_t i = 0; i < committed.size(); ++i) {
    digest.Add(committed[i]);
    digest.Add(committed_in[i]);
  }
  for (const auto& [term, leader] : leaders) {
    digest.Add(term);
    digest.Add(leader);
  }
  return digest.value();
}

// Visits the states, depth first.
class Explorer {
 public:
  Explorer(Budget budget, Betrayal betrayal, uint64_t states_max)
      : budget_(budget), betrayal_(betrayal), states_max_(states_max) {
    State first;
    first.budget = budget;
    for (size_t i = 0; i < kReplicas; ++i) {
      first.replicas.push_back(
          {Boot(i, {Term(1), ReplicaId()}, Index(), {FirstEntry()}, first.now),
           {Term(1), ReplicaId()},
           Index(),
           {FirstEntry()},
           {}});
    }
    first.committed = {FirstEntry()};
    first.committed_in = {Term(1)};
    Visit(first);
  }

  const std::string& violation() const { return violation_; }
  uint64_t states() const { return visited_.size(); }
  // Facts that some state showed.
  uint64_t commits() const { return commits_; }
  uint64_t truncations() const { return truncations_; }
  uint64_t rival_leaders() const { return rival_leaders_; }
  uint64_t removals() const { return removals_; }

 private:
  static Core Boot(size_t replica, HardState hard_state, Index commit,
                   const std::vector<Entry>& entries, MonoTime now) {
    CoreOptions options;
    options.election_timeout_min = kTimeout;
    options.election_timeout_max = kTimeout;
    Restored restored;
    restored.hard_state = hard_state;
    restored.commit = commit;
    for (const Entry& entry : entries) restored.entries.push_back(entry);
    Now clock;
    clock.mono = now;
    return Core(std::make_shared<const CoreOptions>(options),
                {.replica = IdOf(replica), .group = GroupId(1)},
                std::move(restored), Random(1), clock);
  }

  bool Done() const { return !violation_.empty() || cut_short_; }

  void Visit(const State& state) {
    if (Done() || !visited_.insert(state.Digest()).second) return;
    if (visited_.size() >= states_max_) {
      cut_short_ = true;
      return;
    }
    if (visited_.size() % 1'000'000 == 0) {
      std::fprintf(stderr, "%zu states\n", visited_.size());
    }
    for (size_t i = 0; i < kReplicas; ++i) {
      Crash(state, i);
      TimeOut(state, i);
      for (size_t to = 0; to < kReplicas; ++to) {
        if (state.links[i][to].empty()) continue;
        Deliver(state, i, to);
        Lose(state, i, to);
      }
      FinishWrite(state, i);
      Propose(state, i);
      for (size_t voter = 0; voter < kReplicas; ++voter) {
        Remove(state, i, voter);
      }
    }
  }

  void Deliver(const State& before, size_t from, size_t to) {
    State state = before;
    Message message = std::move(state.links[from][to].front());
    state.links[from][to].pop_front();
    Step(&state, to, MessageReceived{std::move(message)});
    Visit(state);
  }

  void Lose(const State& before, size_t from, size_t to) {
    if (before.budget.losses == 0) return;
    State state = before;
    --state.budget.losses;
    state.links[from][to].pop_front();
    Visit(state);
  }

  void FinishWrite(const State& before, size_t i) {
    if (before.replicas[i].writes.empty()) return;
    State state = before;
    const Write write = TakeWrite(&state.replicas[i]);
    if (betrayal_ != Betrayal::kWriteLost) Keep(&state.replicas[i], write);
    for (const Message& message : write.after) Send(&state, i, message);
    Step(&state, i, WriteDone{write.token});
    Visit(state);
  }

  // Time is at the deadline of the replica. The others are late with theirs.
  void TimeOut(const State& before, size_t i) {
    if (before.budget.timeouts == 0) return;
    // Other states are the mirror images of those in which replica 1 is first.
    if (i > 0 && before.budget.timeouts == budget_.timeouts) return;
    State state = before;
    --state.budget.timeouts;
    const MonoTime deadline = state.replicas[i].core.deadline();
    if (deadline == MonoTime::Max()) return;
    state.now = std::max(state.now, deadline);
    Step(&state, i, TimerFired());
    Visit(state);
  }

  void Propose(const State& before, size_t i) {
    if (before.budget.proposals == 0 ||
        before.replicas[i].core.role() != RoleKind::kLeader) {
      return;
    }
    State state = before;
    const std::string payload = std::to_string(--state.budget.proposals);
    Step(&state, i, Proposal{0, EntryKind::kCommands, Buffer::Copy(payload)});
    Visit(state);
  }

  void Remove(const State& before, size_t i, size_t voter) {
    const Core& leader = before.replicas[i].core;
    if (before.budget.removals == 0 || leader.role() != RoleKind::kLeader) {
      return;
    }
    Configuration target = leader.configuration();
    std::erase_if(target.voters, [voter](const Member& member) {
      return member.replica == IdOf(voter);
    });
    if (target.voters == leader.configuration().voters) return;
    State state = before;
    --state.budget.removals;
    Step(&state, i,
         ChangeConfiguration{0, leader.configuration_index(), target});
    removals_ += output_.proposed.size();
    if (output_.refused.empty()) Visit(state);
  }

  // It starts at once, with each number of its writes done.
  void Crash(const State& before, size_t i) {
    if (before.budget.crashes == 0) return;
    for (size_t written = 0; written <= before.replicas[i].writes.size();
         ++written) {
      State state = before;
      --state.budget.crashes;
      Replica& replica = state.replicas[i];
      for (size_t k = 0; k < written; ++k) {
        const Write write = TakeWrite(&replica);
        Keep(&replica, write);
      }
      replica.writes.clear();
      if (betrayal_ == Betrayal::kVoteForgotten) {
        replica.hard_state.voted_for = ReplicaId();
      }
      Replica restarted = {Boot(i, replica.hard_state, replica.commit,
                                replica.entries, state.now),
                           replica.hard_state,
                           replica.commit,
                           replica.entries,
                           {}};
      std::vector<Replica> replicas;
      for (size_t k = 0; k < kReplicas; ++k) {
        replicas.push_back(k == i ? restarted : state.replicas[k]);
      }
      state.replicas.swap(replicas);
      Check(&state);
      Visit(state);
    }
  }

  static Write TakeWrite(Replica* replica) {
    Write write = std::move(replica->writes.front());
    replica->writes.pop_front();
    return write;
  }

  static void Keep(Replica* replica, const Write& write) {
    if (write.hard_state_changed) replica->hard_state = write.hard_state;
    replica->commit = std::max(replica->commit, write.commit);
    if (write.entries.empty()) return;
    replica->entries.resize(write.entries.front().index.value() - 1);
    for (const Entry& entry : write.entries) replica->entries.push_back(entry);
  }

  void Step(State* state, size_t i, Input input) {
    Replica& replica = state->replicas[i];
    Now clock;
    clock.mono = state->now;
    replica.core.Step(clock, std::move(input), &output_);
    replica.core.CheckInvariants();
    for (const Message& message : output_.messages) Send(state, i, message);
    for (const Message& message : output_.heartbeats) Send(state, i, message);
    if (output_.write.has_value()) replica.writes.push_back(*output_.write);
    for (const Event& event : output_.events) {
      commits_ += event.kind == Event::Kind::kCommitAdvanced ? 1 : 0;
      truncations_ += event.kind == Event::Kind::kSuffixTruncated ? 1 : 0;
    }
    Check(state);
  }

  static void Send(State* state, size_t from, const Message& message) {
    state->links[from][message.to.value() - 1].push_back(message);
  }

  void Fail(const std::string& why) {
    if (violation_.empty()) violation_ = why;
  }

  // Raft paper, Figure 3.
  void Check(State* state) {
    size_t leaders = 0;
    for (const Replica& replica : state->replicas) {
      const Core& core = replica.core;
      if (core.role() == RoleKind::kLeader) {
        ++leaders;
        const auto [it, first] =
            state->leaders.emplace(core.term(), core.replica());
        if (it->second != core.replica()) {
          Fail(absl::StrCat("two leaders in term ", core.term().value()));
        }
      }
      CheckCommitted(state, core);
    }
    rival_leaders_ += leaders > 1 ? 1 : 0;
    for (const Replica& replica : state->replicas) {
      if (replica.core.role() == RoleKind::kLeader) {
        CheckComplete(*state, replica.core);
      }
    }
  }

  // State machine safety: what one replica commits, all commit.
  void CheckCommitted(State* state, const Core& core) {
    for (uint64_t i = 1; i <= core.commit_index().value(); ++i) {
      const Entry& entry = core.EntryAt(Index(i));
      if (i <= state->committed.size()) {
        if (state->committed[i - 1].position() != entry.position() ||
            state->committed[i - 1].payload.view() != entry.payload.view()) {
          return Fail(absl::StrCat("two entries committed at ", i));
        }
        continue;
      }
      state->committed.push_back(entry);
      state->committed_in.push_back(core.term());
      CheckOnMajority(*state, entry, core.configuration());
    }
  }

  // `configuration` is that of the replica that commits it first.
  void CheckOnMajority(const State& state, const Entry& entry,
                       const Configuration& configuration) {
    for (const auto* voters :
         {&configuration.voters, &configuration.outgoing_voters}) {
      size_t disks = 0;
      for (const Member& voter : *voters) {
        const std::vector<Entry>& entries =
            state.replicas[voter.replica.value() - 1].entries;
        const uint64_t at = entry.index.value() - 1;
        disks +=
            at < entries.size() && entries[at].position() == entry.position()
                ? 1
                : 0;
      }
      if (disks * 2 <= voters->size() && !voters->empty()) {
        Fail(absl::StrCat("entry ", entry.index.value(),
                          " is committed and on ", disks, " disks"));
      }
    }
  }

  // Leader completeness.
  void CheckComplete(const State& state, const Core& leader) {
    for (size_t i = 0; i < state.committed.size(); ++i) {
      if (state.committed_in[i] < leader.term() &&
          leader.TermAt(Index(i + 1)) != state.committed[i].term) {
        Fail(absl::StrCat("the leader of term ", leader.term().value(),
                          " lacks committed entry ", i + 1));
      }
    }
  }

  const Budget budget_;
  const Betrayal betrayal_;
  const uint64_t states_max_;
  absl::flat_hash_set<uint64_t> visited_;
  Output output_;
  std::string violation_;
  bool cut_short_ = false;
  uint64_t commits_ = 0;
  uint64_t truncations_ = 0;
  uint64_t rival_leaders_ = 0;
  uint64_t removals_ = 0;
};

// Replaced by --budget.
Budget given_budget = {.timeouts = 1, .proposals = 2};

void ExpectSafe(const Budget& budget) {
  constexpr uint64_t kNoLimit = ~uint64_t{0};
  const Explorer explorer(budget, Betrayal::kNone, kNoLimit);
  EXPECT_EQ(explorer.violation(), "");
  std::printf(
      "%llu states, %llu commits, %llu truncations, %llu steps with two "
      "leaders, %llu removals\n",
      static_cast<unsigned long long>(explorer.states()),
      static_cast<unsigned long long>(explorer.commits()),
      static_cast<unsigned long long>(explorer.truncations()),
      static_cast<unsigned long long>(explorer.rival_leaders()),
      static_cast<unsigned long long>(explorer.removals()));
  // The search gets somewhere.
  EXPECT_GT(explorer.commits(), 0u);
  EXPECT_EQ(explorer.removals() > 0, budget.removals > 0);
  if (budget.timeouts > 1) {
    EXPECT_GT(explorer.truncations(), 0u);
    EXPECT_GT(explorer.rival_leaders(), 0u);
  }
}

TEST(Explore, TwoTimeouts_AreSafe) { ExpectSafe({.timeouts = 2}); }

TEST(Explore, AProposalAndACrash_AreSafe) {
  ExpectSafe({.timeouts = 1, .proposals = 1, .crashes = 1});
}

TEST(Explore, AProposalAndALoss_AreSafe) {
  ExpectSafe({.timeouts = 1, .proposals = 1, .losses = 1});
}

TEST(Explore, ARemoval_IsSafe) { ExpectSafe({.timeouts = 1, .removals = 1}); }

TEST(Explore, GivenBudget_IsSafe) { ExpectSafe(given_budget); }

TEST(Explore, ForgottenVote_IsFound) {
  const Explorer explorer({.timeouts = 2, .crashes = 1},
                          Betrayal::kVoteForgotten, 5'000'000);
  EXPECT_EQ(explorer.violation(), "two leaders in term 2");
}

TEST(Explore, LostWrite_IsFound) {
  const Explorer explorer({.timeouts = 1, .proposals = 1}, Betrayal::kWriteLost,
                          200'000);
  EXPECT_EQ(explorer.violation(), "entry 2 is committed and on 0 disks");
}

}  // namespace

void ParseBudget(const char* text) {
  unsigned long long timeouts = 0;
  unsigned long long proposals = 0;
  unsigned long long losses = 0;
  unsigned long long crashes = 0;
  unsigned long long removals = 0;
  if (std::sscanf(text, "--budget=%llu,%llu,%llu,%llu,%llu", &timeouts,
                  &proposals, &losses, &crashes, &removals) == 5) {
    given_budget = {timeouts, proposals, losses, crashes, removals};
  }
}

}  // namespace quorate::raft

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) quorate::raft::ParseBudget(argv[i]);
  return RUN_ALL_TESTS();
}
