// The parameters of a store: their bytes, and what they refuse.
#include "kv/store/parameters.h"

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

std::string Encoded(const Parameters& parameters) {
  return std::string(EncodeParameters(parameters).view());
}

KeyDivision AnyDivision() {
  KeyDivision division;
  division.partitioner =
      *rc::gen::element(Partitioner::kHashSlots, Partitioner::kLastCharacter,
                        Partitioner::kKeyRanges);
  if (division.partitioner != Partitioner::kKeyRanges) {
    division.slot_count = *rc::gen::inRange<uint32_t>(1, kHashSlotCount + 1);
    return division;
  }
  const auto keys = *rc::gen::arbitrary<std::set<std::string>>();
  for (const std::string& key : keys) {
    if (!key.empty() && key.size() <= kSplitKeyBytesMax &&
        division.split_keys.size() < kSplitKeysMax) {
      division.split_keys.push_back(key);
    }
  }
  division.slot_count = static_cast<uint32_t>(division.split_keys.size() + 1);
  return division;
}

Parameters AnyParameters() {
  Parameters parameters;
  parameters.division = AnyDivision();
  const uint32_t slot_count = parameters.division.slot_count;
  const bool ranges =
      parameters.division.partitioner == Partitioner::kKeyRanges;
  const auto window_ms = *rc::gen::inRange<int64_t>(1, 1'000'000);
  parameters.rules = {
      .sessions = {.lifetime = Milliseconds(
                       window_ms + *rc::gen::inRange<int64_t>(1, 1'000'000)),
                   .open_window = Milliseconds(window_ms),
                   .rows_per_slot_max = *rc::gen::inRange<uint32_t>(1, 9'999),
                   .keys_per_slot_max = *rc::gen::inRange<uint32_t>(1, 9'999),
                   .result_bytes_max = *rc::gen::arbitrary<uint32_t>(),
                   .row_bytes_max = *rc::gen::arbitrary<uint32_t>()},
      .expiries_per_entry = *rc::gen::inRange<uint32_t>(1, 9'999),
      .expiries_per_command = *rc::gen::arbitrary<uint32_t>()};
  // Of few slots short runs fit.
  const uint32_t step = ranges ? 4 : 6000;
  uint32_t slot = 0;
  while (true) {
    slot += *rc::gen::inRange<uint32_t>(0, step);
    const uint32_t last = slot + *rc::gen::inRange<uint32_t>(0, step / 2);
    if (last >= slot_count) break;
    const SlotRun run{Slot(static_cast<uint16_t>(slot)),
                      Slot(static_cast<uint16_t>(last)),
                      SlotEpoch(*rc::gen::inRange<uint64_t>(1, 5))};
    // It may touch the one before if the epochs differ.
    if (!parameters.owned.empty() &&
        run.first.value() == parameters.owned.back().last.value() + 1 &&
        run.epoch == parameters.owned.back().epoch) {
      slot = last + 1;
      continue;
    }
    parameters.owned.push_back(run);
    slot = last + 1;
  }
  return parameters;
}

RC_GTEST_PROP(Parameters, Encoded_DecodeToThemselves, ()) {
  const Parameters parameters = AnyParameters();
  const auto decoded = DecodeParameters(Encoded(parameters));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == parameters);
}

RC_GTEST_PROP(Parameters, ChangedBytes_AreRefusedOrOthers, ()) {
  const std::string bytes = Encoded(AnyParameters());
  std::string other = bytes;
  if (*rc::gen::arbitrary<bool>()) {
    other.resize(*rc::gen::inRange<size_t>(0, bytes.size()));
  } else {
    const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
    other[at] = static_cast<char>(other[at] ^ (1 << *rc::gen::inRange(0, 8)));
  }
  const auto decoded = DecodeParameters(other);
  if (decoded.ok()) RC_ASSERT(Encoded(*decoded) == other);
}

TEST(Parameters, AnotherVersion_IsNamed) {
  std::string bytes = Encoded({});
  bytes[0] = 2;
  const absl::Status status = DecodeParameters(bytes).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(std::string(status.message()).find("version 2, this program"),
            std::string::npos)
      << status;
}

TEST(Parameters, RulesThatNoClusterMayHave_AreRefused) {
  for (const Rules& rules : {Rules{.sessions = {.lifetime = Seconds(1)}},
                             Rules{.sessions = {.open_window = Duration(0)}},
                             Rules{.sessions = {.rows_per_slot_max = 0}},
                             Rules{.sessions = {.keys_per_slot_max = 0}},
                             Rules{.expiries_per_entry = 0}}) {
    EXPECT_TRUE(
        absl::IsDataLoss(DecodeParameters(Encoded({.rules = rules})).status()));
  }
}

TEST(Parameters, OfAConfiguration_GiveTheStore) {
  raft::Configuration first;
  first.hash_key = 5;
  const std::vector<SlotRun> owned = {{Slot(3), Slot(7), SlotEpoch(1)}};
  first.parameters = EncodeParameters({.owned = owned});
  first.machine_kind = kStoreKind;
  const auto options = StoreOptionsOf(GroupId(2), first);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->group, GroupId(2));
  EXPECT_EQ(options->hash_key, 5u);
  EXPECT_EQ(options->owned, owned);
}

TEST(Parameters, OfAnotherKindOfGroup_AreRefused) {
  raft::Configuration first;
  first.parameters = EncodeParameters({});
  first.machine_kind = kStoreKind + 1;
  EXPECT_TRUE(
      absl::IsFailedPrecondition(StoreOptionsOf(GroupId(2), first).status()));
}

// Bytes that no encoder makes.
TEST(Parameters, SlotsWithoutAnEpoch_AreRefused) {
  const std::vector<SlotRun> owned = {{Slot(0), Slot(9), SlotEpoch(7)},
                                      {Slot(10), Slot(19), SlotEpoch(8)}};
  const std::string bytes = Encoded({.owned = owned});
  constexpr size_t kEpochBytes = 8;
  for (const size_t run : {1, 2}) {
    std::string none = bytes;
    const size_t end = bytes.size() - (2 - run) * (4 + kEpochBytes);
    none.replace(end - kEpochBytes, kEpochBytes, kEpochBytes, '\0');
    EXPECT_TRUE(absl::IsDataLoss(DecodeParameters(none).status())) << run;
  }
  // Neighbours of one epoch are one run.
  std::string equal = bytes;
  equal[bytes.size() - kEpochBytes] = 7;
  EXPECT_TRUE(absl::IsDataLoss(DecodeParameters(equal).status()));
}

std::string Golden(const std::string& name) {
  std::ifstream file("kv/store/testdata/" + name + ".hex");
  std::string golden;
  std::getline(file, golden);
  return golden;
}

TEST(Parameters, MostRuns_FitIntoAConfiguration) {
  Parameters parameters;
  for (size_t i = 0; i < kOwnedRunsMax; ++i) {
    const Slot slot(static_cast<uint16_t>(2 * i));
    parameters.owned.push_back({slot, slot, kFoundingEpoch});
  }
  const size_t bytes = Encoded(parameters).size();
  EXPECT_LE(bytes, raft::kParametersBytesMax);
  EXPECT_EQ(bytes, kParametersFrameBytes + kOwnedRunsMax * kRunBytes);
  EXPECT_GT(bytes + kRunBytes, raft::kParametersBytesMax);
}

// The least of the longest split keys ascend in their last byte.
KeyDivision MostSplitKeys() {
  KeyDivision division{Partitioner::kKeyRanges, kFewSlotsMax};
  for (size_t i = 1; i <= kSplitKeysMax; ++i) {
    std::string& key = division.split_keys.emplace_back(kSplitKeyBytesMax, 'k');
    key.back() = static_cast<char>(i);
  }
  return division;
}

TEST(Parameters, MostSplitKeysAndRuns_FitIntoAConfiguration) {
  Parameters parameters{.division = MostSplitKeys()};
  for (uint32_t i = 0; i < kFewSlotsMax; i += 2) {
    const Slot slot(static_cast<uint16_t>(i));
    parameters.owned.push_back({slot, slot, kFoundingEpoch});
  }
  const std::string bytes = Encoded(parameters);
  EXPECT_LE(bytes.size(), raft::kParametersBytesMax / 8);
  EXPECT_EQ(DecodeParameters(bytes).value(), parameters);
}

TEST(Parameters, SplitKeysThatDoNotAscend_AreRefused) {
  const Parameters parameters{
      .division = {Partitioner::kKeyRanges, 3, {"g", "n"}}};
  std::string bytes = Encoded(parameters);
  ASSERT_EQ(DecodeParameters(bytes).value(), parameters);
  bytes.back() = 'g';
  EXPECT_TRUE(absl::IsDataLoss(DecodeParameters(bytes).status()));
}

TEST(Parameters, Bytes_AreThoseOfTheGoldenFiles) {
  Parameters parameters{
      .rules = {.sessions = {.lifetime = Milliseconds(0x31323334),
                             .open_window = Milliseconds(0x21222324),
                             .rows_per_slot_max = 0x41424344,
                             .keys_per_slot_max = 0x11121314,
                             .result_bytes_max = 0x51525354,
                             .row_bytes_max = 0x61626364},
                .expiries_per_entry = 0x71727374,
                .expiries_per_command = 0x01020304},
      .owned = {{Slot(0), Slot(99), SlotEpoch(0x0807060504030201)},
                {Slot(200), Slot(8191), SlotEpoch(1)}}};
  Parameters ranges = parameters;
  ranges.division = {Partitioner::kKeyRanges, 3, {"g", "n\xff"}};
  ranges.owned = {{Slot(0), Slot(1), SlotEpoch(0x0807060504030201)}};
  EXPECT_EQ(absl::BytesToHexString(Encoded(parameters)),
            Golden("parameters_v1"))
      << "the stored form changed: raise its version";
  EXPECT_EQ(absl::BytesToHexString(Encoded(ranges)),
            Golden("parameters_v1_of_key_ranges"));
}

}  // namespace
}  // namespace quorate::kv
