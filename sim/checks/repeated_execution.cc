#include "sim/checks/repeated_execution.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lincheck/check/checker.h"

namespace quorate::sim {
namespace {

// The limits of each search. There is one for each repeat, and two more.
constexpr uint64_t kNodesMax = 300'000;
constexpr uint64_t kBytesMax = 256 << 20;
// Of more repeats than these the earliest are tried.
constexpr size_t kRepeatsMax = 50;

using Tried = std::vector<const Repeat*>;

lincheck::Result CheckWith(const lincheck::History& history, uint32_t partition,
                           const lincheck::Model& model, const Tried& repeats) {
  lincheck::History one;
  const uint32_t own = one.Partition(history.partition_name(partition));
  for (lincheck::Operation operation : history.operations()) {
    if (operation.partition != partition) continue;
    operation.partition = own;
    one.Add(operation);
  }
  for (const Repeat* const repeat : repeats) {
    lincheck::Operation again = repeat->operation;
    again.partition = own;
    again.ret = lincheck::kNever;
    again.result = {};
    one.Add(again);
  }
  return lincheck::Check(
             one, model,
             {.nodes_max = kNodesMax, .bytes_max = kBytesMax, .explain = false})
      .result;
}

}  // namespace

std::string ExecutedTwice(const lincheck::History& history, uint32_t partition,
                          const lincheck::Model& model,
                          absl::Span<const Repeat> repeats) {
  Tried needed;
  for (const Repeat& repeat :
       repeats.subspan(0, std::min(repeats.size(), kRepeatsMax))) {
    needed.push_back(&repeat);
  }
  const auto check = [&](const Tried& tried) {
    return CheckWith(history, partition, model, tried);
  };
  if (needed.empty() || check({}) != lincheck::Result::kViolation ||
      check(needed) != lincheck::Result::kOk) {
    return "";
  }
  for (size_t i = 0; i < needed.size();) {
    Tried without = needed;
    without.erase(without.begin() + static_cast<ptrdiff_t>(i));
    if (check(without) == lincheck::Result::kOk) {
      needed = std::move(without);
    } else {
      ++i;
    }
  }
  std::string text;
  for (const Repeat* const repeat : needed) {
    absl::StrAppend(&text, text.empty() ? "executed twice: " : "; ",
                    lincheck::DescribeCallOfClient(model, repeat->operation),
                    " on ", history.partition_name(partition),
                    ", which the log has twice: ", repeat->where);
  }
  return text;
}

}  // namespace quorate::sim
