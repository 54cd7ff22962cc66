#include "net/tools/tables/member_tables.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quorate::net {

using Json = nlohmann::ordered_json;

std::string BytesText(double bytes) {
  const char* unit = "B";
  for (const char* const next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = next;
  }
  const auto tenths = static_cast<int64_t>(bytes * 10 + 0.5);
  return absl::StrCat(tenths / 10, ".", tenths % 10, " ", unit);
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 2 - row[i].size(), ' ');
    }
    out += line + "\n";
  }
  return out;
}

std::string TextOf(const Json& value) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    return text.empty() ? "-" : text;
  }
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const Json& item : value) items.push_back(TextOf(item));
    return items.empty() ? "-" : absl::StrJoin(items, ",");
  }
  return value.is_null() ? "-" : value.dump();
}

namespace {

// Empty, or a line behind others about the problem of the row.
std::string ProblemText(const char* what, const Json& row) {
  const Json problem = row.value("problem", Json());
  if (problem.is_null()) return "";
  return absl::StrCat("\n", what, " ", TextOf(row["id"]), ": ",
                      TextOf(problem));
}

// The same about what holds the copies of the row back. `copies`: such as
// "node 3: its copies are".
std::string HeldBackText(const std::string& copies, const Json& row) {
  const Json brake = row.value("held_back_by", Json());
  if (brake.is_null()) return "";
  return absl::StrCat("\n", copies, " held back by ", TextOf(brake));
}
// The same for all copies of a node, or of a move of slots.
std::string AllHeldBackText(const char* what, const Json& row) {
  return HeldBackText(
      absl::StrCat(what, " ", TextOf(row["id"]), ": its copies are"), row);
}

}  // namespace

std::string NodesText(const Json& answer) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "NAME", "ROLE", "STATE", "ZONE", "HOST", "WEIGHT", "REPLICAS",
       "LEADERS", "BYTES", "DISK FREE", "RESP", "CLUSTER", "HTTP", "PEER"}};
  std::string problems;
  for (const Json& node : answer.value("nodes", Json::array())) {
    const Json addresses = node.value("addresses", Json::object());
    const auto at = [&](const char* name) {
      return TextOf(addresses.value(name, Json()));
    };
    std::vector<std::string> row;
    for (const char* const name : {"id", "name", "role", "state", "zone",
                                   "host", "weight", "replicas", "leaders"}) {
      row.push_back(TextOf(node.value(name, Json())));
    }
    const Json bytes = node.value("bytes", Json());
    row.push_back(bytes.is_number() ? BytesText(bytes.get<double>()) : "-");
    const Json disk = node.value("disk_size_bytes", Json());
    row.push_back(
        disk.is_number()
            ? absl::StrCat(BytesText(node.value("disk_free_bytes", 0.0)),
                           " of ", BytesText(disk.get<double>()))
            : "-");
    for (const char* const name : {"resp", "resp_cluster", "http", "peer"}) {
      row.push_back(at(name));
    }
    rows.push_back(std::move(row));
    problems += ProblemText("node", node) + AllHeldBackText("node", node);
  }
  return absl::StrCat(FormatTable(rows), problems,
                      problems.empty() ? "" : "\n");
}

std::string GroupsText(const Json& groups) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "LEADER", "VOTERS", "LEARNERS", "WANTED", "WEIGHT", "SLOTS"}};
  std::string problems;
  for (const Json& group : groups) {
    std::vector<std::string> row;
    for (const char* const name :
         {"id", "leader", "voters", "learners", "wanted", "weight", "slots"}) {
      row.push_back(TextOf(group.value(name, Json())));
    }
    rows.push_back(std::move(row));
    problems += ProblemText("group", group);
    for (const Json& move : group.value("moves", Json::array())) {
      problems += HeldBackText(
          absl::StrCat("group ", TextOf(group["id"]), ": the copy from node ",
                       TextOf(move["from"]), " to node ", TextOf(move["node"]),
                       " is"),
          move);
    }
    if (group.value("retiring", false)) {
      absl::StrAppend(&problems, "\ngroup ", TextOf(group["id"]),
                      ": is being retired");
    }
  }
  return absl::StrCat(FormatTable(rows), problems,
                      problems.empty() ? "" : "\n");
}

std::string MovesText(const Json& moves) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "FROM", "TO", "SLOTS", "PHASE", "DONE", "BYTES", "RATE", "LEFT",
       "HELD", "LONGEST PAUSE"}};
  std::string problems;
  for (const Json& move : moves) {
    const double rate = move.value("bytes_per_second", 0.0);
    const Json left = move.value("seconds_left", Json());
    rows.push_back(
        {TextOf(move["id"]), TextOf(move["from"]), TextOf(move["to"]),
         TextOf(move["slots"]), TextOf(move["phase"]),
         absl::StrCat(TextOf(move["slots_done"]), "/",
                      TextOf(move["slot_count"])),
         absl::StrCat(BytesText(move.value("bytes_done", 0.0)), " of ",
                      BytesText(move.value("bytes_total", 0.0))),
         rate > 0 ? BytesText(rate) + "/s" : "-",
         left.is_null() ? "-" : TextOf(left) + " s",
         TextOf(move["held_requests"]),
         absl::StrCat(TextOf(move["longest_pause_ms"]), " ms")});
    problems += ProblemText("move", move) + AllHeldBackText("move", move);
  }
  return absl::StrCat(FormatTable(rows), problems,
                      problems.empty() ? "" : "\n");
}

}  // namespace quorate::net
