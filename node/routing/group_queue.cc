#include "node/routing/group_queue.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/check.h"
#include "kv/store/work.h"
#include "node/base/text.h"
#include "node/routing/hosted_store.h"
#include "node/routing/refused_commands.h"

namespace quorate::node {
namespace {

// From this many batches in flight on, arriving commands are collected instead
// of proposed in small entries. An entry costs every replica the same whether
// it carries one command or hundreds, and the disks limit the pace.
constexpr size_t kInflightBatchesBeforeGathering = 2;

std::optional<kv::SessionStamp> SessionOf(const kv::CommandView& command) {
  if (!command.has_session) return std::nullopt;
  return command.session;
}

// The command as it was before it was encoded. `arguments` is its storage.
kv::CommandSpec SpecOf(kv::CommandView command,
                       std::vector<std::string_view>* arguments) {
  const uint32_t count = command.arguments.count();
  for (uint32_t i = 0; i < count; ++i) {
    arguments->push_back(command.arguments.Next());
  }
  kv::CommandSpec spec = {.op = command.op,
                          .slot = command.slot,
                          .flags = command.flags,
                          .session = SessionOf(command),
                          .numbers = command.numbers,
                          .arguments = *arguments};
  if (command.has_expiry) spec.expire_at_ms = command.expire_at_ms;
  if (command.has_expected) spec.expected = command.expected;
  return spec;
}

}  // namespace

GroupQueue::Requests::Requests(const QueueParts& parts, GroupQueue& queue,
                               GroupLeadership& leadership)
    : forwarding(parts, leadership, counters,
                 [&parts, &queue] { parts.wake(queue); }),
      results(parts, leadership),
      batches(parts, leadership, forwarding, counters,
              [&parts, &queue] { parts.wake(queue); }),
      long_work(parts.loop, parts.work),
      reads(parts, leadership, forwarding, batches, results, counters,
            long_work, [&parts, &queue] { parts.wake(queue); }),
      peer_reads(parts, leadership, forwarding, long_work),
      blocked(parts.loop, leadership.group(),
              [&parts, &queue] { parts.wake(queue); }) {}

bool GroupQueue::Congested() const {
  const BoundsConfig& bounds = parts_.config.bounds;
  const size_t bytes = waiting_bytes();
  return waiting_requests() >= bounds.held_requests ||
         bytes >= bounds.held_bytes ||
         (bytes >= bounds.batch_bytes &&
          parts_.held.bytes() >= bounds.held_total_bytes);
}

void GroupQueue::CountHeld() { held_.Resize(waiting_bytes()); }

// ---- The next place of a request

// The one place that decides it. Each question comes as late as it may, since
// the later ones cost more.
GroupQueue::Decision GroupQueue::Decide(const ConnectionOrder& order,
                                        const RoutedRequest& request,
                                        const kv::CommandSpec& spec) {
  const bool read = kv::IsRead(spec.op);
  if (read && order.reads_in_log() == 0 &&
      leadership_.MayAnswerStale(spec.slot, request.staleness_max)) {
    return {Next::kStaleAnswer};
  }
  if (const auto away =
          SendAway(order, request, RefusedCommands::MayHold(spec.op))) {
    return {*away};
  }
  // In a batch, a read also settles the outcome of the sink's writes that were
  // lost in forwarding.
  if (read && order.writes() == 0 && order.unsettled == 0) {
    // The read must not return an older state than the sink's earlier reads in
    // the log. The answers to those reads may arrive before this node has
    // applied what the reads observed, and unblock the sink.
    if (order.reads_in_log() > 0) return {Next::kLater};
    return {WaitsForRoom(request).value_or(Next::kRead)};
  }
  // The answers to the sink's writes unblock it. Then the read needs no entry,
  // which would copy what it returns.
  const bool may_wait = read && order.unsettled == 0;
  // The count comes first: BytesOf looks each key up, in each attempt.
  if (may_wait && spec.arguments.size() > kv::kEntryKeysMax) {
    return {Next::kLater};
  }
  const size_t result_bytes = requests().results.BytesOf(order, spec);
  if (may_wait &&
      kv::WorkOf(0, result_bytes) > parts_.config.bounds.entry_work) {
    return {Next::kLater};
  }
  return DecideBatch(order, request, result_bytes);
}

GroupQueue::Decision GroupQueue::DecideAtomic(
    const ConnectionOrder& order, const RoutedRequest& request,
    absl::Span<const kv::CommandSpec> specs) {
  if (const auto away = SendAway(order, request, /*forwards=*/true)) {
    return {*away};
  }
  return DecideBatch(order, request,
                     requests().results.BytesOfAtomic(order, specs));
}

GroupQueue::Decision GroupQueue::DecideBatch(const ConnectionOrder& order,
                                             const RoutedRequest& request,
                                             size_t result_bytes) {
  if (const auto waits = WaitsForRoom(request)) return {*waits};
  if (result_bytes == 0) return {Next::kBatch};
  // The sink's issued reads must not observe this write, nor more than this
  // read. Their answers unblock the sink. A command that another group refused
  // may come before them, and then they may wait for its reply.
  if (request.further ? order.HasIssuedBefore(request.token)
                      : order.issued() > 0) {
    return {Next::kLater};
  }
  if (order.first_waiting() == nullptr) return {Next::kBatch, result_bytes};
  if (!requests().reads.WaitingFit(order)) return {Next::kLater};
  return {Next::kBatchBehindReads, result_bytes};
}

// An accepted command on keys is never sent away. Else later ones, which are
// forwarded, would overtake it.
std::optional<GroupQueue::Next> GroupQueue::SendAway(
    const ConnectionOrder& order, const RoutedRequest& request,
    bool forwards) const {
  if (!request.redirect || leadership_.kind() != Leadership::Kind::kRemote ||
      (forwards && leadership_.is_new() && leadership_.Unservable().ok())) {
    return std::nullopt;
  }
  // It must not overtake those that were forwarded. Their answers unblock the
  // sink.
  if (forwards && order.outstanding()) return Next::kLater;
  return Next::kMoved;
}

std::optional<GroupQueue::Next> GroupQueue::WaitsForRoom(
    const RoutedRequest& request) {
  if (!leadership_.Unservable().ok()) return Next::kUnservable;
  const bool blocks = parts_.buggify.Fire("node.request_blocked");
  if (blocks) Wake();
  const bool full = Congested() || blocks;
  if (request.further) return std::nullopt;
  if (full && leadership_.kind() == Leadership::Kind::kUnknown) {
    return Next::kOverloaded;
  }
  if (requests().blocked.Pass(request.sink, full)) return std::nullopt;
  return Next::kLater;
}

Admission GroupQueue::Take(const RoutedRequest& request, Slot slot,
                           const Decision& decision,
                           absl::FunctionRef<void()> add) {
  const auto fail = [&](RequestFailure::Kind kind, const absl::Status& why) {
    request.sink->OnFailure(request.token,
                            leadership_.MakeFailure(kind, slot, why));
  };
  const size_t bytes = decision.result_bytes;
  switch (decision.next) {
    case Next::kLater:
      return Admission::kBlocked;
    case Next::kMoved:
      fail(RequestFailure::Kind::kMoved, absl::OkStatus());
      break;
    case Next::kOverloaded:
      fail(RequestFailure::Kind::kOverloaded, absl::OkStatus());
      break;
    case Next::kUnservable:
      fail(RequestFailure::Kind::kRefused, leadership_.Unservable());
      break;
    case Next::kBatchBehindReads:
      requests().reads.MoveToBatch(OrderOf(request));
      [[fallthrough]];
    case Next::kBatch:
      // Answers to commands in flight unblock the sink.
      if (bytes > 0 && !requests().results.Fits(OrderOf(request), bytes)) {
        return Admission::kBlocked;
      }
      if (bytes > ResultRoom::kSmallBytes &&
          !request.sink->RoomForNext(bytes)) {
        return Admission::kBlocked;
      }
      [[fallthrough]];
    case Next::kRead:
      add();
      CountHeld();
      Wake();
      break;
    case Next::kStaleAnswer:
      add();
  }
  // A sink whose request is accepted gives up its place among those that wait.
  requests().blocked.GiveUpPlace(request.sink);
  return Admission::kAccepted;
}

Admission GroupQueue::Add(const RoutedRequest& request,
                          const kv::CommandSpec& spec) {
  ConnectionOrder& order = OrderOf(request);
  const Decision decision = Decide(order, request, spec);
  RoutedRequest accepted = request;
  accepted.redirect = request.redirect && !RefusedCommands::MayHold(spec.op);
  return Take(request, spec.slot, decision, [&] {
    Requests& here = requests();
    if (decision.next == Next::kStaleAnswer) {
      here.reads.AnswerStale(order, accepted, spec);
    } else if (decision.next == Next::kRead) {
      here.reads.Add(order, accepted, spec);
    } else {
      here.batches.Add(order, accepted, spec, decision.result_bytes);
    }
  });
}

Admission GroupQueue::AddAtomic(const RoutedRequest& request, Slot slot,
                                const std::optional<kv::SessionStamp>& session,
                                absl::Span<const kv::CommandSpec> specs) {
  ConnectionOrder& order = OrderOf(request);
  const Decision decision = DecideAtomic(order, request, specs);
  RoutedRequest accepted = request;
  accepted.redirect = false;
  return Take(request, slot, decision, [&] {
    requests().batches.AddAtomic(order, accepted, slot, session, specs,
                                 decision.result_bytes);
  });
}

Admission GroupQueue::AddAgain(RoutedRequest request, const Buffer& batch) {
  request.further = true;
  kv::CommandReader reader(batch.view());
  kv::CommandView command;
  CHECK(reader.ok() && reader.Next(&command));
  std::vector<std::vector<std::string_view>> arguments;
  if (command.op != kv::Op::kAtomic) {
    return Add(request, SpecOf(command, &arguments.emplace_back()));
  }
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  // The commands point to its elements.
  arguments.reserve(nested.count());
  std::vector<kv::CommandSpec> specs;
  while (!nested.done()) {
    kv::CommandView one;
    CHECK(nested.Next(&one));
    specs.push_back(SpecOf(one, &arguments.emplace_back()));
  }
  return AddAtomic(request, command.slot, SessionOf(command), specs);
}

// A replica that stopped keeps its memory. One that was dropped does not.
void GroupQueue::NoteApplied() {
  const kv::Store* const store =
      HostedStore(std::as_const(parts_.host), group());
  memory_.Resize(store == nullptr ? 0 : store->memory_bytes());
  if (inherited_through_ != raft::Index()) ReserveInherited();
}

// Earlier leaders have counted these writes on their nodes. They had at most so
// many bytes under way; a start applies more, which memory held before.
void GroupQueue::ReserveInherited() {
  if (leadership_.ended()) return;
  const bool leads = leadership_.kind() == Leadership::Kind::kSelf;
  const raft::Term term = leads ? leadership_.known().term : raft::Term();
  const raft::Term before = std::exchange(led_in_, term);
  if (term == raft::Term() && before == raft::Term()) return;
  // Null: the replica was dropped while it led, after a recovery of its group.
  const raft::Core* const core = parts_.host.core(group());
  const raft::Index last = core == nullptr ? raft::Index() : core->last().index;
  if (leads && term != before) inherited_through_ = last;
  uint64_t bytes = 0;
  // The core may have lost the leadership since the last look, and entries.
  const raft::Index through = std::min(inherited_through_, last);
  if (leads && core != nullptr && core->applied_index() < through) {
    const uint64_t most = parts_.config.host.core.uncommitted_bytes_max / 2;
    bytes = std::min<uint64_t>(core->UnappliedBytes(through, most), most);
  } else {
    inherited_through_ = raft::Index();
  }
  inherited_.Resize(bytes);
}

// The memory of the replica, which this node will drop, is not counted any
// more.
void GroupQueue::SetEnded(bool ended) {
  leadership_.SetEnded(ended);
  if (!ended) return NoteApplied();
  memory_.Resize(0);
  inherited_through_ = raft::Index();
  inherited_.Resize(0);
}

void GroupQueue::Flush() {
  leadership_.Refresh();
  ReserveInherited();
  if (requests_ == nullptr) return;
  BatchQueue& batches = requests_->batches;
  ReadQueue& reads = requests_->reads;
  requests_->forwarding.GiveUpOnFormerLeaders();
  if (leadership_.kind() != Leadership::Kind::kSelf ||
      batches.inflight() < kInflightBatchesBeforeGathering || batches.stuck() ||
      parts_.buggify.Fire("node.no_gathering")) {
    batches.CloseOpenBatches();
  }
  reads.GiveUpOnLatePoint();
  if (!leadership_.pausing()) {
    batches.SubmitWaiting();
    if (!leadership_.ended()) reads.Issue();
  }
  batches.ExpireProposed();
  batches.ExpireWaiting();
  reads.ExpireWaiting();
  CountHeld();
  UnblockSinks();
  SeekLeader();
}

// A leader that hangs reports nothing of its successor.
void GroupQueue::SeekLeader() {
  query_at_ = MonoTime::Max();
  if (hosted()) return;
  query_at_ = requests_->forwarding.late_at();
  if (query_at_ <= parts_.loop.ReadClock().mono ||
      (waiting_requests() > 0 &&
       leadership_.kind() == Leadership::Kind::kUnknown)) {
    query_at_ = parts_.view.QuerySoon(group());
  }
}

void GroupQueue::UnblockSinks() {
  const BoundsConfig& bounds = parts_.config.bounds;
  WaitOrder& blocked = requests_->blocked;
  const size_t waiting =
      requests_->batches.waiting_bytes() + requests_->reads.long_bytes();
  if (blocked.empty() || waiting_requests() * 2 > bounds.held_requests ||
      waiting * 2 > bounds.held_bytes ||
      (waiting >= bounds.batch_bytes &&
       parts_.held.bytes() * 2 > bounds.held_total_bytes)) {
    return;
  }
  blocked.WakeAll();
}

MonoTime GroupQueue::next_deadline() const {
  if (requests_ == nullptr) return leadership_.look_at();
  const BatchQueue& batches = requests_->batches;
  const ReadQueue& reads = requests_->reads;
  const MonoTime answer_at =
      std::min({batches.next_answer(), batches.AwaitsFormerLeaderUntil(),
                query_at_, requests_->forwarding.next_deadline(),
                leadership_.look_at(), reads.late_at()});
  if (!batches.has_waiting() && reads.waiting_requests() == 0) {
    return answer_at;
  }
  const bool pausing = leadership_.pausing();
  // The queue waits for room or for a read point; an answer will wake it.
  if (!pausing && leadership_.kind() != Leadership::Kind::kUnknown &&
      (!batches.AwaitsLeader() || !batches.has_waiting())) {
    const MonoTime expires_at = reads.next_deadline();
    return batches.stuck()
               ? std::min({answer_at, expires_at, batches.next_deadline()})
               : std::min(answer_at, expires_at);
  }
  const MonoTime retry_at = pausing ? leadership_.retry_at() : MonoTime::Max();
  return std::min(
      {retry_at, answer_at, batches.next_deadline(), reads.next_deadline()});
}

}  // namespace quorate::node
