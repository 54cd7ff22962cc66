#include "kv/store/parameters.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/little_endian.h"

namespace quorate::kv {
namespace {

constexpr uint32_t kVersion = 2;
// Without the maximum of keys, which is 0 then.
constexpr uint32_t kFirstVersion = 1;

void AppendRules(std::string* out, const Rules& rules) {
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.lifetime.ms()));
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.open_window.ms()));
  AppendFixed(out, rules.sessions.rows_per_slot_max);
  AppendFixed(out, rules.sessions.result_bytes_max);
  AppendFixed(out, rules.sessions.row_bytes_max);
  AppendFixed(out, rules.expiries_per_entry);
  AppendFixed(out, rules.expiries_per_command);
  if (rules.sessions.keys_per_slot_max > 0) {
    AppendFixed(out, rules.sessions.keys_per_slot_max);
  }
}

Duration TakeMilliseconds(FixedReader* reader) {
  constexpr auto kYearMs = uint64_t{366} * 24 * 3'600'000;
  const auto ms = reader->Take<uint64_t>();
  if (ms > kYearMs) reader->Fail();
  return reader->ok() ? Milliseconds(static_cast<int64_t>(ms)) : Duration(0);
}

Rules TakeRules(FixedReader* reader, uint32_t version) {
  Rules rules;
  rules.sessions.lifetime = TakeMilliseconds(reader);
  rules.sessions.open_window = TakeMilliseconds(reader);
  rules.sessions.rows_per_slot_max = reader->Take<uint32_t>();
  rules.sessions.result_bytes_max = reader->Take<uint32_t>();
  rules.sessions.row_bytes_max = reader->Take<uint32_t>();
  rules.expiries_per_entry = reader->Take<uint32_t>();
  rules.expiries_per_command = reader->Take<uint32_t>();
  rules.sessions.keys_per_slot_max =
      version == kFirstVersion ? 0 : reader->Take<uint32_t>();
  const bool has_first_form = rules.sessions.keys_per_slot_max == 0;
  if (!AreValid(rules) || has_first_form != (version == kFirstVersion)) {
    reader->Fail();
  }
  return rules;
}

std::vector<SlotRange> TakeSlots(FixedReader* reader, uint32_t slot_count) {
  std::vector<SlotRange> slots;
  const auto count = reader->Take<uint32_t>();
  if (count > reader->rest().size() / (2 * sizeof(uint16_t))) reader->Fail();
  // Lower bound of the next range: adjacent ranges must be merged.
  uint32_t least = 0;
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    const Slot first(reader->Take<uint16_t>());
    const Slot last(reader->Take<uint16_t>());
    if (first.value() < least || last < first || last.value() >= slot_count) {
      reader->Fail();
    }
    slots.push_back({first, last});
    least = last.value() + 2u;
  }
  return slots;
}

}  // namespace

Buffer EncodeParameters(const Parameters& parameters) {
  std::string out;
  const bool first = parameters.rules.sessions.keys_per_slot_max == 0;
  AppendFixed(&out, first ? kFirstVersion : kVersion);
  AppendFixed(&out, static_cast<uint32_t>(parameters.partitioner));
  AppendFixed(&out, parameters.slot_count);
  AppendRules(&out, parameters.rules);
  AppendFixed(&out, static_cast<uint32_t>(parameters.owned.size()));
  for (const SlotRange& range : parameters.owned) {
    AppendFixed(&out, range.first.value());
    AppendFixed(&out, range.last.value());
  }
  return Buffer::Copy(out);
}

absl::StatusOr<Parameters> DecodeParameters(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto version = reader.Take<uint32_t>();
  if (reader.ok() && version != kVersion && version != kFirstVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store was founded with parameters of version ",
                     version, ", this program knows version ", kVersion,
                     ": start the program that wrote them"));
  }
  Parameters parameters;
  const auto partitioner = reader.Take<uint32_t>();
  parameters.partitioner = static_cast<Partitioner>(partitioner);
  parameters.slot_count = reader.Take<uint32_t>();
  if (partitioner == 0 ||
      partitioner > static_cast<uint32_t>(Partitioner::kLastCharacter) ||
      parameters.slot_count == 0 || parameters.slot_count > kHashSlotCount) {
    reader.Fail();
  }
  parameters.rules = TakeRules(&reader, version);
  parameters.owned = TakeSlots(&reader, parameters.slot_count);
  if (!reader.ok() || !reader.rest().empty()) {
    return absl::DataLossError(
        "the parameters with which the store was founded cannot be read");
  }
  return parameters;
}

absl::StatusOr<StoreOptions> StoreOptionsOf(
    GroupId group, const raft::Configuration& configuration) {
  auto parameters = DecodeParameters(configuration.parameters.view());
  if (!parameters.ok()) return parameters.status();
  return StoreOptions{.group = group,
                      .hash_key = configuration.hash_key,
                      .slot_count = parameters->slot_count,
                      .rules = parameters->rules,
                      .owned = std::move(parameters->owned)};
}

}  // namespace quorate::kv
