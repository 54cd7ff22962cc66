// node/resp/group_questions.h: the questions of one connection to several
// groups, for one command.
//
// Commands on all keys cover all groups for a plain client, and for a cluster
// client those that this node leads. Each question is a command of the store on
// a range of slots, or on some keys. It is routed as any other command of its
// group. The answers go to the connection, which is the sink.
#ifndef QUORATE_NODE_RESP_GROUP_QUESTIONS_H_
#define QUORATE_NODE_RESP_GROUP_QUESTIONS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "node/commands/owned_request.h"
#include "node/connections/context.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: a question waits only if its group, or that of an earlier one, had
// no room. While one waits, the connection handles no other request, which
// would overtake it.
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

  static constexpr Duration kAgainAfter = Milliseconds(10);

  // All slots for a plain client. For a cluster client: the slots that this
  // node leads or may lead. By the present map.
  std::vector<Covered> CoveredSlots() const;
  // Those of them that are in `slots`.
  std::vector<Covered> CoveredIn(SlotRange slots) const;

  // Calls `again` once, soon: after the time in which slots change their owner
  // at the best. At most one call is due. Slots that a group does not own may
  // be frozen, or the map of this node may be old.
  void AskSoon(absl::AnyInvocable<void()> again);

  // The questions that follow belong to one command, which
  // bounds.held_requests counts once for each group.
  void BeginCommand() { asked_groups_.clear(); }
  // Asks the group of `spec`, at once or when there is room. With `redirect`
  // the request fails if another node leads the group. `staleness_max`:
  // RoutedRequest.
  void Query(uint64_t token, const kv::CommandSpec& spec, bool redirect,
             Duration staleness_max = Duration());

  // Call it for each failure: one that comes during Query is a refusal. The
  // group then did not accept the question.
  void NoteFailure() { refused_ = true; }

  // True if a question waits for room in its group.
  bool waiting() const { return !waiting_.empty(); }
  // Memory of the arguments of waiting questions.
  size_t waiting_bytes() const { return waiting_bytes_; }
  void AskWaiting();
  // Drops the waiting questions and returns their tokens.
  std::vector<uint64_t> DropWaiting();

 private:
  struct Question {
    uint64_t token;
    kv::CommandSpec spec;
    bool redirect;
    Duration staleness_max;
    OwnedRequest arguments;  // The arguments of `spec`.
  };

  // Returns false if the group has no room.
  bool Ask(uint64_t token, const kv::CommandSpec& spec, bool redirect,
           Duration staleness_max);

  Context& context_;
  const bool cluster_;
  RequestSink& sink_;
  std::deque<Question> waiting_;
  size_t waiting_bytes_ = 0;
  bool refused_ = false;  // NoteFailure was called during Ask.
  env::Pending soon_;
  // Groups that accepted a question of the newest command.
  absl::btree_set<GroupId> asked_groups_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_GROUP_QUESTIONS_H_
