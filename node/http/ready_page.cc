#include "node/http/ready_page.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// Removes the words that name the group from a message about its replica.
std::string_view WithoutGroup(std::string_view message, GroupId group) {
  for (const std::string_view words : {" is fenced: ", ": "}) {
    const std::string prefix = Concat("group ", group, words);
    if (message.starts_with(prefix)) return message.substr(prefix.size());
  }
  return message;
}

// Appends the line of a group for which this node only passes requests on, if
// none can be served now. Clients still reach the other groups by this node,
// and no other node is better, so the line does not count.
void AppendGroupElsewhere(const LiveView& view, const GroupQueue& queue,
                          std::string* lines) {
  if (queue.leadership().kind != Leadership::Kind::kUnknown) return;
  const GroupId group = queue.group();
  const absl::Status cut_off = view.CutOff(group);
  Append(lines, "[ ]group ", group, " (no replica here) ");
  if (cut_off.ok()) {
    Append(lines, "has no leader\n");
  } else {
    Append(lines, "is cut off: ", WithoutGroup(Message(cut_off), group), "\n");
  }
}

// A replica is left over if no known configuration of its group names this node
// any more. It is dropped then, and no client needs it.
bool IsLeftOver(const Context& context, GroupId group) {
  return !std::ranges::binary_search(
      context.cluster.shards().GroupsOn(context.config.node), group);
}

// Appends why a replica is fenced or stopped, unless the line of the log gives
// this reason already.
void AppendReplicaWhy(const absl::Status& status, const absl::Status& log,
                      GroupId group, std::string* lines) {
  const std::string_view why = WithoutGroup(Message(status), group);
  const bool said = !log.ok() && why == Message(log);
  Append(lines, said ? "the log does not work" : why, "\n");
}

void AppendStuckWishes(const Context& context, std::string* lines) {
  for (const StuckWish& wish : context.stuck_wishes()) {
    Append(lines, "[ ]");
    if (wish.node != NodeId()) {
      Append(lines, "node ", wish.node);
    } else if (wish.move != MoveId()) {
      Append(lines, "move ", wish.move);
    } else {
      Append(lines, "group ", wish.group);
    }
    Append(lines, " is not as it is wanted: ", wish.why, "\n");
  }
}

// The node serves without room, so the line does not count.
void AppendDisk(const DiskWatch& disk, std::string* lines) {
  if (!disk.known()) return;
  const DiskRoom& room = disk.room();
  Append(lines, disk.lacks_room() ? "[ ]" : "[+]", "disk ",
         SizeText(room.free_bytes), " of ", SizeText(room.size_bytes), " free",
         disk.lacks_room() ? ": no room for snapshots, so this node gives its "
                             "leaderships away until space is freed"
                           : "",
         "\n");
}

// The node serves without leases, so the line does not count.
void AppendClock(const Context& context, std::string* lines) {
  if (!context.host.clock_differs()) return;
  Append(
      lines,
      "[ ]clock differs in rate from most nodes that send to it, so reads by "
      "leases are off here:");
  for (const NodeConfig& node : context.cluster.nodes()) {
    const std::optional<int64_t> ahead = context.host.ClockAheadOf(node.id);
    if (!ahead.has_value()) continue;
    Append(lines, " node ", node.id, " ", *ahead < 0 ? "+" : "-",
           std::abs(*ahead), " ppm");
  }
  Append(lines, "\n");
}

}  // namespace

ReadyPage MakeReadyPage(const Context& context, bool verbose) {
  const absl::Status log = context.host.status();
  bool ready = log.ok();
  std::string lines = Concat(log.ok() ? "[+]" : "[-]", "log ",
                             log.ok() ? "ok" : Message(log), "\n");
  AppendDisk(context.disk, &lines);
  AppendClock(context, &lines);
  if (const std::string_view removed = context.removed(); !removed.empty()) {
    Append(&lines, "[-]", removed, "\nnot ready\n");
    return {.ready = false, .text = std::move(lines)};
  }
  const LiveView& view = context.router.view();
  for (const auto& queue : context.router.queues()) {
    if (!queue->placed()) {
      AppendGroupElsewhere(view, *queue, &lines);
      continue;
    }
    const absl::Status status = view.OwnStatus(queue->group());
    const bool led = queue->leadership().kind != Leadership::Kind::kUnknown;
    const bool left_over = !status.ok() && IsLeftOver(context, queue->group());
    const bool works = status.ok() && led;
    ready = ready && (works || left_over);
    Append(&lines,
           left_over ? "[ ]"
           : works   ? "[+]"
                     : "[-]",
           "group ", queue->group(),
           left_over ? " (has left this node) " : " ");
    if (!status.ok()) {
      Append(
          &lines, "is ",
          ReplicaStateName(view.replica(queue->group(), context.config.node)),
          ": ");
      AppendReplicaWhy(status, log, queue->group(), &lines);
    } else {
      Append(&lines, led ? "ok" : "has no leader", "\n");
    }
  }
  for (const NodeConfig& node : context.cluster.nodes()) {
    if (node.id == context.config.node) continue;
    const std::string refusal = view.refusal(node.id);
    const bool fine = view.alive(node.id) && refusal.empty();
    Append(&lines, fine ? "[+]" : "[ ]", "node ", node.id,
           fine                  ? " ok"
           : view.alive(node.id) ? Concat(" is refused: ", refusal)
           : refusal.empty()     ? " does not answer"
                                 : Concat(" does not answer: ", refusal),
           "\n");
  }
  std::string text;
  if (verbose || !ready) {
    AppendStuckWishes(context, &lines);
    text = std::move(lines);
  }
  text += ready ? "ok\n" : "not ready\n";
  return {.ready = ready, .text = std::move(text)};
}

}  // namespace quorate::node
