// sim/scenarios/story.h: a simulated cluster with one client and one operator,
// whose run is told line by line.
//
// A line says what happens, and when in simulated time; lines that follow with
// "because" say why it is safe. The objects are those of a real node. Their
// reports make the lines, so a story tells only what has happened.
#ifndef QUORATE_SIM_SCENARIOS_STORY_H_
#define QUORATE_SIM_SCENARIOS_STORY_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "raft/core/core.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/members/admin_client.h"
#include "sim/protocol/reply.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct StoryOptions {
  uint64_t seed = 1;
  // Gets each line.
  std::function<void(const std::string& line)> print;
  uint32_t founders = 3;
  uint32_t groups = 1;
};

// "12.345 ms".
std::string MillisecondsText(Duration time);

class Story {
 public:
  explicit Story(const StoryOptions& options);
  ~Story();
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // ---- The text.
  void Title(const std::string& text);
  void Tell(const std::string& text);
  void Because(const std::string& text);

  // ---- The cluster. Nodes have the numbers 1 … as places have.
  // Waits until all groups of the founding have a leader.
  bool Begin();
  // From now on the story tells of the replicas of this group: which of them
  // lead, and with `entries` how far each entry has come.
  void Watch(GroupId group, bool entries) {
    watched_ = group;
    entries_ = entries;
  }
  size_t LeaderOf(GroupId group) const;  // Its place; places().size(): none.
  void Crash(size_t place);
  void Restart(size_t place);
  // Cuts the place off from all other nodes, or heals that.
  void Isolate(size_t place, bool cut);
  // A command of the client to a node, and its reply.
  ClientReply Command(size_t place, const std::vector<std::string>& words,
                      Duration within = Seconds(10));
  // The same without a line.
  ClientReply Quietly(size_t place, const std::vector<std::string>& words,
                      Duration within = Seconds(10));
  // A request of the operator to the admin address of a node.
  OperatorAnswer Ask(size_t place, const OperatorRequest& request);
  // Called for each step of a move that a group commits.
  void OnMoveStep(std::function<void(GroupId, const kv::MoveStep&)> hook) {
    on_move_step_ = std::move(hook);
  }

  bool RunUntil(const std::function<bool()>& done, Duration within);
  void RunFor(Duration length) { world_.RunFor(length); }
  // The story does not end as it should.
  void Fail(const std::string& what);
  // Runs on, so that checkers see the end. Returns the reasons why the story
  // did not end as it should; empty: it did.
  std::string End();

  World& world() { return world_; }
  Cluster& cluster() { return cluster_; }
  Places& places() { return cluster_.places(); }

 private:
  class Client;
  struct Seen {
    raft::RoleKind role = raft::RoleKind::kFollower;
    raft::Term term;
    raft::Index last;
    raft::Index durable;
    raft::Index commit;
    raft::Index applied;
  };

  // With the time before it.
  void Print(const std::string& text);
  void OnCommitted(GroupId group, const raft::Entry& entry);
  void OnStep(size_t place, GroupId group, const raft::Core& core);
  void OnRole(const std::string& node, const Seen& before,
              const raft::Core& core);

  const StoryOptions options_;
  World world_;
  ReplicaChecker checker_;
  std::shared_ptr<AdminClient> operator_;
  std::shared_ptr<Client> client_;
  Cluster cluster_;
  GroupId watched_;
  bool entries_ = false;
  std::map<std::pair<size_t, GroupId>, Seen> seen_;
  std::function<void(GroupId, const kv::MoveStep&)> on_move_step_;
  std::string failures_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCENARIOS_STORY_H_
