// Replay of hand-made segments: which groups are fenced, and why.
#include "raft/log/replay.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/segment_opener.h"

namespace quorate::raft {
namespace {

constexpr ClusterId kCluster{1};
constexpr StoreIncarnation kStore{2};
constexpr GroupKey kKey{GroupId(3), ReplicaId(4)};

std::string Joined(const std::vector<Buffer>& pieces) {
  std::string bytes;
  for (const Buffer& piece : pieces) bytes += piece.view();
  return bytes;
}

Entry EntryAt(uint64_t term, uint64_t index) {
  Entry entry;
  entry.term = Term(term);
  entry.index = Index(index);
  entry.checksum = EntryChecksum(entry);
  return entry;
}

StateBody State(uint64_t term, uint64_t log_start, uint64_t last) {
  StateBody state;
  state.hard_state = {Term(term), ReplicaId(1)};
  state.log_start.position = {Term(term), Index(log_start)};
  state.last = Index(last);
  return state;
}

// The segments of the entries of kKey.
std::vector<uint64_t> SegmentsOf(const Replay::Result& result) {
  std::vector<uint64_t> segments;
  for (const size_t place : result.place_of.at(kKey)) {
    segments.push_back(result.places.at(place).segment);
  }
  return segments;
}

// A segment that begins with `states`, followed by the records that `add`
// writes.
template <typename Add>
std::string Segment(uint64_t number,
                    std::vector<std::pair<GroupKey, StateBody>> states,
                    Add&& add) {
  SegmentOpening opening;
  opening.header = {kCluster, kStore, number, {number - 1, 0}};
  opening.write_number = 2 * number;
  opening.states = std::move(states);
  std::string bytes = Joined(EncodeOpening(opening, 1 << 20).at(0));
  BatchWriter writer;
  const SegmentOffset place{number, bytes.size()};
  writer.Start(SegmentSeed(kCluster, kStore, number), place, place,
               2 * number + 1);
  add(writer);
  return bytes + Joined(writer.Take());
}

std::string Segment(uint64_t number,
                    std::vector<std::pair<GroupKey, StateBody>> states) {
  return Segment(number, std::move(states), [](BatchWriter&) {});
}

Replay::Result ReplayAll(const std::vector<std::string>& segments) {
  Replay replay;
  for (size_t i = 0; i < segments.size(); ++i) {
    const uint64_t number = i + 1;
    const Scan scan =
        ScanSegment(segments[i], number, SegmentSeed(kCluster, kStore, number));
    EXPECT_TRUE(replay.AddClosed(number, scan, true).ok());
  }
  return replay.Finish();
}

void AddEntries(BatchWriter& writer, RecordType type, uint64_t term,
                uint64_t from, uint64_t to) {
  std::vector<Entry> entries;
  for (uint64_t i = from; i <= to; ++i) entries.push_back(EntryAt(term, i));
  writer.AddEntries(type, kKey, nullptr, Index(), entries);
}

TEST(Replay, SegmentThatBeginsAsTheOneBeforeEnds_IsNotFenced) {
  const auto result =
      ReplayAll({Segment(1, {{kKey, State(1, 5, 5)}},
                         [](BatchWriter& w) {
                           AddEntries(w, RecordType::kAppend, 1, 6, 8);
                         }),
                 Segment(2, {{kKey, State(1, 5, 8)}})});
  EXPECT_TRUE(result.groups.at(kKey).fenced.ok());
  EXPECT_EQ(result.groups.at(kKey).entries.size(), 3u);
}

TEST(Replay, SegmentThatBeginsOtherwise_FencesTheGroup) {
  for (const StateBody& state :
       {State(2, 5, 5), State(1, 4, 5), State(1, 5, 6)}) {
    const auto result = ReplayAll(
        {Segment(1, {{kKey, State(1, 5, 5)}}), Segment(2, {{kKey, state}})});
    EXPECT_TRUE(absl::IsDataLoss(result.groups.at(kKey).fenced));
    EXPECT_TRUE(result.newly_fenced);
  }
}

TEST(Replay, GroupThatTheSegmentBeforeLacks_IsFenced) {
  const auto result =
      ReplayAll({Segment(1, {}), Segment(2, {{kKey, State(1, 5, 5)}})});
  EXPECT_TRUE(absl::IsDataLoss(result.groups.at(kKey).fenced));
}

TEST(Replay, RewrittenEntries_FillTheHoleOfALostSegment) {
  // Entries 6 and 7 were in a segment that is gone; 8 is older than their new
  // records.
  const auto result =
      ReplayAll({Segment(1, {{kKey, State(1, 5, 7)}},
                         [](BatchWriter& w) {
                           AddEntries(w, RecordType::kAppend, 1, 8, 8);
                         }),
                 Segment(2, {{kKey, State(1, 5, 8)}}, [](BatchWriter& w) {
                   AddEntries(w, RecordType::kRewrite, 1, 6, 7);
                 })});
  const RecoveredGroup& group = result.groups.at(kKey);
  EXPECT_TRUE(group.fenced.ok()) << group.fenced;
  ASSERT_EQ(group.entries.size(), 3u);
  EXPECT_EQ(group.entries.back().index, Index(8));
  EXPECT_EQ(SegmentsOf(result), (std::vector<uint64_t>{2, 2, 1}));
}

// Entries 6 to 20 were in a segment that is gone. The records that follow
// append, and write entries again. Each record has a term of its own.
TEST(Replay, RandomRecords_GiveTheEntriesOfAMap) {
  std::mt19937_64 random(7);
  size_t whole = 0;
  for (int round = 0; round < 300; ++round) {
    std::map<uint64_t, uint64_t> terms;
    uint64_t last = 20;
    const std::string segment =
        Segment(1, {{kKey, State(1, 5, last)}}, [&](BatchWriter& w) {
          for (uint64_t term = 2; term < 25; ++term) {
            const bool append = random() % 2 == 0;
            const uint64_t from = append && random() % 4 > 0
                                      ? last + 1
                                      : 6 + random() % (last - 5);
            uint64_t to = from + random() % 4;
            if (append) {
              terms.erase(terms.lower_bound(from), terms.end());
              last = to;
            } else {
              to = std::min(to, last);
              if (from > to) continue;
            }
            AddEntries(w, append ? RecordType::kAppend : RecordType::kRewrite,
                       term, from, to);
            for (uint64_t i = from; i <= to; ++i) terms[i] = term;
          }
        });
    const auto result = ReplayAll({segment});
    const RecoveredGroup& group = result.groups.at(kKey);
    uint64_t next = 6;
    for (const Entry& entry : group.entries) {
      ASSERT_EQ(entry.index, Index(next));
      ASSERT_EQ(entry.term, Term(terms.at(next))) << "entry " << next;
      ++next;
    }
    EXPECT_FALSE(terms.contains(next));
    EXPECT_EQ(group.fenced.ok(), next == last + 1) << group.fenced;
    whole += group.fenced.ok() ? 1 : 0;
  }
  EXPECT_GT(whole, 10u);
  EXPECT_LT(whole, 290u);
}

TEST(Replay, EntriesThatWereNotRewritten_FenceTheGroup) {
  const auto result =
      ReplayAll({Segment(1, {{kKey, State(1, 5, 7)}}, [](BatchWriter& w) {
        AddEntries(w, RecordType::kAppend, 1, 8, 8);
      })});
  EXPECT_TRUE(absl::IsDataLoss(result.groups.at(kKey).fenced));
}

// The entry changed in memory before it was written.
TEST(Replay, EntryThatDoesNotMatchItsChecksum_FencesItsGroup) {
  Entry entry = EntryAt(1, 1);
  entry.payload = Buffer::Copy("y");
  const GroupKey other{GroupId(77), ReplicaId(78)};
  const auto result = ReplayAll({Segment(1, {}, [&](BatchWriter& w) {
    w.AddEntries(RecordType::kAppend, kKey, nullptr, Index(), {entry});
    w.AddEntries(RecordType::kAppend, other, nullptr, Index(), {EntryAt(1, 1)});
  })});
  const absl::Status& fenced = result.groups.at(kKey).fenced;
  EXPECT_TRUE(absl::IsDataLoss(fenced));
  EXPECT_NE(fenced.message().find("entry 1 in bytes"), std::string::npos);
  // A node alone has no other replica.
  EXPECT_NE(fenced.message().find("Other replicas of the group go on; without "
                                  "any, put the right files back"),
            std::string::npos)
      << fenced;
  EXPECT_TRUE(result.groups.at(other).fenced.ok());
}

TEST(Replay, DroppedGroup_IsGone) {
  const auto result = ReplayAll({Segment(1, {}, [](BatchWriter& w) {
    AddEntries(w, RecordType::kAppend, 1, 1, 3);
    w.Add(RecordType::kDrop, 0, kKey, "");
  })});
  EXPECT_TRUE(result.groups.empty());
  EXPECT_TRUE(result.states.empty());
  EXPECT_EQ(result.dropped, (std::set<GroupKey>{kKey}));
}

TEST(Replay, DroppedGroupWithABlankLog_IsBlank) {
  const auto result = ReplayAll({Segment(1, {}, [](BatchWriter& w) {
    AddEntries(w, RecordType::kAppend, 1, 1, 3);
    w.Add(RecordType::kDrop, 0, kKey, "");
    const HardState blank;
    w.AddEntries(RecordType::kAppend, kKey, &blank, Index(), {});
  })});
  EXPECT_EQ(result.groups.at(kKey).hard_state, HardState());
  EXPECT_TRUE(result.groups.at(kKey).entries.empty());
  EXPECT_TRUE(result.dropped.empty());
}

TEST(Replay, UnconfirmedRecords_AreReturnedWithTheStatesBeforeThem) {
  const std::string bytes = Segment(
      1, {{kKey, State(1, 5, 5)}},
      [](BatchWriter& w) { AddEntries(w, RecordType::kAppend, 1, 6, 8); });
  const Scan scan = ScanSegment(bytes, 1, SegmentSeed(kCluster, kStore, 1));
  Replay replay;
  ASSERT_TRUE(replay.AddLast(1, scan, scan.synced, true).ok());
  const auto result = replay.Finish();
  EXPECT_EQ(result.groups.at(kKey).entries.size(), 3u);
  ASSERT_EQ(result.unconfirmed.size(), 1u);
  ASSERT_EQ(result.states.size(), 1u);
  EXPECT_EQ(result.states[0].second.last, Index(5));
  EXPECT_EQ(SegmentsOf(result), (std::vector<uint64_t>{0, 0, 0}));
}

}  // namespace
}  // namespace quorate::raft
