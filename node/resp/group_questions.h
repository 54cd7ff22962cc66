// node/resp/group_questions.h: the questions of one connection to whole groups.
//
// Commands on many keys cover all groups for a plain client, and for a cluster
// client those that this node leads. Each question is a command of the store on
// a range of slots, routed as any other command of its group. The answers go to
// the connection, which is the sink.
#ifndef QUORATE_NODE_RESP_GROUP_QUESTIONS_H_
#define QUORATE_NODE_RESP_GROUP_QUESTIONS_H_

#include <cstdint>
#include <vector>

#include "env/ids.h"
#include "kv/command/command.h"
#include "node/connections/context.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: a question waits only if its group had no room for it. While one
// waits, the connection handles no other request, which would overtake it.
class GroupQuestions {
 public:
  // Slots of one group that a command covers.
  struct Covered {
    SlotRange slots;
    // This node votes in the group and knows of no leader. When one is known
    // within the time limit and it is another node, that node answers for them.
    bool may_lead = false;
  };

  // `context` and `sink` outlive the object.
  GroupQuestions(Context& context, RespAddress address, RequestSink& sink);

  // All slots for a plain client. For a cluster client: the slots that this
  // node leads or may lead.
  std::vector<Covered> CoveredSlots() const;

  // The questions that follow belong to one command, which
  // limits.held_requests counts once for each group.
  void BeginCommand() { asked_groups_.clear(); }
  // Asks the group of `spec`, at once or when it has room. `spec` has no
  // arguments. With `redirect` the request fails if another node leads the
  // group.
  void Query(uint64_t token, const kv::CommandSpec& spec, bool redirect);

  // True if a question waits for room in its group.
  bool waiting() const { return !waiting_.empty(); }
  void AskWaiting();
  // Drops the waiting questions and returns their tokens.
  std::vector<uint64_t> DropWaiting();

 private:
  struct Question {
    uint64_t token;
    kv::CommandSpec spec;
    bool redirect;
  };

  Context& context_;
  const bool cluster_;
  RequestSink& sink_;
  std::vector<Question> waiting_;
  // Groups that accepted a question of the newest command.
  std::vector<GroupId> asked_groups_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_GROUP_QUESTIONS_H_
