#include "net/tools/cluster_view.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/host_port.h"

namespace quorate::net {

using Kind = kv::RespValue::Kind;

absl::StatusOr<std::vector<ClusterSlotsRow>> ParseClusterSlots(
    const kv::RespValue& reply) {
  const absl::Status nonsense = absl::DataLossError(
      "expected ranges of slots with their nodes as the reply to CLUSTER "
      "SLOTS, found something else");
  if (reply.kind != Kind::kArray) return nonsense;
  std::vector<ClusterSlotsRow> ranges;
  for (const kv::RespValue& row : reply.elements) {
    if (row.elements.size() < 3 || row.elements[0].kind != Kind::kInteger ||
        row.elements[1].kind != Kind::kInteger ||
        row.elements[2].elements.size() < 2 ||
        row.elements[2].elements[1].kind != Kind::kInteger) {
      return nonsense;
    }
    const kv::RespValue& master = row.elements[2];
    ranges.push_back({.first = static_cast<uint16_t>(row.elements[0].integer),
                      .last = static_cast<uint16_t>(row.elements[1].integer),
                      .master = FormatHostPort(
                          master.elements[0].text,
                          static_cast<uint16_t>(master.elements[1].integer))});
  }
  return ranges;
}

std::optional<std::string> MasterOf(const std::vector<ClusterSlotsRow>& ranges,
                                    uint16_t slot) {
  for (const ClusterSlotsRow& range : ranges) {
    if (range.first <= slot && slot <= range.last) return range.master;
  }
  return std::nullopt;
}

std::optional<std::string> ParseMoved(std::string_view error) {
  if (!error.starts_with("MOVED ")) return std::nullopt;
  const absl::StatusOr<HostPort> node =
      ParseBareHostPort(error.substr(error.rfind(' ') + 1));
  if (!node.ok() || node->host.empty()) return std::nullopt;
  return FormatHostPort(node->host, node->port);
}

std::vector<GroupLine> ParseInfoGroups(std::string_view info) {
  std::vector<GroupLine> groups;
  const std::string text(info);
  for (const auto& raw : absl::StrSplit(text, '\n')) {
    const std::string line(absl::StripSuffix(raw, "\r"));
    const size_t colon = line.find(':');
    GroupLine group;
    if (!line.starts_with("group") || colon == std::string::npos ||
        !absl::SimpleAtoi(line.substr(5, colon - 5), &group.group)) {
      continue;
    }
    for (const auto& field : absl::StrSplit(line.substr(colon + 1), ',')) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(field, absl::MaxSplits('=', 1));
      const std::string& value = pair.second;
      bool number = true;
      if (pair.first == "role") group.role = value;
      if (pair.first == "status") group.status = value;
      if (pair.first == "leader") {
        number = absl::SimpleAtoi(value, &group.leader);
      }
      if (pair.first == "term") number = absl::SimpleAtoi(value, &group.term);
      if (pair.first == "commit") {
        number = absl::SimpleAtoi(value, &group.commit);
      }
      if (pair.first == "applied") {
        number = absl::SimpleAtoi(value, &group.applied);
      }
      if (pair.first == "slots") {
        number = absl::SimpleAtoi(value, &group.slots);
      }
      if (!number) return {};
    }
    groups.push_back(group);
  }
  return groups;
}

std::optional<DiskLine> ParseInfoDisk(std::string_view info) {
  DiskLine disk;
  const std::string text(info);
  for (const auto& raw : absl::StrSplit(text, '\n')) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(absl::StripSuffix(raw, "\r"), absl::MaxSplits(':', 1));
    bool number = true;
    if (field.first == "disk_free_bytes") {
      number = absl::SimpleAtoi(field.second, &disk.free_bytes);
    } else if (field.first == "disk_size_bytes") {
      number = absl::SimpleAtoi(field.second, &disk.size_bytes);
    } else if (field.first == "disk_lacks_room") {
      disk.lacks_room = field.second == "1";
    }
    if (!number) return std::nullopt;
  }
  return disk.size_bytes > 0 ? std::optional(disk) : std::nullopt;
}

std::optional<CertificateLine> ParseInfoCertificate(std::string_view info) {
  CertificateLine line;
  bool found = false;
  const std::string text(info);
  for (const auto& raw : absl::StrSplit(text, '\n')) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(absl::StripSuffix(raw, "\r"), absl::MaxSplits(':', 1));
    if (field.first == "tls_certificate_seconds_left") {
      found = absl::SimpleAtoi(field.second, &line.seconds_left);
    } else if (field.first == "tls_reload_failing") {
      line.reload_failing = field.second == "1";
    }
  }
  return found ? std::optional(line) : std::nullopt;
}

std::optional<int> ParseSlotCount(std::string_view info) {
  constexpr std::string_view kName = "cluster_slots_assigned:";
  const std::string text(info);
  for (const auto& raw : absl::StrSplit(text, '\n')) {
    const std::string line(absl::StripSuffix(raw, "\r"));
    int slots = 0;
    if (line.starts_with(kName) &&
        absl::SimpleAtoi(line.substr(kName.size()), &slots)) {
      return slots;
    }
  }
  return std::nullopt;
}

std::map<uint32_t, std::string> ParseRefusedNodes(std::string_view info) {
  constexpr std::string_view kRefusal = "_refusal:";
  std::map<uint32_t, std::string> refused;
  const std::string text(info);
  for (const auto& raw : absl::StrSplit(text, '\n')) {
    const std::string line(absl::StripSuffix(raw, "\r"));
    const size_t at = line.find(kRefusal);
    uint32_t node = 0;
    if (line.starts_with("node") && at != std::string::npos &&
        absl::SimpleAtoi(line.substr(4, at - 4), &node)) {
      refused[node] = line.substr(at + kRefusal.size());
    }
  }
  return refused;
}

bool SaysRemoved(std::string_view info) {
  return info.find("\nremoved:1\r") != info.npos;
}

}  // namespace quorate::net
