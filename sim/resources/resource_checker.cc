#include "sim/resources/resource_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// The most work of a request besides its bytes: that of a page for people, such
// as CLIENT LIST, or of its keys (node/base/turn_work.h).
constexpr uint64_t kPageWork = 20'000;
constexpr uint64_t kKeyWork = 20;
constexpr uint64_t kBytesPerUnit = 16;
// Many reads of another node are answered up to this size, and one result more.
constexpr uint64_t kBatchAnswerBytes = 512 << 10;
// While a snapshot reads the store, a command that changes a page has up to so
// many times the work of its entry (kv/store/work.h).
constexpr uint64_t kPageCopies = 4;
// The work of one command of FLUSHALL, which clears up to 2,048 slots.
constexpr uint64_t kFlushWork = 64 << 10;
// No node reads larger chunks.
constexpr uint64_t kChunkBytesMax = 64 << 10;
// Records of entries that one read takes, and that are near to each other.
constexpr uint64_t kReadRangeBytesMax = 256 << 10;
// First entries of terms and configurations of all groups, while a disk hangs.
constexpr uint64_t kOwnEntryBytes = 64 << 10;

}  // namespace

void ResourceChecker::ReportMore(NodeId node, std::string_view what,
                                 uint64_t used, uint64_t bound) {
  violate_(absl::StrCat("resources: node ", node.value(), " has ",
                        std::string(what), " ", used, ", at most ", bound,
                        " is allowed"));
}

void ResourceChecker::RequireTurns(NodeId node, const node::Config& config,
                                   bool clock_stood,
                                   const node::ResourceUse& use) {
  // The last piece of work in a turn may exceed the bound.
  Require(node, "work of requests in one turn",
          clock_stood ? 0 : use.longest_turn_work,
          config.bounds.turn_work + kPageWork +
              options_.message_bytes_max / kBytesPerUnit +
              kKeyWork * options_.request_keys_max);
  Require(node, "work of entries in one turn", use.longest_apply_work,
          config.host.core.apply_bytes_max +
              kPageCopies * options_.entry_work_max +
              options_.message_bytes_max + kFlushWork);
}

void ResourceChecker::RequireDisk(NodeId node, const node::Config& config,
                                  const node::ResourceUse& use) {
  // A first write always fits, and so do entries that no client asked for.
  Require(node, "bytes that the log has not written", use.unwritten_bytes,
          config.host.unwritten_bytes_max + options_.append_bytes_max +
              options_.message_bytes_max + kOwnEntryBytes);
  // A first chunk always fits.
  Require(node, "bytes of chunks that are not written", use.staged_bytes,
          std::max(config.host.snapshot_transfer_bytes_max, kChunkBytesMax));
  // A first read always fits. It takes whole records.
  Require(node, "bytes that are being read for followers",
          use.follower_read_bytes,
          std::max(
              {config.host.snapshot_transfer_bytes_max, kReadRangeBytesMax,
               config.host.log.record_bytes_max + options_.message_bytes_max}));
}

void ResourceChecker::RequirePeers(NodeId node, const node::Config& config,
                                   const node::ResourceUse& use) {
  const uint64_t message = options_.message_bytes_max;
  const uint64_t asked = config.bounds.peer_bytes + message;
  const uint64_t taken = options_.peer_bytes_max + message;
  // Above the limit, two answers are made: one to many reads or to a long one.
  const uint64_t answers = config.bounds.peer_bytes + kBatchAnswerBytes +
                           message + options_.answer_bytes_max;
  Require(node, "bytes of requests between nodes", use.peer_bytes,
          (options_.nodes - 1) * (asked + taken + answers));
}

void ResourceChecker::RequireEviction(SimTime now, NodeId node,
                                      uint64_t budget_bytes,
                                      const node::ResourceUse& use,
                                      Seen* seen) {
  // A sum just above the budget need not cause an eviction.
  const uint64_t bound =
      budget_bytes + budget_bytes / 8 + options_.message_bytes_max;
  const uint64_t applied_bytes = use.log_memory_bytes - use.unapplied_bytes;
  if (budget_bytes == 0 || applied_bytes <= bound) {
    seen->log_exceeds_since = SimTime::Max();
    return;
  }
  seen->log_exceeds_since = std::min(seen->log_exceeds_since, now);
  if (now - seen->log_exceeds_since < kEvictionMax) return;
  violate_(absl::StrCat(
      "resources: node ", node.value(), " has ", applied_bytes,
      " bytes of applied entries in memory since ",
      seen->log_exceeds_since.ms(), " ms, at most ", bound, " are allowed"));
}

void ResourceChecker::RequireBacklogs(NodeId node, const node::Config& config,
                                      const node::ResourceUse& use,
                                      Seen* seen) {
  if (options_.sole_voters) return;
  if (use.apply_backlog_bytes <= config.host.unapplied_bytes_max) {
    seen->whole_backlog.reset();
  } else {
    seen->whole_backlog =
        std::min(seen->whole_backlog.value_or(use.apply_backlog_bytes),
                 use.apply_backlog_bytes);
    Require(
        node, "bytes to apply in all groups", use.apply_backlog_bytes,
        *seen->whole_backlog + options_.groups * options_.late_entry_bytes_max);
  }
  std::map<GroupId, uint64_t> before = std::exchange(seen->backlogs, {});
  for (const auto& [group, bytes] : use.apply_backlogs) {
    const auto least = before.try_emplace(group, bytes).first;
    least->second = std::min(least->second, bytes);
    seen->backlogs.insert(*least);
    Require(node, absl::StrCat("bytes to apply in group ", group.value()),
            bytes, least->second + options_.late_entry_bytes_max);
  }
}

void ResourceChecker::RequireOpen(NodeId node, const node::ResourceUse& use) {
  for (const raft::Host::ClosedRoom& room : use.closed_rooms) {
    const bool fits = room.used_bytes == 0 ||
                      room.used_bytes + room.refused_bytes <= room.bound_bytes;
    if (!fits || room.used_bytes > room.bound_bytes / 2) continue;
    const std::string peer =
        room.peer == NodeId() ? "" : absl::StrCat(" ", room.peer.value());
    violate_(absl::StrCat("resources: node ", node.value(), " has no room for ",
                          std::string(room.name), peer, ", though ",
                          room.used_bytes, " of ", room.bound_bytes,
                          " bytes are in use"));
  }
}

void ResourceChecker::RequireEnd(SimTime now, NodeId node,
                                 std::string_view what, bool is,
                                 SimTime* since) {
  *since = is ? std::min(*since, now) : SimTime::Max();
  if (!is || now - *since < kReleaseMax) return;
  violate_(absl::StrCat("resources: node ", node.value(), " keeps ",
                        std::string(what), " that no follower needs since ",
                        since->ms(), " ms"));
}

void ResourceChecker::RequireRelease(SimTime now, NodeId node,
                                     const node::ResourceUse& use, Seen* seen) {
  // Another snapshot would take no less.
  Require(node, "bytes of entries that followers lack", use.retained_bytes,
          use.snapshot_bytes);
  RequireEnd(now, node, "entries", use.retained_bytes > 0 && !use.follower_lags,
             &seen->retains_since);
  RequireEnd(now, node, "a snapshot",
             use.kept_snapshots > use.groups_in_transfer, &seen->keeps_since);
}

void ResourceChecker::RequireMemory(NodeId node, const node::ResourceUse& use,
                                    Seen* seen) {
  if (!use.any_stopped && use.memory_bytes != use.stores_bytes) {
    violate_(absl::StrCat("resources: node ", node.value(), " counts ",
                          use.memory_bytes, " bytes of its stores, they have ",
                          use.stores_bytes));
  }
  const std::optional<uint64_t> before =
      std::exchange(seen->led_key_bytes, std::nullopt);
  if (!use.leads_all) return;
  // A leader may have accepted writes before it had applied the entries of its
  // predecessor, and so by a smaller state.
  if (!before.has_value() && use.entries_in_flight > 0) return;
  seen->led_key_bytes = use.key_bytes;
  if (!before.has_value()) return;
  Require(node, "bytes of keys by its own writes", use.key_bytes,
          std::max(use.memory_limit_bytes, *before));
}

void ResourceChecker::AfterTurns(SimTime now, NodeId node,
                                 const node::Config& config, bool clock_stood,
                                 bool works, const node::ResourceUse& use) {
  ++checked_;
  const node::LimitsConfig& limits = config.limits;
  const node::BoundsConfig& bounds = config.bounds;
  const uint64_t message = options_.message_bytes_max;
  // So many of each protocol, RESP and HTTP.
  Require(node, "client connections", use.connections, 2 * limits.connections);
  Require(node, "bytes of requests that are not handled", use.request_bytes,
          limits.query_total_bytes);
  // Above the limit, a connection that has taken its replies gets a few more.
  Require(node, "bytes of replies that are not taken", use.reply_bytes,
          limits.output_total_bytes +
              use.connections * (bounds.fresh_reply_bytes + message));
  RequirePeers(node, config, use);
  Require(node, "entries under way in a group", use.entries_in_flight,
          bounds.entries_in_flight);
  // Entries that were under way wait again if a leader refuses them. The keys
  // of one command are requests of their own.
  Require(node, "requests that wait in a group", use.waiting_requests,
          bounds.held_requests +
              bounds.entries_in_flight * bounds.batch_commands +
              options_.request_keys_max);
  // Reads that are answered in pieces come from lists that were as long.
  Require(node, "bytes of requests that wait in a group", use.waiting_bytes,
          2 * bounds.held_bytes + config.host.core.uncommitted_bytes_max / 2 +
              2 * message);
  // A node above its limit begins no write that may grow.
  Require(node, "bytes of memory above its limit when a write began",
          use.store_bytes_above_limit, 0);
  RequireDisk(node, config, use);
  RequireOpen(node, use);
  RequireTurns(node, config, clock_stood, use);
  Seen& seen = seen_[node];
  if (works) {
    RequireEviction(now, node, config.host.log_memory_bytes_max, use, &seen);
    RequireRelease(now, node, use, &seen);
  }
  RequireBacklogs(node, config, use, &seen);
  RequireMemory(node, use, &seen);
}

}  // namespace quorate::sim
