#include "kv/store/parameters.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::kv {
namespace {

constexpr uint32_t kVersion = 1;

void AppendRules(std::string* out, const Rules& rules) {
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.lifetime.ms()));
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.open_window.ms()));
  AppendFixed(out, rules.sessions.rows_per_slot_max);
  AppendFixed(out, rules.sessions.result_bytes_max);
  AppendFixed(out, rules.sessions.row_bytes_max);
  AppendFixed(out, rules.expiries_per_entry);
  AppendFixed(out, rules.expiries_per_command);
  AppendFixed(out, rules.sessions.keys_per_slot_max);
}

Duration TakeMilliseconds(FixedReader* reader) {
  constexpr auto kYearMs = uint64_t{366} * 24 * 3'600'000;
  const auto ms = reader->Take<uint64_t>();
  if (ms > kYearMs) reader->Fail();
  return reader->ok() ? Milliseconds(static_cast<int64_t>(ms)) : Duration(0);
}

Rules TakeRules(FixedReader* reader) {
  Rules rules;
  rules.sessions.lifetime = TakeMilliseconds(reader);
  rules.sessions.open_window = TakeMilliseconds(reader);
  rules.sessions.rows_per_slot_max = reader->Take<uint32_t>();
  rules.sessions.result_bytes_max = reader->Take<uint32_t>();
  rules.sessions.row_bytes_max = reader->Take<uint32_t>();
  rules.expiries_per_entry = reader->Take<uint32_t>();
  rules.expiries_per_command = reader->Take<uint32_t>();
  rules.sessions.keys_per_slot_max = reader->Take<uint32_t>();
  if (!AreValid(rules)) reader->Fail();
  return rules;
}

// The least first slot that may follow `before`: neighbours of one epoch are
// one run.
uint32_t LeastAfter(const SlotRun& before, SlotEpoch epoch) {
  return before.last.value() + (before.epoch == epoch ? 2u : 1u);
}

std::vector<SlotRun> TakeSlots(FixedReader* reader, uint32_t slot_count) {
  std::vector<SlotRun> slots;
  const auto count = reader->Take<uint32_t>();
  if (count > reader->rest().size() / kRunBytes) reader->Fail();
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    SlotRun run;
    run.first = Slot(reader->Take<uint16_t>());
    run.last = Slot(reader->Take<uint16_t>());
    run.epoch = SlotEpoch(reader->Take<uint64_t>());
    const uint32_t least = i == 0 ? 0 : LeastAfter(slots.back(), run.epoch);
    if (run.first.value() < least || run.last < run.first ||
        run.last.value() >= slot_count || run.epoch == SlotEpoch()) {
      reader->Fail();
    }
    slots.push_back(run);
  }
  return slots;
}

void AppendSplitKeys(std::string* out, const KeyDivision& division) {
  for (const std::string& key : division.split_keys) {
    AppendFixed(out, static_cast<uint16_t>(key.size()));
    out->append(key);
  }
}

// Partitioner::kKeyRanges alone has some. Requires: `division` has its other
// fields.
void TakeSplitKeys(FixedReader* reader, KeyDivision* division) {
  if (division->partitioner != Partitioner::kKeyRanges) return;
  for (uint32_t i = 1; i < division->slot_count && reader->ok(); ++i) {
    const auto size = reader->Take<uint16_t>();
    division->split_keys.emplace_back(reader->TakeBytes(size));
  }
  if (!CheckSlotCount(division->partitioner, division->slot_count).ok() ||
      !CheckSplitKeys(*division).ok()) {
    reader->Fail();
  }
}

}  // namespace

Buffer EncodeParameters(const Parameters& parameters) {
  std::string out;
  AppendFixed(&out, kVersion);
  const KeyDivision& division = parameters.division;
  AppendFixed(&out, static_cast<uint32_t>(division.partitioner));
  AppendFixed(&out, division.slot_count);
  AppendRules(&out, parameters.rules);
  AppendFixed(&out, static_cast<uint32_t>(parameters.owned.size()));
  for (const SlotRun& run : parameters.owned) {
    CHECK(run.epoch != SlotEpoch()) << "slot " << run.first;
    AppendFixed(&out, run.first.value());
    AppendFixed(&out, run.last.value());
    AppendFixed(&out, run.epoch.value());
  }
  AppendSplitKeys(&out, division);
  return Buffer::Copy(out);
}

absl::StatusOr<Parameters> DecodeParameters(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto version = reader.Take<uint32_t>();
  if (reader.ok() && version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store was founded with parameters of version ",
                     version, ", this program knows version ", kVersion,
                     ": start the program that wrote them"));
  }
  Parameters parameters;
  KeyDivision& division = parameters.division;
  const auto partitioner = reader.Take<uint32_t>();
  division.partitioner = static_cast<Partitioner>(partitioner);
  division.slot_count = reader.Take<uint32_t>();
  if (partitioner == 0 ||
      partitioner > static_cast<uint32_t>(Partitioner::kKeyRanges) ||
      division.slot_count == 0 || division.slot_count > kHashSlotCount) {
    reader.Fail();
  }
  parameters.rules = TakeRules(&reader);
  parameters.owned = TakeSlots(&reader, division.slot_count);
  TakeSplitKeys(&reader, &division);
  if (!reader.ok() || !reader.rest().empty()) {
    return absl::DataLossError(
        "the parameters with which the store was founded cannot be read");
  }
  return parameters;
}

absl::StatusOr<StoreOptions> StoreOptionsOf(
    GroupId group, const raft::Configuration& configuration) {
  if (configuration.machine_kind != kStoreKind) {
    return absl::FailedPreconditionError(
        absl::StrCat("a group of kind ", configuration.machine_kind,
                     " is no key-value store"));
  }
  auto parameters = DecodeParameters(configuration.parameters.view());
  if (!parameters.ok()) return parameters.status();
  return StoreOptions{.group = group,
                      .hash_key = configuration.hash_key,
                      .slot_count = parameters->division.slot_count,
                      .rules = parameters->rules,
                      .owned = std::move(parameters->owned)};
}

}  // namespace quorate::kv
