#include "sim/harness/history_lines.h"

#include <vector>

#include "lincheck/formats/json_lines.h"
#include "sim/harness/timeline.h"

namespace quorate::sim {

std::string HistoryLines(const World& world, size_t nodes,
                         const lincheck::Model& model,
                         const lincheck::History& history,
                         absl::Span<const lincheck::Operation> operations) {
  std::vector<std::string> names = world.names();
  names.resize(nodes);
  std::string lines;
  lincheck::JsonLinesWriter writer(model, "own", &lines);
  writer.Header(lincheck::TimeUnit::kNanoseconds);
  for (const auto& event : TimelineEventsOf(world.story(), names)) {
    writer.Add(event);
  }
  for (const lincheck::Operation& operation : operations) {
    writer.Add(operation, history.partition_name(operation.partition));
  }
  return lines;
}

}  // namespace quorate::sim
