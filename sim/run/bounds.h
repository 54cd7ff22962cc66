// sim/run/bounds.h: the bounds that the clocks of a run, and the configurations
// of its nodes, set for checkers.
#ifndef QUORATE_SIM_RUN_BOUNDS_H_
#define QUORATE_SIM_RUN_BOUNDS_H_

#include "sim/checks/availability_checker.h"
#include "sim/checks/recorder.h"
#include "sim/cluster/cluster.h"
#include "sim/resources/resource_checker.h"
#include "sim/run/shape.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Both outlive the result.
ClockBounds BoundsOfClocks(World& world, const Cluster& cluster);

// The latency to the farthest node.
Duration LongestTrip(World& world, const Shape& shape, const Cluster& cluster);
// The latency of a sync of the slowest disk.
Duration SlowestSync(World& world, const Cluster& cluster);
// The bounds of work while no fault is left. `defaults`: each configuration is
// the default one.
AvailabilityChecker::CalmBounds CalmBoundsOf(World& world, const Shape& shape,
                                             const Cluster& cluster,
                                             bool defaults);
// The time for which slots that move are frozen while no fault is left.
Duration FrozenMax(World& world, const Shape& shape, const Cluster& cluster);

// The sizes of messages, entries and queues.
ResourceCheckerOptions BoundsOfMessages(const Shape& shape,
                                        const Cluster& cluster);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_BOUNDS_H_
