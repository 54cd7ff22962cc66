#include "sim/run/shape.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kv/command/move_command.h"
#include "sim/keys/key_division.h"

namespace quorate::sim {
namespace {

// Bytes of this many large values, at least, between two snapshots.
constexpr uint64_t kValuesPerSnapshot = 32;
// Each number of voters is drawn from those that the nodes allow. The larger
// ones are listed often, since few runs have so many nodes.
constexpr uint32_t kVoters[] = {3, 3, 3, 3, 3, 3, 3, 2, 5, 5,
                                5, 1, 4, 6, 6, 6, 7, 7, 7, 7};
// The largest clusters whose members change: a change of one may wait for all
// others.
constexpr uint32_t kMembersNodesMax = 7;
constexpr uint32_t kMembersGroupsMax = 5;
constexpr uint32_t kMembersVotersMax = 5;
// Links with more than this latency are slow ones.
constexpr Duration kShortLatency = Milliseconds(5);

// For nodes on which a request may take long without any fault.
void LengthenProxy(node::TimeoutsConfig* timeouts) {
  timeouts->proxy = std::max(timeouts->proxy, Seconds(2));
}

}  // namespace

// The first value is the default. Values that are listed more often are drawn
// more often.
template <typename T, size_t N>
T ShapeDraw::Pick(const char* site, uint64_t entity, const T (&values)[N]) {
  return PickFitting<T>(site, entity, values, values);
}

template <typename T>
T ShapeDraw::PickFitting(const char* site, uint64_t entity,
                         absl::Span<const T> values,
                         absl::Span<const T> fitting) {
  if (fixed_.defaults) return fitting[0];
  if (sites_.insert(site).second) {
    for (const T& other : values) drawn_[absl::StrCat(site, "=", other)];
  }
  const T value =
      fitting[choices_->Below(ChoiceSite(site), entity, 0, fitting.size())];
  ++drawn_[absl::StrCat(site, "=", value)];
  return value;
}

uint32_t ShapeDraw::DrawVoters(uint32_t nodes) {
  std::vector<uint32_t> fitting;
  for (const uint32_t voters : kVoters) {
    if (voters <= nodes) fitting.push_back(voters);
  }
  return PickFitting<uint32_t>("shape.voters", 0, kVoters, fitting);
}

template <size_t N>
uint32_t ShapeDraw::FixedOr(std::optional<uint32_t> fixed, const char* site,
                            const uint32_t (&values)[N]) {
  return fixed.has_value() ? *fixed : Pick(site, 0, values);
}

Shape ShapeDraw::DrawShape() {
  Shape shape;
  shape.nodes =
      FixedOr(fixed_.nodes, "shape.nodes",
              {5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 1, 2, 6, 7, 8, 9});
  shape.groups = FixedOr(fixed_.groups, "shape.groups",
                         {3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 4, 5, 7, 10, 16});
  shape.voters = DrawVoters(shape.nodes);
  shape.read_only_nodes =
      Pick<uint32_t>("shape.read_only_nodes", 0, {0, 0, 0, 0, 0, 0, 1, 2});
  shape.clients =
      FixedOr(fixed_.clients, "shape.clients", {10, 10, 10, 5, 20, 3, 1, 40});
  shape.operations_per_second =
      FixedOr(fixed_.operations_per_second, "shape.operations_per_second",
              {100, 100, 100, 50, 50, 20, 20, 5, 200});
  shape.keys = FixedOr(fixed_.keys, "shape.keys", {6, 6, 6, 3, 1, 20, 60});
  shape.peer_streams = Pick<int>("shape.peer_streams", 0, {0, 1}) != 0;
  shape.election_timeout_min = Milliseconds(Pick<int64_t>(
      "shape.election_timeout_min_ms", 0, {300, 300, 300, 300, 150, 500}));
  shape.tags = Pick<uint32_t>("shape.tags", 0, {0, 0, 0, 1, 3});
  shape.hot_keys = Pick<uint32_t>("shape.hot_keys", 0, {0, 0, 1}) != 0;
  shape.large_value_bytes = Pick<size_t>(
      "shape.large_value_bytes", 0, {6'000, 6'000, 6'000, 60'000, 300'000});
  shape.value_bytes_max =
      Pick<size_t>("shape.value_bytes_max", 0, {200, 200, 200, 20, 2'000});
  DrawBound("shape.value_limit_bytes", NodeId(), &shape.value_limit_bytes,
            128 << 10);
  shape.value_limit_bytes =
      std::min(Shape().value_limit_bytes,
               std::max(shape.value_limit_bytes, 2 * shape.large_value_bytes));
  shape.rules = DrawRules();
  DrawOtherClients(&shape);
  DrawPartitioner(&shape);
  shape.digest_interval =
      Pick<uint64_t>("shape.digest_interval", 0, {4096, 64, 64, 1});
  if (Pick<int>("shape.newer_programs", 0, {0, 0, 0, 1}) != 0) {
    shape.program_level = kv::kRulesVersion + 1;
  }
  // A cluster of one node would be bootstrapped again.
  shape.bootstrap_left_on =
      Pick<int>("shape.bootstrap_left_on", 0, {0, 1}) != 0 && shape.voters > 1;
  shape.changed_addresses =
      Pick<int>("shape.changed_addresses", 0, {0, 0, 1}) != 0;
  shape.changed_settings =
      Pick<int>("shape.changed_settings", 0, {0, 0, 1}) != 0;
  shape.controller_may_fail =
      Pick<int>("shape.controller_may_fail", 0, {0, 0, 1}) != 0;
  DrawMembers(&shape);
  shape.link_latency = Microseconds(Pick<int64_t>(
      "shape.link_latency_us", 0, {100, 100, 100, 100, 1'000, 5'000, 25'000}));
  shape.bytes_per_second = Pick<int64_t>("shape.bytes_per_second", 0,
                                         {0, 0, 0, 0, 50'000'000, 10'000'000});
  shape.stream_buffer_bytes =
      Pick<size_t>("shape.stream_buffer_bytes", 0,
                   {StreamOptions().buffer_bytes, 64 << 10, 1 << 20, 8 << 20});
  // Links that carry large values all the time would never be free.
  if (shape.large_value_bytes > Shape().large_value_bytes) {
    shape.bytes_per_second *= 20;
  }
  return shape;
}

// The controller must keep its nodes. Slots move once all programs know how, so
// levels rise in other runs.
void ShapeDraw::DrawMembers(Shape* shape) {
  const bool fits =
      shape->nodes <= kMembersNodesMax && shape->groups <= kMembersGroupsMax &&
      shape->voters <= kMembersVotersMax && shape->read_only_nodes == 0;
  const bool drawn = Pick<int>("shape.members", 0, {0, 1}) != 0;
  if (!fixed_.members && (!drawn || !fits || fixed_.members_stay)) return;
  shape->members = true;
  shape->nodes = std::min(shape->nodes, kMembersNodesMax);
  shape->groups = std::min(shape->groups, kMembersGroupsMax);
  shape->voters = std::min({shape->voters, shape->nodes, kMembersVotersMax});
  shape->read_only_nodes = 0;
  shape->spares = Pick<uint32_t>("shape.spares", 0, {2, 3, 4});
  shape->reserve = 2;
  shape->peer_streams = true;
  shape->controller_may_fail = false;
  shape->bootstrap_left_on = false;
}

void ShapeDraw::DrawOtherClients(Shape* shape) {
  shape->http_clients = Pick<uint32_t>("shape.http_clients", 0, {0, 0, 1, 3});
  // A key protects a retry for the lifetime of sessions only. Retries of a run
  // may come later than that if it is short.
  shape->http_idempotency_keys =
      Pick<int>("shape.http_idempotency_keys", 0, {1, 1, 0}) != 0 &&
      shape->rules.sessions.lifetime >= kv::SessionRules().open_window;
  shape->library_clients =
      Pick<uint32_t>("shape.library_clients", 0, {0, 0, 1, 3});
  shape->library_sessions =
      Pick<int>("shape.library_sessions", 0, {1, 1, 1, 0}) != 0;
  shape->library_bounds_small =
      Pick<int>("shape.library_bounds_small", 0, {0, 0, 1}) != 0;
  shape->library_impostor = Pick<int>("shape.library_impostor", 0, {0, 1}) != 0;
  shape->multi_key_clients =
      Pick<uint32_t>("shape.multi_key_clients", 0, {0, 0, 1, 2});
  shape->watch_clients = Pick<uint32_t>("shape.watch_clients", 0, {0, 0, 2, 3});
}

// A run with many groups has hash slots.
void ShapeDraw::DrawPartitioner(Shape* shape) {
  const auto partitioner = static_cast<Partitioner>(
      Pick<int>("shape.partitioner", 0, {1, 1, 1, 1, 1, 2, 3}));
  if (partitioner == Partitioner::kHashSlots ||
      shape->groups > kDividedGroupsMax) {
    return;
  }
  shape->division = DivisionOfRun(partitioner);
  shape->tags = 0;
  shape->library_clients = 0;
  shape->multi_key_clients = 0;
  shape->watch_clients = 0;
}

raft::TransportOptions ShapeDraw::DrawPeerStreams(NodeId node) {
  raft::TransportOptions options;
  Draw("knob.peers.control_queue_bytes", node, &options.control_queue_bytes,
       {8 << 20, 1 << 20, 64 << 10, 8 << 10});
  Draw("knob.peers.bulk_queue_bytes", node, &options.bulk_queue_bytes,
       {16 << 20, 1 << 20, 64 << 10, 8 << 10});
  Draw("knob.peers.requests_queue_bytes", node, &options.requests_queue_bytes,
       {16 << 20, 1 << 20, 64 << 10, 8 << 10});
  DrawMs("knob.peers.redial_min_ms", node, &options.redial_min, {50, 5, 200});
  DrawMs("knob.peers.redial_max_ms", node, &options.redial_max,
         {1'000, 200, 5'000});
  DrawMs("knob.peers.redial_refused_ms", node, &options.redial_refused,
         {5'000, 500});
  DrawMs("knob.peers.dial_max_ms", node, &options.dial_max, {2'000, 500});
  DrawMs("knob.peers.handshake_max_ms", node, &options.handshake_max,
         {5'000, 300});
  DrawBound("knob.peers.pending_handshakes_max", node,
            &options.pending_handshakes_max, 2);
  return options;
}

void ShapeDraw::DrawLoop(NodeId node, LoopOptions* loop) {
  loop->input_cost = Nanoseconds(Pick<int64_t>(
      "shape.input_cost_ns", node.value(), {100, 100, 100, 10'000}));
  loop->byte_cost = Nanoseconds(
      Pick<int64_t>("shape.byte_cost_ns", node.value(), {0, 0, 0, 1, 20}));
}

Duration ShapeDraw::DrawDistance(NodeId node) {
  return Microseconds(Pick<int64_t>("shape.distance_us", node.value(),
                                    {0, 0, 0, 0, 0, 0, 2'000, 8'000}));
}

void ShapeDraw::DrawDisk(NodeId node, DiskOptions* disk) {
  disk->sync_latency =
      Microseconds(Pick<int64_t>("shape.disk.sync_latency_us", node.value(),
                                 {200, 200, 200, 200, 2'000, 10'000}));
  disk->one_at_a_time = Pick<uint32_t>("shape.disk.one_at_a_time", node.value(),
                                       {0, 0, 0, 1}) != 0;
  disk->read_latency = Microseconds(Pick<int64_t>(
      "shape.disk.read_latency_us", node.value(), {50, 50, 50, 50, 5'000}));
}

ClientHabits ShapeDraw::DrawClient(uint32_t client) {
  ClientHabits habits;
  habits.cluster = Pick<int>("client.cluster", client, {0, 1}) != 0;
  habits.stays_with_node =
      Pick<int>("client.stays_with_node", client, {0, 1}) != 0;
  habits.stale_reads =
      Pick<int>("client.stale_reads", client, {0, 0, 0, 1}) != 0;
  habits.reads_back = Pick<int>("client.reads_back", client, {0, 1}) != 0;
  habits.sessions =
      Pick<int>("client.sessions", client, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0}) != 0;
  habits.sessions_max = Pick<uint32_t>("client.sessions_max", client, {1, 4});
  habits.renews_sessions =
      Pick<int>("client.renews_sessions", client, {1, 1, 1, 0}) != 0;
  habits.holds_back =
      Pick<int>("client.holds_back", client, {1, 1, 1, 1, 1, 0}) != 0;
  habits.crashes = Pick<int>("client.crashes", client, {0, 0, 0, 1}) != 0;
  habits.memory = static_cast<ClientMemory>(
      Pick<int>("client.memory", client, {0, 1, 2, 2}));
  habits.pauses = Pick<int>("client.pauses", client, {0, 0, 0, 1}) != 0;
  habits.reads_late =
      Pick<int>("client.reads_late", client, {0, 0, 0, 0, 0, 0, 0, 1}) != 0;
  habits.half_closes =
      Pick<int>("client.half_closes", client, {0, 0, 0, 0, 0, 0, 0, 1}) != 0;
  habits.vanishes =
      Pick<int>("client.vanishes", client, {0, 0, 0, 0, 0, 0, 0, 1}) != 0;
  return habits;
}

kv::Rules ShapeDraw::DrawRules() {
  kv::Rules rules;
  kv::SessionRules& sessions = rules.sessions;
  sessions.open_window = Milliseconds(
      Pick<int64_t>("shape.session_open_window_ms", 0,
                    {600'000, 600'000, 600'000, 600'000, 1'300, 5'000}));
  sessions.lifetime =
      sessions.open_window *
      Pick<int64_t>("shape.session_lifetime_in_windows", 0, {3, 3, 2, 10});
  // Sessions that live longer would leave no room for others.
  if (sessions.lifetime < Seconds(60)) {
    DrawBound("shape.sessions_per_slot", NodeId(), &sessions.rows_per_slot_max,
              3);
    DrawBound("shape.keys_per_slot", NodeId(), &sessions.keys_per_slot_max, 1);
  }
  DrawBound("shape.session_result_bytes", NodeId(), &sessions.result_bytes_max,
            60);
  DrawBound("shape.session_row_bytes", NodeId(), &sessions.row_bytes_max, 300);
  DrawBound("shape.expiries_per_entry", NodeId(), &rules.expiries_per_entry, 1);
  DrawBound("shape.expiries_per_command", NodeId(), &rules.expiries_per_command,
            0);
  return rules;
}

node::Config ShapeDraw::DrawConfig(NodeId node, const Shape& shape) {
  node::Config config;
  config.rules = shape.rules;
  config.division = shape.division;
  config.timeouts = DrawTimeouts(node, shape);
  DrawMs("knob.timeouts.stall_ms", node, &config.bounds.stall,
         {60'000, 60'000, 3'000});
  config.http_get_writes =
      Pick<int>("knob.clients.http_get_writes", node.value(), {0, 1}) != 0;
  DrawSnapshots(node, shape, &config.host);
  DrawLog(node, &config.host.log);
  config.program_level = shape.program_level;
  // Until its first restart an operator holds the newer program of the node to
  // the older level, or it has an older program.
  if (shape.program_level > kv::kRulesVersion) {
    config.level_max =
        Pick<uint32_t>("knob.raft.level_max", node.value(), {0, 1});
  }
  DrawRaft(node, shape, &config.host);
  DrawLimits(node, shape, &config);
  DrawBounds(node, &config.bounds);
  DrawHostBounds(node, &config.host);
  config.host.digest_interval = shape.digest_interval;
  return config;
}

std::vector<node::Config> ShapeDraw::DrawConfigs(const Shape& shape) {
  std::vector<node::Config> configs;
  for (uint32_t i = 1; i <= shape.places(); ++i) {
    configs.push_back(DrawConfig(NodeId(i), shape));
  }
  // Such a window makes the groups of a leader take turns at a link, each with
  // one message of entries. A short time ends each request of a busy node, also
  // of one that forwards it, and its retries keep the leader busy.
  if (std::ranges::any_of(configs, [](const node::Config& config) {
        return config.host.peer_window_bytes == 1;
      })) {
    for (node::Config& config : configs) LengthenProxy(&config.timeouts);
  }
  return configs;
}

void KeepOutcomesKnown(std::vector<node::Config>* configs) {
  const node::TimeoutsConfig defaults;
  for (node::Config& config : *configs) {
    config.timeouts.idle = defaults.idle;
    config.bounds.stall = node::BoundsConfig().stall;
    config.timeouts.proxy = std::max(config.timeouts.proxy, defaults.proxy);
  }
}

node::TimeoutsConfig ShapeDraw::DrawTimeouts(NodeId node, const Shape& shape) {
  node::TimeoutsConfig timeouts;
  DrawMs("knob.timeouts.proxy_ms", node, &timeouts.proxy,
         {5'000, 100, 500, 2'000});
  // A large value takes many round trips of a stream's buffer. Over slow links,
  // a short time ends each request of a busy group, and its retries keep it
  // busy.
  if (shape.large_value_bytes > Shape().large_value_bytes ||
      shape.link_latency > kShortLatency) {
    LengthenProxy(&timeouts);
  }
  DrawMs("knob.timeouts.leader_wait_ms", node, &timeouts.leader_wait,
         {2'000, 2'000, 2'000, 100, 10'000});
  DrawMs("knob.timeouts.idle_ms", node, &timeouts.idle, {0, 0, 0, 2'000});
  DrawMs("knob.timeouts.stop_ms", node, &timeouts.stop, {3'000, 3'000, 50});
  return timeouts;
}

// Timings that follow the rules across nodes in
// docs/reference/configuration.md. So heartbeats and pulses come often
// enough for every node.
void ShapeDraw::DrawTimings(NodeId node, const Shape& shape,
                            raft::CoreOptions* core) {
  const int64_t least = shape.election_timeout_min.ms();
  DrawMs("knob.raft.election_timeout_min_ms", node, &core->election_timeout_min,
         {least, least, least * 5 / 4, least * 3 / 2});
  DrawMs("knob.raft.election_timeout_max_ms", node, &core->election_timeout_max,
         {600, 600, 600, 800, 1'200});
  core->election_timeout_max =
      std::max(core->election_timeout_max, core->election_timeout_min * 5 / 4);
  DrawMs("knob.raft.heartbeat_interval_ms", node, &core->heartbeat_interval,
         {75, 75, 75, 20, 150});
  core->heartbeat_interval =
      std::min(core->heartbeat_interval, shape.election_timeout_min / 2);
}

void ShapeDraw::DrawRaft(NodeId node, const Shape& shape,
                         raft::HostLimits* host) {
  raft::CoreOptions& core = host->core;
  DrawTimings(node, shape, &core);
  DrawMs("knob.raft.quiet_interval_ms", node, &core.quiet_interval,
         {2'000, 2'000, 2'000, 0, 500, 10'000});
  DrawMs("knob.raft.retry_interval_ms", node, &core.retry_interval,
         {150, 150, 150, 30, 1'000});
  Draw("knob.raft.uncommitted_bytes", node, &core.uncommitted_bytes_max,
       {16 << 20, 64 << 10, 4 << 10});
  Draw("knob.raft.unwritten_bytes", node, &core.unwritten_bytes_max,
       {32 << 20, 32 << 20, 16 << 10, 2 << 10});
  Draw("knob.raft.unwritten_total_bytes", node, &host->unwritten_bytes_max,
       {128 << 20, 128 << 20, 64 << 10, 8 << 10});
  Draw("knob.raft.unapplied_bytes", node, &core.unapplied_bytes_max,
       {64 << 20, 64 << 20, 16 << 10});
  Draw("knob.raft.unapplied_total_bytes", node, &host->unapplied_bytes_max,
       {128 << 20, 128 << 20, 32 << 10});
  Draw("knob.raft.apply_bytes", node, &core.apply_bytes_max,
       {256 << 10, 1 << 10, 256 << 10, 100});
  Draw("knob.raft.append_bytes", node, &core.append_bytes_max,
       {256 << 10, 16 << 10, 1 << 10});
  Draw("knob.raft.inflight_messages", node, &core.inflight_messages_max,
       {64, 64, 4, 1});
  DrawBound("knob.raft.inflight_bytes", node, &core.inflight_bytes_max,
            16 << 10);
  Draw("knob.raft.peer_window_bytes", node, &host->peer_window_bytes,
       {32 << 20, 32 << 20, 16 << 10, 1});
  core.lease_reads =
      Pick<int>("knob.raft.lease_reads", node.value(), {1, 1, 0}) != 0;
  // Less would not make up for the drift of clocks.
  Draw("knob.raft.log_time_slew_ppm", node, &core.log_time_slew_ppm,
       {1'000, 1'000, 1'000, 1'000'000});
}

void ShapeDraw::DrawLimits(NodeId node, const Shape& shape,
                           node::Config* config) {
  node::LimitsConfig& limits = config->limits;
  node::BoundsConfig& bounds = config->bounds;
  // Only the client of the whole surface has longer keys.
  DrawBound("knob.limits.key_bytes", node, &bounds.key_bytes, 128);
  bounds.value_bytes = shape.value_limit_bytes;
  Draw("knob.limits.batch_commands", node, &bounds.batch_commands,
       {4096, 4096, 4, 1});
  DrawBound("knob.limits.batch_bytes", node, &bounds.batch_bytes, 1 << 10);
  Draw("knob.limits.transaction_bytes", node, &limits.transaction_bytes,
       {2 << 20, 2 << 20, 1 << 20});
  Draw("knob.limits.pipeline", node, &bounds.pipeline, {1024, 1024, 8});
  Draw("knob.limits.output_buffer_bytes", node, &bounds.output_buffer_bytes,
       {16 << 20, 1 << 20, 64 << 10});
  Draw("knob.limits.output_total_bytes", node, &limits.output_total_bytes,
       {256 << 20, 1 << 20});
  DrawBound("knob.limits.query_buffer_bytes", node, &bounds.query_buffer_bytes,
            512 << 10);
  Draw("knob.limits.query_total_bytes", node, &limits.query_total_bytes,
       {256 << 20, 256 << 20, 4 << 20, 1 << 20});
  DrawBound("knob.limits.http_header_bytes", node, &bounds.http_header_bytes,
            8 << 10);
  DrawBound("knob.limits.arguments", node, &bounds.arguments, 256);
  DrawBound("knob.limits.scan_keys", node, &bounds.scan_keys, 10);
  // A client has a connection for each consistency that it asks for. All may be
  // at one node, and must leave room for the client that asks for views.
  DrawBound("knob.limits.connections", node, &limits.connections,
            std::max(100u, 8 * shape.clients));
  Draw("knob.limits.held_requests", node, &bounds.held_requests,
       {16'384, 16'384, 16'384, 16});
  Draw("knob.limits.held_bytes", node, &bounds.held_bytes,
       {16 << 20, 16 << 20, 16 << 20, 2 << 10});
  Draw("knob.limits.held_total_bytes", node, &bounds.held_total_bytes,
       {256 << 20, 256 << 20, 256 << 20, 4 << 10});
  Draw("knob.limits.peer_bytes", node, &bounds.peer_bytes,
       {16 << 20, 16 << 20, 2 << 10});
  Draw("knob.limits.memory_bytes", node, &limits.memory_bytes,
       {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200 << 10, 20 << 10});
  // Operators of members do not learn why a move waits for memory. Without room
  // for several pieces each slot takes a round trip, and there are thousands.
  if (shape.members) {
    limits.memory_bytes = 0;
    bounds.peer_bytes = std::max(bounds.peer_bytes, 8 * kv::kPieceBytesMax);
  }
}

void ShapeDraw::DrawSnapshots(NodeId node, const Shape& shape,
                              raft::HostLimits* host) {
  raft::CoreOptions& core = host->core;
  Draw("knob.snapshot.threshold_bytes", node, &host->snapshot_threshold_bytes,
       {64 << 10, 8 << 10, 40, 0});
  // A threshold that grows makes snapshots rare.
  Draw("knob.snapshot.threshold_bytes_max", node,
       &host->snapshot_threshold_bytes_max, {0, 0, 256 << 20});
  Draw("knob.limits.bulk_bytes_per_second", node, &host->bulk.ceiling,
       {1 << 30, 1 << 30, 32 << 20, 8 << 20});
  // A snapshot has all values, so large values need fewer snapshots.
  if (host->snapshot_threshold_bytes != 0 &&
      shape.large_value_bytes > Shape().large_value_bytes) {
    host->snapshot_threshold_bytes =
        std::max<uint64_t>(host->snapshot_threshold_bytes,
                           kValuesPerSnapshot * shape.large_value_bytes);
  }
  Draw("knob.snapshot.trailing_bytes", node, &host->snapshot_trailing_bytes,
       {64 << 10, 4 << 10, 0});
  Draw("knob.snapshot.log_memory_bytes", node, &host->log_memory_bytes_max,
       {256 << 20, 256 << 20, 0, 64 << 10, 8 << 10, 1});
  Draw("knob.snapshot.log_bytes", node, &host->log_bytes_max,
       {1 << 30, 1 << 30, 0, 64 << 10, 8 << 10});
  Draw("knob.snapshot.chunk_bytes", node, &core.snapshot_chunk_bytes,
       {64 << 10, 4 << 10, 1 << 10});
  Draw("knob.snapshot.inflight_bytes", node, &core.snapshot_inflight_bytes_max,
       {4 << 20, 4 << 20, 16 << 10, 1 << 10});
  Draw("knob.snapshot.inflight_total_bytes", node,
       &host->snapshot_transfer_bytes_max,
       {32 << 20, 32 << 20, 64 << 10, 1 << 10});
  DrawMs("knob.snapshot.transfer_timeout_ms", node,
         &core.snapshot_transfer_timeout, {60'000, 60'000, 1'000, 1});
}

void ShapeDraw::DrawLog(NodeId node, raft::LogOptions* log) {
  // Large segments are mostly zeros that each start reads.
  Draw("knob.log.segment_bytes", node, &log->segment_bytes,
       {1 << 20, 64 << 10, 16 << 10, 64 << 10, 16 << 10, 64 << 10, 16 << 10,
        64 << 10, 16 << 10, 64 << 10, 16 << 10, 64 << 10, 16 << 10, 64 << 10,
        4 << 20});
  Draw("knob.log.batch_bytes", node, &log->batch_bytes_max,
       {4 << 20, 4 << 20, 64 << 10});
  Draw("knob.log.group_bytes", node, &log->group_bytes_max,
       {1 << 20, 1 << 20, 64 << 10});
  Draw("knob.log.ballast_bytes", node, &log->ballast_bytes,
       {64 << 10, 0, 256 << 10});
}

void ShapeDraw::DrawBounds(NodeId node, node::BoundsConfig* bounds) {
  DrawBound("knob.bounds.entries_in_flight", node, &bounds->entries_in_flight,
            8);
  DrawBound("knob.bounds.results_in_flight_bytes", node,
            &bounds->results_in_flight_bytes, 4 << 10);
  DrawBound("knob.bounds.entry_result_bytes", node, &bounds->entry_result_bytes,
            1 << 10);
  DrawBound("knob.bounds.entry_work", node, &bounds->entry_work, 300);
  DrawBound("knob.bounds.forward_channels", node, &bounds->forward_channels,
            12);
  DrawBound("knob.bounds.due_keys_per_entry", node, &bounds->due_keys_per_entry,
            1);
  DrawBound("knob.bounds.reclaimed_pages", node, &bounds->reclaimed_pages, 1);
  DrawBound("knob.bounds.turn_work", node, &bounds->turn_work, 10);
  DrawBound("knob.bounds.scan_step_keys", node, &bounds->scan_step_keys, 2);
  DrawBound("knob.bounds.read_piece_keys", node, &bounds->read_piece_keys, 1);
  DrawBound("knob.bounds.read_piece_bytes", node, &bounds->read_piece_bytes, 1);
  DrawBound("knob.bounds.turn_reply_bytes", node, &bounds->turn_reply_bytes,
            2 << 10);
  DrawBound("knob.bounds.turn_total_bytes", node, &bounds->turn_total_bytes,
            4 << 10);
  DrawBound("knob.bounds.fresh_reply_bytes", node, &bounds->fresh_reply_bytes,
            100);
  DrawBound("knob.bounds.first_window_bytes", node, &bounds->first_window_bytes,
            2 << 10);
  DrawBound("knob.bounds.refused_connections", node,
            &bounds->refused_connections, 1);
  DrawBound("knob.bounds.page_keys", node, &bounds->page_keys, 4);
  DrawBound("knob.bounds.page_rows", node, &bounds->page_rows, 4);
}

void ShapeDraw::DrawHostBounds(NodeId node, raft::HostLimits* host) {
  DrawBound("knob.bounds.log_record_bytes", node, &host->log.record_bytes_max,
            300);
  DrawBound("knob.bounds.log_rewrite_bytes", node, &host->log.rewrite_bytes_max,
            500);
  DrawBound("knob.bounds.log_preallocation_bytes", node,
            &host->log.preallocation_bytes_max, 64 << 10);
  DrawBound("knob.bounds.snapshot_sync_bytes", node,
            &host->log.snapshot_sync_bytes, 1 << 10);
  DrawBound("knob.bounds.log_slack_segments", node, &host->log.slack_segments,
            1);
  DrawMs("knob.bounds.log_witness_delay_ms", node, &host->log.witness_delay,
         {1'000, 1'000, 1'000, 50, 1});
  DrawBound("knob.bounds.send_bytes", node, &host->core.send_bytes_max,
            2 << 10);
  DrawBound("knob.bounds.pending_reads", node, &host->core.pending_reads_max,
            4);
  DrawMs("knob.bounds.commit_notification_delay_ms", node,
         &host->core.commit_notification_delay, {5, 5, 5, 0, 50});
  DrawBound("knob.bounds.turn_apply_work", node, &host->turn_apply_work_max,
            100);
}

}  // namespace quorate::sim
