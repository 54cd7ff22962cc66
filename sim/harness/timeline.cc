#include "sim/harness/timeline.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using lincheck::TimelineEvent;

class Timeline {
 public:
  explicit Timeline(const std::vector<std::string>& nodes) : nodes_(nodes) {}

  void Add(const TraceRecord& record) {
    const uint64_t place = uint64_t{record.machine.value()} - 1;
    const std::string node =
        record.machine.value() != 0 && place < nodes_.size() ? nodes_[place]
                                                             : std::string();
    const lincheck::Time now = record.time.ns();
    const auto partition = absl::StrCat("partition ", record.payload);
    switch (record.kind) {
      case TraceKind::kBoot:
        return End(node, now);
      case TraceKind::kCrash:
        if (node.empty()) return;
        return Begin(node, {.kind = TimelineEvent::Kind::kFault,
                            .at = now,
                            .node = node,
                            .text = node + " is down"});
      case TraceKind::kPartitionBegins:
        return Begin(partition, {.kind = TimelineEvent::Kind::kFault,
                                 .at = now,
                                 .text = record.detail});
      case TraceKind::kPartitionEnds:
        return End(partition, now);
      case TraceKind::kLead: {
        const auto group =
            absl::StrCat("group ", LeadPayload::Of(record.payload).group);
        End(group, now);
        return Begin(group, {.kind = TimelineEvent::Kind::kLeader,
                             .at = now,
                             .node = node,
                             .text = record.detail});
      }
      case TraceKind::kDeed:
        events_.push_back({.kind = TimelineEvent::Kind::kNote,
                           .at = now,
                           .text = record.detail});
        return;
      default:
        return;
    }
  }

  std::vector<TimelineEvent> Take() { return std::move(events_); }

 private:
  // Adds an event that lasts until it ends by its name.
  void Begin(const std::string& name, TimelineEvent event) {
    open_[name] = events_.size();
    events_.push_back(std::move(event));
  }
  void End(const std::string& name, lincheck::Time now) {
    const auto open = open_.find(name);
    if (open == open_.end()) return;
    events_[open->second].until = now;
    open_.erase(open);
  }

  const std::vector<std::string>& nodes_;
  std::vector<TimelineEvent> events_;
  // Events that have not ended, by the name that ends them.
  std::map<std::string, size_t> open_;
};

}  // namespace

std::vector<TimelineEvent> TimelineEventsOf(
    const std::vector<TraceRecord>& story,
    const std::vector<std::string>& nodes) {
  Timeline timeline(nodes);
  for (const TraceRecord& record : story) timeline.Add(record);
  return timeline.Take();
}

}  // namespace quorate::sim
