// LogView against a model that keeps all entries in a map.
#include "raft/core/log_view.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

Configuration ConfigurationOf(uint32_t node) {
  Configuration c;
  c.voters = {{ReplicaId(node), NodeId(node), StoreIncarnation(1)}};
  return c;
}

Entry EntryOf(uint64_t term, uint64_t index, uint32_t configured_node = 0,
              size_t payload_bytes = 1) {
  Entry entry;
  entry.term = Term(term);
  entry.index = Index(index);
  entry.log_time = WallTime(static_cast<int64_t>(index));
  if (configured_node == 0) {
    entry.kind = EntryKind::kCommands;
    entry.payload = Buffer::Copy(std::string(payload_bytes, 'x'));
  } else {
    entry.kind = EntryKind::kConfiguration;
    entry.payload = EncodeConfiguration(ConfigurationOf(configured_node));
  }
  return entry;
}

struct Model {
  LogPosition boundary;
  uint64_t evicted = 0;  // At least that of the boundary.
  Configuration base = ConfigurationOf(99);
  std::map<uint64_t, Entry> entries;

  LogPosition Last() const {
    return entries.empty() ? boundary : entries.rbegin()->second.position();
  }
  Term TermAt(uint64_t index) const {
    if (index == boundary.index.value()) return boundary.term;
    const auto entry = entries.find(index);
    return entry == entries.end() ? Term() : entry->second.term;
  }
  Configuration ConfigurationAt(uint64_t index) const {
    Configuration found = base;
    for (const auto& [at, entry] : entries) {
      if (at <= index && entry.kind == EntryKind::kConfiguration) {
        found = *DecodeConfiguration(entry.payload.view());
      }
    }
    return found;
  }
  // The definition: a search backwards.
  LogPosition FindConflictByTerm(uint64_t index, Term term) const {
    const uint64_t base_index = boundary.index.value();
    for (uint64_t i = std::min(index, Last().index.value());; --i) {
      if (i < base_index) return {};
      if (TermAt(i) <= term) return {TermAt(i), Index(i)};
      if (i == 0) return {};
    }
  }
};

void CompareLog(const LogView& log, const Model& model) {
  RC_ASSERT(log.start() == model.boundary);
  RC_ASSERT(log.last() == model.Last());
  RC_ASSERT(log.evicted() == Index(model.evicted));
  const uint64_t base = model.boundary.index.value();
  const uint64_t last = model.Last().index.value();
  for (uint64_t i = base > 2 ? base - 2 : 0; i <= last + 2; ++i) {
    RC_ASSERT(log.TermAt(Index(i)) == model.TermAt(i));
    RC_ASSERT(log.Matches({Term(3), Index(i)}) ==
              (i >= base && i <= last && model.TermAt(i) == Term(3)));
    for (uint64_t term = 0; term < 6; ++term) {
      RC_ASSERT(log.FindConflictByTerm(Index(i), Term(term)) ==
                model.FindConflictByTerm(i, Term(term)));
    }
    if (i < base || i > last) continue;
    RC_ASSERT(log.ConfigurationAt(Index(i)) == model.ConfigurationAt(i));
    if (i <= model.evicted) continue;
    RC_ASSERT(log.At(Index(i)) == model.entries.at(i));
    RC_ASSERT(log.LogTimeAt(Index(i)) == model.entries.at(i).log_time);
  }
  RC_ASSERT(log.configuration() == model.ConfigurationAt(last));
  size_t bytes = 0;
  size_t resident = 0;
  for (const auto& [index, entry] : model.entries) {
    bytes += entry.size_bytes();
    if (index > model.evicted) resident += entry.size_bytes();
  }
  RC_ASSERT(log.size_bytes() == bytes);
  RC_ASSERT(log.resident_bytes() == resident);
}

// A place where the log may be cut so that about `most` bytes are left.
void CompareCut(const LogView& log, const Model& model, size_t most) {
  const Index cut = log.CutBefore(log.last().index, most);
  RC_ASSERT(cut >= log.start().index);
  size_t behind = 0;
  for (auto it = model.entries.upper_bound(cut.value());
       it != model.entries.end(); ++it) {
    behind += it->second.size_bytes();
  }
  RC_ASSERT(behind <= most || cut == log.last().index);
  // Among entries in memory it is the first such place.
  if (cut.value() > model.evicted) {
    RC_ASSERT(behind + log.At(cut).size_bytes() > most);
  }
  RC_ASSERT(log.CutToKeep(most) == std::max(cut, Index(model.evicted)));
}

RC_GTEST_PROP(LogViewTest, AnyHistory_AgreesWithTheModel, ()) {
  Model model;
  LogView log({model.boundary}, model.boundary.index, model.base);
  uint64_t term = 1;
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const LogPosition last = model.Last();
    const uint64_t base = model.boundary.index.value();
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1:
      case 2: {
        term = std::max(term, last.term.value());
        if (term < 5 && *rc::gen::inRange(0, 3) == 0) ++term;
        const uint32_t node =
            *rc::gen::inRange(0, 3) == 0 ? 1 + static_cast<uint32_t>(step) : 0;
        const Entry entry = EntryOf(term, last.index.value() + 1, node);
        log.Append(entry);
        model.entries[entry.index.value()] = entry;
        break;
      }
      case 3: {
        if (model.entries.empty()) break;
        if (model.evicted == last.index.value()) break;
        const auto first =
            *rc::gen::inRange(model.evicted + 1, last.index.value() + 1);
        log.TruncateFrom(Index(first));
        model.entries.erase(model.entries.lower_bound(first),
                            model.entries.end());
        break;
      }
      case 4: {
        const auto to = *rc::gen::inRange(base, last.index.value() + 1);
        log.CompactTo(Index(to));
        // Evicted entries go up to a mark. These tests have few of them.
        const uint64_t start = log.start().index.value();
        RC_ASSERT(start == to || (to < model.evicted && start == base));
        const LogPosition boundary = {model.TermAt(start), Index(start)};
        model.base = model.ConfigurationAt(start);
        model.boundary = boundary;
        model.evicted = std::max(model.evicted, start);
        model.entries.erase(model.entries.begin(),
                            model.entries.upper_bound(start));
        break;
      }
      case 5:
      case 6: {
        const auto to =
            *rc::gen::inRange(model.evicted, last.index.value() + 1);
        log.EvictTo(Index(to));
        model.evicted = to;
        CompareCut(log, model, *rc::gen::inRange<size_t>(0, 500));
        break;
      }
      default: {
        if (*rc::gen::inRange(0, 4) != 0) break;
        model.boundary = {Term(term), last.index + 3};
        model.evicted = model.boundary.index.value();
        model.base = ConfigurationOf(1000 + static_cast<uint32_t>(step));
        model.entries.clear();
        log.Reset({model.boundary}, model.base);
        break;
      }
    }
    CompareLog(log, model);
  }
}

// A replica with a long backlog is asked again and again whether it has much.
TEST(LogViewTest, BytesIn_Enough_LooksAtNoFurtherBlock) {
  LogView log({}, Index(0), {});
  for (uint64_t i = 1; i <= 2'000; ++i) log.Append(EntryOf(1, i, 0, 1000));
  const size_t all = log.BytesIn(Index(0), Index(2'000));
  for (const size_t enough : {size_t{1}, all / 4, all / 2}) {
    const size_t bytes = log.BytesIn(Index(3), Index(1'990), enough);
    EXPECT_GE(bytes, enough);
    EXPECT_LE(bytes, enough + EntryList::kBlockBytesMax + 2000);
  }
  EXPECT_EQ(log.BytesIn(Index(0), Index(2'000), all + 1), all);
}

TEST(LogViewTest, BytesIn_ManyEntries_IsTheSumOfEach) {
  constexpr uint64_t kEntries = 2'000;
  LogView log({}, Index(0), {});
  std::vector<size_t> sum = {0};  // The bytes up to each index.
  for (uint64_t i = 1; i <= kEntries; ++i) {
    log.Append(EntryOf(1, i, 0, i % 300));
    sum.push_back(sum.back() + log.At(Index(i)).size_bytes());
  }
  for (uint64_t after = 0; after < kEntries; after += 97) {
    for (uint64_t through = after; through <= kEntries; through += 61) {
      ASSERT_EQ(log.BytesIn(Index(after), Index(through)),
                sum[through] - sum[after])
          << after << " to " << through;
    }
  }
}

RC_GTEST_PROP(LogViewTest, SliceByBytes_AnySizes_IsTheLongestPrefixThatFits,
              (const std::vector<uint8_t>& sizes)) {
  LogView log({}, Index(0), {});
  for (size_t i = 0; i < sizes.size(); ++i) {
    log.Append(EntryOf(1, i + 1, 0, sizes[i]));
  }
  const auto after = *rc::gen::inRange<uint64_t>(0, sizes.size() + 1);
  const auto bytes_max = *rc::gen::inRange<size_t>(0, 2000);
  const auto through = *rc::gen::inRange<uint64_t>(after, sizes.size() + 1);
  EntryList slice;
  const size_t bytes =
      log.SliceByBytes(Index(after), Index(through), bytes_max, &slice);
  RC_ASSERT(bytes == log.BytesIn(Index(after), Index(after + slice.size())));
  RC_ASSERT(slice.size() <= 1 || bytes <= bytes_max);
  const uint64_t next = after + slice.size() + 1;
  RC_ASSERT(next <= through + 1);
  if (next <= through) {
    RC_ASSERT(!slice.empty());
    RC_ASSERT(bytes + log.At(Index(next)).size_bytes() > bytes_max);
  }
}

RC_GTEST_PROP(LogViewTest, FindConflict_SharedPrefix_ReturnsTheFirstDifference,
              ()) {
  // Two histories that share a prefix.
  const auto shared = *rc::gen::inRange<uint64_t>(0, 10);
  const auto own = *rc::gen::inRange<uint64_t>(0, 5);
  const auto other = *rc::gen::inRange<uint64_t>(0, 5);
  LogView log({}, Index(0), {});
  std::vector<Entry> entries;
  for (uint64_t i = 1; i <= shared; ++i) {
    log.Append(EntryOf(1, i));
    entries.push_back(EntryOf(1, i));
  }
  for (uint64_t i = 1; i <= own; ++i) log.Append(EntryOf(2, shared + i));
  for (uint64_t i = 1; i <= other; ++i) {
    entries.push_back(EntryOf(3, shared + i));
  }
  const auto from = *rc::gen::inRange<uint64_t>(0, shared + 1);
  RC_ASSERT(log.FindConflict(entries, from) == shared);
}

TEST(LogViewTest, Has_EmptyPosition_OnlyBeforeTheFirstEntry) {
  LogView log({}, Index(0), {});
  EXPECT_TRUE(log.Matches({Term(0), Index(0)}));
  log.Append(EntryOf(1, 1));
  log.Append(EntryOf(1, 2));
  log.CompactTo(Index(2));
  // A compacted index has no term, so the zero term must not match it (B027).
  EXPECT_FALSE(log.Matches({Term(0), Index(1)}));
  EXPECT_FALSE(log.Matches({Term(0), Index(2)}));
  EXPECT_FALSE(log.Matches({Term(0), Index(3)}));
  EXPECT_TRUE(log.Matches({Term(1), Index(2)}));
}

TEST(LogViewTest, Truncate_ConfigurationInTheSuffix_IsNotInEffectAnyMore) {
  LogView log({}, Index(0), ConfigurationOf(1));
  log.Append(EntryOf(1, 1, 2));
  log.Append(EntryOf(1, 2, 3));
  log.TruncateFrom(Index(2));
  EXPECT_EQ(log.configuration(), ConfigurationOf(2));
  log.TruncateFrom(Index(1));
  EXPECT_EQ(log.configuration(), ConfigurationOf(1));
}

TEST(LogViewTest, CompactTo_KeepsTheTimesOfTheEntries) {
  LogView log({{}, WallTime(0), WallTime(7)}, Index(0), {});
  const auto append = [&log](uint64_t index, WallInterval wall) {
    Entry entry = EntryOf(1, index);
    entry.log_time = WallTime(static_cast<int64_t>(10 * index));
    entry.leader_wall = wall;
    log.Append(entry);
  };
  append(1, {WallTime(1), WallTime(5)});
  append(2, {WallTime(1), WallTime(90)});
  append(3, {WallTime(1), WallTime::Max()});  // A clock of unknown error.
  append(4, {WallTime(1), WallTime(80)});
  log.CompactTo(Index(1));
  EXPECT_EQ(log.log_start(),
            (LogStart{{Term(1), Index(1)}, WallTime(10), WallTime(7)}));
  log.CompactTo(Index(4));
  EXPECT_EQ(log.log_start(),
            (LogStart{{Term(1), Index(4)}, WallTime(40), WallTime(90)}));
}

// Marks divide the evicted entries, so that most of them can be cut off.
TEST(LogViewTest, CompactTo_AmongEvictedEntries_CutsAtAMark) {
  constexpr uint64_t kEntries = 4000;
  constexpr size_t kPayloadBytes = 1000;
  LogView log({}, Index(0), {});
  size_t bytes = 0;
  for (uint64_t i = 1; i <= kEntries; ++i) {
    Entry entry = EntryOf(1 + i / 1000, i, 0, kPayloadBytes);
    entry.leader_wall = {WallTime(static_cast<int64_t>(i)),
                         WallTime(static_cast<int64_t>(i) + 5)};
    bytes += entry.size_bytes();
    log.Append(std::move(entry));
    // Piece by piece, as a host does under load.
    if (i % 7 == 0) log.EvictTo(Index(i));
  }
  log.EvictTo(Index(kEntries));
  EXPECT_EQ(log.resident_bytes(), 0u);
  EXPECT_EQ(log.size_bytes(), bytes);
  for (uint64_t to = 100; to <= kEntries; to += 100) {
    log.CompactTo(Index(to));
    const LogStart start = log.log_start();
    const uint64_t at = start.position.index.value();
    EXPECT_LE(at, to);
    EXPECT_GT(at + 200, to);
    if (at == 0) continue;
    EXPECT_EQ(start.position.term, Term(1 + at / 1000));
    EXPECT_EQ(start.log_time, WallTime(static_cast<int64_t>(at)));
    EXPECT_EQ(start.latest, WallTime(static_cast<int64_t>(at) + 5));
    EXPECT_EQ(log.size_bytes(), (kEntries - at) * bytes / kEntries);
    for (uint64_t i = at; i <= kEntries; i += 50) {
      EXPECT_EQ(log.TermAt(Index(i)), Term(1 + i / 1000));
    }
  }
  EXPECT_EQ(log.start(), log.last());
  EXPECT_EQ(log.size_bytes(), 0u);
}

TEST(LogViewTest, CutBefore_AmongEvictedEntries_LeavesAboutTheBytes) {
  LogView log({}, Index(0), {});
  for (uint64_t i = 1; i <= 4000; ++i) log.Append(EntryOf(1, i, 0, 1000));
  const size_t each = log.size_bytes() / 4000;
  log.EvictTo(Index(3000));
  EXPECT_EQ(log.CutBefore(Index(4000), 500 * each), Index(3500));
  const Index cut = log.CutBefore(Index(4000), 2500 * each);
  EXPECT_GE(cut, Index(1500));
  EXPECT_LE(cut, Index(1600));
  EXPECT_EQ(log.CutBefore(Index(4000), 5000 * each), Index(0));
  const Index earlier = log.CutBefore(Index(2000), 500 * each);
  EXPECT_GE(earlier, Index(1400));
  EXPECT_LE(earlier, Index(1600));
}

TEST(LogViewTest, BytesThrough_AmongAllEntries_CountsTheFirstOnes) {
  LogView log({}, Index(0), {});
  for (uint64_t i = 1; i <= 4000; ++i) log.Append(EntryOf(1, i, 0, 1000));
  const size_t each = log.size_bytes() / 4000;
  EXPECT_EQ(log.BytesThrough(Index(3500)), 3500 * each);
  log.EvictTo(Index(3000));
  EXPECT_EQ(log.BytesThrough(Index(3500)), 3500 * each);
  EXPECT_EQ(log.BytesThrough(Index(3000)), 3000 * each);
  EXPECT_LE(log.BytesThrough(Index(1000)), 1000 * each);
  EXPECT_GE(log.BytesThrough(Index(1000)), 900 * each);
  log.CompactTo(Index(2000));
  EXPECT_EQ(log.BytesThrough(Index(1000)), 0u);
  EXPECT_EQ(log.BytesThrough(Index(4000)), log.size_bytes());
}

using LogViewDeathTest = ::testing::Test;

TEST(LogViewDeathTest, Append_Gap_Dies) {
  LogView log({}, Index(0), {});
  EXPECT_DEATH(log.Append(EntryOf(1, 2)), "CHECK failed");
}

TEST(LogViewDeathTest, Append_LowerTerm_Dies) {
  LogView log({}, Index(0), {});
  log.Append(EntryOf(2, 1));
  EXPECT_DEATH(log.Append(EntryOf(1, 2)), "CHECK failed");
}

TEST(LogViewDeathTest, Truncate_BehindTheBoundary_Dies) {
  LogView log({}, Index(0), {});
  log.Append(EntryOf(1, 1));
  log.CompactTo(Index(1));
  EXPECT_DEATH(log.TruncateFrom(Index(1)), "CHECK failed");
}

}  // namespace
}  // namespace quorate::raft
