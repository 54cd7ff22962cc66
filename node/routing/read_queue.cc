#include "node/routing/read_queue.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/types/span.h"
#include "env/check.h"
#include "env/kept_memory.h"
#include "kv/command/result.h"
#include "kv/command/result_check.h"
#include "kv/store/long_read.h"
#include "kv/store/store.h"
#include "node/base/turn_work.h"

namespace quorate::node {
namespace {

// The command of a parked read. `arguments` is its storage.
kv::CommandSpec ParkedCommand(const RequestSink::ParkedRead& read,
                              std::vector<std::string_view>* arguments) {
  ReadList::Unpack(read.arguments.data(), read.arguments_count, arguments);
  return {.op = read.op,
          .slot = read.slot,
          .numbers = read.numbers,
          .arguments = *arguments};
}

// A reply has this much around each value.
constexpr size_t kElementBytes = 8;
// A result that copies the bytes of more pieces is answered in pieces.
constexpr size_t kPiecesAtOnce = 4;

// True if the sink has room for a result that another node evaluated.
bool RoomForResult(const RoutedRequest& request, const kv::ResultView& result) {
  return request.sink->RoomFor(request.token,
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
      wake_(std::move(wake)),
      reads_(std::make_unique<ReadList>()) {}

void ReadQueue::Add(const RoutedRequest& request, const kv::CommandSpec& spec) {
  reads_->Append(request, std::min(NewDeadline(), request.deadline), spec);
  ++waiting_requests_;
  ++OrderOf(request.sink).waiting_reads;
  ++counters_.reads;
}

bool ReadQueue::ServeStale(RoutedRequest request, const kv::CommandSpec& spec) {
  request.stale = true;
  RequestSink::ConnectionOrder& order = OrderOf(request.sink);
  if (order.reads_in_log > 0) return false;
  ++order.issued_reads;
  if (Serve(request, spec, NewDeadline()) == Served::kNoRoom) {
    Park(request.sink, ReadToPark(request, spec));
  }
  return true;
}

bool ReadQueue::WaitingFit(RequestSink* sink) {
  size_t count = OrderOf(sink).waiting_reads;
  size_t keys = 0;
  size_t result_bytes = 0;
  for (size_t i = reads_->items().size(); count > 0; --i) {
    CHECK_GT(i, size_t{0});
    const ReadList::Item& item = reads_->items()[i - 1];
    if (item.sink != sink) continue;
    --count;
    // Each attempt of the write looks the keys up again.
    keys += item.arguments_count;
    if (keys > kv::kEntryKeysMax && OrderOf(sink).unsettled == 0) return false;
    result_bytes +=
        results_.BytesOf(sink, reads_->CommandOf(item, &arguments_));
  }
  return results_.Fits(sink, result_bytes);
}

void ReadQueue::MoveParkedToBatch(RequestSink* sink) {
  if (OrderOf(sink).parked_reads == 0) return;
  for (ParkedRead& read : sink->routing().TakeParked(leadership_.group())) {
    Unpark(sink, read);
    std::vector<std::string_view> arguments;
    MoveReadToLog(read.RequestOf(sink), ParkedCommand(read, &arguments));
  }
}

void ReadQueue::MoveToBatch(RequestSink* sink) {
  MoveParkedToBatch(sink);
  // They are near the end, where this turn added them.
  const uint32_t count = OrderOf(sink).waiting_reads;
  std::vector<size_t> places;
  for (size_t i = reads_->items().size(); places.size() < count; --i) {
    CHECK_GT(i, size_t{0});
    if (reads_->items()[i - 1].sink == sink) places.push_back(i - 1);
  }
  OrderOf(sink).waiting_reads = 0;
  waiting_requests_ -= count;
  for (size_t i = places.size(); i > 0; --i) {
    ReadList::Item& item = reads_->items()[places[i - 1]];
    const kv::CommandSpec spec = reads_->CommandOf(item, &arguments_);
    batches_.Add(item.Request(), spec, results_.BytesOf(sink, spec));
    item.sink = nullptr;
  }
}

void ReadQueue::Issue() {
  if (read_point_due_ || reads_->items().empty() ||
      leadership_.kind() == Leadership::Kind::kUnknown ||
      (!leadership_.hosted() && !LinkHasRoom())) {
    return;
  }
  std::unique_ptr<ReadList> reads = std::move(reads_);
  reads_ = spare_reads_ != nullptr ? std::move(spare_reads_)
                                   : std::make_unique<ReadList>();
  const bool remote = leadership_.kind() == Leadership::Kind::kRemote;
  bool any = false;
  for (ReadList::Item& item : reads->items()) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = OrderOf(item.sink);
    if (order.reads_in_log > 0) {
      // This node may not have applied what the read in the log observes. So
      // this read needs a read point after it.
      KeepRead(item, *reads);
      item.sink = nullptr;
      continue;
    }
    --waiting_requests_;
    --order.waiting_reads;
    if (item.sink->routing().drops_reads) {
      Fail(item.Request(), item.slot, RequestFailure::Kind::kNoLeader);
      item.sink = nullptr;
      continue;
    }
    if (AwaitsRoom(item.sink, item.token)) {
      // It waits for its client. As a waiting read it would keep the requests
      // of others from being admitted.
      ++order.issued_reads;
      Park(item.sink,
           ReadToPark(item.Request(), reads->CommandOf(item, &arguments_)));
      item.sink = nullptr;
      continue;
    }
    if (remote && item.redirect) {
      Fail(item.Request(), item.slot, RequestFailure::Kind::kMoved);
      item.sink = nullptr;
      continue;
    }
    ++order.issued_reads;
    any = true;
  }
  if (!any) return;
  read_point_due_ = true;
  ++counters_.read_rounds;
  if (!leadership_.hosted()) return IssueToLeader(std::move(reads));
  parts_.host.Read(leadership_.group(), [this, reads = std::move(reads)](
                                            absl::Status status) mutable {
    OnReadPoint(std::move(reads), status);
  });
}

// If replies hold so many bytes that results could not be kept, each sink has
// one read in the batch.
void ReadQueue::IssueToLeader(std::unique_ptr<ReadList> reads) {
  const LimitsConfig& limits = parts_.config.limits;
  const bool scarce =
      !parts_.budget.Fits(parts_.config.bounds.entry_result_bytes);
  kv::BatchBuilder batch;
  batch.SetRules(leadership_.rules());
  asked_.clear();
  for (size_t i = 0; i < reads->items().size(); ++i) {
    const ReadList::Item& item = reads->items()[i];
    if (item.sink == nullptr) continue;
    uint64_t& round = OrderOf(item.sink).read_round;
    if (scarce && round == counters_.read_rounds) continue;
    const kv::CommandSpec spec = reads->CommandOf(item, &arguments_);
    const size_t size =
        batch.size_bytes() + kv::BatchBuilder::EncodedSize(spec);
    if (!batch.empty() &&
        (batch.count() >= limits.batch_commands || size > limits.batch_bytes)) {
      break;
    }
    batch.Add(spec);
    asked_.push_back(i);
    round = counters_.read_rounds;
  }
  const Buffer asked = batch.Finish();
  forwarding_.Read(asked, [this, asked, reads = std::move(reads)](
                              const raft::ProposeResult& answer) mutable {
    OnLeaderRead(std::move(reads), asked, answer);
  });
}

void ReadQueue::OnLeaderRead(std::unique_ptr<ReadList> reads,
                             const Buffer& asked,
                             const raft::ProposeResult& answer) {
  serving_ = std::move(reads);
  const std::string_view bytes = answer.result.view();
  const kv::ResultReader frame(bytes);
  if (answer.outcome != Outcome::kDone || !frame.ok() ||
      !frame.batch_accepted() || frame.count() > asked_.size() ||
      !kv::ResultsAnswer(bytes, asked.view(), frame.count())) {
    ++counters_.reads_failed;
    leadership_.Pause();
    leadership_.Refresh();
    return EndServing();
  }
  served_at_ = parts_.loop.ReadClock().mono;
  for (const size_t item : asked_) {
    parts_.work.Add(TurnWork::OfRead(serving_->items()[item].arguments_count));
  }
  kv::ResultReader results(bytes);
  // Without any result, the first read needs an entry.
  if (results.done()) {
    ReadList::Item& first = serving_->items()[asked_.front()];
    MoveReadToLog(first.Request(), serving_->CommandOf(first, &arguments_));
    first.sink = nullptr;
  }
  for (size_t i = 0; !results.done(); ++i) {
    Deliver(serving_->items()[asked_[i]], results.Next(), answer.result);
  }
  EndServing();
}

void ReadQueue::MoveReadToLog(const RoutedRequest& request,
                              const kv::CommandSpec& spec) {
  --OrderOf(request.sink).issued_reads;
  batches_.Add(request, spec, results_.BytesOf(request.sink, spec));
  wake_();
}

void ReadQueue::Deliver(ReadList::Item& item, const kv::ResultView& result,
                        const Buffer& all) {
  RequestSink* const sink = item.sink;
  // A read that follows one in the log has to be evaluated after it. The sink's
  // later reads stay behind it.
  if (OrderOf(sink).reads_in_log > 0) serving_later_.push_back(sink);
  if (GoesBehindEarlier(sink)) return;
  const RoutedRequest request = item.Request();
  item.sink = nullptr;
  if (result.status == kv::ResultStatus::kNotOwner) {
    return Refuse(request, serving_->CommandOf(item, &arguments_),
                  item.deadline);
  }
  if (!AwaitsEarlier(OrderOf(sink), item.token) &&
      RoomForResult(request, result)) {
    return AnswerEncoded(request, item.op, item.slot, result, all);
  }
  ParkedRead read = ReadToPark(request, serving_->CommandOf(item, &arguments_));
  if (MayKeep(sink, result)) {
    read.result = result;
    // Small results do not keep the bytes of the others.
    read.result_bytes = IsLong(item.op, result) ? kv::SliceOf(all, result.bytes)
                                                : Buffer::Copy(result.bytes);
  }
  Park(sink, std::move(read));
}

// Earlier reads of the sink need a new read point. So the rest of its reads of
// the round need one, too.
bool ReadQueue::GoesBehindEarlier(RequestSink* sink) const {
  return OrderOf(sink).parked_went_back ||
         std::ranges::find(serving_later_, sink) != serving_later_.end();
}

void ReadQueue::GiveBack(RoutedRequest request, const kv::CommandSpec& spec,
                         MonoTime deadline) {
  if (!RefusedCommands::MayHold(spec.op)) {
    return Fail(request, spec.slot, RequestFailure::Kind::kNoLeader);
  }
  request.deadline = deadline;
  kv::BatchBuilder alone;
  alone.Add(spec);
  parts_.refused.Hold({.request = request,
                       .slot = spec.slot,
                       .group = leadership_.group(),
                       .batch = alone.Finish()});
}

void ReadQueue::OnReadPoint(std::unique_ptr<ReadList> reads,
                            const absl::Status& status) {
  serving_ = std::move(reads);
  serving_next_ = 0;
  if (status.ok()) return ServeReads(/*own_turn=*/false);
  ++counters_.reads_failed;
  leadership_.Pause();
  EndServing();
}

void ReadQueue::PrefetchServing() const {
  const kv::Store* store = leadership_.store();
  if (store == nullptr) return;
  std::array<kv::SlotKey, kv::Store::kPrefetchMax> keys;
  size_t count = 0;
  const auto next = absl::MakeConstSpan(serving_->items())
                        .subspan(serving_next_, kv::Store::kPrefetchMax);
  for (const ReadList::Item& item : next) {
    if (item.sink == nullptr || item.arguments_count == 0) continue;
    keys[count++] = serving_->FirstKeyOf(item);
  }
  // A single key gains nothing.
  if (count > 1) store->Prefetch(absl::MakeConstSpan(keys.data(), count));
}

void ReadQueue::ServeReads(bool own_turn) {
  served_at_ = parts_.loop.ReadClock().mono;
  while (serving_next_ < serving_->items().size()) {
    if (serving_next_ % kv::Store::kPrefetchMax == 0) PrefetchServing();
    ReadList::Item& item = serving_->items()[serving_next_];
    if (item.sink != nullptr && !own_turn && parts_.work.exhausted()) {
      continue_ = parts_.loop.At(parts_.loop.ReadClock().mono,
                                 [this] { ServeReads(/*own_turn=*/true); });
      return;
    }
    ++serving_next_;
    if (item.sink == nullptr) continue;
    own_turn = false;
    if (GoesBehindEarlier(item.sink)) continue;
    switch (Serve(item.Request(), serving_->CommandOf(item, &arguments_),
                  item.deadline)) {
      case Served::kDone:
        item.sink = nullptr;
        break;
      case Served::kNoRoom:
        Park(item.sink, ReadToPark(item.Request(),
                                   serving_->CommandOf(item, &arguments_)));
        item.sink = nullptr;
        break;
      case Served::kLater:
        serving_later_.push_back(item.sink);
        break;
    }
  }
  EndServing();
}

void ReadQueue::EndServing() {
  read_point_due_ = false;
  ClearAndTrim(&serving_later_);
  std::unique_ptr<ReadList> reads = std::move(serving_);
  const bool kept = std::any_of(
      reads->items().begin(), reads->items().end(),
      [](const ReadList::Item& item) { return item.sink != nullptr; });
  if (kept) KeepReads(*reads);
  reads->Clear();
  ClearAndTrim(&arguments_);
  ClearAndTrim(&asked_);
  spare_reads_ = std::move(reads);
  wake_();
}

ReadQueue::Served ReadQueue::Serve(const RoutedRequest& request,
                                   const kv::CommandSpec& spec,
                                   MonoTime deadline) {
  RequestSink::ConnectionOrder& order = OrderOf(request.sink);
  const kv::Store* here = leadership_.store();
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    MoveParkedToBatch(request.sink);
    MoveReadToLog(request, spec);
    return Served::kDone;
  }
  if (order.reads_in_log > 0) return Served::kLater;
  if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    Refuse(request, spec, deadline);
    return Served::kDone;
  }
  if (!MayBegin(request)) return Served::kNoRoom;
  return Evaluate(request, spec, *here);
}

bool ReadQueue::MayBegin(const RoutedRequest& request) const {
  // Reads of one sink are evaluated in order.
  return !AwaitsEarlier(OrderOf(request.sink), request.token) &&
         request.sink->RoomFor(request.token, 0);
}

ReadQueue::Served ReadQueue::Evaluate(const RoutedRequest& request,
                                      const kv::CommandSpec& spec,
                                      const kv::Store& here) {
  if (IsLong(spec)) {
    AnswerInPieces(request, spec);
    return Served::kDone;
  }
  parts_.work.Add(TurnWork::OfRead(spec.arguments.size()));
  bool room = true;
  bool is_long = false;
  const auto answer = [&](const kv::ResultView& result) {
    if (!result.elements.empty()) {
      const ElementBytes bytes = BytesOfElements(result);
      is_long = bytes.copied > bounds().read_piece_bytes * kPiecesAtOnce;
      room = is_long || request.sink->RoomFor(request.token, bytes.all);
    }
    if (room && !is_long) Answer(request, spec.slot, result);
  };
  const bool in_log = !request.stale && parts_.buggify.Fire("node.read_in_log");
  const bool done = !in_log && here.Read(spec, DueBy(request), answer);
  if (!room) return Served::kNoRoom;
  if (is_long) AnswerInPieces(request, spec);
  if (done) return Served::kDone;
  // A key is due by the log time of the read point, but not by that of the last
  // entry, which decides. An entry with the read advances it.
  MoveReadToLog(request, spec);
  return Served::kDone;
}

bool ReadQueue::IsLong(const kv::CommandSpec& spec) const {
  return kv::LongRead::Takes(spec.op) &&
         spec.arguments.size() > bounds().read_piece_keys;
}

bool ReadQueue::IsLong(kv::Op op, const kv::ResultView& result) const {
  return kv::GetsMany(op) && result.kind == kv::PayloadKind::kArray &&
         result.bytes.size() > bounds().read_piece_bytes * kPiecesAtOnce;
}

struct ReadQueue::LongAnswer {
  RequestSink* sink;
  // The command, so that it can be parked.
  ParkedRead command;
  std::vector<std::string_view> arguments;
  std::unique_ptr<kv::LongRead> read;  // Null: it has not begun.
  bool counted = false;
  size_t reserved_bytes = 0;  // In the node's budget, for what is not written.

  RoutedRequest request() const { return command.RequestOf(sink); }
};

void ReadQueue::AnswerInPieces(const RoutedRequest& request,
                               const kv::CommandSpec& spec) {
  ++OrderOf(request.sink).long_reads;
  auto answer = std::make_unique<LongAnswer>();
  answer->sink = request.sink;
  answer->command = ReadToPark(request, spec);
  const size_t bytes = answer->command.arguments.size();
  long_bytes_ += bytes;
  long_work_.Add([this, bytes, answer = std::move(answer)] {
    if (!AnswerPiece(*answer)) return false;
    long_bytes_ -= bytes;
    EndLong(answer->request());
    return true;
  });
}

bool ReadQueue::AnswerPiece(LongAnswer& answer) {
  const RoutedRequest request = answer.request();
  if (answer.read == nullptr && !Begin(answer)) return true;
  if (!answer.counted) {
    parts_.work.Add(TurnWork::OfRead(bounds().read_piece_keys));
    if (answer.read->Count(bounds().read_piece_keys)) return false;
    answer.counted = true;
    if (!TakesElements(answer)) return true;
  }
  const size_t before = answer.read->taken();
  const kv::ResultView piece = {
      .kind = kv::PayloadKind::kArray,
      .elements = answer.read->Next(bounds().read_piece_keys,
                                    bounds().read_piece_bytes),
      .elements_before = before,
      .elements_of_all = answer.read->size()};
  const size_t bytes = BytesOfElements(piece).all;
  parts_.work.Add(TurnWork::OfRead(piece.elements.size()) +
                  bytes / TurnWork::kCopiedBytesPerUnit);
  parts_.budget.Release(bytes);
  answer.reserved_bytes -= bytes;
  if (!piece.ends()) {
    request.sink->OnResult(request.token, piece);
    return false;
  }
  CHECK_EQ(answer.reserved_bytes, size_t{0});
  Answer(request, answer.command.slot, piece);
  return true;
}

bool ReadQueue::Begin(LongAnswer& answer) {
  parts_.work.Add(answer.command.arguments_count /
                  TurnWork::kCopiedArgumentsPerUnit);
  const kv::CommandSpec spec = ParkedCommand(answer.command, &answer.arguments);
  const RoutedRequest request = answer.request();
  const kv::Store* here = leadership_.store();
  if (here == nullptr) {
    // The replica has stopped in the meantime.
    MoveReadToLog(request, spec);
    MoveParkedToBatch(request.sink);
    return false;
  }
  if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    Refuse(request, spec, NewDeadline());
    return false;
  }
  answer.read = here->BeginLongRead(
      spec.op, spec.slot, std::move(answer.arguments), DueBy(request));
  return true;
}

bool ReadQueue::TakesElements(LongAnswer& answer) {
  const RoutedRequest request = answer.request();
  if (answer.read->needs_time()) {
    MoveReadToLog(request, ParkedCommand(answer.command, &answer.arguments));
    return false;
  }
  if (!answer.read->has_elements()) {
    Answer(request, answer.command.slot, answer.read->Whole());
    return false;
  }
  const size_t bytes =
      answer.read->value_bytes() + answer.read->size() * kElementBytes;
  if (!request.sink->RoomFor(request.token, bytes)) {
    // It is evaluated again when there is room, before the sink's later reads.
    Park(request.sink, std::move(answer.command));
    return false;
  }
  parts_.budget.Reserve(bytes);
  answer.reserved_bytes = bytes;
  return true;
}

void ReadQueue::AnswerEncoded(const RoutedRequest& request, kv::Op op,
                              Slot slot, const kv::ResultView& result,
                              const Buffer& all) {
  if (!IsLong(op, result)) {
    Buffer slice;
    return Answer(request, slot, kv::ShareValue(result, all, &slice));
  }
  ++OrderOf(request.sink).long_reads;
  kv::ArrayReader reader(result.bytes);
  // The bytes stay until the last piece, which may be long after the room was
  // granted.
  const size_t reserved = result.bytes.size();
  parts_.budget.Reserve(reserved);
  long_work_.Add([this, request, slot, all, reader, reserved,
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
      request.sink->OnResult(request.token, piece);
      return false;
    }
    parts_.budget.Release(reserved);
    Answer(request, slot, piece);
    EndLong(request);
    return true;
  });
}

void ReadQueue::EndLong(const RoutedRequest& request) {
  RequestSink::ConnectionOrder& order = OrderOf(request.sink);
  --order.long_reads;
  // If it is parked itself, it waits for room.
  const bool wakes =
      order.parked_reads > 0 && order.first_parked != request.token;
  if (wakes) request.sink->OnUnblocked();
  wake_();
}

bool ReadQueue::AwaitsRoom(RequestSink* sink, uint64_t token) const {
  return !leadership_.hosted() && AwaitsEarlier(OrderOf(sink), token);
}

// A result is kept only behind other kept results: reads that are evaluated
// again must not be older than it.
bool ReadQueue::MayKeep(RequestSink* sink, const kv::ResultView& result) const {
  return OrderOf(sink).parked_without_result == 0 &&
         parts_.budget.Fits(result.bytes.size());
}

// A copy of many arguments takes longer than the lookup of a few keys.
ReadQueue::ParkedRead ReadQueue::ReadToPark(const RoutedRequest& request,
                                            const kv::CommandSpec& spec) const {
  Buffer arguments = ReadList::Pack(spec.arguments);
  parts_.work.Add(spec.arguments.size() / TurnWork::kCopiedArgumentsPerUnit +
                  arguments.size() / TurnWork::kCopiedBytesPerUnit);
  return {.group = leadership_.group(),
          .token = request.token,
          .numbers = spec.numbers,
          .slot = spec.slot,
          .op = spec.op,
          .redirect = request.redirect,
          .stale = request.stale,
          .arguments = std::move(arguments),
          .arguments_count = static_cast<uint32_t>(spec.arguments.size())};
}

size_t ReadQueue::BytesOf(const ParkedRead& read) {
  return read.result_bytes.size() + read.arguments.size();
}

void ReadQueue::Park(RequestSink* sink, ParkedRead read) {
  RequestSink::ConnectionOrder& order = OrderOf(sink);
  if (sink->routing().drops_reads) {
    --order.issued_reads;
    return Fail({sink, read.token}, read.slot, RequestFailure::Kind::kNoLeader);
  }
  parts_.budget.Reserve(BytesOf(read));
  ++order.parked_reads;
  if (!read.result.has_value()) ++order.parked_without_result;
  sink->routing().Park(std::move(read));
}

void ReadQueue::Unpark(RequestSink* sink, const ParkedRead& read) {
  parts_.budget.Release(BytesOf(read));
  RequestSink::ConnectionOrder& order = OrderOf(sink);
  --order.parked_reads;
  if (!read.result.has_value()) --order.parked_without_result;
}

void ReadQueue::ServeParked(RequestSink* sink) {
  wake_();
  const RequestSink::ConnectionOrder& state = OrderOf(sink);
  if (leadership_.store() == nullptr &&
      state.issued_reads > state.parked_reads) {
    // The replica has stopped while later reads of the sink await a read point.
    return MoveParkedToBatch(sink);
  }
  ReadList behind_log;
  while (std::optional<ParkedRead> read =
             sink->routing().TakeFirstParked(leadership_.group())) {
    const size_t others = sink->routing().parked();
    if (!ServeParkedRead(sink, *read, &behind_log)) {
      sink->routing().Park(*std::move(read));
    }
    // A long read may be parked again as well. The reads behind it wait.
    if (sink->routing().parked() > others) break;
  }
  if (!behind_log.items().empty()) {
    KeepReads(behind_log);
    RequestSink::ConnectionOrder& order = OrderOf(sink);
    order.parked_went_back =
        order.issued_reads > order.parked_reads + order.long_reads;
  }
  if (OrderOf(sink).first_parked == RequestSink::kNoToken) RenewDeadlines(sink);
}

bool ReadQueue::ServeParkedRead(RequestSink* sink, const ParkedRead& read,
                                ReadList* behind_log) {
  RequestSink::ConnectionOrder& order = OrderOf(sink);
  const RoutedRequest request = read.RequestOf(sink);
  if (read.result.has_value()) {
    if (order.long_reads > 0) return false;
    kv::ResultView result = *read.result;
    result.bytes = read.result_bytes.view();
    if (!RoomForResult(request, result)) return false;
    Unpark(sink, read);
    AnswerEncoded(request, read.op, read.slot, result, read.result_bytes);
    return true;
  }
  const kv::Store* here = leadership_.store();
  const bool goes_back = order.reads_in_log > 0 || here == nullptr;
  kv::CommandSpec spec = {
      .op = read.op, .slot = read.slot, .numbers = read.numbers};
  const bool refused =
      !goes_back && here->RefusalOfSlots(spec) != kv::ResultStatus::kOk;
  // The arguments are unpacked once the read may begin. Otherwise that work
  // alone, of a long read, would end each turn before it. The read is the first
  // of those left: those before it are not parked now.
  if (!goes_back && !refused && !MayBegin(request)) return false;
  parts_.work.Add(read.arguments_count / TurnWork::kCopiedArgumentsPerUnit);
  spec = ParkedCommand(read, &arguments_);
  if (goes_back) {
    // The read in the log may observe more than this node has applied. So the
    // other reads need a read point after it. Without a replica the leader
    // evaluates them.
    behind_log->Append(request, NewDeadline(), spec);
  } else if (here->RefusalOfSlots(spec) != kv::ResultStatus::kOk) {
    Refuse(request, spec, NewDeadline());
  } else if (Evaluate(request, spec, *here) == Served::kNoRoom) {
    return false;
  }
  Unpark(sink, read);
  return true;
}

void ReadQueue::RenewDeadlines(RequestSink* sink) {
  for (ReadList::Item& item : reads_->items()) {
    if (item.sink == sink) item.deadline = NewDeadline();
  }
}

void ReadQueue::DropParked(RequestSink* sink) {
  for (const ParkedRead& read :
       sink->routing().TakeParked(leadership_.group())) {
    Unpark(sink, read);
    --OrderOf(sink).issued_reads;
    Fail({sink, read.token}, read.slot, RequestFailure::Kind::kNoLeader);
  }
}

void ReadQueue::KeepReads(const ReadList& reads) {
  const std::unique_ptr<ReadList> later = std::move(reads_);
  reads_ = std::make_unique<ReadList>();
  std::vector<RequestSink*> unsorted;
  for (const ReadList::Item& item : reads.items()) {
    if (item.sink == nullptr) continue;
    RequestSink::ConnectionOrder& order = OrderOf(item.sink);
    // Parked reads may be older than the reads put back here.
    if (std::exchange(order.parked_went_back, false)) {
      unsorted.push_back(item.sink);
    }
    --order.issued_reads;
    ++order.waiting_reads;
    ++waiting_requests_;
    KeepRead(item, reads);
  }
  for (const ReadList::Item& item : later->items()) {
    if (item.sink != nullptr) KeepRead(item, *later);
  }
  for (RequestSink* sink : unsorted) reads_->SortReadsOf(sink);
}

void ReadQueue::KeepRead(const ReadList::Item& item, const ReadList& reads) {
  reads_->Append(item.Request(), item.deadline,
                 reads.CommandOf(item, &arguments_));
}

void ReadQueue::ExpireWaiting() {
  const MonoTime now = parts_.loop.ReadClock().mono;
  const absl::Status why = leadership_.Unservable();
  if (why.ok() && next_deadline() > now) return;
  // Answers may add reads, so the list is moved away first.
  std::unique_ptr<ReadList> reads = std::move(reads_);
  reads_ = std::make_unique<ReadList>();
  for (const ReadList::Item& item : reads->items()) {
    if (item.sink == nullptr) continue;
    if (why.ok() &&
        (item.deadline > now || AwaitsRoom(item.sink, item.token))) {
      KeepRead(item, *reads);
      continue;
    }
    --OrderOf(item.sink).waiting_reads;
    --waiting_requests_;
    if (leadership_.ended()) {
      GiveBack(item.Request(), reads->CommandOf(item, &arguments_),
               item.deadline);
      continue;
    }
    if (why.ok()) ++counters_.leader_wait_expired;
    Fail(item.Request(), item.slot,
         why.ok() ? RequestFailure::Kind::kNoLeader
                  : RequestFailure::Kind::kRefused,
         why);
  }
}

MonoTime ReadQueue::next_deadline() const {
  if (AwaitLink()) return MonoTime::Max();
  MonoTime next = MonoTime::Max();
  for (const ReadList::Item& item : reads_->items()) {
    if (item.sink == nullptr || AwaitsRoom(item.sink, item.token)) continue;
    next = std::min(next, item.deadline);
  }
  return std::max(next, ServedDeadline());
}

}  // namespace quorate::node
