#include "node/routing/memory_gate.h"

#include <utility>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/growth.h"

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

GatedBatch PassMemoryGate(Buffer payload, MemoryBudget& budget) {
  GatedBatch gated{.payload = std::move(payload)};
  if (!budget.limited()) return gated;
  uint64_t growth = 0;
  ForEachCommand(gated.payload, [&](const kv::CommandView&, uint64_t bytes) {
    growth += bytes;
  });
  // A batch of rules that this program does not make is proposed as a whole.
  const uint32_t rules = kv::RulesOf(gated.payload.view());
  const bool whole = budget.Fits(growth) || rules < kv::kRulesVersionMin ||
                     rules > kv::kRulesVersion;
  if (whole) {
    gated.growth_bytes = growth;
    budget.Reserve(growth);
    return gated;
  }
  kv::BatchBuilder rest;
  rest.SetRules(rules);
  uint64_t refused = 0;
  ForEachCommand(gated.payload,
                 [&](const kv::CommandView& command, uint64_t bytes) {
                   const bool fits = budget.Fits(bytes);
                   gated.refused.push_back(!fits);
                   if (!fits) {
                     ++refused;
                     return;
                   }
                   budget.Reserve(bytes);
                   gated.growth_bytes += bytes;
                   rest.AddEncoded(command);
                 });
  budget.CountRefused(refused);
  gated.payload = rest.Finish();
  return gated;
}

Buffer AddRefusedResults(const Buffer& results,
                         const std::vector<bool>& refused) {
  kv::ResultReader reader(results.view());
  // Each result carries a version of its own, since positions differ.
  kv::ResultBuilder builder(kv::Version{});
  for (const bool is_refused : refused) {
    if (is_refused) {
      builder.AddNone({.status = kv::ResultStatus::kOutOfMemory});
    } else {
      builder.AddEncoded(reader.Next());
    }
  }
  return builder.Finish();
}

}  // namespace quorate::node
