#include "sim/run/bounds.h"

#include <algorithm>
#include <cstdint>

#include "kv/command/move_command.h"
#include "node/config/config.h"
#include "raft/host/host.h"
#include "sim/cluster/cluster_checks.h"
#include "sim/workload/surface_client.h"

namespace quorate::sim {
namespace {

// No request of the surface names more keys with large values.
constexpr uint64_t kLargeValuesRead = 16;
// Operators create no more (ClusterOperatorOptions). The controller has one.
constexpr uint32_t kGroupsOfMembers = 8;

// The bound of an attempt in the calm is a sum. The trips go to the farthest
// node. The syncs are those of the slowest disk, for each group.
constexpr Duration kCalmWork = Milliseconds(100);
constexpr int64_t kCalmSyncs = 4;
constexpr int64_t kCalmHeartbeats = 2;
// With the default configuration.
constexpr Duration kDefaultCalmP99 = Milliseconds(100);
constexpr uint64_t kCalmAttempts = 4;

}  // namespace

ClockBounds BoundsOfClocks(World& world, const Cluster& cluster) {
  const auto of = [&world, &cluster](auto property) {
    return [&world, &cluster, property](NodeId node, SimTime since) {
      if (node != NodeId()) {
        return property(world.clock(cluster.machine(node)), since);
      }
      Duration most;
      for (const MachineId machine : cluster.machines()) {
        most = std::max(most, property(world.clock(machine), since));
      }
      return most;
    };
  };
  return {
      .epoch = WorldOptions().epoch,
      .error_bound = of([](const SimClock& clock, SimTime since) {
        return clock.WidestErrorBound(since);
      }),
      // Slewing of log time compensates drift, but not frozen clocks.
      .lost = of([&world](const SimClock& clock, SimTime since) {
        return clock.FrozenFor(since, world.now());
      }),
      .gained = of([&world](const SimClock& clock, SimTime since) {
        return clock.Gained(since, world.now());
      }),
      .slowed = of([&world](const SimClock& clock, SimTime since) {
        return clock.Slowed(since, world.now());
      }),
      .last_heartbeat =
          [&cluster](GroupId group, raft::Term term) {
            return cluster.leaderships().In(group, term).last_heartbeat;
          },
      .paused = [&world](SimTime since) { return world.PausedFor(since); },
      .change_max =
          GreatestTiming(cluster, &raft::CoreOptions::quiet_interval) +
          GreatestTiming(cluster, &raft::CoreOptions::election_timeout_max) *
              3};
}

Duration LongestTrip(World& world, const Shape& shape, const Cluster& cluster) {
  Duration farthest;
  for (const MachineId node : cluster.machines()) {
    farthest = std::max(farthest, world.distance(node));
  }
  return shape.link_latency + farthest;
}

Duration SlowestSync(World& world, const Cluster& cluster) {
  Duration slowest;
  for (const MachineId node : cluster.machines()) {
    slowest = std::max(slowest, world.disk_options(node).sync_latency);
  }
  return slowest;
}

AvailabilityChecker::CalmBounds CalmBoundsOf(World& world, const Shape& shape,
                                             const Cluster& cluster,
                                             bool defaults) {
  const Duration attempt =
      kCalmWork + LongestTrip(world, shape, cluster) * CalmTrips(cluster) +
      SlowestSync(world, cluster) * cluster.groups().size() * kCalmSyncs +
      GreatestTiming(cluster, &raft::CoreOptions::heartbeat_interval) *
          kCalmHeartbeats;
  return {.attempt = attempt,
          .p99 = defaults ? kDefaultCalmP99 : attempt,
          .attempts_max = kCalmAttempts,
          .led_since = [&cluster](GroupId group) {
            return cluster.leaderships().LastChange(group);
          }};
}

// The steps of a frozen move stand behind the pieces of another one. Some nodes
// take these one after the other, each with a trip to the leader, one to its
// followers, and back. A sync may wait for the one before.
Duration FrozenMax(World& world, const Shape& shape, const Cluster& cluster) {
  constexpr Duration kWork = Milliseconds(20);
  constexpr int64_t kPieces = 16;  // Under way at a time (CopyStream).
  constexpr int64_t kEntries = kPieces + 32;
  return kWork + (LongestTrip(world, shape, cluster) * 4 +
                  SlowestSync(world, cluster) * 2) *
                     kEntries;
}

// Several large values go into one transaction or MSET. Pages such as COMMAND
// DOCS are long.
ResourceCheckerOptions BoundsOfMessages(const Shape& shape,
                                        const Cluster& cluster) {
  ResourceCheckerOptions options = {
      .nodes = shape.places(),
      .groups = shape.members ? kGroupsOfMembers
                              : static_cast<uint32_t>(cluster.groups().size()),
      .sole_voters = shape.voters == 1 || shape.members,
      .message_bytes_max = 4 * shape.large_value_bytes + (64 << 10),
      .request_keys_max = 1024};
  options.answer_bytes_max =
      std::max(options.request_keys_max * shape.large_value_bytes,
               kLargeValuesRead * SurfaceClient::kLargeValueBytes);
  for (const node::Config& config : cluster.configs()) {
    options.entry_work_max =
        std::max<uint64_t>(options.entry_work_max, config.bounds.entry_work);
    options.peer_bytes_max =
        std::max<uint64_t>(options.peer_bytes_max, config.bounds.peer_bytes);
    const raft::CoreOptions& core = config.host.core;
    options.append_bytes_max =
        std::max<uint64_t>(options.append_bytes_max, core.append_bytes_max);
    options.late_entry_bytes_max = std::max<uint64_t>(
        options.late_entry_bytes_max,
        2 * (core.inflight_bytes_max + core.append_bytes_max) +
            core.uncommitted_bytes_max + options.message_bytes_max);
  }
  if (shape.members) {
    // Pieces of slots.
    constexpr uint64_t kPieces = 2 * kv::kPieceBytesMax;
    options.message_bytes_max = std::max(options.message_bytes_max, kPieces);
    options.answer_bytes_max = std::max(options.answer_bytes_max, kPieces);
  }
  return options;
}

}  // namespace quorate::sim
