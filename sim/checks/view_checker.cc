#include "sim/checks/view_checker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::sim {
namespace {

constexpr uint32_t kSlots = 16384;
using Type = ClientReply::Type;

// The address in a row's description of one node: host, port, id and more.
std::string AddressOf(const ClientReply& node) {
  if (node.elements.size() < 3 || node.elements[0].type != Type::kBulk ||
      node.elements[1].type != Type::kInteger) {
    return "";
  }
  return absl::StrCat(node.elements[0].text, ":", node.elements[1].integer);
}

// A range of slots, both ends inclusive.
struct SlotRange {
  uint32_t first = 0;
  uint32_t last = 0;
  size_t group = 0;
};

// The ranges of all groups, ascending.
std::vector<SlotRange> RangesOf(const ClusterTruth& truth) {
  std::vector<SlotRange> ranges;
  for (size_t group = 0; group < truth.groups.size(); ++group) {
    for (const auto& [first, last] : truth.groups[group].slots) {
      ranges.push_back({first, last, group});
    }
  }
  std::stable_sort(
      ranges.begin(), ranges.end(),
      [](const SlotRange& a, const SlotRange& b) { return a.first < b.first; });
  return ranges;
}

// The parts of first..last that belong to one group each, ascending. Requires:
// `ranges` cover all slots.
std::vector<SlotRange> PartsOf(const std::vector<SlotRange>& ranges,
                               uint32_t first, uint32_t last) {
  std::vector<SlotRange> parts;
  for (const SlotRange& range : ranges) {
    if (range.last < first || range.first > last) continue;
    parts.push_back({std::max(first, range.first), std::min(last, range.last),
                     range.group});
  }
  return parts;
}

// "12" or "12-40".
bool ParseRange(absl::string_view text, uint32_t* first, uint32_t* last) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  if (!absl::SimpleAtoi(ends.first, first)) return false;
  *last = *first;
  if (text.size() > ends.first.size() && !absl::SimpleAtoi(ends.second, last)) {
    return false;
  }
  return *first <= *last && *last < kSlots;
}

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

// The lines of a text, "key", a separator and a value each, by their keys.
// Lines without the separator are left out.
// They view the text.
using Fields = absl::flat_hash_map<absl::string_view, absl::string_view>;
Fields FieldsOf(std::string_view text, char separator) {
  constexpr size_t kUsualLine = 48;
  Fields fields;
  fields.reserve(text.size() / kUsualLine);
  for (absl::string_view rest = View(text); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    absl::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
    const size_t at = separator == ' ' ? line.rfind(' ') : line.find(separator);
    if (at == absl::string_view::npos) continue;
    fields.emplace(line.substr(0, at), line.substr(at + 1));
  }
  return fields;
}

// Returns the contradiction to "the field `key` is `right`".
std::string CheckField(const char* where, const Fields& fields,
                       const std::string& key, const std::string& right) {
  const auto found = fields.find(key);
  if (found == fields.end()) return absl::StrCat(where, " lacks ", key);
  if (found->second == right) return "";
  return absl::StrCat(where, ": ", key, " is ", found->second, " instead of ",
                      right);
}

// A field that must have a value.
struct RightField {
  std::string key;
  std::string value;
};
std::string CheckFields(const char* where, const Fields& fields,
                        const std::vector<RightField>& right) {
  for (const RightField& field : right) {
    std::string wrong = CheckField(where, fields, field.key, field.value);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

size_t SlotsOf(const ClusterTruth::Group& group) {
  size_t slots = 0;
  for (const auto& [first, last] : group.slots) slots += last - first + 1;
  return slots;
}

size_t SlotsLedBy(const ClusterTruth& truth, size_t node) {
  size_t slots = 0;
  for (const ClusterTruth::Group& group : truth.groups) {
    if (group.leader == node) slots += SlotsOf(group);
  }
  return slots;
}

// The value of a line of INFO about the replica of a group.
std::string GroupLine(const ClusterTruth& truth,
                      const ClusterTruth::Group& group,
                      const ClusterTruth::Replica& replica) {
  const std::string tail =
      absl::StrCat(",slots=", SlotsOf(group), ",status=", replica.state);
  const std::string role = replica.state != "ok"          ? replica.state
                           : replica.node == group.leader ? "leader"
                                                          : "follower";
  const std::string log =
      !replica.has_log
          ? ""
          : absl::StrCat(",term=", replica.term, ",commit=", replica.commit,
                         ",applied=", replica.applied, ",last=", replica.last);
  return absl::StrCat("role=", role, ",leader=", truth.nodes[group.leader].id,
                      log, tail);
}

// A node that leads nothing is a replica of the leader of a group whose replica
// works there.
std::string CheckRole(const ClusterTruth& truth, size_t self,
                      const Fields& fields) {
  std::set<std::string> masters;
  for (const ClusterTruth::Group& group : truth.groups) {
    // Clients have nothing to do with a group without slots.
    if (group.slots.empty()) {
      if (group.leader == self) return "";
      continue;
    }
    if (group.leader == self)
      return CheckField("INFO", fields, "role", "master");
    if (std::count(group.others.begin(), group.others.end(), self) > 0) {
      masters.insert(truth.nodes[group.leader].address);
    }
  }
  if (masters.empty()) return "";
  const auto host = fields.find("master_host");
  const auto port = fields.find("master_port");
  const std::string master =
      host == fields.end() || port == fields.end()
          ? ""
          : absl::StrCat(host->second, ":", port->second);
  if (masters.count(master) == 0) {
    return absl::StrCat("INFO: the master is ", master, " instead of ",
                        *masters.begin());
  }
  return CheckFields("INFO", fields,
                     {{"role", "slave"}, {"master_link_status", "up"}});
}

// Contradictions of one row of CLUSTER SLOTS to the group of a slot.
std::string CheckRow(const ClusterTruth& truth,
                     const ClusterTruth::Group& group, const ClientReply& row) {
  const std::string& leader = truth.nodes[group.leader].address;
  if (AddressOf(row.elements[2]) != leader) {
    return absl::StrCat("has the leader ", AddressOf(row.elements[2]),
                        " instead of ", leader);
  }
  std::set<std::string> others;
  for (const size_t other : group.others) {
    others.insert(truth.nodes[other].address);
  }
  for (size_t i = 3; i < row.elements.size(); ++i) {
    const std::string address = AddressOf(row.elements[i]);
    if (others.erase(address) == 0) {
      return absl::StrCat("has the replica ", address,
                          ", which is none or does not work");
    }
  }
  return "";
}

}  // namespace

std::string CheckSlots(const ClusterTruth& truth, const ClientReply& reply) {
  if (reply.type != Type::kArray) return "SLOTS is " + reply.ToString();
  const std::vector<SlotRange> ranges = RangesOf(truth);
  std::vector<std::pair<int64_t, int64_t>> listed;
  for (const ClientReply& row : reply.elements) {
    if (row.elements.size() < 3) return "SLOTS has the row " + row.ToString();
    const int64_t first = row.elements[0].integer;
    const int64_t last = row.elements[1].integer;
    if (first < 0 || first > last || last >= kSlots) {
      return "SLOTS has the row " + row.ToString();
    }
    listed.emplace_back(first, last);
    for (const SlotRange& part : PartsOf(ranges, static_cast<uint32_t>(first),
                                         static_cast<uint32_t>(last))) {
      const std::string wrong = CheckRow(truth, truth.groups[part.group], row);
      if (!wrong.empty()) {
        return absl::StrCat("SLOTS: slot ", part.first, " ", wrong);
      }
    }
  }
  std::sort(listed.begin(), listed.end());
  int64_t next = 0;
  for (const auto& [first, last] : listed) {
    if (first > next) return absl::StrCat("SLOTS lacks slot ", next);
    if (first < next) return absl::StrCat("SLOTS has slot ", first, " twice");
    next = last + 1;
  }
  return next == kSlots ? "" : absl::StrCat("SLOTS lacks slot ", next);
}

std::string CheckNodes(const ClusterTruth& truth, size_t self,
                       std::string_view text) {
  const std::vector<SlotRange> ranges = RangesOf(truth);
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < truth.nodes.size(); ++i) {
    places[truth.nodes[i].address] = i;
  }
  size_t slots = 0;
  const std::vector<std::string> lines = absl::StrSplit(
      absl::string_view(text.data(), text.size()), '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    const std::string wrong = "NODES has the line \"" + line + "\"";
    if (words.size() < 8) return wrong;
    auto place = places.find(words[1].substr(0, words[1].find('@')));
    // A node may have died before it told its last addresses.
    uint32_t id = 0;
    if (place == places.end() && absl::SimpleAtoi(words[6], &id)) {
      place = std::find_if(places.begin(), places.end(), [&](const auto& of) {
        const ClusterTruth::Node& node = truth.nodes[of.second];
        return node.id == id && !node.runs;
      });
    }
    if (place == places.end()) return wrong + " of no node, or of one twice";
    const size_t node = place->second;
    places.erase(place);
    const std::vector<std::string> flags = absl::StrSplit(words[2], ',');
    const auto has = [&flags](std::string_view flag) {
      return std::find(flags.begin(), flags.end(), flag) != flags.end();
    };
    if (has("myself") != (node == self)) return wrong + " at another node";
    if (has("fail") == truth.nodes[node].works) {
      return absl::StrCat(wrong, " of a node that ",
                          truth.nodes[node].works ? "works" : "does not work");
    }
    for (size_t i = 8; i < words.size(); ++i) {
      uint32_t first = 0;
      uint32_t last = 0;
      if (!ParseRange(words[i], &first, &last)) return wrong;
      for (const SlotRange& part : PartsOf(ranges, first, last)) {
        slots += part.last - part.first + 1;
        if (truth.groups[part.group].leader != node) {
          return absl::StrCat(wrong, " of a node that does not lead slot ",
                              part.first);
        }
      }
    }
  }
  if (!places.empty()) return "NODES lacks " + places.begin()->first;
  // Each slot has one leader, so as many slots as there are are all of them.
  if (slots == kSlots) return "";
  return absl::StrCat("NODES has ", slots, " slots");
}

std::string CheckReadiness(const ClusterTruth& truth, size_t self, int status) {
  const int right = truth.nodes[self].ready ? 200 : 503;
  if (status == right) return "";
  return absl::StrCat("/readyz has the status ", status, " instead of ", right);
}

std::string CheckClusterInfo(const ClusterTruth& truth, std::string_view text) {
  size_t leading = 0;
  for (size_t node = 0; node < truth.nodes.size(); ++node) {
    leading += SlotsLedBy(truth, node) > 0 ? 1 : 0;
  }
  return CheckFields("CLUSTER INFO", FieldsOf(text, ':'),
                     {{"cluster_state", "ok"},
                      {"cluster_slots_assigned", absl::StrCat(kSlots)},
                      {"cluster_slots_ok", absl::StrCat(kSlots)},
                      {"cluster_slots_pfail", "0"},
                      {"cluster_slots_fail", "0"},
                      {"cluster_known_nodes", absl::StrCat(truth.nodes.size())},
                      {"cluster_size", absl::StrCat(leading)}});
}

std::string CheckInfo(const ClusterTruth& truth, size_t self,
                      std::string_view text) {
  const Fields fields = FieldsOf(text, ':');
  std::vector<RightField> right;
  for (const ClusterTruth::Group& group : truth.groups) {
    const std::string key = absl::StrCat("group", group.id);
    bool placed = false;
    for (const ClusterTruth::Replica& replica : group.replicas) {
      if (replica.node != self) continue;
      placed = true;
      right.push_back({key, GroupLine(truth, group, replica)});
    }
    if (!placed && fields.count(key) > 0) {
      return absl::StrCat("INFO has ", key,
                          ", of which the node has no replica");
    }
  }
  for (size_t node = 0; node < truth.nodes.size(); ++node) {
    if (node == self) continue;
    right.push_back(
        {absl::StrCat("node", truth.nodes[node].id),
         truth.nodes[node].runs ? "state=online" : "state=offline"});
  }
  std::string wrong = CheckFields("INFO", fields, right);
  return wrong.empty() ? CheckRole(truth, self, fields) : wrong;
}

std::string CheckMetrics(const ClusterTruth& truth, size_t self,
                         std::string_view text) {
  std::vector<RightField> right = {
      {"quorate_slots_owned", absl::StrCat(SlotsLedBy(truth, self))}};
  const auto flag = [&right](const std::string& key, bool value) {
    right.push_back({key, value ? "1" : "0"});
  };
  for (const ClusterTruth::Group& group : truth.groups) {
    const std::string labels = absl::StrCat("{group=\"", group.id, "\"}");
    for (const ClusterTruth::Replica& replica : group.replicas) {
      if (replica.node != self) continue;
      for (const char* state : {"fenced", "halted", "stopped", "refused"}) {
        flag(absl::StrCat("quorate_replica_", state, labels),
             replica.state == state);
      }
      if (replica.state != "ok") continue;
      flag("quorate_raft_has_leader" + labels, true);
      flag("quorate_raft_is_leader" + labels, group.leader == self);
      right.push_back(
          {"quorate_raft_term" + labels, absl::StrCat(replica.term)});
      right.push_back({"quorate_raft_applied_index" + labels,
                       absl::StrCat(replica.applied)});
    }
  }
  for (size_t node = 0; node < truth.nodes.size(); ++node) {
    if (node == self) continue;
    flag(
        absl::StrCat("quorate_peer_alive{node=\"", truth.nodes[node].id, "\"}"),
        truth.nodes[node].runs);
  }
  return CheckFields("/metrics", FieldsOf(text, ' '), right);
}

}  // namespace quorate::sim
