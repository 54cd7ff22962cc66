#include "sim/checks/view_checker.h"

#include <algorithm>
#include <map>
#include <set>

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

// The group of each slot.
std::vector<size_t> GroupsBySlot(const ClusterTruth& truth) {
  std::vector<size_t> groups(kSlots);
  for (size_t group = 0; group < truth.groups.size(); ++group) {
    for (const auto& [first, last] : truth.groups[group].slots) {
      std::fill(groups.begin() + first, groups.begin() + last + 1, group);
    }
  }
  return groups;
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
  const std::vector<size_t> groups = GroupsBySlot(truth);
  std::vector<bool> listed(kSlots);
  for (const ClientReply& row : reply.elements) {
    if (row.elements.size() < 3) return "SLOTS has the row " + row.ToString();
    const int64_t first = row.elements[0].integer;
    const int64_t last = row.elements[1].integer;
    if (first < 0 || first > last || last >= kSlots) {
      return "SLOTS has the row " + row.ToString();
    }
    size_t checked = truth.groups.size();
    for (int64_t slot = first; slot <= last; ++slot) {
      if (listed[slot]) return absl::StrCat("SLOTS has slot ", slot, " twice");
      listed[slot] = true;
      if (groups[slot] == checked) continue;
      checked = groups[slot];
      const std::string wrong = CheckRow(truth, truth.groups[checked], row);
      if (!wrong.empty()) {
        return absl::StrCat("SLOTS: slot ", slot, " ", wrong);
      }
    }
  }
  const auto missing = std::find(listed.begin(), listed.end(), false);
  if (missing == listed.end()) return "";
  return absl::StrCat("SLOTS lacks slot ", missing - listed.begin());
}

std::string CheckNodes(const ClusterTruth& truth, size_t self,
                       std::string_view text) {
  const std::vector<size_t> groups = GroupsBySlot(truth);
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
    const auto place = places.find(words[1].substr(0, words[1].find('@')));
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
      for (uint32_t slot = first; slot <= last; ++slot, ++slots) {
        if (truth.groups[groups[slot]].leader != node) {
          return absl::StrCat(wrong, " of a node that does not lead slot ",
                              slot);
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

}  // namespace quorate::sim
