// EntryList against vectors of entries, and what it and PayloadCopier keep in
// memory.
#include "raft/core/entry_list.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "env/buffer.h"
#include "env/time.h"

namespace quorate::raft {
namespace {

Entry EntryAt(uint64_t index, size_t payload_bytes = 0) {
  Entry entry;
  entry.term = Term(1);
  entry.index = Index(index);
  entry.payload = Buffer::Copy(std::string(payload_bytes, 'p'));
  if (index % 7 != 0) {  // The others have no bound.
    const auto ns = static_cast<int64_t>(index % 100);
    entry.leader_wall = {WallTime(ns), WallTime(ns + 5)};
  }
  return entry;
}

EntryList ListOf(uint64_t count, size_t payload_bytes = 0) {
  EntryList list;
  for (uint64_t i = 1; i <= count; ++i) {
    list.push_back(EntryAt(i, payload_bytes));
  }
  return list;
}

void Compare(const EntryList& list, const std::vector<Entry>& model) {
  RC_ASSERT(list.size() == model.size());
  RC_ASSERT(list.empty() == model.empty());
  size_t i = 0;
  for (const Entry& entry : list) RC_ASSERT(entry == model[i++]);
  RC_ASSERT(i == model.size());
  if (model.empty()) return;
  RC_ASSERT(list.front() == model.front());
  RC_ASSERT(list.back() == model.back());
  const auto at = *rc::gen::inRange<size_t>(0, model.size());
  RC_ASSERT(list[at] == model[at]);
  RC_ASSERT(*list.At(at) == model[at]);
  RC_ASSERT(list.At(model.size()) == list.end());
}

void CompareSums(const EntryList& list, const std::vector<Entry>& model) {
  EntryList::Totals totals;
  for (const Entry& entry : model) {
    totals.size_bytes += entry.size_bytes();
    totals.latest = std::max(totals.latest, entry.bounded_latest());
  }
  RC_ASSERT(list.totals().size_bytes == totals.size_bytes);
  RC_ASSERT(list.totals().latest == totals.latest);
  const auto from = *rc::gen::inRange<size_t>(0, model.size() + 1);
  const auto count = *rc::gen::inRange<size_t>(0, model.size() - from + 1);
  EntryList::Totals part;
  for (size_t i = from; i < from + count; ++i) {
    part.size_bytes += model[i].size_bytes();
    part.latest = std::max(part.latest, model[i].bounded_latest());
  }
  RC_ASSERT(list.TotalsOf(from, count).size_bytes == part.size_bytes);
  RC_ASSERT(list.TotalsOf(from, count).latest == part.latest);
  const auto end = *rc::gen::inRange<size_t>(0, model.size() + 1);
  const auto bytes = *rc::gen::inRange<size_t>(0, totals.size_bytes + 2);
  size_t expected = 0;
  size_t left = bytes;
  while (expected < end && model[end - expected - 1].size_bytes() <= left) {
    left -= model[end - ++expected].size_bytes();
  }
  size_t left_by_list = bytes;
  RC_ASSERT(list.CountBefore(end, &left_by_list) == expected);
  RC_ASSERT(left_by_list == left);
}

RC_GTEST_PROP(EntryListTest, AnyChangesOfLists_AgreeWithVectors, ()) {
  // Lists that are copies and slices of each other, and so share blocks.
  std::vector<EntryList> lists(3);
  std::vector<std::vector<Entry>> models(3);
  uint64_t next = 1;
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const auto a = *rc::gen::inRange<size_t>(0, lists.size());
    const auto b = *rc::gen::inRange<size_t>(0, lists.size());
    std::vector<Entry>& model = models[a];
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
      case 1: {
        const auto count = *rc::gen::inRange(1, 200);
        const auto bytes = *rc::gen::inRange<size_t>(0, 2000);
        for (int i = 0; i < count; ++i) {
          model.push_back(EntryAt(next++, bytes));
          lists[a].push_back(model.back());
        }
        break;
      }
      case 2: {
        const auto size = *rc::gen::inRange<size_t>(0, model.size() + 1);
        lists[a].Truncate(size);
        model.resize(size);
        break;
      }
      case 3: {
        const auto count = *rc::gen::inRange<size_t>(0, model.size() + 1);
        lists[a].RemovePrefix(count);
        model.erase(model.begin(),
                    model.begin() + static_cast<ptrdiff_t>(count));
        break;
      }
      case 4: {
        const auto offset = *rc::gen::inRange<size_t>(0, model.size() + 1);
        const auto count =
            *rc::gen::inRange<size_t>(0, model.size() - offset + 1);
        const auto from = model.begin() + static_cast<ptrdiff_t>(offset);
        models[b] =
            std::vector<Entry>(from, from + static_cast<ptrdiff_t>(count));
        lists[b] = lists[a].Slice(offset, count);
        break;
      }
      default: {
        if (a == b || model.size() > 5000) break;
        lists[a].Append(lists[b]);
        model.insert(model.end(), models[b].begin(), models[b].end());
        break;
      }
    }
    for (size_t i = 0; i < lists.size(); ++i) {
      Compare(lists[i], models[i]);
      CompareSums(lists[i], models[i]);
    }
    RC_ASSERT((lists[a] == lists[b]) == (models[a] == models[b]));
  }
}

TEST(EntryListTest, Slice_OfAList_SharesItsEntries) {
  EntryList list = ListOf(1000);
  const EntryList slice = list.Slice(500, 300);
  EXPECT_EQ(&slice[0], &list[500]);
  EXPECT_EQ(&slice.back(), &list[799]);
}

TEST(EntryListTest, Append_OfAnotherListsNewEntries_SharesItsBlocks) {
  EntryList list;
  EntryList follows;
  for (uint64_t i = 1; i <= 1000; ++i) {
    list.push_back(EntryAt(i));
    follows.Append(list.Slice(list.size() - 1, 1));
    ASSERT_EQ(&follows.back(), &list.back());
  }
  EXPECT_EQ(follows.allocated_bytes(), list.allocated_bytes());
}

TEST(EntryListTest, PushBack_AfterTruncation_LeavesTheOtherListAsItIs) {
  EntryList list = ListOf(10);
  const EntryList before = list;
  list.Truncate(5);
  list.push_back(EntryAt(77));
  EXPECT_EQ(before, ListOf(10));
  EXPECT_EQ(list.back().index, Index(77));
}

TEST(EntryListTest, RemovePrefix_OfALongList_GivesTheMemoryBack) {
  EntryList list = ListOf(100'000);
  EXPECT_LT(list.allocated_bytes(), 100'000 * (sizeof(Entry) + 4));
  list.RemovePrefix(99'990);
  EXPECT_LT(list.allocated_bytes(), 2 * 130 * sizeof(Entry));
  list.RemovePrefix(10);
  EXPECT_EQ(list.allocated_bytes(), 0u);
}

TEST(EntryListTest, FewEntries_TakeASmallBlock) {
  EXPECT_LT(ListOf(1).allocated_bytes(), 8 * sizeof(Entry));
}

TEST(EntryListTest, RemovePrefix_OfLargeEntries_KeepsFewOfThemAlive) {
  EntryList list = ListOf(100, 10'000);
  // Entries in one block lie side by side.
  size_t block = 1;
  while (&list[block] == &list[0] + block) ++block;
  EXPECT_LE(block * list[0].size_bytes(),
            EntryList::kBlockBytesMax + list[0].size_bytes());
}

// Entries with payloads of these sizes in one buffer, as in a message.
EntryList Arrived(const std::vector<size_t>& sizes) {
  size_t total = 0;
  for (const size_t size : sizes) total += size;
  const Buffer message = Buffer::Copy(std::string(total, 'm'));
  EntryList list;
  size_t at = 0;
  for (const size_t size : sizes) {
    Entry entry = EntryAt(list.size() + 1);
    entry.payload = message.Slice(at, size);
    at += size;
    list.push_back(std::move(entry));
  }
  return list;
}

std::vector<Buffer> Copies(const EntryList& list) {
  std::vector<Buffer> payloads;
  PayloadCopier copier;
  for (auto it = list.begin(); it != list.end(); ++it) {
    payloads.push_back(copier.Take(it, list.end()));
  }
  return payloads;
}

RC_GTEST_PROP(PayloadCopierTest, AnySizes_EqualPayloadsThatKeepLittleAlive,
              ()) {
  const auto sizes = *rc::gen::container<std::vector<size_t>>(rc::gen::oneOf(
      rc::gen::inRange<size_t>(0, 100), rc::gen::inRange<size_t>(0, 9000)));
  const EntryList list = Arrived(sizes);
  const std::vector<Buffer> payloads = Copies(list);
  for (size_t i = 0; i < list.size(); ++i) {
    RC_ASSERT(payloads[i] == list[i].payload);
    RC_ASSERT(payloads[i].block_size() <=
              std::max<size_t>(2 * payloads[i].size(), 4096));
    RC_ASSERT(!payloads[i].empty() || payloads[i].block_size() == 0);
  }
}

TEST(PayloadCopierTest, LargePayload_IsNotCopied) {
  const EntryList list = Arrived({100, 400'000, 100});
  EXPECT_EQ(Copies(list)[1].data(), list[1].payload.data());
}

TEST(PayloadCopierTest, SmallPayloads_ShareOneCopy) {
  const EntryList list = Arrived({20, 300'000, 20, 20});
  const std::vector<Buffer> payloads = Copies(list);
  EXPECT_EQ(payloads[0].block_size(), 60u);
  EXPECT_EQ(payloads[3].block_size(), 60u);
}

}  // namespace
}  // namespace quorate::raft
