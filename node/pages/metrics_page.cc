#include "node/pages/metrics_page.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "node/base/text.h"
#include "node/base/version.h"

namespace quorate::node {
namespace {

using Page = MetricsText;

void One(Page& page, std::string_view name, std::string_view type,
         std::string_view help, uint64_t value) {
  page.Family(name, type, help);
  page.Sample("", value);
}

// One sample for each group with a replica on this node, working or stopped.
void PerGroup(
    Context& context, Page& page, std::string_view name, std::string_view type,
    std::string_view help,
    absl::FunctionRef<uint64_t(const GroupQueue&, const raft::Core&)> value) {
  page.Family(name, type, help);
  for (const auto& queue : context.router.queues()) {
    const raft::Core* core = context.host.core(queue->group());
    if (core == nullptr) continue;
    page.Sample(Concat("group=\"", queue->group(), "\""), value(*queue, *core));
  }
}

// One sample for each other node.
void PerPeer(Context& context, Page& page, std::string_view name,
             std::string_view type, std::string_view help,
             absl::FunctionRef<uint64_t(NodeId)> value) {
  page.Family(name, type, help);
  for (const NodeConfig& node : context.cluster.nodes()) {
    if (node.id == context.config.node) continue;
    page.Sample(Concat("node=\"", node.id, "\""), value(node.id));
  }
}

std::string MoveLabel(MoveId move) { return Concat("move=\"", move, "\""); }

void WriteCommands(const Metrics& metrics, Page& page) {
  page.Family("quorate_commands_total", "counter",
              "RESP commands answered, by command and status.");
  for (const CommandRow& row : AllCommands()) {
    const Metrics::Command& command = metrics.command(row.id);
    if (command.calls == 0) continue;
    page.Sample(Concat("cmd=\"", row.name, "\",status=\"ok\""),
                command.calls - command.failed);
    page.Sample(Concat("cmd=\"", row.name, "\",status=\"error\""),
                command.failed);
  }
  page.Family("quorate_command_duration_seconds", "histogram",
              "Time from reading a RESP command to its reply.");
  for (const CommandRow& row : AllCommands()) {
    const Metrics::Command& command = metrics.command(row.id);
    if (command.calls == 0) continue;
    page.Samples(Concat("cmd=\"", row.name, "\""), command.duration);
  }
  page.Family("quorate_error_replies_total", "counter",
              "RESP error replies, by code.");
  for (const auto& [code, count] : metrics.errors()) {
    page.Sample(Concat("code=\"", code, "\""), count);
  }
}

void WriteHttp(const Metrics& metrics, Page& page) {
  page.Family("quorate_http_requests_total", "counter",
              "HTTP requests answered, by route and status.");
  for (const auto& [route, http] : metrics.http()) {
    for (const auto& [status, count] : http.statuses) {
      page.Sample(Concat("route=\"", route, "\",status=\"", status, "\""),
                  count);
    }
  }
  page.Family("quorate_http_request_duration_seconds", "histogram",
              "Time from reading an HTTP request to its reply.");
  for (const auto& [route, http] : metrics.http()) {
    page.Samples(Concat("route=\"", route, "\""), http.duration);
  }
}

void WriteConnections(Context& context, Page& page) {
  const Metrics& metrics = context.metrics;
  page.Family("quorate_connected_clients", "gauge",
              "Open client connections, by protocol.");
  page.Sample("protocol=\"resp\"", context.resp_clients.count());
  page.Sample("protocol=\"http\"", context.http_clients.count());
  One(page, "quorate_output_held_bytes", "gauge",
      "Replies that clients have not received yet, and what replies to "
      "requests under way need, in bytes.",
      context.output_budget.used_bytes());
  One(page, "quorate_output_reserved_bytes", "gauge",
      "The most bytes of replies to commands under way that are not written "
      "yet.",
      context.output_budget.reserved_bytes());
  One(page, "quorate_input_held_bytes", "gauge",
      "Requests that are not handled yet, in bytes.",
      context.input_budget.used_bytes());
  page.Family("quorate_clients_without_room", "gauge",
              "Client connections that are not read until they have received "
              "replies, by protocol.");
  page.Sample("protocol=\"resp\"", context.resp_clients.awaiting_room());
  page.Sample("protocol=\"http\"", context.http_clients.awaiting_room());
  page.Family(
      "quorate_clients_gone", "gauge",
      "Closed client connections with requests under way, by protocol.");
  page.Sample("protocol=\"resp\"", context.resp_clients.gone());
  page.Sample("protocol=\"http\"", context.http_clients.gone());
  One(page, "quorate_connections_total", "counter",
      "Client connections accepted.", metrics.connections.accepted);
  page.Family("quorate_connections_closed_total", "counter",
              "Client connections this node closed, by reason.");
  page.Sample("reason=\"limit\"", metrics.connections.rejected);
  page.Sample("reason=\"stalled\"", metrics.connections.closed_stalled);
  page.Sample("reason=\"input\"", context.input_budget.refused());
  page.Sample("reason=\"idle\"", metrics.connections.closed_idle);
  page.Sample("reason=\"protocol\"", metrics.connections.protocol_errors);
  One(page, "quorate_client_received_bytes_total", "counter",
      "Bytes read from clients.", metrics.input_bytes);
  One(page, "quorate_client_sent_bytes_total", "counter",
      "Bytes queued for clients.", metrics.output_bytes);
}

void WriteTls(Context& context, Page& page) {
  if (context.env.certificates == nullptr) return;
  const env::CertificateState state = context.env.certificates->state();
  One(page, "quorate_tls_certificate_seconds_left", "gauge",
      "Time until the certificate or an authority of it expires; 0 once it "
      "has.",
      static_cast<uint64_t>(std::max<int64_t>(0, state.left.ms() / 1000)));
  page.Family("quorate_tls_handshakes_total", "counter",
              "TLS handshakes that ended, by result.");
  page.Sample("result=\"ok\"", state.handshakes);
  page.Sample("result=\"failed\"", state.failed_handshakes);
  page.Family("quorate_tls_reloads_total", "counter",
              "Reads of changed certificate files, by result.");
  page.Sample("result=\"ok\"", state.reloads);
  page.Sample("result=\"failed\"", state.failed_reloads);
  One(page, "quorate_tls_reload_failing", "gauge",
      "1 if the files of the certificate are not the ones in use, because they "
      "are wrong.",
      state.reload_error.empty() ? 0 : 1);
}

uint64_t SumOf(const Context& context,
               uint64_t (*value)(const QueueCounters&)) {
  uint64_t sum = 0;
  context.router.ForEachQueue(
      [&](const GroupQueue& queue) { sum += value(queue.counters()); });
  return sum;
}

void WritePeers(Context& context, Page& page) {
  const PeerCounters& peers = context.router.links().counters();
  One(page, "quorate_peer_requests_total", "counter",
      "Requests sent to other nodes, or kept to be sent.", peers.asked);
  One(page, "quorate_peer_requests_unanswered_total", "counter",
      "Requests to other nodes that got no answer in time.", peers.unanswered);
  page.Family("quorate_peer_requests_received_total", "counter",
              "Requests of other nodes, by what became of them.");
  page.Sample("type=\"served\"", peers.taken);
  page.Sample("type=\"delayed\"", peers.delayed);
  page.Sample("type=\"repeated\"", peers.repeated);
  One(page, "quorate_peer_answer_bytes_total", "counter",
      "Bytes of answers to other nodes.", peers.answer_bytes);
  One(page, "quorate_peer_malformed_total", "counter",
      "Messages of other nodes that were dropped as invalid.", peers.malformed);
  One(page, "quorate_peer_held_bytes", "gauge",
      "Requests and answers between nodes that wait, in bytes.",
      context.router.links().held_bytes());
}

void WriteRouting(Context& context, Page& page) {
  page.Family("quorate_redirects_total", "counter",
              "Commands answered with MOVED, and forwarded batches, by type.");
  page.Sample("type=\"moved\"", context.metrics.redirects_moved);
  page.Sample("type=\"proxied\"", SumOf(context, [](const QueueCounters& c) {
                return c.forwarded;
              }));
  One(page, "quorate_stale_reads_total", "counter",
      "Reads answered without a read point.",
      SumOf(context, [](const QueueCounters& c) { return c.stale_reads; }));
  page.Family("quorate_key_reads_total", "counter",
              "Keys that reads found, and did not find, on this node.");
  page.Sample("result=\"hit\"", context.metrics.key_reads.hits);
  page.Sample("result=\"miss\"", context.metrics.key_reads.misses);
  PerGroup(context, page, "quorate_proposals_total", "counter",
           "Entries proposed by this node.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().proposals;
           });
  PerGroup(context, page, "quorate_proposed_commands_total", "counter",
           "Commands in the entries proposed.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().proposed_commands;
           });
  PerGroup(context, page, "quorate_proposals_failed_total", "counter",
           "Proposed or forwarded entries that were not executed.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().proposals_refused;
           });
  PerGroup(context, page, "quorate_proposals_unknown_total", "counter",
           "Proposed or forwarded entries of unknown outcome.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().proposals_unknown;
           });
  PerGroup(context, page, "quorate_proposals_pending", "gauge",
           "Entries proposed or forwarded and not yet answered.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.inflight();
           });
  PerGroup(context, page, "quorate_held_requests", "gauge",
           "Requests that wait for a leader or for room.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.waiting_requests();
           });
  PerGroup(context, page, "quorate_held_request_bytes", "gauge",
           "Bytes of requests that wait for a leader or for room.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.waiting_bytes();
           });
  PerGroup(context, page, "quorate_held_requests_expired_total", "counter",
           "Requests that were refused after waiting for a leader.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().leader_wait_expired;
           });
  PerGroup(context, page, "quorate_read_rounds_total", "counter",
           "Requests for linearizable read points.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().read_rounds;
           });
  PerGroup(context, page, "quorate_read_rounds_failed_total", "counter",
           "Linearizable read points that no leader confirmed.",
           [](const GroupQueue& queue, const raft::Core&) {
             return queue.counters().reads_failed;
           });
}

// Replicas that do not work, and nodes that do not answer.
void WriteView(Context& context, Page& page) {
  const LiveView& view = context.router.view();
  const auto replicas = [&](std::string_view name, std::string_view help,
                            ReplicaState state) {
    page.Family(name, "gauge", help);
    for (const auto& queue : context.router.queues()) {
      if (!queue->placed()) continue;
      page.Sample(
          Concat("group=\"", queue->group(), "\""),
          view.replica(queue->group(), context.config.node) == state ? 1 : 0);
    }
  };
  replicas(
      "quorate_replica_fenced",
      "1 if this node's replica of the group is fenced: its data are damaged.",
      ReplicaState::kFenced);
  replicas(
      "quorate_replica_stopped",
      "1 if this node's replica of the group has stopped: the disk failed.",
      ReplicaState::kStopped);
  replicas("quorate_replica_halted",
           "1 if this node's replica of the group is halted: a newer program "
           "wrote its log or snapshot.",
           ReplicaState::kHalted);
  replicas("quorate_replica_refused",
           "1 if the other nodes of the group refuse this node's replica.",
           ReplicaState::kRefused);
  PerPeer(
      context, page, "quorate_peer_protocol_version", "gauge",
      "The version of the peer protocol agreed with the other node; 0 "
      "without a connection to it.",
      [&](NodeId node) { return context.env.transport.link(node).version; });
  PerPeer(context, page, "quorate_peer_refused", "gauge",
          "1 if this node refuses the other node, which answers: see /readyz.",
          [&](NodeId node) {
            return view.alive(node) && !view.refusal(node).empty() ? 1 : 0;
          });
  PerPeer(context, page, "quorate_raft_sent_bytes_total", "counter",
          "Bytes of entries, snapshots and other messages of consensus to "
          "the other node.",
          [&](NodeId node) { return context.host.sent_bytes(node); });
  page.Family("quorate_peer_clock_difference_ppm", "gauge",
              "By how much the monotonic clocks of the other node and of this "
              "one differ in rate, in parts per million.");
  for (const NodeConfig& peer : context.cluster.nodes()) {
    const std::optional<int64_t> ahead = context.host.ClockAheadOf(peer.id);
    if (!ahead.has_value()) continue;
    page.Sample(Concat("node=\"", peer.id, "\""),
                static_cast<uint64_t>(std::abs(*ahead)));
  }
  PerPeer(context, page, "quorate_peer_alive", "gauge",
          "1 if the other node answers this one.",
          [&](NodeId node) { return view.alive(node) ? 1 : 0; });
  page.Family("quorate_wish_stuck", "gauge",
              "1 for each node, group and move that cannot become what "
              "operators want now: see /readyz?verbose.");
  for (const StuckWish& wish : context.stuck_wishes()) {
    page.Sample(wish.node != NodeId()   ? Concat("node=\"", wish.node, "\"")
                : wish.move != MoveId() ? MoveLabel(wish.move)
                                        : Concat("group=\"", wish.group, "\""),
                1);
  }
}

// The moves of slots, as the leaders of their sources reported them.
void WriteMoves(Context& context, Page& page) {
  const std::vector<MoveReport> moves = context.moves();
  std::map<std::string_view, uint64_t> phases;
  for (const MoveReport& move : moves) ++phases[move.phase];
  page.Family("quorate_slot_moves", "gauge",
              "Moves of slots that have not ended, by phase.");
  for (const auto& [phase, count] : phases) {
    page.Sample(Concat("phase=\"", phase, "\""), count);
  }
  const auto each = [&](std::string_view name, std::string_view help,
                        absl::FunctionRef<uint64_t(const MoveReport&)> value) {
    page.Family(name, "gauge", help);
    for (const MoveReport& move : moves) {
      page.Sample(MoveLabel(move.move), value(move));
    }
  };
  each("quorate_slot_move_slots", "Slots of the move.",
       [](const MoveReport& move) { return uint64_t{move.slots}; });
  each("quorate_slot_move_copied_slots", "Slots that were copied.",
       [](const MoveReport& move) { return uint64_t{move.copied_slots}; });
  each("quorate_slot_move_copied_bytes", "Bytes that were copied.",
       [](const MoveReport& move) { return move.copied_bytes; });
  each("quorate_slot_move_bytes", "Bytes to be copied, as far as known.",
       [](const MoveReport& move) { return move.all_bytes; });
  each("quorate_slot_move_bytes_per_second", "Bytes copied in a second.",
       [](const MoveReport& move) { return move.bytes_per_second; });
  page.Family("quorate_slot_move_seconds_left", "gauge",
              "Time until all bytes are copied, at the present rate.");
  for (const MoveReport& move : moves) {
    if (!move.seconds_left.has_value()) continue;
    page.Sample(MoveLabel(move.move), *move.seconds_left);
  }
  each("quorate_slot_move_held_requests",
       "Requests that waited because their slots were frozen.",
       [](const MoveReport& move) { return move.held_requests; });
  each("quorate_slot_move_longest_pause_milliseconds",
       "The longest time that one of them waited.", [](const MoveReport& move) {
         return static_cast<uint64_t>(move.longest_pause.ms());
       });
  One(page, "quorate_frozen_requests", "gauge",
      "Requests that wait on this node because their slots are frozen.",
      context.router.refused().size());
}

void WriteRaft(Context& context, Page& page) {
  PerGroup(
      context, page, "quorate_raft_has_leader", "gauge",
      "1 if the group's leader is known.",
      [](const GroupQueue& queue, const raft::Core&) {
        return uint64_t{queue.leadership().kind != Leadership::Kind::kUnknown};
      });
  PerGroup(
      context, page, "quorate_raft_is_leader", "gauge",
      "1 if this node leads the group.",
      [](const GroupQueue& queue, const raft::Core&) {
        return uint64_t{queue.leadership().kind == Leadership::Kind::kSelf};
      });
  PerGroup(context, page, "quorate_raft_term", "gauge", "Current term.",
           [](const GroupQueue&, const raft::Core& core) {
             return core.term().value();
           });
  PerGroup(context, page, "quorate_raft_level", "gauge",
           "Version of the replicated rules of the group.",
           [](const GroupQueue&, const raft::Core& core) {
             return core.configuration().level.value();
           });
  PerGroup(context, page, "quorate_raft_commit_index", "gauge",
           "Highest index known to be committed.",
           [](const GroupQueue&, const raft::Core& core) {
             return core.commit_index().value();
           });
  PerGroup(context, page, "quorate_raft_applied_index", "gauge",
           "Highest index applied on this node.",
           [](const GroupQueue&, const raft::Core& core) {
             return core.applied_index().value();
           });
  PerGroup(context, page, "quorate_raft_last_index", "gauge",
           "Highest index in the log.",
           [](const GroupQueue&, const raft::Core& core) {
             return core.last().index.value();
           });
  page.Family("quorate_raft_replication_lag_entries", "gauge",
              "Entries of a led group by which a replica lags.");
  for (const auto& queue : context.router.queues()) {
    const raft::Core* core = context.host.core(queue->group());
    if (!queue->hosted() || core->role() != raft::RoleKind::kLeader) continue;
    for (const auto& follower : core->followers()) {
      page.Sample(
          Concat("group=\"", queue->group(), "\",node=\"", follower.node, "\""),
          core->last().index - follower.match);
    }
  }
}

void WriteConsensusCounters(Context& context, Page& page) {
  const Metrics& metrics = context.metrics;
  One(page, "quorate_raft_leader_changes_total", "counter",
      "Changes of a group's leader seen by this node.", metrics.leader_changes);
  One(page, "quorate_raft_elections_total", "counter",
      "Elections that this node started.", metrics.elections);
  One(page, "quorate_raft_lease_reads_total", "counter",
      "Read points of this node's leaders that needed no round.",
      metrics.lease_reads);
  One(page, "quorate_clock_disruptions_total", "counter",
      "Times the monotonic clock could not be relied on, so leases ended.",
      context.env.loop.ReadClock().disruptions);
  One(page, "quorate_clock_differs", "gauge",
      "1 if the rate of the monotonic clock differs from that of most other "
      "nodes, so that this node has no leases.",
      context.host.clock_differs() ? 1 : 0);
  One(page, "quorate_raft_state_differences_total", "counter",
      "Comparisons that found different states of replicas.",
      metrics.state_differences);
  One(page, "quorate_raft_suffixes_truncated_total", "counter",
      "Times a conflicting suffix of the log was removed.",
      metrics.suffixes_truncated);
  One(page, "quorate_raft_snapshots_installed_total", "counter",
      "Snapshots received from leaders and installed.",
      metrics.snapshots_installed);
  One(page, "quorate_raft_snapshots_without_room_total", "counter",
      "Attempts to write or receive a snapshot that were refused, because the "
      "disk had no room beside the log.",
      context.host.stats().snapshots_without_room);
}

void WriteStorage(Context& context, Page& page) {
  const raft::HostStats host = context.host.stats();
  const raft::Log::Counters& log = host.log;
  One(page, "quorate_log_durable_writes_total", "counter",
      "Durable writes of the log; one write carries records of all groups.",
      log.durable_writes);
  One(page, "quorate_log_written_bytes_total", "counter",
      "Bytes written to the log.", log.written_bytes);
  One(page, "quorate_log_appends_total", "counter",
      "Appends of groups to the log.", log.appends);
  One(page, "quorate_log_entries_bytes", "gauge",
      "Size of the entries in the logs of all groups.", host.log_bytes);
  One(page, "quorate_log_resident_bytes", "gauge",
      "Size of those of them that are in memory.", host.log_memory_bytes);
  const env::BulkPace& bulk = context.host.bulk_pace();
  page.Family("quorate_bulk_bytes_total", "counter",
              "Bytes of bulk work by its kind.");
  for (size_t i = 0; i < env::kBulkKinds; ++i) {
    const auto kind = static_cast<env::BulkKind>(i);
    page.Sample(Concat("kind=\"", env::BulkKindName(kind), "\""),
                bulk.done(kind));
  }
  One(page, "quorate_bulk_bytes_per_second_max", "gauge",
      "The rate that all bulk work may have now.", bulk.bytes_per_second());
  page.Family("quorate_bulk_held_back", "gauge",
              "1 for what holds bulk work back now.");
  for (const env::BulkBrake brake :
       {env::BulkBrake::kLoop, env::BulkBrake::kDisk, env::BulkBrake::kPeers}) {
    page.Sample(Concat("by=\"", env::BulkBrakeName(brake), "\""),
                uint64_t{bulk.brake() == brake});
  }
  One(page, "quorate_raft_followers_cut_off_total", "counter",
      "Times a log removed entries that a follower lacked which was in touch, "
      "or was getting a snapshot.",
      host.followers_cut_off);
  One(page, "quorate_log_retained_bytes", "gauge",
      "Size of the entries that are kept because followers lack them.",
      host.log_retained_bytes);
  One(page, "quorate_log_unwritten_bytes", "gauge",
      "Size of the entries of all groups that the disk has not written.",
      host.unwritten_bytes);
  One(page, "quorate_log_unapplied_bytes", "gauge",
      "Size of the entries of all groups that are committed and not applied.",
      host.unapplied_bytes);
  One(page, "quorate_snapshot_unwritten_bytes", "gauge",
      "Size of the received pieces of snapshots that are not written.",
      host.staged_bytes);
  One(page, "quorate_log_segments", "gauge", "Segment files of the log.",
      log.segments);
  if (!context.disk.known()) return;
  One(page, "quorate_disk_free_bytes", "gauge",
      "Free bytes of the disk of the data directory.",
      context.disk.room().free_bytes);
  One(page, "quorate_disk_size_bytes", "gauge",
      "Size of the disk of the data directory.",
      context.disk.room().size_bytes);
  One(page, "quorate_disk_lacks_room", "gauge",
      "1 while the disk has no room for snapshots: this node gives its "
      "leaderships away.",
      context.disk.lacks_room() ? 1 : 0);
}

void WriteStores(Context& context, Page& page) {
  const auto store = [&](std::string_view name, std::string_view type,
                         std::string_view help,
                         uint64_t (*value)(const kv::Store&)) {
    page.Family(name, type, help);
    for (const auto& queue : context.router.queues()) {
      if (queue->store() == nullptr) continue;
      page.Sample(Concat("group=\"", queue->group(), "\""),
                  value(*queue->store()));
    }
  };
  store("quorate_keys", "gauge", "Keys held.",
        [](const kv::Store& s) { return s.key_count(); });
  store("quorate_memory_bytes", "gauge",
        "Logical bytes of keys, values and sessions.",
        [](const kv::Store& s) { return s.memory_bytes(); });
  const MemoryBudget& memory = context.memory_budget;
  One(page, "quorate_memory_limit_bytes", "gauge",
      "The limit of the sum of quorate_memory_bytes; 0: none.",
      memory.limit_bytes());
  One(page, "quorate_memory_reserved_bytes", "gauge",
      "The most bytes that writes under way will add.",
      memory.reserved_bytes());
  One(page, "quorate_writes_out_of_memory_total", "counter",
      "Writes refused because of the memory limit.", memory.refused_commands());
  store("quorate_sessions", "gauge", "Client sessions.",
        [](const kv::Store& s) { return s.session_count(); });
  // A replica that came back to this node counts on.
  const auto counter = [&](std::string_view name, std::string_view help,
                           uint64_t (*value)(const kv::Store::Counters&),
                           uint64_t kv::StoreTotals::*ended) {
    page.Family(name, "counter", help);
    for (const auto& queue : context.router.queues()) {
      if (queue->store() == nullptr) continue;
      page.Sample(Concat("group=\"", queue->group(), "\""),
                  value(queue->store()->counters()) +
                      context.metrics.ended_stores[queue->group()].*ended);
    }
  };
  using Counters = kv::Store::Counters;
  counter(
      "quorate_expired_keys_total", "Keys removed as expired.",
      [](const Counters& counts) { return counts.keys_expired; },
      &kv::StoreTotals::keys_expired);
  counter(
      "quorate_duplicates_answered_total",
      "Repeated commands that were answered from their session.",
      [](const Counters& counts) { return counts.duplicates_answered; },
      &kv::StoreTotals::duplicates_answered);
  counter(
      "quorate_snapshots_taken_total", "Snapshots begun.",
      [](const Counters& counts) { return counts.snapshots_taken; },
      &kv::StoreTotals::snapshots_taken);
}

void WriteNode(Context& context, Page& page) {
  page.Family("quorate_build_info", "gauge",
              "The version of the node; always 1.");
  page.Sample(Concat("version=\"", kQuorateVersion, "\",node=\"",
                     context.config.node, "\""),
              1);
  One(page, "quorate_uptime_seconds", "gauge", "Seconds since the start.",
      static_cast<uint64_t>((context.MonoNow() - context.started).ns() /
                            1'000'000'000));
  One(page, "quorate_healthy", "gauge",
      "0 once this node has stopped acknowledging.",
      context.host.status().ok() ? 1 : 0);
  const env::TurnTimes turns = context.env.process.ReadTurnTimes();
  page.Family("quorate_longest_turn_seconds", "gauge",
              "Processor time of the longest turn of the loop since the start "
              "or CONFIG RESETSTAT.");
  page.Seconds(turns.longest);
  One(page, "quorate_long_turns_total", "counter",
      "Turns of the loop that took more than 5 ms of processor time.",
      turns.long_turns);
  page.Family("quorate_slots_owned", "gauge",
              "Slots of groups that this node leads.");
  uint64_t slots = 0;
  for (const SlotRange& range : context.topology.self().slots) {
    slots += range.size();
  }
  page.Sample("", slots);
}

void WriteCommandsAndHttp(Context& context, Page& page) {
  WriteCommands(context.metrics, page);
  WriteHttp(context.metrics, page);
}

constexpr void (*kParts[])(Context&, Page&) = {
    WriteNode,    WriteConnections,
    WriteTls,     WriteCommandsAndHttp,
    WriteRouting, WritePeers,
    WriteView,    WriteMoves,
    WriteRaft,    WriteConsensusCounters,
    WriteStorage, WriteStores};

}  // namespace

bool MetricsPage::WriteNext() {
  kParts[next_++](context_, text_);
  return next_ < std::size(kParts);
}

bool HasOpenWork(const Context& context) {
  const auto has_work = [&context](const auto& queue) {
    return context.host.core(queue->group()) != nullptr &&
           (queue->inflight() > 0 || queue->waiting_requests() > 0 ||
            queue->waiting_bytes() > 0);
  };
  const auto& queues = context.router.queues();
  return context.output_budget.used_bytes() > 0 ||
         context.output_budget.reserved_bytes() > 0 ||
         context.memory_budget.reserved_bytes() > 0 ||
         context.resp_clients.awaiting_room() > 0 ||
         context.http_clients.awaiting_room() > 0 ||
         context.resp_clients.gone() > 0 || context.http_clients.gone() > 0 ||
         context.router.links().held_bytes() > 0 ||
         std::any_of(queues.begin(), queues.end(), has_work);
}

}  // namespace quorate::node
