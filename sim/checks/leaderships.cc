#include "sim/checks/leaderships.h"

#include <algorithm>

namespace quorate::sim {

void Leaderships::Begin(NodeId node, GroupId group, raft::Term term,
                        SimTime now) {
  std::map<raft::Term, Led>& led = led_[group];
  if (!led.empty()) last_change_[group] = now;
  led[term] = {.leader = node, .since = now};
}

void Leaderships::End(NodeId node, GroupId group, SimTime now) {
  for (auto& [term, led] : led_[group]) {
    if (led.leader == node) led.until = std::min(led.until, now);
  }
}

void Leaderships::EndAll(NodeId node, SimTime now) {
  for (const auto& [group, led] : led_) End(node, group, now);
}

Leaderships::Led Leaderships::In(GroupId group, raft::Term term) const {
  const auto of_group = led_.find(group);
  if (of_group == led_.end()) return {};
  const auto led = of_group->second.find(term);
  return led == of_group->second.end() ? Led() : led->second;
}

bool Leaderships::LedSince(NodeId node, GroupId group, SimTime since) const {
  return std::any_of(led_.begin(), led_.end(), [&](const auto& of_group) {
    if (group != GroupId() && of_group.first != group) return false;
    return std::any_of(
        of_group.second.begin(), of_group.second.end(), [&](const auto& led) {
          return led.second.leader == node && led.second.until >= since;
        });
  });
}

SimTime Leaderships::LastChange(GroupId group) const {
  const auto it = last_change_.find(group);
  return it == last_change_.end() ? SimTime() : it->second;
}

}  // namespace quorate::sim
