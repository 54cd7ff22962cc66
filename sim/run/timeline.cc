#include "sim/run/timeline.h"

#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

using lincheck::TimelineEvent;

bool StartsWith(std::string_view text, std::string_view begin) {
  return text.substr(0, begin.size()) == begin;
}

class Timeline {
 public:
  void Add(const Schedule::Entry& entry) {
    const std::string& what = entry.what;
    const lincheck::Time now = entry.time.ns();
    if (StartsWith(what, "families:")) return;
    if (what == "partition ends") return End("partition", now);
    // The schedule only plans crashes and restarts. Cluster::Life has the real
    // ones.
    if (StartsWith(what, "crash of") || StartsWith(what, "restart ")) return;
    if (what == "all healed" || StartsWith(what, "liveness phase")) {
      End("partition", now);
    }
    TimelineEvent event{
        .kind = TimelineEvent::Kind::kNote, .at = now, .text = what};
    if (StartsWith(what, "partition")) {
      event.kind = TimelineEvent::Kind::kFault;
      open_.emplace("partition", events_.size());
    }
    events_.push_back(event);
  }

  void Add(const Cluster::Life& life) {
    const std::string node = absl::StrCat("n", life.node.value());
    if (life.begins) return End(node, life.time.ns());
    open_.emplace(node, events_.size());
    events_.push_back({.kind = TimelineEvent::Kind::kFault,
                       .at = life.time.ns(),
                       .node = node,
                       .text = absl::StrCat(node, " is down")});
  }

  void Add(const Cluster::Leadership& leadership) {
    const lincheck::Time now = leadership.time.ns();
    const std::string group = absl::StrCat("group ", leadership.group.value());
    End(group, now);
    open_.emplace(group, events_.size());
    events_.push_back(
        {.kind = TimelineEvent::Kind::kLeader,
         .at = now,
         .node = absl::StrCat("n", leadership.node.value()),
         .text = absl::StrCat(group, ", term ", leadership.term.value())});
  }

  std::vector<TimelineEvent> Take() { return std::move(events_); }

 private:
  // Ends the oldest open event of this name.
  void End(const std::string& name, lincheck::Time now) {
    const auto open = open_.find(name);
    if (open == open_.end()) return;
    events_[open->second].until = now;
    open_.erase(open);
  }

  std::vector<TimelineEvent> events_;
  // Events that have not ended, by the name that ends them.
  std::multimap<std::string, size_t> open_;
};

}  // namespace

std::vector<TimelineEvent> TimelineEventsOf(
    const std::vector<Schedule::Entry>& entries,
    const std::vector<Cluster::Life>& lives,
    const std::vector<Cluster::Leadership>& leaderships) {
  Timeline timeline;
  for (const Schedule::Entry& entry : entries) timeline.Add(entry);
  for (const Cluster::Life& life : lives) timeline.Add(life);
  for (const Cluster::Leadership& one : leaderships) timeline.Add(one);
  return timeline.Take();
}

}  // namespace quorate::sim
