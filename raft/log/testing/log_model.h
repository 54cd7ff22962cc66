// raft/log/testing/log_model.h: a slow and obvious model of the log, and random
// operations on log and model.
//
// Testonly. The model shares no code with the log.
#ifndef QUORATE_RAFT_LOG_TESTING_LOG_MODEL_H_
#define QUORATE_RAFT_LOG_TESTING_LOG_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {

// One group, in plain vectors.
struct ModelGroup {
  bool exists = false;
  bool dropped = false;
  HardState hard_state;
  LogStart log_start;
  std::vector<Entry> entries;

  uint64_t last() const {
    return log_start.position.index.value() + entries.size();
  }
  friend bool operator==(const ModelGroup&, const ModelGroup&) = default;
};

inline std::string Describe(const ModelGroup& group) {
  std::string text = group.exists ? "" : "absent ";
  if (group.dropped) text += "dropped ";
  text += "term " + std::to_string(group.hard_state.term.value()) + " vote " +
          std::to_string(group.hard_state.voted_for.value()) + " log start " +
          std::to_string(group.log_start.position.index.value()) + " entries";
  for (const Entry& entry : group.entries) {
    text += " " + std::to_string(entry.index.value()) + "@" +
            std::to_string(entry.term.value());
  }
  return text;
}

struct ModelOperation {
  enum class Kind : uint8_t { kAppend, kHardState, kLogStart, kInstall, kDrop };
  Kind kind = Kind::kAppend;
  uint32_t group = 1;
  // Entries replaced (kAppend), or kept after the log start (kLogStart).
  uint32_t back = 0;
  uint32_t count = 1;  // Entries appended, or skipped by kInstall.
  uint32_t bytes = 10;
};

// Issues operations to a log and knows the allowed states of each group after a
// crash. An allowed state is the state after any prefix of the group's
// operations that contains all acknowledged ones.
class LogModel {
 public:
  explicit LogModel(LogHarness* harness) : harness_(harness) {}

  // Issues `operation` on log and model in the current turn.
  void Issue(const ModelOperation& operation) {
    History& history = groups_[operation.group];
    ModelGroup next = history.states.back();
    if (next.dropped) {  // Its key is not used again.
      ++incarnations_[operation.group];
      history = History();
      next = ModelGroup();
    }
    next.exists = true;
    const GroupKey key = Key(operation.group);
    KnownCommit known = history.known.back();
    const size_t number = history.states.size();
    Log::Done done = [this, group = operation.group, number,
                      incarnation =
                          incarnations_[operation.group]](absl::Status status) {
      ++ended_;
      History& history = groups_[group];
      if (incarnation != incarnations_[group]) return;
      if (!status.ok()) {
        error_ = status;
        return;
      }
      EXPECT_EQ(number, history.acknowledged + 1) << "out of order";
      EXPECT_TRUE(error_.ok()) << "acknowledged after " << error_;
      history.acknowledged = number;
    };
    Log& log = *harness_->log();
    switch (operation.kind) {
      case ModelOperation::Kind::kAppend: {
        next.hard_state.term = next.hard_state.term + (operation.back > 0);
        const size_t keep =
            next.entries.size() -
            std::min<size_t>(operation.back, next.entries.size());
        next.entries.resize(keep);
        std::vector<Entry> added;
        for (uint32_t i = 0; i < operation.count; ++i) {
          added.push_back(TestEntry(
              next.hard_state.term.value(), next.last() + 1,
              std::string(operation.bytes,
                          static_cast<char>('a' + ++payloads_ % 26))));
          next.entries.push_back(added.back());
        }
        const bool hard_state = operation.back > 0;
        const Index commit(next.last() - next.last() % 3);
        known.Take(commit, hard_state);
        log.Append(key, hard_state ? &next.hard_state : nullptr, commit, added,
                   std::move(done));
        break;
      }
      case ModelOperation::Kind::kHardState:
        next.hard_state.term = next.hard_state.term + 1;
        next.hard_state.voted_for = ReplicaId(operation.count % 5);
        known.Take(Index(next.last()), /*hard_state=*/true);
        log.Append(key, &next.hard_state, Index(next.last()), {},
                   std::move(done));
        break;
      case ModelOperation::Kind::kLogStart: {
        const size_t drop =
            next.entries.size() -
            std::min<size_t>(operation.back, next.entries.size());
        if (drop > 0) {
          next.log_start = TestLogStart(next.entries[drop - 1].position());
          next.entries.erase(next.entries.begin(), next.entries.begin() + drop);
        }
        log.SetLogStart(key, next.log_start, false, std::move(done));
        break;
      }
      case ModelOperation::Kind::kInstall:
        next.log_start = TestLogStart(
            {next.hard_state.term, Index(next.last() + operation.count)});
        next.entries.clear();
        log.SetLogStart(key, next.log_start, true, std::move(done));
        break;
      case ModelOperation::Kind::kDrop:
        next = ModelGroup();
        next.dropped = true;
        known = {};
        log.Drop(key, Log::Leaves::kNothing, std::move(done));
        break;
    }
    const bool appends = operation.kind == ModelOperation::Kind::kAppend;
    history.appended.push_back(appends ? operation.count : 0);
    history.known.push_back(known);
    history.states.push_back(std::move(next));
    ++issued_;
  }

  // True if every call since the last recovery was answered.
  bool AllAnswered() const { return ended_ == issued_; }

  // Compares the result of recovery with the model and continues from it.
  // `fenced_ok`: a fenced group is also right.
  void Recovered(bool fenced_ok = false) {
    error_ = absl::OkStatus();
    issued_ = ended_ = 0;
    auto& recovered = harness_->log()->recovered();
    for (auto& [group, history] : groups_) {
      ModelGroup found;
      Index commit;
      const auto it = recovered.find(Key(group));
      if (it != recovered.end()) {
        if (!it->second.fenced.ok()) {
          EXPECT_TRUE(fenced_ok) << it->second.fenced;
          continue;
        }
        found.exists = true;
        found.hard_state = it->second.hard_state;
        commit = it->second.commit;
        found.log_start = it->second.log_start;
        found.entries = {it->second.entries.begin(), it->second.entries.end()};
      }
      bool matches = false;
      for (size_t i = history.acknowledged; i < history.states.size(); ++i) {
        ModelGroup expected = history.states[i];
        if (expected.dropped) {
          expected = ModelGroup();
        }
        matches = matches || expected == found;
        // An append may be several records, of which the last are lost.
        for (size_t lost = 1;
             i > history.acknowledged && lost < history.appended[i]; ++lost) {
          expected.entries.pop_back();
          matches = matches || expected == found;
        }
      }
      // The group was never there or was dropped. The log cannot distinguish
      // these, so the key is not used again.
      found.dropped = !found.exists;
      EXPECT_TRUE(matches) << "group " << group << " is: " << Describe(found)
                           << "\n  acknowledged: "
                           << Describe(history.states[history.acknowledged])
                           << "\n  newest: " << Describe(history.states.back());
      if (found.exists) {
        EXPECT_GE(commit, history.known[history.acknowledged].written)
            << "group " << group;
        Index any;  // Of the calls before a drop, too.
        for (const KnownCommit& known : history.known) {
          any = std::max(any, known.any);
        }
        EXPECT_LE(commit, any) << "group " << group;
      }
      history = History();
      history.states = {found};
      history.known = {{commit, commit}};
    }
  }

  // Compares entries that are read from the disk with the model. Requires:
  // every operation was acknowledged.
  void CheckReads() {
    for (auto& [group, history] : groups_) {
      const ModelGroup& expected = history.states.back();
      const Index start = expected.log_start.position.index;
      std::vector<Entry> found;
      while (true) {
        const auto read = harness_->Read(Key(group), start + found.size());
        if (!read.ok()) {
          EXPECT_TRUE(absl::IsNotFound(read.status())) << read.status();
          break;
        }
        ASSERT_FALSE(read->empty());
        found.insert(found.end(), read->begin(), read->end());
      }
      EXPECT_EQ(found, expected.entries) << "group " << group;
    }
  }

  // True if every operation so far was acknowledged.
  bool AllAcknowledged() const {
    for (const auto& [group, history] : groups_) {
      if (history.acknowledged + 1 != history.states.size()) return false;
    }
    return true;
  }
  // The first error that a call returned since the last recovery.
  const absl::Status& error() const { return error_; }
  const ModelGroup& state(uint32_t group) {
    return groups_[group].states.back();
  }
  GroupKey Key(uint32_t group) {
    return {GroupId(group), ReplicaId(100 + incarnations_[group])};
  }

 private:
  struct KnownCommit {
    Index written;  // The greatest that the log got with a hard state.
    Index any;      // The greatest of all.
    void Take(Index commit, bool hard_state) {
      any = std::max(any, commit);
      if (hard_state) written = std::max(written, commit);
    }
  };
  struct History {
    // Indexed by the number of calls.
    std::vector<ModelGroup> states = {ModelGroup()};
    std::vector<size_t> appended = {0};  // Entries that the call appended.
    std::vector<KnownCommit> known = {KnownCommit()};
    size_t acknowledged = 0;
  };

  LogHarness* harness_;
  std::map<uint32_t, History> groups_;
  std::map<uint32_t, uint64_t> incarnations_;
  uint64_t payloads_ = 0;
  uint64_t issued_ = 0;
  uint64_t ended_ = 0;
  absl::Status error_;
};

// Returns operation `number` of the workload defined by `random`.
inline ModelOperation RandomOperation(const Random& random, uint64_t number,
                                      uint32_t groups) {
  using Kind = ModelOperation::Kind;
  const auto below = [&](uint64_t bound, Site site) {
    return static_cast<uint32_t>(random.Below(bound, site, 0, number));
  };
  ModelOperation operation;
  operation.group = 1 + below(groups, "group");
  operation.count = 1 + below(4, "count");
  operation.bytes =
      below(8, "big") == 0 ? below(9000, "bytes") : below(200, "bytes");
  const uint32_t kind = below(100, "kind");
  if (kind < 55) {
    operation.back = 0;
  } else if (kind < 70) {
    operation.back = 1 + below(5, "back");
  } else if (kind < 80) {
    operation.kind = Kind::kHardState;
  } else if (kind < 94) {
    operation.kind = Kind::kLogStart;
    operation.back = below(6, "back");
  } else if (kind < 98) {
    operation.kind = Kind::kInstall;
  } else {
    operation.kind = Kind::kDrop;
  }
  return operation;
}

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_TESTING_LOG_MODEL_H_
