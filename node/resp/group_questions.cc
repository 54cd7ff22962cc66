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
  for (const shardctrl::Assignment& range :
       context_.cluster.shards().assignments()) {
    const GroupQueue& queue = *context_.router.FindQueue(range.group);
    const Leadership::Kind leader = queue.leadership().kind;
    const bool may_lead = leader == Leadership::Kind::kUnknown &&
                          queue.placed() && !context_.cluster.self().read_only;
    if (!cluster_ || leader == Leadership::Kind::kSelf) {
      covered.push_back({range.slots, /*may_lead=*/false});
    } else if (may_lead) {
      covered.push_back({range.slots, /*may_lead=*/true});
    }
  }
  return covered;
}

std::vector<GroupQuestions::Covered> GroupQuestions::CoveredIn(
    SlotRange slots) const {
  std::vector<Covered> covered;
  for (Covered part : CoveredSlots()) {
    part.slots.first = std::max(part.slots.first, slots.first);
    part.slots.last = std::min(part.slots.last, slots.last);
    if (part.slots.first <= part.slots.last) covered.push_back(part);
  }
  return covered;
}

void GroupQuestions::AskSoon(absl::AnyInvocable<void()> again) {
  soon_ =
      context_.env.loop.At(context_.MonoNow() + kAgainAfter, std::move(again));
}

void GroupQuestions::Query(uint64_t token, const kv::CommandSpec& spec,
                           bool redirect, Duration staleness_max) {
  if (waiting_.empty() && Ask(token, spec, redirect, staleness_max)) return;
  Question& question = waiting_.emplace_back(
      token, spec, redirect, staleness_max, OwnedRequest(spec.arguments));
  question.spec.arguments = question.arguments.view();
  waiting_bytes_ += question.arguments.size_bytes();
}

bool GroupQuestions::Ask(uint64_t token, const kv::CommandSpec& spec,
                         bool redirect, Duration staleness_max) {
  const GroupId group = context_.router.QueueOf(spec.slot).group();
  if (kv::NamesSlots(spec.op) && context_.router.slots_moved()) {
    // The map changed while the question waited.
    RequestFailure refused;
    refused.kind = RequestFailure::Kind::kNoLeader;
    refused.slot = spec.slot;
    refused.group = group;
    sink_.OnFailure(token, refused);
    return true;
  }
  const bool further = asked_groups_.contains(group);
  refused_ = false;
  const RoutedRequest routed = {&sink_, token, redirect, further,
                                staleness_max};
  if (context_.router.Add(routed, spec) == Admission::kBlocked) return false;
  if (!refused_) asked_groups_.insert(group);
  return true;
}

// The first one that has no room ends it: a command may have thousands.
void GroupQuestions::AskWaiting() {
  while (!waiting_.empty()) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    if (!Ask(question.token, question.spec, question.redirect,
             question.staleness_max)) {
      waiting_.push_front(std::move(question));
      return;
    }
    waiting_bytes_ -= question.arguments.size_bytes();
  }
}

std::vector<uint64_t> GroupQuestions::DropWaiting() {
  std::vector<uint64_t> tokens;
  for (const Question& question : std::exchange(waiting_, {})) {
    tokens.push_back(question.token);
  }
  waiting_bytes_ = 0;
  return tokens;
}

}  // namespace quorate::node
