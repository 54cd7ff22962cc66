#include "sim/choices/trace_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "sim/choices/hash_avx2.h"

namespace quorate::sim {
namespace {

TEST(HashBytes, AnyFlippedBit_ChangesTheHash) {
  for (size_t size : {1, 3, 4, 8, 9, 16, 17, 64, 128, 129, 240, 241, 1025}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 37);
    const uint64_t hash = HashBytes(bytes);
    for (size_t bit = 0; bit < size * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      ASSERT_NE(HashBytes(flipped), hash) << "size " << size << " bit " << bit;
    }
  }
}

// The events of a small run, with one of them changed by `change` (-1: none).
Hash128 HashOfRun(int change) {
  TraceHash hash(false);
  for (int i = 0; i < 20; ++i) {
    const int64_t time = 1000 * i + (change == 0 && i == 7 ? 1 : 0);
    const uint32_t machine = 1 + i % 3 + (change == 1 && i == 7 ? 1 : 0);
    const TraceKind kind =
        change == 2 && i == 7 ? TraceKind::kMessage : TraceKind::kDiskIssue;
    const uint64_t payload = 77 * i + (change == 3 && i == 7 ? 1 : 0);
    if (change == 4 && i == 7) continue;
    hash.Add(SimTime(time), MachineId(machine), kind, payload);
    if (change == 5 && i == 7) {
      hash.Add(SimTime(time), MachineId(machine), kind, payload);
    }
  }
  return hash.value();
}

TEST(TraceHash, AnyChangedPart_ChangesBothHalves) {
  const Hash128 plain = HashOfRun(-1);
  EXPECT_EQ(plain, HashOfRun(-1));
  for (int change = 0; change <= 5; ++change) {
    const Hash128 changed = HashOfRun(change);
    EXPECT_NE(changed.low, plain.low) << change;
    EXPECT_NE(changed.high, plain.high) << change;
  }
}

TEST(TraceHash, Swapped_EventsDiffer) {
  TraceHash ab(false);
  ab.Add(SimTime(1), MachineId(1), TraceKind::kTimer, 1);
  ab.Add(SimTime(1), MachineId(1), TraceKind::kTimer, 2);
  TraceHash ba(false);
  ba.Add(SimTime(1), MachineId(1), TraceKind::kTimer, 2);
  ba.Add(SimTime(1), MachineId(1), TraceKind::kTimer, 1);
  EXPECT_FALSE(ab.value() == ba.value());
}

TEST(TraceHash, KnownRun_IsTheSameEverywhere) {
  // Every compiler, optimisation level and process must give this value.
  TraceHash hash(false);
  hash.Add(SimTime(123456789), MachineId(2), TraceKind::kMessage,
           std::string_view("the quick brown fox"));
  hash.Add(SimTime(123456790), MachineId(3), TraceKind::kDiskIssue,
           std::string_view());
  EXPECT_EQ(hash.value().ToString(), "c97780b39f66a47192ff5ce5a2e4fc6f");
}

TEST(HashBytes, IsTheSameWithWideInstructions) {
  if (!HasAvx2()) GTEST_SKIP() << "this processor has no AVX2";
  std::string bytes;
  while (bytes.size() < 5000) bytes += std::to_string(bytes.size());
  for (size_t size = 0; size <= bytes.size(); size += 61) {
    const std::string_view part = std::string_view(bytes).substr(0, size);
    EXPECT_EQ(HashBytesByAvx2(part), XXH3_64bits(part.data(), part.size()));
    EXPECT_EQ(HashBytes(part), XXH3_64bits(part.data(), part.size()));
  }
}

TEST(TraceHash, WithoutBytes_DependsOnKindsAndTimesOnly) {
  const auto hash = [](bool hashes_bytes, SimTime time, const char* bytes) {
    TraceHash trace(false, hashes_bytes);
    trace.Add(time, MachineId(1), TraceKind::kMessage, bytes);
    return trace.value();
  };
  EXPECT_NE(hash(true, SimTime(1), "a"), hash(true, SimTime(1), "b"));
  EXPECT_EQ(hash(false, SimTime(1), "a"), hash(false, SimTime(1), "b"));
  EXPECT_NE(hash(false, SimTime(1), "a"), hash(false, SimTime(2), "a"));
}

TEST(TraceRecord, Words_HaveTimeMachineKindValueAndCause) {
  TraceHash hash(true);
  for (int i = 0; i < 10; ++i) {
    hash.Add(SimTime(i), MachineId(1), TraceKind::kTimer, i);
  }
  EXPECT_EQ(hash.records()[6].ToString(),
            "t=0.000000006 m1 timer 0000000000000006 <-6");
}

TEST(TraceRecord, Causes_AreTheTurnsThatRanCode) {
  TraceHash hash(true);
  const auto add = [&](TraceKind kind) {
    hash.Add(SimTime(0), MachineId(1), kind, uint64_t{0});
  };
  add(TraceKind::kBoot);       // 1
  add(TraceKind::kDiskIssue);  // 2, issued by the boot.
  const uint64_t issued_by = hash.cause();
  add(TraceKind::kTimer);  // 3
  hash.SetCause(issued_by);
  add(TraceKind::kDiskCompletion);  // 4
  hash.Detail("sync log-1");
  add(TraceKind::kNote);  // 5
  std::vector<uint64_t> causes;
  for (const TraceRecord& record : hash.records()) {
    causes.push_back(record.cause);
  }
  EXPECT_EQ(causes, (std::vector<uint64_t>{0, 1, 1, 1, 4}));
  EXPECT_EQ(hash.records()[3].ToString(),
            "t=0.000000000 m1 disk_completion 0000000000000000 <-1 sync log-1");
}

TEST(TraceHash, NamedEvents_AreCountedByKindAndNameAndChangeTheHash) {
  TraceHash hash(true);
  hash.Add(SimTime(0), MachineId(1), TraceKind::kTimer, uint64_t{0});
  const Hash128 before = hash.value();
  hash.AddNamed(SimTime(1), MachineId(1), TraceKind::kMark, "log.full");
  EXPECT_FALSE(hash.value() == before);
  hash.AddNamed(SimTime(2), MachineId(2), TraceKind::kMark, "log.full");
  hash.AddNamed(SimTime(2), MachineId(2), TraceKind::kMark, "a");
  hash.AddNamed(SimTime(3), MachineId(2), TraceKind::kFault, "log.full");
  EXPECT_EQ(hash.named(TraceKind::kMark),
            (TraceHash::Counts{{"a", 1}, {"log.full", 2}}));
  EXPECT_EQ(hash.named(TraceKind::kFault),
            (TraceHash::Counts{{"log.full", 1}}));
  // They belong to the turn in which they happen.
  EXPECT_EQ(hash.records()[4].cause, 1u);
  EXPECT_EQ(hash.records()[4].detail, "log.full");
}

// More names than recent counts.
TEST(TraceHash, NamedEvents_OfManyNamesAndKinds_AreCounted) {
  TraceHash hash(false);
  constexpr int kNames = 300;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kNames; ++i) {
      const std::string name = std::to_string(i);
      hash.AddNamed(SimTime(1), MachineId(1), TraceKind::kMark, name);
      if (round > 0) {
        hash.AddNamed(SimTime(1), MachineId(1), TraceKind::kFault, name);
      }
    }
  }
  const auto expect = [&](TraceKind kind, uint64_t count) {
    EXPECT_EQ(hash.named(kind).size(), size_t{kNames});
    for (const auto& [name, number] : hash.named(kind)) {
      EXPECT_EQ(number, count) << name;
    }
  };
  expect(TraceKind::kMark, 3);
  expect(TraceKind::kFault, 2);
}

TEST(TraceHash, Story_IsKeptWithoutTheOtherRecords) {
  TraceHash hash(false);
  hash.Add(SimTime(1), MachineId(1), TraceKind::kBoot, uint64_t{0});
  hash.Add(SimTime(2), MachineId(1), TraceKind::kTimer, uint64_t{0});
  const LeadPayload lead = {.group = 3, .term = 70};
  hash.AddToStory(SimTime(3), MachineId(1), TraceKind::kLead, lead.Pack(),
                  "group 3, term 70");
  EXPECT_TRUE(hash.records().empty());
  ASSERT_EQ(hash.story().size(), 2u);
  EXPECT_EQ(hash.story()[1].detail, "group 3, term 70");
  EXPECT_EQ(hash.story()[1].cause, 2u);
  EXPECT_EQ(LeadPayload::Of(hash.story()[1].payload).group, 3u);
  EXPECT_EQ(LeadPayload::Of(hash.story()[1].payload).term, 70u);
}

TEST(TraceHash, StoryHook_GetsEachEventWithItsWordsAndChangesNothing) {
  std::vector<std::string> told;
  TraceHash with_hook(false);
  TraceHash without(false);
  with_hook.SetStoryHook([&](const TraceRecord& event) {
    told.push_back(std::string(TraceKindName(event.kind)) + ":" + event.detail);
  });
  for (TraceHash* hash : {&with_hook, &without}) {
    hash->Add(SimTime(1), MachineId(1), TraceKind::kBoot, uint64_t{0});
    hash->Add(SimTime(2), MachineId(1), TraceKind::kTimer, uint64_t{0});
    hash->AddToStory(SimTime(3), MachineId(1), TraceKind::kDeed, 0, "pause n1");
  }
  EXPECT_EQ(told, (std::vector<std::string>{"boot:", "deed:pause n1"}));
  EXPECT_EQ(with_hook.value(), without.value());
}

}  // namespace
}  // namespace quorate::sim
