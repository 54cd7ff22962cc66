#include "node/routing/memory_gate.h"

#include <utility>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/growth.h"
#include "kv/store/work.h"

namespace quorate::node {
namespace {

// Calls `visit` with each command and its growth. A malformed command does
// nothing, so it does not grow.
template <typename Visit>
void ForEachCommand(const Buffer& payload, Visit visit) {
  kv::CommandReader reader(payload.view());
  kv::CommandView command;
  while (reader.ok() && !reader.done()) {
    const uint64_t growth =
        reader.Next(&command) ? kv::GrowthBound(command) : 0;
    visit(command, growth);
  }
}

}  // namespace

GatedBatch PassMemoryGate(Buffer payload, MemoryBudget& budget,
                          const kv::Store* store,
                          const std::vector<bool>& too_large) {
  GatedBatch gated{.payload = std::move(payload),
                   .growth = Quota::Share(budget.reserved())};
  if (!budget.limited() && too_large.empty()) return gated;
  // A second try of a command finds the row of the first one.
  const auto lacks_row = [&](const kv::CommandView& command) {
    return command.has_session && !budget.FitsRow() &&
           (store == nullptr ||
            !store->HasSession(command.slot, command.session.token.client));
  };
  uint64_t growth = 0;
  bool rows = false;  // Whether a command would add the row of a session.
  ForEachCommand(gated.payload,
                 [&](const kv::CommandView& command, uint64_t bytes) {
                   growth += bytes;
                   rows = rows || lacks_row(command);
                 });
  // Bytes that are no batch are proposed as a whole.
  const uint32_t rules = kv::RulesOf(gated.payload.view());
  const bool fits = budget.Fits(growth) && !rows;
  const bool whole = (fits && too_large.empty()) || rules == 0;
  if (whole) {
    budget.Reserve(growth, &gated.growth);
    return gated;
  }
  kv::BatchBuilder rest;
  rest.SetRules(rules);
  uint64_t refused = 0;
  ForEachCommand(gated.payload,
                 [&](const kv::CommandView& command, uint64_t bytes) {
                   const size_t at = gated.refused.size();
                   if (at < too_large.size() && too_large[at]) {
                     gated.refused.push_back(kv::ResultStatus::kTooLarge);
                     return;
                   }
                   if (!budget.Fits(bytes) || lacks_row(command)) {
                     ++refused;
                     gated.refused.push_back(kv::ResultStatus::kOutOfMemory);
                     return;
                   }
                   gated.refused.push_back(kv::ResultStatus::kOk);
                   budget.Reserve(bytes, &gated.growth);
                   rest.AddEncoded(command);
                 });
  budget.CountRefused(refused);
  gated.payload = rest.Finish();
  return gated;
}

std::vector<bool> LargeTransactions(const Buffer& payload,
                                    const kv::Store* store,
                                    uint64_t bytes_max) {
  std::vector<bool> large;
  if (store == nullptr) return large;
  kv::WorkEstimate estimate;
  kv::CommandReader reader(payload.view());
  kv::CommandView command;
  while (reader.ok() && !reader.done()) {
    const size_t at = reader.position();
    if (!reader.Next(&command) || command.op != kv::Op::kAtomic) continue;
    estimate.Clear();
    const uint64_t bytes = estimate.AddValueBytes(
        command, [store](Slot slot, std::string_view key) {
          return store->ValueBytes(slot, key);
        });
    if (bytes <= bytes_max) continue;
    large.resize(reader.count());
    large[at] = true;
  }
  return large;
}

Buffer AddRefusedResults(const Buffer& results,
                         const std::vector<kv::ResultStatus>& refused) {
  kv::ResultReader reader(results.view());
  // Each result carries a version of its own, since positions differ.
  kv::ResultBuilder builder(kv::Version{});
  for (const kv::ResultStatus status : refused) {
    if (status != kv::ResultStatus::kOk) {
      builder.AddNone({.status = status});
    } else {
      builder.AddEncoded(reader.Next());
    }
  }
  return builder.Finish();
}

}  // namespace quorate::node
