// sim/members/operator_notes.h: what the operators of a simulated cluster know
// of each other's requests, so that none asks for what another one breaks.
#ifndef QUORATE_SIM_MEMBERS_OPERATOR_NOTES_H_
#define QUORATE_SIM_MEMBERS_OPERATOR_NOTES_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "sim/choices/sim_time.h"
#include "sim/cluster/places.h"
#include "sim/members/member_rules.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Requests of unknown outcome. They may take effect later: one waits at a node,
// and another one is in a log that is not committed.
class LateRequests {
 public:
  // A node has passed on or given up all of a request after this time.
  static constexpr Duration kWaitMax = Seconds(20);

  // `over` is called once nothing can come of the request any more.
  void Add(SimTime now, std::function<void()> over) {
    requests_.push_back({.since = now, .over = std::move(over)});
  }
  // The longest log of the controller ends at `last`, and its entries up to
  // `committed` are committed. Call it again and again.
  void Look(SimTime now, raft::Index last, raft::Index committed) {
    std::vector<Request> left;
    for (Request& request : std::exchange(requests_, {})) {
      if (!request.last.has_value() && now - request.since >= kWaitMax) {
        request.last = last;
      }
      if (request.last.has_value() && *request.last <= committed) {
        request.over();
      } else {
        left.push_back(std::move(request));
      }
    }
    requests_ = std::move(left);
  }

 private:
  struct Request {
    SimTime since;
    std::function<void()> over;
    // The request is in no entry behind it.
    std::optional<raft::Index> last = {};
  };
  std::vector<Request> requests_;
};

class OperatorNotes {
 public:
  // Both outlive the object.
  OperatorNotes(const World* world, const Places* places)
      : world_(*world), places_(*places) {}
  OperatorNotes(const OperatorNotes&) = delete;
  OperatorNotes& operator=(const OperatorNotes&) = delete;

  // A disk was lost so lately that leaders may not know of it.
  bool LostLately() const { return IsLately(places_.lost()); }
  // An operator asks for a replacement of the node, so its store may be given
  // up at any time.
  bool IsBeingReplaced(NodeId node) const { return replacing_.contains(node); }
  void BeginReplacing(NodeId node) { replacing_.insert(node); }
  void EndReplacing(NodeId node) { replacing_.erase(replacing_.find(node)); }
  // A store that is given up before the controller knows of a group on it takes
  // the group along. So operators do not create groups meanwhile, nor replace
  // nodes while they create groups.
  bool replacing() const { return !replacing_.empty(); }
  bool creating() const { return creating_ > 0; }
  void BeginCreating() { ++creating_; }
  void EndCreating() { --creating_; }
  // False: another operator does it.
  bool BeginRecoveringController() {
    return !std::exchange(recovering_controller_, true);
  }
  void EndRecoveringController() { recovering_controller_ = false; }
  // An operator asks for another number of replicas, or did so lately.
  bool ShrunkLately() const { return WasLately(shrinks_); }
  void BeginShrinking() { ++shrinks_.open; }
  void EndShrinking() { End(shrinks_); }
  // The same for a drain, after which the controller may have fewer replicas.
  bool DrainedLately() const { return WasLately(drains_); }
  void BeginDraining() { ++drains_.open; }
  void EndDraining() { End(drains_); }

 private:
  // Requests that may take replicas away.
  struct Requests {
    size_t open = 0;
    std::optional<SimTime> ended;  // The time when the last one ended.
  };
  bool IsLately(std::optional<SimTime> time) const {
    return time.has_value() && world_.now() - *time < MemberRules::kKnownToWork;
  }
  bool WasLately(const Requests& requests) const {
    return requests.open > 0 || IsLately(requests.ended);
  }
  void End(Requests& requests) {
    --requests.open;
    requests.ended = world_.now();
  }

  const World& world_;
  const Places& places_;
  std::multiset<NodeId> replacing_;
  int creating_ = 0;
  bool recovering_controller_ = false;
  Requests shrinks_;
  Requests drains_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_OPERATOR_NOTES_H_
