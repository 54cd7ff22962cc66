#include "node/routing/read_queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/types/span.h"
#include "env/check.h"
#include "env/kept_memory.h"
#include "kv/command/result.h"
#include "kv/command/result_check.h"
#include "kv/store/long_read.h"
#include "kv/store/store.h"
#include "node/base/turn_work.h"
#include "node/routing/refused_commands.h"

namespace quorate::node {
namespace {

// A reply has this much around each value.
constexpr size_t kElementBytes = 8;
// A result that copies the bytes of more pieces is answered in pieces.
constexpr size_t kPiecesAtOnce = 4;

// True if the sink has room for a result that another node evaluated.
bool RoomForResult(const ConnectionOrder::Request& read,
                   const kv::ResultView& result) {
  return read.order->sink()->RoomFor(read.token,
                                     std::max<size_t>(1, result.bytes.size()));
}

struct ElementBytes {
  size_t all = 0;
  size_t copied = 0;
};

ElementBytes BytesOfElements(const kv::ResultView& result) {
  ElementBytes bytes;
  for (const kv::ResultElement& element : result.elements) {
    const size_t size = element.bytes.size() + kElementBytes;
    bytes.all += size;
    if (element.shared == nullptr) bytes.copied += size;
  }
  return bytes;
}

}  // namespace

ReadQueue::ReadQueue(const QueueParts& parts, GroupLeadership& leadership,
                     Forwarding& forwarding, BatchQueue& batches,
                     const ResultRoom& results, QueueCounters& counters,
                     LongWork& long_work, absl::AnyInvocable<void()> wake)
    : parts_(parts),
      leadership_(leadership),
      forwarding_(forwarding),
      batches_(batches),
      results_(results),
      counters_(counters),
      long_work_(long_work),
      wake_(std::move(wake)) {}

ReadQueue::Request& ReadQueue::AddRead(ConnectionOrder& order,
                                       const RoutedRequest& request,
                                       const kv::CommandSpec& spec,
                                       State state) {
  const auto make = [&] {
    return Request{.token = request.token,
                   .deadline = std::min(NewDeadline(), request.deadline),
                   .numbers = spec.numbers,
                   .op = spec.op,
                   .state = state,
                   .slot = spec.slot,
                   .redirect = request.redirect,
                   .staleness_max = request.staleness_max,
                   .only_reads = true,
                   .refusal = request.CopyOfRefusal()};
  };
  return order.Add(parts_.requests, make, spec.arguments);
}

void ReadQueue::Add(ConnectionOrder& order, const RoutedRequest& request,
                    const kv::CommandSpec& spec) {
  CountWaiting(AddRead(order, request, spec, State::kWaiting));
  ++counters_.reads;
}

void ReadQueue::AnswerStale(ConnectionOrder& order,
                            const RoutedRequest& request,
                            const kv::CommandSpec& spec) {
  Request& read = AddRead(order, request, spec, State::kIssued);
  read.stale = true;
  ++counters_.stale_reads;
  Serve(read, spec);
}

void ReadQueue::Enlist(ConnectionOrder& order) {
  if (order.reads_place > 0) return;
  orders_.push_back(&order);
  order.reads_place = orders_.size();
}

void ReadQueue::Delist(ConnectionOrder& order) {
  if (order.reads_place == 0) return;
  orders_[std::exchange(order.reads_place, 0) - 1] = nullptr;
  if (++delisted_ * 2 < orders_.size()) return;
  std::erase(orders_, nullptr);
  for (size_t i = 0; i < orders_.size(); ++i) orders_[i]->reads_place = i + 1;
  delisted_ = 0;
}

void ReadQueue::CountWaiting(const Request& read) {
  ++waiting_requests_;
  waiting_bytes_ += read.arguments_bytes;
  stale_waiting_ |= read.staleness_max > Duration();
  Enlist(*read.order);
}

void ReadQueue::CountLeft(const Request& read) {
  --waiting_requests_;
  waiting_bytes_ -= read.arguments_bytes;
}

// ---- The states of a read.

void ReadQueue::WaitAgain(Request& read) {
  read.stale = false;
  read.order->Move(read, State::kWaiting);
  CountWaiting(read);
}

size_t ReadQueue::BytesOf(const Request& read) {
  return read.arguments_bytes +
         (read.result == nullptr ? 0 : read.result->bytes.size());
}

void ReadQueue::Park(Request& read, ReplicaId point_of) {
  if (read.order->sink()->routing().drops_reads) {
    return Fail(read, RequestFailure::Kind::kNoLeader);
  }
  read.point_of = point_of;
  parked_.Add(BytesOf(read));
  read.order->Move(read, State::kParked);
}

void ReadQueue::Unpark(Request& read) {
  parked_.Remove(BytesOf(read));
  read.order->Move(read, State::kIssued);
}

void ReadQueue::MoveToLog(Request& read, const kv::CommandSpec& spec) {
  batches_.Take(read, spec, results_.BytesOf(*read.order, spec));
  read.result.reset();
  wake_();
}

void ReadQueue::Refuse(Request& read, const kv::CommandSpec& spec) {
  if (!RefusedCommands::MayHold(spec.op)) {
    const ConnectionOrder::Ended ended = read.order->End(read);
    return ended.sink->OnResult(ended.token,
                                {.status = kv::ResultStatus::kNotOwner});
  }
  kv::BatchBuilder alone;
  alone.Add(spec);
  parts_.tracer.Sometimes("window.command_refused");
  parts_.refused.Hold(read, alone.Finish());
}

void ReadQueue::Fail(Request& read, RequestFailure::Kind kind,
                     const absl::Status& why) {
  const ConnectionOrder::Ended ended = read.order->End(read);
  ended.sink->OnFailure(ended.token,
                        leadership_.MakeFailure(kind, ended.slot, why));
}

// ---- Moving to batches.

bool ReadQueue::WaitingFit(const ConnectionOrder& order) {
  size_t keys = 0;
  size_t result_bytes = 0;
  for (const Request* read = order.first_waiting(); read != nullptr;
       read = ConnectionOrder::NextWaiting(*read)) {
    // Each attempt of the write looks the keys up again.
    keys += read->arguments_count;
    if (keys > kv::kEntryKeysMax && order.unsettled == 0) return false;
    result_bytes += results_.BytesOf(order, read->Command(&arguments_));
  }
  return results_.Fits(order, result_bytes);
}

void ReadQueue::MoveToBatch(ConnectionOrder& order) {
  MoveParkedToBatch(order);
  while (Request* const read = order.first_waiting()) {
    CountLeft(*read);
    const kv::CommandSpec spec = read->Command(&arguments_);
    batches_.Take(*read, spec, results_.BytesOf(order, spec));
  }
  Delist(order);
}

void ReadQueue::MoveParkedToBatch(ConnectionOrder& order) {
  std::vector<std::string_view> arguments;
  while (Request* const read = order.first_parked()) {
    Unpark(*read);
    MoveToLog(*read, read->Command(&arguments));
  }
}

// ---- Rounds.

bool ReadQueue::IssueStale() {
  if (!stale_waiting_ || leadership_.kind() == Leadership::Kind::kSelf) {
    return false;
  }
  stale_waiting_ = false;
  for (const ConnectionOrder* const order : orders_) {
    if (order == nullptr || order->reads_in_log() > 0) continue;
    for (Request* read = order->first_waiting(); read != nullptr;
         read = ConnectionOrder::NextWaiting(*read)) {
      if (leadership_.MayAnswerStale(read->slot, read->staleness_max)) {
        round_.push_back(read);
      }
    }
  }
  if (round_.empty()) return false;
  for (Request* const read : round_) {
    CountLeft(*read);
    read->order->Move(*read, State::kIssued);
    read->stale = true;
    if (read->order->first_waiting() == nullptr) Delist(*read->order);
  }
  counters_.stale_reads += round_.size();
  round_next_ = 0;
  read_point_due_ = true;
  ServeRound(/*own_turn=*/false);
  return true;
}

void ReadQueue::Issue() {
  if (read_point_due_ || waiting_requests_ == 0 || IssueStale() ||
      leadership_.kind() == Leadership::Kind::kUnknown ||
      (!ReadsHere() && !LinkHasRoom())) {
    return;
  }
  for (ConnectionOrder* const order : orders_) {
    if (order == nullptr) continue;
    order->reads_place = 0;
    while (Request* const read = order->first_waiting()) {
      order->Move(*read, State::kIssued);
      round_.push_back(read);
    }
  }
  ClearAndTrim(&orders_);
  delisted_ = 0;
  waiting_requests_ = waiting_bytes_ = 0;
  // Those that take no part may be answered, so others may be added.
  std::erase_if(round_, [this](Request* read) { return !TakesPart(*read); });
  round_next_ = 0;
  if (round_.empty()) return;
  read_point_due_ = true;
  ++counters_.read_rounds;
  if (ReadsHere()) return Ask(&asked_);
  if (leadership_.hosted() && probe_.number == 0) Ask(&probe_);
  IssueToLeader();
}

void ReadQueue::Ask(ReadPoint* point) {
  const MonoTime now = parts_.loop.ReadClock().mono;
  *point = {++points_asked_, now,
            now + parts_.config.host.core.heartbeat_interval * 2};
  parts_.host.Read(leadership_.group(),
                   [this, number = point->number](const absl::Status& status) {
                     OnReadPoint(number, status);
                   },
                   {.shows_log_time = RoundShowsTimeLeft()});
}

bool ReadQueue::TakesPart(Request& read) {
  if (read.order->reads_in_log() > 0) {
    // This node may not have applied what the read in the log observes. So this
    // read needs a read point after it.
    WaitAgain(read);
  } else if (read.order->sink()->routing().drops_reads) {
    Fail(read, RequestFailure::Kind::kNoLeader);
  } else if (AwaitsRoom(read)) {
    // It waits for its client. As a waiting read it would keep the requests of
    // others from being admitted.
    Park(read, ReplicaId());
  } else if (read.redirect && leadership_.kind() == Leadership::Kind::kRemote) {
    Fail(read, RequestFailure::Kind::kMoved);
  } else {
    return true;
  }
  return false;
}

// If replies hold so many bytes that results could not be kept, each sink has
// one read in the batch.
void ReadQueue::IssueToLeader() {
  const bool scarce =
      !parts_.budget.Fits(parts_.config.bounds.entry_result_bytes);
  kv::BatchBuilder batch;
  batch.SetRules(leadership_.rules());
  bool full = false;
  size_t asked = 0;
  for (Request* const read : round_) {
    const bool further = asked > 0 && round_[asked - 1]->order == read->order;
    if (!full && !(scarce && further)) {
      const kv::CommandSpec spec = read->Command(&arguments_);
      const size_t size =
          batch.size_bytes() + kv::BatchBuilder::EncodedSize(spec);
      full = !batch.empty() && (batch.count() >= bounds().batch_commands ||
                                size > bounds().batch_bytes);
      if (!full) {
        batch.Add(spec);
        round_[asked++] = read;
        continue;
      }
    }
    WaitAgain(*read);
  }
  round_.resize(asked);
  // The others have their turn first.
  ConnectionOrder& last = *round_.back()->order;
  if (last.reads_place > 0) {
    Delist(last);
    Enlist(last);
  }
  const Buffer payload = batch.Finish();
  forwarding_.Read(payload, [this, payload](const raft::ProposeResult& answer) {
    OnLeaderRead(payload, answer);
  });
}

void ReadQueue::OnLeaderRead(const Buffer& asked,
                             const raft::ProposeResult& answer) {
  const std::string_view bytes = answer.result.view();
  const kv::ResultReader frame(bytes);
  if (answer.outcome != Outcome::kDone || !frame.ok() ||
      !frame.batch_accepted() || frame.count() > round_.size() ||
      !kv::ResultsAnswer(bytes, asked.view(), frame.count())) {
    ++counters_.reads_failed;
    leadership_.Pause();
    leadership_.Refresh();
    return EndRound();
  }
  served_at_ = parts_.loop.ReadClock().mono;
  for (const Request* const read : round_) {
    parts_.work.Add(TurnWork::OfRead(read->arguments_count));
  }
  kv::ResultReader results(bytes);
  // Without any result, the first read needs an entry.
  if (results.done()) {
    Request& first = *round_[round_next_++];
    MoveToLog(first, first.Command(&arguments_));
  }
  while (!results.done()) {
    Deliver(*round_[round_next_++], results.Next(), answer.result);
  }
  EndRound();
}

void ReadQueue::Deliver(Request& read, const kv::ResultView& result,
                        const Buffer& all) {
  const ConnectionOrder& order = *read.order;
  // A read that follows one in the log has to be evaluated after it.
  if (order.IsBehindWaiting(read) || order.reads_in_log() > 0) {
    return WaitAgain(read);
  }
  if (result.status == kv::ResultStatus::kNotOwner) {
    return Refuse(read, read.Command(&arguments_));
  }
  if (!order.AwaitsEarlier(read) && RoomForResult(read, result)) {
    return AnswerEncoded(read, result, all);
  }
  // A result is kept only behind other kept results: reads that are evaluated
  // again must not be older than it.
  if (order.parked_without_result() == 0 &&
      parts_.budget.Fits(result.bytes.size())) {
    // Small results do not keep the bytes of the others.
    read.result = std::make_unique<ConnectionOrder::LeaderResult>(
        result, IsLong(read.op, result) ? kv::SliceOf(all, result.bytes)
                                        : Buffer::Copy(result.bytes));
    read.result->view.bytes = read.result->bytes.view();
  }
  Park(read, ReplicaId());
}

// A sound replica learns of commits by the next heartbeats. One that receives a
// snapshot, or whose disk hangs, may be behind for long.
void ReadQueue::GiveUpOnLatePoint() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  if (late_at() > now) return;
  // Without an answer of the leader the link to it may be cut, and another
  // leader may be elected soon.
  const raft::Core* const core = parts_.host.core(leadership_.group());
  if (core == nullptr || !core->lags_behind_read()) {
    asked_.late_at = now + parts_.config.host.core.heartbeat_interval;
    return;
  }
  parts_.tracer.Sometimes("node.read_point_was_late");
  late_ = true;
  probe_ = std::exchange(asked_, {});
  EndRound();
}

void ReadQueue::OnReadPoint(uint64_t number, const absl::Status& status) {
  const bool probe = number == probe_.number;
  CHECK(probe || number == asked_.number) << number;
  const MonoTime asked = std::exchange(probe ? probe_ : asked_, {}).at;
  if (status.ok()) leadership_.NoteReadPoint(asked);
  if (probe) {
    late_ = late_ && !status.ok();
    return;
  }
  if (status.ok()) return ServeRound(/*own_turn=*/false);
  ++counters_.reads_failed;
  leadership_.Pause();
  EndRound();
}

void ReadQueue::PrefetchRound() const {
  const kv::Store* store = leadership_.store();
  if (store == nullptr) return;
  std::array<kv::SlotKey, kv::Store::kPrefetchMax> keys;
  size_t count = 0;
  const auto next =
      absl::MakeConstSpan(round_).subspan(round_next_, kv::Store::kPrefetchMax);
  for (const Request* const read : next) {
    if (read->arguments_count == 0) continue;
    keys[count++] = read->FirstKey();
  }
  // A single key gains nothing.
  if (count > 1) store->Prefetch(absl::MakeConstSpan(keys.data(), count));
}

void ReadQueue::ServeRound(bool own_turn) {
  served_at_ = parts_.loop.ReadClock().mono;
  while (round_next_ < round_.size()) {
    if (round_next_ % kv::Store::kPrefetchMax == 0) PrefetchRound();
    if (!own_turn && parts_.work.exhausted()) {
      continue_ = parts_.loop.At(parts_.loop.ReadClock().mono,
                                 [this] { ServeRound(/*own_turn=*/true); });
      return;
    }
    own_turn = false;
    Request& read = *round_[round_next_++];
    Serve(read, read.Command(&arguments_));
  }
  EndRound();
}

void ReadQueue::EndRound() {
  read_point_due_ = false;
  while (round_next_ < round_.size()) WaitAgain(*round_[round_next_++]);
  ClearAndTrim(&round_);
  ClearAndTrim(&arguments_);
  wake_();
}

// ---- Evaluating.

void ReadQueue::Serve(Request& read, const kv::CommandSpec& spec) {
  const ConnectionOrder& order = *read.order;
  const kv::Store* here = leadership_.store();
  // Earlier reads of the connection need a new read point. So this one needs
  // one, too.
  if (!read.stale && order.IsBehindWaiting(read)) return WaitAgain(read);
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    MoveParkedToBatch(*read.order);
    return MoveToLog(read, spec);
  }
  // This node may not have applied what the read in the log observes.
  if (order.reads_in_log() > 0) return WaitAgain(read);
  if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    return Refuse(read, spec);
  }
  if (!MayBegin(read)) return ParkAtPoint(read);
  Evaluate(read, spec, *here);
}

void ReadQueue::Evaluate(Request& read, const kv::CommandSpec& spec,
                         const kv::Store& here) {
  if (IsLong(spec)) return AnswerInPieces(read);
  parts_.work.Add(TurnWork::OfRead(spec.arguments.size()));
  enum : uint8_t { kDone, kNoRoom, kLong } outcome = kDone;
  const auto answer = [&](const kv::ResultView& result) {
    if (!result.elements.empty()) {
      const ElementBytes bytes = BytesOfElements(result);
      if (bytes.copied > bounds().read_piece_bytes * kPiecesAtOnce) {
        outcome = kLong;
        return;
      }
      if (!read.order->sink()->RoomFor(read.token, bytes.all)) {
        outcome = kNoRoom;
        return;
      }
    }
    Answer(read, result);
  };
  const bool in_log = !read.stale && parts_.buggify.Fire("node.read_in_log");
  const bool done = !in_log && here.Read(spec, DueBy(read), answer);
  // A key is due by the log time of the read point, but not by that of the last
  // entry, which decides. An entry with the read advances it.
  if (!done) return MoveToLog(read, spec);
  if (outcome == kNoRoom) ParkAtPoint(read);
  if (outcome == kLong) AnswerInPieces(read);
}

// ---- Parked reads.

ReadQueue::Request* ReadQueue::FirstParked(RequestSink* sink) const {
  const ConnectionOrder* order = OrderOf(sink);
  return order == nullptr ? nullptr : order->first_parked();
}

void ReadQueue::ServeParked(RequestSink* sink) {
  wake_();
  ConnectionOrder* order = OrderOf(sink);
  if (order == nullptr) return;
  if (leadership_.store() == nullptr &&
      order->issued() > order->count(State::kParked)) {
    // The replica has stopped while later reads of the connection await a read
    // point.
    return MoveParkedToBatch(*order);
  }
  while (Request* const read = FirstParked(sink)) {
    const size_t parked = read->order->count(State::kParked);
    ServeParkedRead(*read);
    // It may be parked again. The reads behind it wait.
    order = OrderOf(sink);
    if (order != nullptr && order->count(State::kParked) == parked) return;
  }
  // The waiting reads waited for room so far, not for a leader.
  Request* waiting = order == nullptr ? nullptr : order->first_waiting();
  for (; waiting != nullptr; waiting = ConnectionOrder::NextWaiting(*waiting)) {
    waiting->deadline = NewDeadline();
  }
}

void ReadQueue::ServeParkedRead(Request& read) {
  const ConnectionOrder& order = *read.order;
  if (read.result != nullptr) {
    if (order.count(State::kInPieces) > 0) return;
    const kv::ResultView result = read.result->view;
    if (!RoomForResult(read, result)) return;
    Unpark(read);
    const std::unique_ptr<ConnectionOrder::LeaderResult> kept =
        std::move(read.result);
    return AnswerEncoded(read, result, kept->bytes);
  }
  const kv::Store* here = leadership_.store();
  // Another replica may have applied less.
  const bool goes_back = order.reads_in_log() > 0 || here == nullptr ||
                         read.point_of != leadership_.replica();
  kv::CommandSpec spec = {
      .op = read.op, .slot = read.slot, .numbers = read.numbers};
  const bool refused =
      !goes_back && here->RefusalOfSlots(spec) != kv::ResultStatus::kOk;
  // The arguments are unpacked once the read may begin. Otherwise that work
  // alone, of a long read, would end each turn before it. The read is the first
  // of those left: those before it are not parked now.
  if (!goes_back && !refused && !MayBegin(read)) return;
  parts_.work.Add(read.arguments_count / TurnWork::kCopiedArgumentsPerUnit);
  spec = read.Command(&arguments_);
  Unpark(read);
  if (goes_back) {
    // The read in the log may observe more than this node has applied. So the
    // other reads need a read point after it. Without a replica the leader
    // evaluates them.
    read.deadline = NewDeadline();
    WaitAgain(read);
  } else if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    Refuse(read, spec);
  } else {
    Evaluate(read, spec, *here);
  }
}

void ReadQueue::DropParked(RequestSink* sink) {
  while (Request* const read = FirstParked(sink)) {
    Unpark(*read);
    Fail(*read, RequestFailure::Kind::kNoLeader);
  }
}

// ---- Long reads.

bool ReadQueue::IsLong(const kv::CommandSpec& spec) const {
  return kv::LongRead::Takes(spec.op) &&
         spec.arguments.size() > bounds().read_piece_keys;
}

bool ReadQueue::IsLong(kv::Op op, const kv::ResultView& result) const {
  return kv::GetsMany(op) && result.kind == kv::PayloadKind::kArray &&
         result.bytes.size() > bounds().read_piece_bytes * kPiecesAtOnce;
}

struct ReadQueue::LongAnswer {
  Request& read;                                   // Gone once it is answered.
  std::vector<std::string_view> views = {};        // The arguments.
  std::unique_ptr<kv::LongRead> pieces = nullptr;  // Null: it has not begun.
  bool counted = false;
  Quota::Share reserved = {};  // For what is not written.
};

void ReadQueue::AnswerInPieces(Request& read) {
  read.order->Move(read, State::kInPieces);
  read.point_of = leadership_.replica();
  const size_t bytes = read.arguments_bytes;
  long_bytes_ += bytes;
  auto answer = std::make_unique<LongAnswer>(read);
  long_work_.Add([this, sink = read.order->sink(), token = read.token, bytes,
                  answer = std::move(answer)] {
    if (!AnswerPiece(*answer)) return false;
    long_bytes_ -= bytes;
    EndLong(sink, token);
    return true;
  });
}

bool ReadQueue::AnswerPiece(LongAnswer& answer) {
  Request& read = answer.read;
  if (answer.pieces == nullptr && !Begin(answer)) return true;
  if (!answer.counted) {
    parts_.work.Add(TurnWork::OfRead(bounds().read_piece_keys));
    if (answer.pieces->Count(bounds().read_piece_keys)) return false;
    answer.counted = true;
    if (!TakesElements(answer)) return true;
  }
  const size_t before = answer.pieces->taken();
  const kv::ResultView piece = {
      .kind = kv::PayloadKind::kArray,
      .elements = answer.pieces->Next(bounds().read_piece_keys,
                                      bounds().read_piece_bytes),
      .elements_before = before,
      .elements_of_all = answer.pieces->size()};
  const size_t bytes = BytesOfElements(piece).all;
  parts_.work.Add(TurnWork::OfRead(piece.elements.size()) +
                  bytes / TurnWork::kCopiedBytesPerUnit);
  answer.reserved.Remove(bytes);
  if (!piece.ends()) {
    read.order->sink()->OnResult(read.token, piece);
    return false;
  }
  CHECK_EQ(answer.reserved.bytes(), uint64_t{0});
  Answer(read, piece);
  return true;
}

bool ReadQueue::Begin(LongAnswer& answer) {
  Request& read = answer.read;
  parts_.work.Add(read.arguments_count / TurnWork::kCopiedArgumentsPerUnit);
  const kv::CommandSpec spec = read.Command(&answer.views);
  const kv::Store* here = leadership_.store();
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    read.order->Move(read, State::kIssued);
    ConnectionOrder& order = *read.order;
    MoveToLog(read, spec);
    MoveParkedToBatch(order);
    return false;
  }
  if (read.point_of != leadership_.replica()) {
    read.order->Move(read, State::kIssued);
    WaitAgain(read);
    return false;
  }
  if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    read.order->Move(read, State::kIssued);
    Refuse(read, spec);
    return false;
  }
  answer.pieces = here->BeginLongRead(spec.op, spec.slot,
                                      std::move(answer.views), DueBy(read));
  return true;
}

bool ReadQueue::TakesElements(LongAnswer& answer) {
  Request& read = answer.read;
  if (answer.pieces->needs_time()) {
    read.order->Move(read, State::kIssued);
    MoveToLog(read, read.Command(&answer.views));
    return false;
  }
  if (!answer.pieces->has_elements()) {
    Answer(read, answer.pieces->Whole());
    return false;
  }
  const size_t bytes =
      answer.pieces->value_bytes() + answer.pieces->size() * kElementBytes;
  if (!read.order->sink()->RoomFor(read.token, bytes)) {
    // It is evaluated again when there is room, before the connection's later
    // reads.
    read.order->Move(read, State::kIssued);
    ParkAtPoint(read);
    return false;
  }
  answer.reserved = Quota::Share(parts_.budget.reserved(), bytes);
  return true;
}

void ReadQueue::AnswerEncoded(Request& read, const kv::ResultView& result,
                              const Buffer& all) {
  if (!IsLong(read.op, result)) {
    Buffer slice;
    return Answer(read, kv::ShareValue(result, all, &slice));
  }
  read.order->Move(read, State::kInPieces);
  kv::ArrayReader reader(result.bytes);
  // The bytes stay until the last piece, which may be long after the room was
  // granted.
  Quota::Share reserved(parts_.budget.reserved(), result.bytes.size());
  long_work_.Add([this, &read, sink = read.order->sink(), token = read.token,
                  all, reader, reserved = std::move(reserved),
                  before = size_t{0},
                  elements = std::vector<kv::ResultElement>()]() mutable {
    elements.clear();
    size_t bytes = 0;
    while (!reader.done() && bytes < bounds().read_piece_bytes &&
           elements.size() < bounds().read_piece_keys) {
      kv::ResultElement& element = elements.emplace_back();
      element.nil = !reader.Next(&element.bytes);
      bytes += element.bytes.size();
    }
    parts_.work.Add(elements.size() + bytes / TurnWork::kCopiedBytesPerUnit);
    const kv::ResultView piece = {.kind = kv::PayloadKind::kArray,
                                  .elements = elements,
                                  .elements_before = before,
                                  .elements_of_all = reader.count()};
    before += elements.size();
    if (!piece.ends()) {
      sink->OnResult(token, piece);
      return false;
    }
    reserved.End();
    Answer(read, piece);
    EndLong(sink, token);
    return true;
  });
}

void ReadQueue::EndLong(RequestSink* sink, uint64_t token) {
  // If it is parked itself, it waits for room.
  const Request* const first = FirstParked(sink);
  if (first != nullptr && first->token != token) sink->OnUnblocked();
  wake_();
}

// ---- Reads that wait for a leader.

void ReadQueue::ExpireWaiting() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  const absl::Status why = leadership_.Unservable();
  if (waiting_requests_ == 0 || (why.ok() && next_deadline() > now)) return;
  std::vector<Request*> expired;
  for (ConnectionOrder* const order : orders_) {
    if (order == nullptr) continue;
    for (Request* read = order->first_waiting(); read != nullptr;
         read = ConnectionOrder::NextWaiting(*read)) {
      if (!why.ok() || ((read->deadline <= now || parts_.wait_until <= now) &&
                        !AwaitsRoom(*read))) {
        expired.push_back(read);
      }
    }
  }
  for (Request* const read : expired) {
    CountLeft(*read);
    read->order->Move(*read, State::kIssued);
    if (read->order->first_waiting() == nullptr) Delist(*read->order);
  }
  // Answers may add reads, so these were taken out first.
  for (Request* const read : expired) {
    if (leadership_.ended()) {
      Refuse(*read, read->Command(&arguments_));
      continue;
    }
    if (why.ok()) ++counters_.leader_wait_expired;
    Fail(*read,
         why.ok() ? RequestFailure::Kind::kNoLeader
                  : RequestFailure::Kind::kRefused,
         why);
  }
}

MonoTime ReadQueue::next_deadline() const {
  if (AwaitLink()) return MonoTime::Max();
  MonoTime next = MonoTime::Max();
  for (const ConnectionOrder* const order : orders_) {
    if (order == nullptr) continue;
    for (const Request* read = order->first_waiting(); read != nullptr;
         read = ConnectionOrder::NextWaiting(*read)) {
      if (!AwaitsRoom(*read)) next = std::min(next, read->deadline);
    }
  }
  if (next == MonoTime::Max()) return next;
  return std::min(std::max(next, ServedDeadline()), parts_.wait_until);
}

}  // namespace quorate::node
