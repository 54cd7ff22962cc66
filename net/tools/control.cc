#include "net/tools/control.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "env/host_port.h"
#include "kv/client/resp_reply.h"
#include "net/event_loop/clock.h"
#include "net/tools/cluster_view.h"
#include "net/tools/resp_client.h"
#include "net/tools/tables/member_tables.h"
#include "raft/transport/handshake.h"

namespace quorate::net {
namespace {

using Json = nlohmann::ordered_json;

// Limit of redirections of one request. More of them mean a fault in the
// cluster.
constexpr int kRedirectsMax = 16;

// A certificate that ends within this time is named.
constexpr Duration kCertificateLow = Seconds(30 * 24 * 3600);

ControlAnswer Fail(const std::string& why) {
  return {.error = why, .exit_status = kControlFailed};
}

constexpr char kAdvice[] = "; give the RESP address of a node";

// Longer than a Hello: a peer address closes the connection at once instead of
// waiting for more bytes.
constexpr std::string_view kGreeting =
    "quoratectl asks whether this address answers in RESP, or only nodes";
static_assert(kGreeting.size() > raft::kHelloBytes);

// Returns whether the address is a peer address: those answer a raft::Hello of
// any cluster but 0. Nodes do not log refusals in the bulk lane.
bool IsPeerAddress(const std::string& address, const LinkOptions& options) {
  auto client = RespClient::Connect(address, options);
  if (!client.ok()) return false;
  const auto answer =
      (*client)->Exchange(raft::EncodeHello({.from = {.cluster = ClusterId(1)},
                                             .lane = env::Lane::kBulk}),
                          raft::kHelloRefusalBytes);
  return answer.ok() && raft::DecodeHelloReply(*answer).ok();
}

// Returns an error if another server than a node of Quorate answers, so that no
// command reaches it.
absl::Status CheckIsNode(const std::string& address, RespClient& client) {
  const absl::StatusOr<kv::RespValue> info = client.Call({"INFO", "server"});
  if (!info.ok()) return info.status();
  if (info->text.find("\nquorate_version:") != std::string::npos) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat(address, " is not an address of a Quorate node: another ",
                   "server answers there", kAdvice));
}

// Returns a connection to a node, or an error that says what the address is.
absl::StatusOr<std::unique_ptr<RespClient>> ConnectNode(
    const std::string& address, const LinkOptions& options) {
  auto client = RespClient::Connect(address, options);
  if (!client.ok()) return client.status();
  const absl::StatusOr<kv::RespValue> reply =
      (*client)->Call({"PING", kGreeting});
  if (reply.ok()) {
    if (reply->is_error()) {
      return absl::UnavailableError(absl::StrCat(address, ": ", reply->text));
    }
    const absl::Status node = CheckIsNode(address, **client);
    if (!node.ok()) return node;
    return client;
  }
  if (absl::IsDataLoss(reply.status())) {
    return absl::DataLossError(
        absl::StrCat(std::string(reply.status().message()), kAdvice));
  }
  if (IsPeerAddress(address, options)) {
    return absl::DataLossError(
        absl::StrCat(address, " is an address for other nodes", kAdvice));
  }
  return reply.status();
}

// Returns a connection to the first of the addresses that answers, or the error
// of each.
absl::StatusOr<std::unique_ptr<RespClient>> ConnectFirst(
    const ControlOptions& options) {
  std::string errors;
  for (const std::string& address : options.addresses) {
    auto client = ConnectNode(address, options.link());
    if (client.ok() || options.addresses.size() == 1) return client;
    absl::StrAppend(&errors, errors.empty() ? "" : "; ",
                    std::string(client.status().message()));
  }
  return absl::UnavailableError(errors);
}

// Follows redirections, and waits for a leader within the time limit.
absl::StatusOr<kv::RespValue> Ask(
    const ControlOptions& options,
    const std::vector<std::string_view>& command) {
  const MonoTime limit = Clock::ReadMono() + options.timeout;
  std::string leader;  // Empty: not known.
  for (int redirects = 0;;) {
    auto client = leader.empty() ? ConnectFirst(options)
                                 : ConnectNode(leader, options.link());
    if (!client.ok()) {
      // The leader died recently. Another node will learn the next leader.
      if (leader.empty() || Clock::ReadMono() > limit) return client.status();
      leader.clear();
      redirects = 0;
      usleep(50'000);
      continue;
    }
    absl::StatusOr<kv::RespValue> reply = (*client)->Call(command);
    if (!reply.ok()) {
      if (command.front() == "GET") return reply;
      return absl::UnknownError(
          absl::StrCat(std::string(reply.status().message()),
                       "; whether the command took effect is not known"));
    }
    if (!reply->is_error()) return reply;
    const std::optional<std::string> moved = ParseMoved(reply->text);
    if (moved.has_value() && ++redirects <= kRedirectsMax) {
      leader = *moved;
      continue;
    }
    const bool again = reply->text.starts_with("CLUSTERDOWN") ||
                       reply->text.starts_with("TRYAGAIN") ||
                       reply->text.starts_with("LOADING");
    if (!again || Clock::ReadMono() > limit) return reply;
    usleep(50'000);
  }
}

// The advice when status is asked of a plain address.
std::string OtherAddress(const ControlOptions& options) {
  const auto reply = Ask(options, {"CONFIG", "GET", "listen.resp_cluster"});
  const bool known = reply.ok() && reply->elements.size() == 2;
  return absl::StrCat(
      options.addresses.front(),
      " is an address for plain clients; give --address ",
      known ? reply->elements[1].text : "the node's resp_cluster",
      ", which is for cluster clients");
}

// The advice when status is asked of a node that the cluster has removed.
std::string AskElsewhere(const std::vector<NodeLine>& nodes) {
  std::string asked;
  std::vector<std::string> others;
  for (const NodeLine& node : nodes) {
    if (absl::StrContains(node.flags, "myself")) {
      asked = " " + node.address;
    } else {
      others.push_back(node.address);
    }
  }
  return absl::StrCat(
      "the cluster has removed the node", asked,
      ", so it knows nothing of its state; give --address ",
      others.empty() ? "of another node" : absl::StrJoin(others, ","));
}

int SlotCount(const NodeLine& node) {
  int count = 0;
  for (const std::string& range : node.slots) {
    const std::pair<std::string, std::string> ends =
        absl::StrSplit(range, absl::MaxSplits('-', 1));
    int first = 0;
    int last = 0;
    std::from_chars(ends.first.data(), ends.first.data() + ends.first.size(),
                    first);
    last = first;
    if (!ends.second.empty()) {
      std::from_chars(ends.second.data(),
                      ends.second.data() + ends.second.size(), last);
    }
    count += last - first + 1;
  }
  return count;
}

std::string RoleOf(const NodeLine& node) {
  std::vector<std::string> words;
  for (const auto& word : absl::StrSplit(node.flags, ',')) {
    if (word != "myself") words.emplace_back(word);
  }
  return absl::StrJoin(words, ",");
}

// A node of the cluster: its row in the list and its own report.
struct NodeStatus {
  NodeLine line;
  bool answers = false;
  // Why the node that was asked refuses it; empty if it does not.
  std::string refused;
  std::optional<DiskLine> disk;
  bool clock_differs = false;                  // See quorate_clock_differs.
  std::optional<CertificateLine> certificate;  // None: it has no TLS.
  // Empty for a refused node: its groups may be others.
  std::vector<GroupLine> groups;
};

// One group, combined from the reports of all nodes.
struct GroupStatus {
  // Address of the leader; empty if no node reports to lead.
  std::string leader;
  uint64_t term = 0;
  uint64_t commit = 0;
  int replicas = 0;
  // The applied index of the replica that is furthest behind.
  uint64_t applied_least = ~uint64_t{0};
  int slots = 0;
  // "ADDRESS is fenced" for each replica that does not work.
  std::vector<std::string> unfit;
};

// Asks the node itself.
NodeStatus StatusOf(const NodeLine& line,
                    const std::map<uint32_t, std::string>& refused,
                    const LinkOptions& options) {
  NodeStatus node{.line = line};
  auto client = RespClient::Connect(line.address, options);
  if (!client.ok()) return node;
  const auto info =
      (*client)->Call({"INFO", "server", "groups", "persistence"});
  node.answers = info.ok() && !info->is_error();
  if (node.answers) {
    node.disk = ParseInfoDisk(info->text);
    node.clock_differs = absl::StrContains(info->text, "clock_differs:1\r");
    node.certificate = ParseInfoCertificate(info->text);
  }
  const auto why = refused.find(line.number);
  if (why != refused.end()) {
    node.refused = why->second;
  } else if (node.answers) {
    node.groups = ParseInfoGroups(info->text);
  }
  return node;
}

std::map<uint32_t, GroupStatus> GroupsOf(const std::vector<NodeStatus>& nodes) {
  std::map<uint32_t, GroupStatus> groups;
  for (const NodeStatus& node : nodes) {
    for (const GroupLine& line : node.groups) {
      GroupStatus& group = groups[line.group];
      group.slots = static_cast<int>(line.slots);
      if (line.status != "ok") {
        group.unfit.push_back(
            absl::StrCat(node.line.address, " is ", line.status));
        continue;
      }
      ++group.replicas;
      group.commit = std::max(group.commit, line.commit);
      group.applied_least = std::min(group.applied_least, line.applied);
      if (line.leads() && line.term >= group.term) {
        group.leader = node.line.address;
      }
      group.term = std::max(group.term, line.term);
    }
  }
  return groups;
}

// Number of slots of groups that an answering node leads.
int SlotsServed(const std::map<uint32_t, GroupStatus>& groups) {
  int served = 0;
  for (const auto& [id, group] : groups) {
    if (!group.leader.empty()) served += group.slots;
  }
  return served;
}

bool LacksRoom(const NodeStatus& node) {
  return node.disk.has_value() && node.disk->lacks_room;
}

std::string StateOf(const NodeStatus& node) {
  if (!node.answers) return "no answer";
  if (!node.refused.empty()) return "refused";
  std::string unfit;
  if (LacksRoom(node)) unfit = "disk has no room";
  if (node.clock_differs) {
    absl::StrAppend(&unfit, unfit.empty() ? "" : ", ", "clock differs");
  }
  for (const GroupLine& line : node.groups) {
    if (line.status == "ok") continue;
    absl::StrAppend(&unfit, unfit.empty() ? "" : ", ", "group ", line.group,
                    " ", line.status);
  }
  return unfit.empty() ? "up" : unfit;
}

// A line for a certificate that needs attention; else nothing.
std::string CertificateText(const NodeStatus& node) {
  if (!node.certificate.has_value()) return "";
  const int64_t left = node.certificate->seconds_left;
  std::string text;
  if (left <= 0) {
    text = absl::StrCat("the certificate of ", node.line.address,
                        " has expired\n");
  } else if (left < kCertificateLow.ms() / 1000) {
    text = absl::StrCat("the certificate of ", node.line.address,
                        " expires in ", left / (24 * 3600), " days\n");
  }
  if (node.certificate->reload_failing) {
    absl::StrAppend(&text, node.line.address,
                    " does not use the present files of its certificate: see "
                    "its log\n");
  }
  return text;
}

std::string StatusText(const std::vector<NodeStatus>& nodes,
                       const std::map<uint32_t, GroupStatus>& groups,
                       int slots) {
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "ROLE", "STATE", "DISK FREE", "SLOTS", "RANGES"}};
  for (const NodeStatus& node : nodes) {
    std::string disk = "-";
    if (node.disk.has_value()) {
      disk = absl::StrCat(
          BytesText(static_cast<double>(node.disk->free_bytes)), " of ",
          BytesText(static_cast<double>(node.disk->size_bytes)));
    }
    rows.push_back({node.line.address, RoleOf(node.line), StateOf(node), disk,
                    absl::StrCat(SlotCount(node.line)),
                    absl::StrJoin(node.line.slots, " ")});
    if (!node.refused.empty()) rows.back().back() = node.refused;
  }
  std::string out = FormatTable(rows) + "\n";
  rows = {{"GROUP", "LEADER", "TERM", "COMMIT", "REPLICAS", "BEHIND"}};
  for (const auto& [id, group] : groups) {
    const uint64_t behind =
        group.commit - std::min(group.commit, group.applied_least);
    rows.push_back({absl::StrCat(id), group.leader.empty() ? "-" : group.leader,
                    absl::StrCat(group.term), absl::StrCat(group.commit),
                    absl::StrCat(group.replicas), absl::StrCat(behind)});
    if (!group.unfit.empty()) {
      rows.back().push_back(absl::StrJoin(group.unfit, ", "));
    }
  }
  absl::StrAppend(&out, FormatTable(rows), "\n", SlotsServed(groups), " of ",
                  slots, " slots have a leader\n");
  for (const NodeStatus& node : nodes) {
    absl::StrAppend(&out, CertificateText(node));
  }
  return out;
}

std::string StatusJson(const std::vector<NodeStatus>& nodes,
                       const std::map<uint32_t, GroupStatus>& groups,
                       int slots) {
  Json rows = Json::array();
  for (const NodeStatus& node : nodes) {
    Json disk_free;
    Json disk_size;
    if (node.disk.has_value()) {
      disk_free = node.disk->free_bytes;
      disk_size = node.disk->size_bytes;
    }
    Json certificate;
    if (node.certificate.has_value()) {
      certificate = node.certificate->seconds_left;
    }
    rows.push_back({{"id", node.line.id},
                    {"address", node.line.address},
                    {"role", RoleOf(node.line)},
                    {"answers", node.answers},
                    {"state", StateOf(node)},
                    {"why", node.refused},
                    {"disk_free_bytes", disk_free},
                    {"disk_size_bytes", disk_size},
                    {"certificate_seconds_left", certificate},
                    {"slots", node.line.slots}});
  }
  Json states = Json::array();
  for (const auto& [id, group] : groups) {
    Json leader;
    if (!group.leader.empty()) leader = group.leader;
    states.push_back(
        {{"group", id},
         {"leader", leader},
         {"term", group.term},
         {"commit", group.commit},
         {"applied_least", group.replicas == 0 ? 0 : group.applied_least},
         {"replicas", group.replicas},
         {"unfit", group.unfit}});
  }
  return JsonLine({{"slots_served", SlotsServed(groups)},
                   {"slots", slots},
                   {"nodes", rows},
                   {"groups", states}});
}

}  // namespace

absl::StatusOr<std::vector<NodeLine>> ParseClusterNodes(std::string_view text) {
  std::vector<NodeLine> nodes;
  const std::string copy(text);
  for (const auto& line : absl::StrSplit(copy, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields =
        absl::StrSplit(absl::StripSuffix(line, "\r"), ' ', absl::SkipEmpty());
    if (fields.size() < 8) {
      return absl::DataLossError("not an answer to CLUSTER NODES");
    }
    const absl::StatusOr<HostPort> address =
        ParseBareHostPort(fields[1].substr(0, fields[1].find('@')));
    if (!address.ok()) {
      return absl::DataLossError(
          absl::StrCat("not an answer to CLUSTER NODES: ",
                       std::string(address.status().message())));
    }
    NodeLine node{.id = fields[0],
                  .address = FormatHostPort(address->host, address->port),
                  .flags = fields[2],
                  .link = fields[7]};
    // Redis gives other numbers there; then it names no node.
    if (!absl::SimpleAtoi(fields[6], &node.number)) node.number = 0;
    for (size_t i = 8; i < fields.size(); ++i) {
      if (!fields[i].starts_with('[')) node.slots.push_back(fields[i]);
    }
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const NodeLine& a, const NodeLine& b) {
              return a.address < b.address;
            });
  return nodes;
}

Json ErrorJson(const ControlAnswer& answer) {
  const char* code = "FAILED";
  if (answer.exit_status == kControlUsage) code = "USAGE";
  if (answer.exit_status == kControlRefused) code = "REFUSED";
  if (answer.exit_status == kControlUnknown) code = "OUTCOME_UNKNOWN";
  if (answer.exit_status == kControlInterrupted) code = "INTERRUPTED";
  Json error = {{"code", code}, {"message", answer.error}};
  if (!answer.operation.empty()) error["operation"] = answer.operation;
  return error;
}

bool IsUtf8(const Json& json) {
  // Invalid bytes are replaced in one of the two, and left out in the other.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) ==
         json.dump(-1, ' ', false, Json::error_handler_t::ignore);
}

Json BytesJson(std::string_view bytes) {
  Json text = std::string(bytes);
  if (IsUtf8(text)) return text;
  return {{"base64", absl::Base64Escape(std::string(bytes))}};
}

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

ControlAnswer RunStatus(const ControlOptions& options) {
  const absl::StatusOr<kv::RespValue> reply =
      Ask(options, {"CLUSTER", "NODES"});
  if (!reply.ok()) return Fail(std::string(reply.status().message()));
  if (reply->is_error() &&
      reply->text.find("cluster support disabled") != std::string::npos) {
    return Fail(OtherAddress(options));
  }
  if (reply->is_error()) return Fail(reply->text);
  const absl::StatusOr<std::vector<NodeLine>> nodes =
      ParseClusterNodes(reply->text);
  if (!nodes.ok()) return Fail(std::string(nodes.status().message()));
  const absl::StatusOr<kv::RespValue> peers = Ask(options, {"INFO", "nodes"});
  if (!peers.ok()) return Fail(std::string(peers.status().message()));
  if (SaysRemoved(peers->text)) return Fail(AskElsewhere(*nodes));
  const absl::StatusOr<kv::RespValue> info = Ask(options, {"CLUSTER", "INFO"});
  if (!info.ok()) return Fail(std::string(info.status().message()));
  const std::optional<int> slots = ParseSlotCount(info->text);
  if (!slots.has_value()) return Fail("not an answer to CLUSTER INFO");
  const std::map<uint32_t, std::string> refused =
      ParseRefusedNodes(peers->text);
  bool well = true;
  std::vector<NodeStatus> all;
  for (const NodeLine& line : *nodes) {
    all.push_back(StatusOf(line, refused, options.link()));
    well = well && all.back().answers && all.back().refused.empty() &&
           !LacksRoom(all.back());
  }
  const std::map<uint32_t, GroupStatus> groups = GroupsOf(all);
  for (const auto& [id, group] : groups) {
    well = well && !group.leader.empty() && group.unfit.empty();
  }
  return {.out = options.json ? StatusJson(all, groups, *slots)
                              : StatusText(all, groups, *slots),
          .exit_status =
              well && SlotsServed(groups) == *slots ? 0 : kControlUnwell};
}

ControlAnswer RunGet(const ControlOptions& options, const std::string& key) {
  const absl::StatusOr<kv::RespValue> reply = Ask(options, {"GET", key});
  if (!reply.ok()) return Fail(std::string(reply.status().message()));
  if (reply->is_error()) return Fail(reply->text);
  const bool found = !reply->is_nil();
  ControlAnswer answer{.exit_status = found ? 0 : kControlFailed};
  if (!found) answer.error = "there is no key '" + key + "'";
  if (options.json) {
    Json value;
    if (found) value = BytesJson(reply->text);
    Json line = {{"key", BytesJson(key)}, {"value", value}};
    if (!found) line["error"] = ErrorJson(answer);
    answer.out = JsonLine(line);
  } else if (found) {
    answer.out = reply->text + "\n";
  }
  return answer;
}

ControlAnswer RunSet(const ControlOptions& options, const std::string& key,
                     const std::string& value) {
  const absl::StatusOr<kv::RespValue> reply = Ask(options, {"SET", key, value});
  if (!reply.ok()) return Fail(std::string(reply.status().message()));
  if (reply->is_error()) return Fail(reply->text);
  if (!options.json) return {.out = "OK\n"};
  return {.out = JsonLine({{"key", BytesJson(key)}, {"ok", true}})};
}

ControlAnswer RunDelete(const ControlOptions& options,
                        const std::vector<std::string>& keys) {
  int64_t deleted = 0;
  // One command per key, since keys may be in different slots.
  for (const std::string& key : keys) {
    const absl::StatusOr<kv::RespValue> reply = Ask(options, {"DEL", key});
    if (!reply.ok()) return Fail(std::string(reply.status().message()));
    if (reply->is_error()) return Fail(reply->text);
    deleted += reply->integer;
  }
  if (options.json) return {.out = JsonLine({{"deleted", deleted}})};
  return {.out = absl::StrCat(deleted, "\n")};
}

}  // namespace quorate::net
