#include "node/routing/batch_queue.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "kv/command/result.h"
#include "kv/command/result_check.h"
#include "node/base/reply_text.h"
#include "node/routing/memory_gate.h"
#include "node/routing/refused_commands.h"

namespace quorate::node {
namespace {

size_t EncodedSize(const kv::CommandSpec& spec) {
  return kv::BatchBuilder::EncodedSize(spec);
}

}  // namespace

BatchQueue::BatchQueue(const QueueParts& parts, GroupLeadership& leadership,
                       Forwarding& forwarding, QueueCounters& counters,
                       absl::AnyInvocable<void()> wake)
    : parts_(parts),
      leadership_(leadership),
      forwarding_(forwarding),
      counters_(counters),
      wake_(std::move(wake)),
      in_flight_(parts.config.host.core.uncommitted_bytes_max / 2,
                 parts.config.bounds),
      peers_(parts, leadership, forwarding, in_flight_, counters,
             [this] { wake_(); }) {}

void BatchQueue::Add(ConnectionOrder& order, const RoutedRequest& request,
                     const kv::CommandSpec& spec, size_t result_bytes) {
  const bool write = !kv::IsRead(spec.op);
  const size_t size = EncodedSize(spec);
  Request& added = order.Add(parts_.requests, [&] {
    return InBatch(request, spec.slot, size, result_bytes, write, !write);
  });
  Include(Encode(added, spec), added);
}

void BatchQueue::Take(Request& read, const kv::CommandSpec& spec,
                      size_t result_bytes) {
  read.deadline = MonoTime::Max();
  read.encoded_bytes = static_cast<uint32_t>(EncodedSize(spec));
  read.result_bytes = static_cast<uint32_t>(result_bytes);
  OpenBatch& open = Encode(read, spec);
  read.order->Move(read, State::kInBatch);
  Include(open, read);
}

BatchQueue::Request BatchQueue::InBatch(const RoutedRequest& request, Slot slot,
                                        size_t size, size_t result_bytes,
                                        bool write, bool only_reads) {
  return {.token = request.token,
          .deadline = request.deadline,
          .state = State::kInBatch,
          .slot = slot,
          .redirect = request.redirect,
          .write = write,
          .only_reads = only_reads,
          .encoded_bytes = static_cast<uint32_t>(size),
          .result_bytes = static_cast<uint32_t>(result_bytes),
          .refusal = request.CopyOfRefusal()};
}

BatchQueue::OpenBatch& BatchQueue::Encode(const Request& request,
                                          const kv::CommandSpec& spec) {
  const size_t size = request.encoded_bytes;
  const uint64_t number = next_sequence_;
  const uint64_t value_bytes = ValueBytesOf(spec, size);
  OpenBatch& open =
      OpenBatchFor(request, kv::WorkOf(size, value_bytes), number);
  open.builder.Add(spec);
  return open;
}

void BatchQueue::AddAtomic(ConnectionOrder& order, const RoutedRequest& request,
                           Slot slot,
                           const std::optional<kv::SessionStamp>& session,
                           absl::Span<const kv::CommandSpec> specs,
                           size_t result_bytes) {
  size_t size = kv::BatchBuilder::AtomicOverhead(session.has_value());
  const uint64_t number = next_sequence_;
  uint64_t value_bytes = 0;
  bool only_reads = true;
  for (const kv::CommandSpec& spec : specs) {
    const size_t bytes = EncodedSize(spec);
    only_reads = only_reads && kv::IsRead(spec.op);
    size += bytes;
    value_bytes += ValueBytesOf(spec, bytes);
  }
  // Alone in its batch it can wait for the commands before it.
  const bool maybe_large = leadership_.store() != nullptr &&
                           value_bytes > parts_.config.limits.transaction_bytes;
  if (maybe_large) CloseOpenBatch(request.redirect);
  Request& added = order.Add(parts_.requests, [&] {
    return InBatch(request, slot, size, result_bytes, /*write=*/true,
                   only_reads);
  });
  OpenBatch& open = OpenBatchFor(added, kv::WorkOf(size, value_bytes), number);
  open.builder.BeginAtomic(slot, session);
  for (const kv::CommandSpec& spec : specs) open.builder.Add(spec);
  open.builder.EndAtomic();
  open.batch.maybe_large = maybe_large;
  Include(open, added);
  if (maybe_large) CloseOpenBatch(request.redirect);
}

void BatchQueue::Include(OpenBatch& open, Request& request) {
  open.batch.items.push_back(&request);
  open.batch.result_bytes += request.result_bytes;
  results_bytes_.Add(request.result_bytes);
  ++waiting_requests_;
  if (!request.write) ++counters_.reads_in_log;
}

uint64_t BatchQueue::ValueBytesOf(const kv::CommandSpec& spec,
                                  size_t encoded_bytes) {
  if (unapplied_.CopiesNothing(
          {.op = spec.op, .flags = spec.flags, .size_bytes = encoded_bytes})) {
    return 0;
  }
  unapplied_.SetNumber(next_sequence_);
  const kv::Store* store = leadership_.store();
  return unapplied_.AddValueBytes(
      spec, [this, store](Slot slot, std::string_view key) -> uint64_t {
        return store == nullptr ? parts_.config.bounds.value_bytes
                                : store->ValueBytes(slot, key);
      });
}

BatchQueue::OpenBatch& BatchQueue::OpenBatchFor(const Request& request,
                                                uint64_t work,
                                                uint64_t number) {
  const BoundsConfig& bounds = parts_.config.bounds;
  const bool redirect = request.redirect;
  OpenBatch& open = open_batches_[redirect];
  const uint32_t rules = leadership_.rules();
  if (!open.empty() &&
      (open.builder.rules() != rules ||
       open.batch.deadline != request.deadline ||
       open.batch.items.size() >= bounds.batch_commands ||
       open.size_bytes() + request.encoded_bytes > bounds.batch_bytes ||
       open.batch.result_bytes + request.result_bytes >
           bounds.entry_result_bytes ||
       open.work + work > bounds.entry_work ||
       parts_.buggify.Fire("node.batch_ends_early"))) {
    CloseOpenBatch(redirect);
  }
  // Its commands in the other open batch go first.
  if (request.order->in_batch(!redirect) > 0) CloseOpenBatch(!redirect);
  if (open.empty()) {
    open.builder.SetRules(rules);
    open.batch.first_number = number;
    open.batch.deadline = request.deadline;
    open.batch.redirect = redirect;
  }
  open.work += work;
  return open;
}

void BatchQueue::CloseOpenBatches() {
  CloseOpenBatch(false);
  CloseOpenBatch(true);
}

void BatchQueue::CloseOpenBatch(bool redirect) {
  OpenBatch& open = open_batches_[redirect];
  if (open.empty()) return;
  Batch batch = std::exchange(open.batch, {});
  open.work = 0;
  batch.payload = open.builder.Finish();
  batch.sequence = next_sequence_++;
  batch.deadline = std::min(
      parts_.loop.ReadClock().mono + parts_.config.timeouts.leader_wait,
      batch.deadline);
  without_outcome_.insert(batch.place());
  waiting_bytes_ += batch.payload.size();
  waiting_.push_back(std::move(batch));
}

// A batch that waits for room is not overtaken by smaller ones.
// A batch that the leader's log had no room for goes first, and alone.
// Otherwise smaller ones of other nodes could take the room again and again.
void BatchQueue::SubmitWaiting() {
  while (leadership_.kind() == Leadership::Kind::kSelf && !waiting_.empty() &&
         waiting_.front().refused) {
    const Submission submission = SubmitOwn();
    if (submission == Submission::kNone) break;
    // Its end wakes the queue. A batch that failed without an entry does not.
    if (submission == Submission::kNoRoom || inflight_batches_ > 0) return;
  }
  int without = 0;  // Sides that had nothing to submit, one after the other.
  while (without < 2 && !leadership_.pausing()) {
    const Submission submission = peers_turn_ ? peers_.Submit() : SubmitOwn();
    if (submission == Submission::kNoRoom) return;
    without = submission == Submission::kNone ? without + 1 : 0;
    peers_turn_ = !peers_turn_;
  }
}

Submission BatchQueue::SubmitOwn() {
  if (waiting_.empty()) return Submission::kNone;
  const Batch& front = waiting_.front();
  if (leadership_.ended()) {
    GiveBackWaiting();
    return Submission::kDone;
  }
  if (const absl::Status why = leadership_.Unservable(); !why.ok()) {
    FailWaiting(RequestFailure::Kind::kRefused, why);
    return Submission::kDone;
  }
  if (leadership_.kind() == Leadership::Kind::kUnknown) {
    return Submission::kNone;
  }
  if (leadership_.kind() == Leadership::Kind::kRemote && front.redirect) {
    FailWaiting(RequestFailure::Kind::kMoved, absl::OkStatus());
    return Submission::kDone;
  }
  // Behind a batch that is not executed in time, the others are refused in
  // time rather than proposed, whose outcome would be unknown.
  if (leadership_.kind() == Leadership::Kind::kSelf && stuck()) {
    return Submission::kNone;
  }
  if (front.maybe_large && !in_flight_.empty()) return Submission::kNoRoom;
  if (!in_flight_.HasRoom(front.payload.size(), front.result_bytes)) {
    return Submission::kNoRoom;
  }
  const RetryDecision again =
      front.refused ? DecideRetry(front) : RetryDecision::kYes;
  if (again == RetryDecision::kLater) return Submission::kNone;
  if (leadership_.kind() == Leadership::Kind::kRemote) {
    if (!forwarding_.open()) forwarding_.Open();
    if (!forwarding_.open() || !forwarding_.HasRoom(front.payload.size())) {
      return Submission::kNone;
    }
  }
  if (again == RetryDecision::kYes &&
      AwaitsFormerLeaderUntil() != MonoTime::Max()) {
    return Submission::kNone;
  }
  if (again == RetryDecision::kNever) {
    FailWaiting(RequestFailure::Kind::kNoLeader, absl::OkStatus());
  } else {
    Submit(PopWaiting());
  }
  return Submission::kDone;
}

// A link without room and without requests has no connection.
bool BatchQueue::AwaitsLeader() const {
  if (leadership_.kind() != Leadership::Kind::kRemote) {
    return leadership_.kind() == Leadership::Kind::kUnknown;
  }
  return !forwarding_.open() ||
         (!waiting_.empty() && !forwarding_.awaits_answers() &&
          !forwarding_.HasRoom(waiting_.front().payload.size()));
}

// A leader that transferred its leadership refuses batches that arrive later.
// Its answer may arrive after the first heartbeat of the next leader. A later
// batch that the next leader executed would then refuse the earlier one for
// good (DecideRetry). A leader that hangs answers much later, so the wait is
// short.
MonoTime BatchQueue::AwaitsFormerLeaderUntil() const {
  const MonoTime until = leadership_.known_since() + kFormerLeaderWait;
  if (waiting_.empty() || inflight_of_terms_.empty() ||
      inflight_of_terms_.begin()->first >= leadership_.known().term ||
      parts_.loop.ReadClock().mono >= until) {
    return MonoTime::Max();
  }
  const auto& items = waiting_.front().items;
  const bool awaits = std::ranges::any_of(items, [](const Request* request) {
    return request->order->count(State::kSubmitted) > 0;
  });
  return awaits ? until : MonoTime::Max();
}

BatchQueue::Batch BatchQueue::PopWaiting() {
  Batch batch = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_requests_ -= batch.items.size();
  waiting_bytes_ -= batch.payload.size();
  return batch;
}

void BatchQueue::GiveBackWaiting() {
  const Batch batch = PopWaiting();
  ForgetLengths(batch.place());
  kv::CommandReader commands(batch.payload.view());
  CHECK(commands.ok()) << "this process encoded the batch";
  kv::CommandView command;
  for (Request* const request : batch.items) {
    const bool valid = commands.Next(&command);
    if (valid && HoldRefused(batch, *request, command)) continue;
    FailItem(*request, RequestFailure::Kind::kNoLeader, absl::OkStatus());
  }
}

void BatchQueue::FailWaiting(RequestFailure::Kind kind,
                             const absl::Status& why) {
  const Batch batch = PopWaiting();
  ForgetLengths(batch.place());
  FailBatch(batch, kind, why);
}

// A batch may be refused although a later batch is not. Either the leader had
// room for the later, smaller batch, or the later batch went to the next
// leader.
BatchQueue::RetryDecision BatchQueue::DecideRetry(const Batch& batch) {
  RetryDecision again = RetryDecision::kYes;
  for (const Request* const request : batch.items) {
    const ConnectionOrder& order = *request->order;
    if (order.executed_through > batch.sequence) return RetryDecision::kNever;
    if (order.count(State::kSubmitted) > 0) again = RetryDecision::kLater;
  }
  return again;
}

bool BatchQueue::PassMemory(Batch* batch) {
  std::vector<bool> too_large;
  if (batch->maybe_large) {
    too_large = LargeTransactions(batch->payload, leadership_.store(),
                                  parts_.config.limits.transaction_bytes);
  }
  GatedBatch gated = PassMemoryGate(std::move(batch->payload), parts_.memory,
                                    leadership_.store(), too_large);
  batch->payload = std::move(gated.payload);
  batch->growth = std::move(gated.growth);
  if (!gated.changed()) return true;
  CHECK_EQ(gated.refused.size(), batch->items.size());
  const std::vector<Request*> all = std::exchange(batch->items, {});
  for (size_t i = 0; i < all.size(); ++i) {
    if (gated.refused[i] == kv::ResultStatus::kOk) {
      batch->items.push_back(all[i]);
    } else {
      batch->result_bytes -= all[i]->result_bytes;
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (gated.refused[i] == kv::ResultStatus::kOk) continue;
    const ConnectionOrder::Ended ended = End(*all[i]);
    ended.sink->OnResult(ended.token, {.status = gated.refused[i]});
  }
  if (batch->items.empty()) ForgetLengths(batch->place());
  return !batch->items.empty();
}

void BatchQueue::Submit(Batch batch) {
  const bool self = leadership_.kind() == Leadership::Kind::kSelf;
  if (self && !PassMemory(&batch)) return;
  if (!self) batch.forwarded = true;
  for (Request* const request : batch.items) {
    request->order->Move(*request, State::kSubmitted);
  }
  ++inflight_batches_;
  batch.term = leadership_.known().term;
  ++inflight_of_terms_[batch.term];
  in_flight_.Begin(batch.payload.size(), batch.result_bytes);
  Buffer payload = batch.payload;
  const size_t commands = batch.items.size();
  if (self) {
    ++counters_.proposals;
    counters_.proposed_commands += commands;
    const uint64_t number = next_proposal_++;
    batch.answer_by =
        parts_.loop.ReadClock().mono + parts_.config.timeouts.proxy;
    proposed_.emplace_hint(proposed_.end(), number, std::move(batch));
    parts_.host.Propose(leadership_.group(), std::move(payload),
                        [this, number](const raft::ProposeResult& result) {
                          OnProposed(number, result);
                        });
  } else {
    ++counters_.forwarded;
    // The link answers in time.
    forwarding_.Send(std::move(payload),
                     [this, batch = std::move(batch)](
                         const raft::ProposeResult& result) mutable {
                       OnDone(std::move(batch), result);
                     });
  }
}

void BatchQueue::OnProposed(uint64_t number,
                            const raft::ProposeResult& result) {
  const auto found = proposed_.find(number);
  if (found != proposed_.end()) {
    Batch batch = std::move(found->second);
    proposed_.erase(found);
    return OnDone(std::move(batch), result);
  }
  // It was answered already, so it is not proposed again.
  const auto overdue = overdue_.find(number);
  CHECK(overdue != overdue_.end()) << "proposal " << number;
  EndFlight(std::move(overdue->second));
  ForgetLengths(overdue->second.place);
  overdue_.erase(overdue);
  if (result.outcome == Outcome::kDone) {
    in_flight_.RecordExecuted(parts_.loop.ReadClock().mono);
  }
  leadership_.Refresh();
  wake_();
}

void BatchQueue::EndFlight(Overdue taken) {
  --inflight_batches_;
  const auto of_term = inflight_of_terms_.find(taken.term);
  CHECK(of_term != inflight_of_terms_.end()) << "term " << taken.term;
  if (--of_term->second == 0) inflight_of_terms_.erase(of_term);
  in_flight_.End(taken.payload_bytes, taken.result_bytes);
  taken.growth.End();
}

void BatchQueue::ForgetLengths(const Place& place) {
  without_outcome_.erase(place);
  uint64_t oldest = without_outcome_.empty()
                        ? next_sequence_
                        : without_outcome_.begin()->first_number;
  for (const OpenBatch& open : open_batches_) {
    if (!open.empty()) oldest = std::min(oldest, open.batch.first_number);
  }
  unapplied_.ForgetThrough(oldest - 1);
}

void BatchQueue::ExpireProposed() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  while (next_answer() <= now) {
    const auto first = proposed_.begin();
    Batch batch = std::move(first->second);
    overdue_.emplace(
        first->first,
        Overdue{batch.place(), batch.payload.size(), batch.result_bytes,
                std::move(batch.growth), batch.term});
    proposed_.erase(first);
    RecordAnswered(batch, Outcome::kUnknown, /*undecided=*/true);
    ++counters_.proposals_unknown;
    FailBatch(batch, RequestFailure::Kind::kUnknown,
              absl::DeadlineExceededError(
                  "it is in the leader's log, but a majority of the disks did "
                  "not store it in time"));
  }
}

void BatchQueue::RecordAnswered(const Batch& batch, Outcome outcome,
                                bool undecided) {
  if (outcome == Outcome::kNotExecuted) return;
  for (const Request* const request : batch.items) {
    ConnectionOrder& order = *request->order;
    order.executed_through = std::max(order.executed_through, batch.sequence);
    if (outcome == Outcome::kDone) {
      if (batch.sequence > order.unsettled) {
        order.unsettled = order.unsettled_bytes = 0;
      }
    } else if (undecided) {
      order.unsettled = std::max(order.unsettled, batch.sequence);
      if (request->write) order.unsettled_bytes += request->encoded_bytes;
    }
  }
}

void BatchQueue::OnDone(Batch batch, const raft::ProposeResult& result) {
  EndFlight({batch.place(), batch.payload.size(), batch.result_bytes,
             std::move(batch.growth), batch.term});
  if (result.outcome != Outcome::kNotExecuted) ForgetLengths(batch.place());
  // With the leadership a proposal of this node is decided: the next leader's
  // first entry follows it, or it has no effect.
  RecordAnswered(batch, result.outcome, batch.forwarded);
  switch (result.outcome) {
    case Outcome::kDone:
      in_flight_.RecordExecuted(parts_.loop.ReadClock().mono);
      Deliver(batch, result.result);
      break;
    case Outcome::kUnknown:
      ++counters_.proposals_unknown;
      FailBatch(batch, RequestFailure::Kind::kUnknown, result.status);
      break;
    case Outcome::kNotExecuted:
      ++counters_.proposals_refused;
      WaitAgain(std::move(batch));
      break;
  }
  wake_();
}

void BatchQueue::WaitAgain(Batch batch) {
  leadership_.Pause();
  batch.refused = true;
  for (Request* const request : batch.items) {
    request->order->Move(*request, State::kInBatch);
  }
  waiting_requests_ += batch.items.size();
  waiting_bytes_ += batch.payload.size();
  const auto place = std::find_if(
      waiting_.begin(), waiting_.end(),
      [&](const Batch& other) { return other.sequence > batch.sequence; });
  waiting_.insert(place, std::move(batch));
  leadership_.Refresh();
}

void BatchQueue::Deliver(const Batch& batch, const Buffer& results) {
  if (batch.forwarded &&
      !kv::ResultsAnswer(results.view(), batch.payload.view(),
                         static_cast<uint32_t>(batch.items.size()))) {
    ++counters_.proposals_unknown;
    FailBatch(batch, RequestFailure::Kind::kUnknown,
              absl::InternalError("the leader's results are malformed"));
    return;
  }
  kv::ResultReader reader(results.view());
  CHECK(reader.ok()) << "results are made by this process, or were checked";
  if (!reader.batch_accepted()) {
    FailBatch(batch, RequestFailure::Kind::kRefused,
              absl::InternalError("the batch was refused as malformed"));
    return;
  }
  CHECK_EQ(reader.count(), batch.items.size());
  std::optional<kv::CommandReader> commands;  // It checks the whole batch.
  kv::CommandView command;
  for (size_t i = 0; i < batch.items.size(); ++i) {
    Request& request = *batch.items[i];
    const kv::ResultView result = reader.Next();
    if (result.status == kv::ResultStatus::kNotOwner) {
      // A malformed command before it has a result of its own.
      bool valid = false;
      if (!commands.has_value()) commands.emplace(batch.payload.view());
      while (commands->position() <= i) valid = commands->Next(&command);
      if (valid && HoldRefused(batch, request, command)) continue;
    }
    if (!request.write && result.status == kv::ResultStatus::kResultNotKept) {
      FailItem(request, RequestFailure::Kind::kOverloaded, absl::OkStatus());
      continue;
    }
    const ConnectionOrder::Ended ended = End(request);
    parts_.refused.NoteExecuted(ended.sink, ended.slot, ended.token);
    if (result.bytes.size() < ReplyText::kSharedFromBytes) {
      ended.sink->OnResult(ended.token, result);
      continue;
    }
    Buffer slice;
    ended.sink->OnResult(ended.token, kv::ShareValue(result, results, &slice));
  }
}

// The answers to forwarded batches may arrive in another order. Behind a later
// batch of its sink the command has no place any more.
bool BatchQueue::HoldRefused(const Batch& batch, Request& request,
                             const kv::CommandView& command) {
  if (!RefusedCommands::MayHold(command.op) ||
      request.order->executed_through > batch.sequence) {
    return false;
  }
  kv::BatchBuilder alone;
  alone.SetRules(command.rules);
  alone.AddEncoded(command);
  results_bytes_.Remove(request.result_bytes);
  parts_.tracer.Sometimes("window.command_refused");
  parts_.refused.Hold(request, alone.Finish());
  return true;
}

ConnectionOrder::Ended BatchQueue::End(Request& request) {
  results_bytes_.Remove(request.result_bytes);
  return request.order->End(request);
}

void BatchQueue::FailItem(Request& request, RequestFailure::Kind kind,
                          const absl::Status& why) {
  const bool write = request.write;
  const bool only_reads = request.only_reads;
  const ConnectionOrder::Ended ended = End(request);
  if (kind == RequestFailure::Kind::kUnknown) {
    parts_.refused.NoteExecuted(ended.sink, ended.slot, ended.token);
  }
  // A read in an entry has no effect, so its outcome need not be known.
  if (kind == RequestFailure::Kind::kUnknown && !write) {
    kind = RequestFailure::Kind::kNoLeader;
  }
  RequestFailure failure = leadership_.MakeFailure(kind, ended.slot, why);
  failure.only_reads = only_reads;
  ended.sink->OnFailure(ended.token, failure);
}

void BatchQueue::FailBatch(const Batch& batch, RequestFailure::Kind kind,
                           const absl::Status& why) {
  for (Request* const request : batch.items) FailItem(*request, kind, why);
}

MonoTime BatchQueue::next_deadline() const {
  if (waiting_.empty()) return MonoTime::Max();
  const MonoTime deadline =
      std::min(waiting_.front().deadline, parts_.wait_until);
  const MonoTime executed_at = in_flight_.executed_at();
  if (executed_at == MonoTime::Min() || deadline == parts_.wait_until ||
      leadership_.kind() == Leadership::Kind::kUnknown) {
    return deadline;
  }
  return std::max(deadline, executed_at + parts_.config.timeouts.leader_wait);
}

void BatchQueue::ExpireWaiting() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  while (!waiting_.empty() && next_deadline() <= now) {
    // While a leader executes proposals nothing expires: the batch waits for
    // room.
    if (!AwaitsLeader() && !leadership_.pausing() && !stuck()) break;
    counters_.leader_wait_expired += waiting_.front().items.size();
    FailWaiting(RequestFailure::Kind::kNoLeader, absl::OkStatus());
  }
}

}  // namespace quorate::node
