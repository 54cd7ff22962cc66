#include "sim/workload/simple_client.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kOperation("workload.simple_operation");

constexpr Duration kBeginsFor = Seconds(10);

}  // namespace

SimpleClient::SimpleClient(env::Env& env, const SimpleClientOptions& options,
                           Choices* choices, Recorder* recorder)
    : env_(env),
      options_(options),
      choices_(choices),
      recorder_(recorder),
      generator_(options_.id, options_.operations, env_.random) {
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + options_.interval,
                       [this] { Tick(); });
}

void SimpleClient::StopIssuing() {
  issuing_ = false;
  begins_until_ = env_.loop.ReadClock().mono + kBeginsFor;
}

std::string SimpleClient::Describe() const {
  std::string text;
  for (const auto& [id, operation] : open_) {
    absl::StrAppend(&text, "client ", options_.id, ": ", operation.Describe(),
                    "\n");
  }
  return text;
}

void SimpleClient::Tick() {
  if (!issuing_) return;
  Issue();
  const Duration wait = env_.random.Between(
      Duration(0), options_.interval * 2, "client.wait", options_.id, numbers_);
  tick_ = env_.loop.At(env_.loop.ReadClock().mono + wait, [this] { Tick(); });
}

void SimpleClient::Issue() {
  const uint64_t number = ++numbers_;
  const std::optional<Random> random =
      choices_->RandomOrNone(kOperation, {options_.id, number});
  if (!random.has_value()) return;
  Operation operation{generator_.Draw(
      number, *random, env_.loop.ReadClock().wall.earliest.ms())};
  Adapt(&operation);
  waiting_.push_back(std::move(operation));
  BeginNext();
}

void SimpleClient::BeginNext() {
  if (env_.loop.ReadClock().mono >= begins_until_) waiting_.clear();
  while (!waiting_.empty() && open_.size() < options_.open_max) {
    Operation operation = std::move(waiting_.front());
    waiting_.pop_front();
    if (operation.stale) {
      // Any node may answer.
      operation.sent =
          recorder_->SendStaleRead(NodeId(), operation.call.key,
                                   operation.read_verb(), operation.bound());
    } else {
      operation.ticket = operation.expiry.has_value()
                             ? recorder_->Invoke(*operation.expiry)
                             : recorder_->Invoke(operation.call);
    }
    const OperationId id = operation.number;
    if (send_hook_ != nullptr) {
      send_hook_({options_.id, id, operation.Words()});
    }
    open_.emplace(id, std::move(operation));
    Begin(id);
  }
}

void SimpleClient::End(OperationId id) {
  open_.erase(id);
  // The derived class is still busy with the operation that ended.
  next_ = env_.loop.Defer([this] { BeginNext(); });
}

void SimpleClient::Return(OperationId id, const ClientReply& reply) {
  const Operation& operation = open_.at(id);
  if (operation.stale) {
    recorder_->StaleRead(operation.sent, operation.call.key, reply);
    return End(id);
  }
  if (!RecordReply(operation, reply, operation.ticket, recorder_)) {
    return Unexpected(id, reply.ToString());
  }
  End(id);
}

void SimpleClient::Withdraw(OperationId id) {
  const Operation& operation = open_.at(id);
  if (!operation.stale) recorder_->Withdraw(operation.ticket);
  End(id);
}

void SimpleClient::LeaveUnknown(OperationId id) {
  const Operation& operation = open_.at(id);
  if (!operation.stale) recorder_->LeaveUnknown(operation.ticket);
  End(id);
}

void SimpleClient::Unexpected(OperationId id, std::string_view what) {
  const Operation& operation = open_.at(id);
  recorder_->Unexpected(
      options_.id, absl::StrCat(operation.Describe(), ": ", std::string(what)));
  LeaveUnknown(id);
}

}  // namespace quorate::sim
