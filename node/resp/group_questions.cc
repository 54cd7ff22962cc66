#include "node/resp/group_questions.h"

#include <algorithm>
#include <utility>

namespace quorate::node {

GroupQuestions::GroupQuestions(Context& context, RespAddress address,
                               RequestSink& sink)
    : context_(context),
      cluster_(address == RespAddress::kCluster),
      sink_(sink) {}

std::vector<GroupQuestions::Covered> GroupQuestions::CoveredSlots() const {
  std::vector<Covered> covered;
  for (const shardctrl::Assignment& range : context_.map.assignments()) {
    const GroupQueue& queue = *context_.router.FindQueue(range.group);
    const Leadership::Kind leader = queue.leadership().kind;
    const bool may_lead = leader == Leadership::Kind::kUnknown &&
                          queue.placed() && !context_.config.self().read_only;
    if (!cluster_ || leader == Leadership::Kind::kSelf) {
      covered.push_back({range.slots, /*may_lead=*/false});
    } else if (may_lead) {
      covered.push_back({range.slots, /*may_lead=*/true});
    }
  }
  return covered;
}

void GroupQuestions::Query(uint64_t token, const kv::CommandSpec& spec,
                           bool redirect) {
  const GroupQueue& queue = context_.router.QueueOf(spec.slot);
  const bool further =
      std::count(asked_groups_.begin(), asked_groups_.end(), queue.group()) > 0;
  if (context_.router.Add({&sink_, token, redirect, further}, spec) ==
      Admission::kBlocked) {
    waiting_.push_back({token, spec, redirect});
  } else if (!further) {
    asked_groups_.push_back(queue.group());
  }
}

void GroupQuestions::AskWaiting() {
  for (const Question& question : std::exchange(waiting_, {})) {
    Query(question.token, question.spec, question.redirect);
  }
}

std::vector<uint64_t> GroupQuestions::DropWaiting() {
  std::vector<uint64_t> tokens;
  for (const Question& question : std::exchange(waiting_, {})) {
    tokens.push_back(question.token);
  }
  return tokens;
}

}  // namespace quorate::node
